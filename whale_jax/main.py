"""python -m whale_jax.main --config=configs/demo.py --workdir=runs/demo

The only file that knows flags: it sets up JAX, turns the config into a run and an error into a message.
"""

import os
import signal
import sys

if __name__ == "__main__":  # before what takes seconds to import
    signal.signal(signal.SIGTERM, lambda *_: os._exit(75))  # a callback of JAX may swallow an exception
    from whale_jax.runtime import pages

    pages.arrange(sys.argv[1:])

import argparse
import errno
import time
from pathlib import Path

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from whale_jax.data.shards import Shard
from whale_jax.runtime import hosts, preemption, process, progress
from whale_jax.runtime.errors import InputError, PreemptedError
from whale_jax.workflow import overview, renamed, stage

CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment, a file in configs/.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder. A run that was cut off goes on there.")
PRINT = flags.DEFINE_bool("print_config", False, "Prints every key of the config with its value, and runs nothing.")
SHARD = flags.DEFINE_string("shard", None, "Such as 3/8: of the work on every photo, only the fourth eighth is done.")
WAY = flags.DEFINE_enum("distributed", "none", hosts.WAYS, "How the processes of this run find each other.")
COORDINATOR = flags.DEFINE_string("coordinator_address", None, "With --distributed=explicit: host:port of process 0.")
NUMBER = flags.DEFINE_integer("num_processes", None, "With --distributed=explicit: the number of processes.")
INDEX = flags.DEFINE_integer("process_id", None, "With --distributed=explicit: the index of this process, from 0.")
TIMEOUT = flags.DEFINE_integer("connect_timeout", 300, "Seconds that processes wait for each other at the start.")
PAGES = flags.DEFINE_bool("huge_pages", True, "On Linux, memory is kept, in huge pages; --nohuge_pages: not.")
MODULE = "config_config"  # what ml_collections calls the file of the flag --config
FLAGS = (CONFIG, WORKDIR, PRINT, SHARD, WAY, COORDINATOR, NUMBER, INDEX, TIMEOUT, PAGES)


def main(argv: list[str]) -> None:
    """Runs the config's program in the workdir, or prints the config."""
    if len(argv) > 1:
        raise InputError(f"unknown argument {argv[1]!r}: everything is a flag, such as --config.seed=1")
    if PRINT.value:
        print(CONFIG.value.to_json_best_effort(indent=1))
        return
    if SHARD.value and WAY.value != "none":
        raise InputError("--shard is for processes that know nothing of each other: leave out --distributed")
    if not WORKDIR.value:
        raise InputError("--workdir is missing or empty: name the folder of the run")
    shard = Shard.read(SHARD.value) if SHARD.value else None
    process.set_up()
    hosts.connect(WAY.value, address=COORDINATOR.value, number=NUMBER.value, index=INDEX.value, timeout=TIMEOUT.value)
    workdir, start = Path(WORKDIR.value), time.perf_counter()
    if shard:
        stage.run_shard(CONFIG.value, workdir, shard=shard)
        return
    stage.run(CONFIG.value, workdir)
    seconds = progress.duration(time.perf_counter() - start)
    results = "\n".join(f"  {path}" for path in overview.results(workdir))
    logging.info("done in %s; the results are\n%s", seconds, results)
    if step := overview.next_step(workdir):
        logging.info("%s", step)


def read_flags(argv: list[str]) -> list[str]:
    """The arguments that are no flags. Raises InputError for a flag or key that does not exist, or a bad value."""
    if {"--help", "-h"} & set(argv):
        print(overview.help_text({holder.name: flags.FLAGS[holder.name].help for holder in FLAGS}))
        sys.exit(0)
    try:
        rest = flags.FLAGS(argv)
        CONFIG.value.program  # noqa: B018  a missing config file is noticed only when it is used
    except (KeyError, AttributeError) as error:
        unknown = error if isinstance(error, KeyError) else error.__context__
        if not isinstance(unknown, KeyError) or MODULE not in sys.modules:
            raise  # a mistake in the config file itself
        raise overview.unknown_key(given_config(argv), str(unknown.args[0]).strip("'").partition("'")[0]) from None
    except (flags.Error, OSError) as error:
        raise InputError(f"{error}\nusage: {__doc__.splitlines()[0]}") from None
    return rest


def given_config(argv: list[str]) -> ConfigDict:
    """The config that --config names, without the other arguments' changes to it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config")
    _, colon, argument = parser.parse_known_args(argv[1:])[0].config.partition(":")
    return sys.modules[MODULE].get_config(*[argument] * bool(colon))  # read again, it would register models again


def run() -> None:
    """The command line: a mistake that a person can mend gets one message and exit code 2."""
    sys.argv[:] = map(renamed.current_flag, sys.argv)
    try:
        flags.mark_flag_as_required("config")
        app.run(main, flags_parser=read_flags)
    except InputError as error:
        sys.exit(_print(error))
    except PreemptedError as error:
        sys.exit(_print(f"{error}: give the same command again, it goes on from there", code=preemption.EXIT))
    except KeyboardInterrupt:
        sys.exit(_print("stopped: give the same command again, it goes on from the last checkpoint", code=130))
    except BrokenPipeError:  # the reader has seen enough, such as `head`
        os._exit(1)  # or the interpreter would complain at its end that it cannot print the rest
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(_print(f"{error}: make room and give the same command again, it goes on where it stopped"))


def _print(message: Exception | str, *, code: int = 2) -> int:
    print(f"\nwhale_jax: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    run()
