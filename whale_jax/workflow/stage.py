"""What every stage does around its own work: a folder with config.json and result.json, and who made its inputs.

A stage that is complete is skipped; one that was cut off goes on; a folder of another config, an input that has
changed since, or inputs that belong to different splits or hold out different folds are refused. What is refused
before it has begun leaves no trace.
"""

import contextlib
import datetime
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import shards
from whale_jax.runtime import errors, hosts, preemption, registry
from whale_jax.workflow import json_files, provenance, ranges, renamed, sharding
from whale_jax.workflow.program import Program, find


def config(program: str, **changes: Any) -> ConfigDict:
    """The config of a program: its defaults and what an experiment changes. An unknown key raises InputError."""
    changes = renamed.current(changes, warn=True)
    _check_keys(changes, program, find(program).defaults)
    return ConfigDict(complete({"program": program, **changes}))


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown program or key, a number out of its range, or what the program finds wrong."""
    program = find(config.program)
    _check_keys(config, config.program, {"program", *program.defaults})
    ranges.check(config)
    program.check(config)


def claim(config: ConfigDict, workdir: Path) -> None:
    """Raises InputError where `workdir` belongs to another config. A program that runs stages may look at theirs."""
    program, there = find(config.program), renamed.read_config(workdir / "config.json")
    wanted = json.loads(config.to_json_best_effort())
    if program.runs_stages:
        program.claim(config, workdir)
        wanted, there = {"program": config.program}, there and {"program": there.get("program")}
    elif there and there.get("program") == config.program:  # a key from after the folder was made counts as its default
        wanted, there = (json.loads(json.dumps(complete(one))) for one in (wanted, there))
    _match(workdir, "config", wanted, there)


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs the program that `config.program` names in `workdir`, unless that has been done.

    Args:
        config: of one program. `config.inputs`, where there is one, names the folders of earlier stages.
        workdir: the stage's folder.

    Returns:
        What stands in result.json: what the program returned, and seconds, digest, split, fold, inputs, checksums of
        the stage's files, and the code, versions and device that made them. The fold is the one that nothing was
        learned from, where there is one.

    Raises:
        InputError: a bad config, a folder of another one, where another run is at work or that cannot be written to, a
            missing, damaged or changed input, inputs of different splits or folds.

    Several hosts call it alike. They run a program that is `together` as one; of another, each does some of the shards,
    if it has any, and waits while the first host runs it.
    """
    preemption.heed()
    one = _open(config, Path(workdir))
    if (done := provenance.read_together(one.workdir)) and hosts.agree(_is_complete(one, done)):
        hosts.once(one.program.revisit, config, one.workdir)
        return done
    sides = provenance.sides(one)
    hosts.wait()  # until all have seen what there is, and what is not
    began = time.perf_counter()
    with contextlib.ExitStack() as held:
        hosts.each(_begin, one, held)
        if one.program.together:
            _work(one, sides, began)
            hosts.wait()
        else:
            try:
                sharding.deal_out(one)
            except errors.InputError:
                _withdraw(one.workdir)
                raise
            hosts.once(_work, one, sides, began)
    if (result := provenance.read_together(one.workdir)) is None:
        raise errors.InputError(f"{one.workdir}: the first host could not do it, and says why")
    return result


def run_shard(config: ConfigDict, workdir: Path, own: shards.Shard) -> None:
    """Does one shard of what the program makes of every photo; the process that does the last puts all together.

    A shard of a pipeline is that of each stage whose turn it is. `run` does those that are missing, if there are any.

    Raises:
        InputError: as `run` does, a program that is not done in shards, or a folder of another number of them.
    """
    one = _open(config, Path(workdir))
    if not one.program.shard:
        raise errors.InputError(f"program {config.program!r} is not done in shards: run it without --shard")
    if one.program.runs_stages:
        one.program.shard(config, one.workdir, own)
        return
    if provenance.read(one.workdir):
        return
    provenance.sides(one)
    with contextlib.ExitStack() as held:
        with json_files.locked(one.workdir):  # so that neither a run of all nor what clears up comes between
            there = shards.every(one.workdir)
            if there and own not in there:
                what = f"go on with these, or delete {one.workdir / shards.FOLDER}"
                raise errors.InputError(
                    f"{one.workdir} was dealt out into {len(there)} shards, not {own.number}: {what}"
                )
            held.enter_context(json_files.locked(own.folder(one.workdir)))
            _say(one)
        try:
            sharding.make(one, own)
        except errors.InputError as error:
            with json_files.locked(one.workdir):
                mistake = sharding.discard(one, own, error)
                if not shards.every(one.workdir):
                    for name in one.known:
                        (one.workdir / f"{name}.json").unlink(missing_ok=True)
            raise mistake from None
    if not (there := shards.every(one.workdir)):
        return  # another has put them together
    done = sum(shard.done(one.workdir) for shard in there)
    logging.info("%s: %d of %d shards are done", one.workdir, done, len(there))
    if done == len(there):
        with contextlib.suppress(json_files.BusyError):  # another has seen it too
            run(config, workdir)


class _Stage(NamedTuple):
    """A stage that may begin: nothing is wrong with its config and its inputs, nor does its folder belong to another.

    Attributes:
        program: what it does.
        config: of it.
        workdir: its folder.
        inputs: result.json of each input.
        known: what is written of it before it begins: "config" and "inputs", their identities.
    """

    program: Program
    config: ConfigDict
    workdir: Path
    inputs: dict[str, dict]
    known: dict[str, dict]


def _open(config: ConfigDict, workdir: Path) -> _Stage:
    check(config)
    claim(config, workdir)
    wanted = json.loads(config.to_json_best_effort())
    inputs = {name: provenance.required(path) for name, path in wanted.get("inputs", {}).items() if path}
    identities = {name: provenance.identity(result) for name, result in inputs.items()}
    one = _Stage(find(config.program), config, workdir, inputs, {"config": wanted, "inputs": identities})
    if not one.program.runs_stages:
        _match(workdir, "inputs", identities, json_files.read(workdir / "inputs.json"))
    return one


def _begin(one: _Stage, held: contextlib.ExitStack) -> None:
    """Has the first host take the folder, for as long as `held` is open."""
    if hosts.first():
        held.enter_context(json_files.locked(one.workdir))
        json_files.sweep(one.workdir)
        _say(one)


def _is_complete(one: _Stage, result: Mapping[str, Any]) -> bool:
    """Whether nothing is left to do: of a pipeline, whether its stages are those of its result, and done."""
    if not one.program.runs_stages:
        return True
    content = one.program.digest(one.config, one.workdir)
    return content is not None and _digest(one, content) == result["digest"]


def _digest(one: _Stage, content: Any) -> str:
    """Of the config, the inputs and what a program says that it made of them. Where the inputs lie is no matter."""
    digests = {name: result["digest"] for name, result in one.inputs.items()}
    return json_files.hash_of([{**one.known["config"], "inputs": digests}, content])


def _work(one: _Stage, sides: dict[str, Any], began: float) -> None:
    """Runs the program in its folder, and writes what `run` returns."""
    before = json_files.read(one.workdir / "result.json") or {}  # of a pipeline that has got more stages
    try:
        found = one.program.run(one.config, one.workdir)
    except errors.InputError:
        _withdraw(one.workdir)
        raise
    if not hosts.first():
        return
    result = {
        "program": one.config.program,
        "seed": one.known["config"].get("seed"),
        "seconds": round(before.get("seconds", 0) + time.perf_counter() - began, 1),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "device": provenance.device(),
        **sides,
        **found,
        "inputs": {name: result["digest"] for name, result in one.inputs.items()},
        "digest": _digest(one, found.get("digest")),
        "code": provenance.code(),
        "versions": provenance.versions(),
    }
    sealed = provenance.seal(result, one.workdir, whole=not one.program.runs_stages)
    json_files.write(one.workdir / "result.json", sealed)
    for caveat in found.get("caveats", ()):
        logging.warning("%s: %s", one.workdir.name, caveat)


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with its program's defaults for what it leaves open, and those of the parts that it names."""
    program = find(config["program"])
    full = {**program.defaults, **config}
    if "inputs" in full:
        full["inputs"] = {**program.defaults["inputs"], **full["inputs"]}
    for what, table in program.specs.items():
        full[what] = registry.complete(what, table, full[what])
    return full


def _check_keys(keys: Iterable[str], program: str, known: Iterable[str]) -> None:
    for key in keys:
        if key not in known:
            raise errors.unknown(f"key of program {program!r}", key, known)


def _say(one: _Stage) -> None:
    """Writes whose the folder is, once: how old config.json is tells what has changed since the stage began."""
    for name, content in one.known.items():
        if json_files.read(path := one.workdir / f"{name}.json") != content:
            json_files.write(path, content)


def _match(workdir: Path, name: str, own: Mapping[str, Any], there: Mapping[str, Any] | None) -> None:
    """Raises InputError where the folder's `name`.json is there and says something else."""
    if there not in (None, own):
        differ = ", ".join(sorted(key for key in {*there, *own} if there.get(key) != own.get(key)))
        raise errors.InputError(f"{workdir} belongs to other {name} ({differ} differ): choose another --workdir")


def _withdraw(workdir: Path) -> None:
    """Removes what says whose a folder is, and the folder, where nothing else is in it."""
    if hosts.first() and {path.name for path in workdir.iterdir()} <= {"config.json", "inputs.json", json_files.LOCK}:
        for path in workdir.iterdir():
            path.unlink()
        workdir.rmdir()
