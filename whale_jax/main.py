"""python -m whale_jax.main --config=configs/demo.py --workdir=runs/demo

The only file that knows flags: it sets up JAX, turns the config into a run and an error into a message.
"""

import errno
import logging as stdlib_logging
import os
import sys
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from whale_jax.errors import InputError
from whale_jax.programs import stage

CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment, a file under configs/.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder; a run that was cut off goes on in it.")


def main(argv: list[str]) -> None:
    """Runs the config's program in the workdir."""
    if len(argv) > 1:
        raise InputError(f"unknown argument {argv[1]!r}: everything is a flag, such as --config.seed=1")
    set_up_jax()
    quieten()
    stage.run(CONFIG.value, Path(WORKDIR.value))


def read_flags(argv: list[str]) -> list[str]:
    """What absl leaves of the arguments when it has read the flags; what it cannot read is the person's to mend."""
    try:
        rest = flags.FLAGS(argv)
        CONFIG.value.program  # noqa: B018  a config file that is not there shows only when it is used
    except (KeyError, AttributeError) as error:
        unknown = error if isinstance(error, KeyError) else error.__context__
        if not isinstance(unknown, KeyError):
            raise  # a mistake in the config file itself
        raise InputError(f"unknown config key {unknown.args[0]}") from None
    except (flags.Error, OSError) as error:
        raise InputError(f"{error}\nusage: {__doc__.splitlines()[0]}") from None
    return rest


def set_up_jax() -> None:
    """One simulated device a core, used where there is only the CPU; and what was compiled once is kept.

    Sharding over the cores beats XLA's own threads there. The networks of a run's folds and parts compile to the
    same programs, so a cache on disk halves the time of a short run.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_num_cpu_devices", cores)
    if not jax.config.jax_compilation_cache_dir:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whale_jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def quieten() -> None:
    """Our own lines and progress bars, without the libraries' chatter."""
    for name in ("jax", "orbax", "etils"):
        stdlib_logging.getLogger(name).setLevel(stdlib_logging.WARNING)
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.setFormatter(stdlib_logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: record.levelno >= stdlib_logging.WARNING or "whale_jax" in record.pathname)


def run() -> None:
    """Command line entry point: exit code 2 and one message for what a person can mend."""
    try:
        flags.mark_flags_as_required(["config", "workdir"])
        app.run(main, flags_parser=read_flags)
    except InputError as error:
        sys.exit(_say(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(_say(f"{error}: make room and give the same command again, it goes on where it stopped"))


def _say(error: Exception | str) -> int:
    print(f"\nwhale_jax: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    run()
