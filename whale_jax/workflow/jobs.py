"""A stage that may run: its config is sound, its inputs are finished and its folder belongs to no other."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from whale_jax.workflow import folders, inputs, json_files, program, renamed
from whale_jax.workflow.program import Program


class Job(NamedTuple):
    """A stage that may run.

    Attributes:
        program: the work.
        config: of the program.
        workdir: the stage's folder.
        inputs: name -> result.json of each input.
        labels: what config.json and inputs.json hold: "config", and the "inputs" by their identities.
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
        if owner.interactive:  # what a person sets anew each time
            content, existing = (
                {"inputs": sorted(side["inputs"])} for side in (content, existing)
            )  # wherever they lie
    folders.expect(workdir, label="config", content=content, existing=existing)


def split_and_fold(job: Job) -> dict[str, Any]:
    """The one split that a job's inputs belong to and the one fold held out (see `inputs.split_and_fold`)."""
    return inputs.split_and_fold(job.inputs, job.config, program=job.program, workdir=job.workdir)


def digest(job: Job, content: Any) -> str:
    """The digest of config, inputs and the content that the program reports. Where the inputs lie does not matter."""
    files = {name: value for name, value in job.labels["inputs"].items() if name not in job.inputs}
    digests = {name: result["digest"] for name, result in job.inputs.items()} | files
    return json_files.hash_of([{**job.labels["config"], "inputs": digests}, content])


def is_complete(job: Job, result: Mapping[str, Any]) -> bool:
    """Whether a job with this result has nothing left to do: a pipeline may have got more stages."""
    if job.program.interactive or job.program.always_runs:
        return False
    if not job.program.runs_stages:
        return True
    content = job.program.digest(job.config, job.workdir)
    return content is not None and digest(job, content) == result["digest"]
