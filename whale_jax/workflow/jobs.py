"""A stage that may run: its config is sound, its inputs are finished and its folder belongs to no other."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from whale_jax.runtime import errors
from whale_jax.workflow import folders, inputs, json_files, program, renamed
from whale_jax.workflow.program import Program

PLACES = ("root", "gallery")  # keys of folders that no stage has made


class Job(NamedTuple):
    """A stage that may run.

    Attributes:
        program: the work.
        config: of the program.
        workdir: the stage's folder.
        inputs: name -> result.json of each input.
        labels: "config" and "inputs" -> the content of config.json, and of inputs.json: the identity of each input.
    """

    program: Program
    config: ConfigDict
    workdir: Path
    inputs: dict[str, dict]
    labels: dict[str, dict]


def prepare(config: ConfigDict, workdir: Path) -> Job:
    """The job of a config in a folder. Raises InputError where config, inputs or folder do not allow it."""
    program.check(config)
    claim(config, workdir)
    plain = json.loads(config.to_json_best_effort())
    results = inputs.read(plain)
    identities = {name: inputs.identity(result) for name, result in results.items()}
    owner = program.find(config.program)
    identities |= owner.files(config)
    job = Job(owner, config, workdir, results, {"config": plain, "inputs": identities})
    if not job.program.runs_stages:
        existing = json_files.read(workdir / "inputs.json")
        folders.expect(workdir, label="inputs", content=identities, existing=existing)
    return job


def claim(config: ConfigDict, workdir: Path) -> None:
    """Raises InputError where `workdir`, or the folder of a stage in it, belongs to another config."""
    owner, existing = program.find(config.program), renamed.read_config(workdir / "config.json")
    content = json.loads(config.to_json_best_effort())
    if owner.runs_stages:
        owner.claim(config, workdir)
        content, existing = {"program": config.program}, existing and {"program": existing.get("program")}
    elif existing and existing.get("program") == config.program:
        # A key that is newer than the folder counts as its default.
        content, existing = (json.loads(json.dumps(program.complete(side))) for side in (content, existing))
        if owner.interactive:  # a person sets its keys anew each time
            content, existing = ({"inputs": dict.fromkeys(side["inputs"], "")} for side in (content, existing))
        content, existing = _comparable(content), _comparable(existing)
    folders.expect(workdir, label="config", content=content, existing=existing)


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """A config without the spelling of its paths: a run goes on after it was moved, or from another working directory.

    Of an input its name is left, for inputs.json holds what is in it; the folders of photos become absolute.
    """
    inputs = {name: Path(path).name for name, path in config.get("inputs", {}).items()}
    return config | {"inputs": inputs} | {key: os.path.abspath(config[key]) for key in PLACES if config.get(key)}


def split_and_fold(job: Job) -> dict[str, Any]:
    """The hash of the one "split" that a job belongs to, and the one "fold" that it holds out; None where it has none.

    Inputs of several splits, or that hold out several folds, raise InputError.
    """
    bound = [result for name, result in job.inputs.items() if name not in job.program.inputs_of_other_photos]
    split, fold = ({result[key] for result in bound if result.get(key) is not None} for key in ("split", "fold"))
    if len(split) > 1:
        folders_of = job.config.inputs
        origins = [f"  {folders_of[key]}: {value['split']}" for key, value in job.inputs.items() if value.get("split")]
        message = f"the inputs of {job.workdir} belong to {len(split)} different splits: make them from one"
        raise errors.InputError("\n".join([message, *origins]))
    fold |= {job.config.fold} if "fold" in job.config else set()
    if len(fold) > 1 and job.program.any_fold:
        fold = set()
    if len(fold) > 1:
        held_out = " and ".join(map(str, sorted(fold)))
        raise errors.InputError(
            f"{job.workdir} and what it is made from hold out folds {held_out} (-1 is none): a network would be"
            " validated on photos that it was trained on; set one fold for all of them"
        )
    return {"split": next(iter(split), None), "fold": next(iter(fold), None)}


def digest(job: Job, content: Any) -> str:
    """The digest of config, inputs and the content that the program reports. Where the inputs lie does not matter."""
    files = {name: value for name, value in job.labels["inputs"].items() if name not in job.inputs}
    digests = {name: result["digest"] for name, result in job.inputs.items()} | files
    return json_files.hash_of([{**job.labels["config"], "inputs": digests}, content])


def is_complete(job: Job, result: Mapping[str, Any]) -> bool:
    """Whether a job with this result has nothing left to do: a pipeline may have got more stages."""
    if job.program.repeats:
        return False
    if not job.program.runs_stages:
        return True
    content = job.program.digest(job.config, job.workdir)
    return content is not None and digest(job, content) == result["digest"]
