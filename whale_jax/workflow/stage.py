"""What every stage does around its own work, in a folder with config.json and result.json.

A complete stage is skipped, and one that was cut off goes on. A folder of another config, an input that has changed
since, and inputs of different splits or held-out folds are refused. A stage that is refused leaves no trace.

This module is the door to the package: a config is made by `config`, and `run` runs it.
"""

import contextlib
import datetime
import time
from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from whale_jax.data.shards import Shard
from whale_jax.runtime import errors, hosts, pages, preemption, storage
from whale_jax.workflow import folders, jobs, json_files, provenance, sharding
from whale_jax.workflow.jobs import Job, claim
from whale_jax.workflow.program import check, complete, config

__all__ = ["check", "claim", "complete", "config", "run", "run_shard"]


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs the program that `config.program` names in `workdir`, unless that has been done.

    Args:
        config: of one program. `config.inputs`, where there is one, names the folders of earlier stages.
        workdir: the stage's folder.

    Returns:
        The content of result.json: what the program returned, and seconds, digest, split, fold, inputs, checksums of
        the stage's files, and the code, versions and device that made them. The fold is the one that nothing was
        learned from, where there is one.

    Raises:
        InputError: a bad config; a folder of another one, where another run is at work or that cannot be written to; a
            missing, damaged or changed input; inputs of different splits or folds.

    Several hosts call it alike. They run a program that is `together` as one. Of any other, each host does some of the
    shards, if there are shards, and the first host does the rest while the others wait.
    """
    preemption.heed()
    job = jobs.prepare(config, Path(workdir))
    if result := _complete(job):
        hosts.once(job.program.revisit, config, job.workdir)
        return result
    split_and_fold = jobs.split_and_fold(job)
    hosts.wait()  # until every host has seen what the folder holds
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        hosts.each(_take_folder, job, stack)
        if result := _complete(job):  # by another process, while this one waited for the folder
            return result
        try:
            if job.program.together:
                _work(job, split_and_fold, start)
                hosts.wait()
            else:
                sharding.share_out(job)
                hosts.once(_work, job, split_and_fold, start)
        except errors.InputError:
            folders.withdraw(job.workdir)
            raise
    return provenance.read_together(job.workdir)


def run_shard(config: ConfigDict, workdir: Path, *, shard: Shard) -> None:
    """Does one shard of a program's work on every photo. The process that does the last one also runs the stage.

    Of a pipeline it does the shard of each stage whose turn it is. `run` does the shards that are missing.

    Raises:
        InputError: as `run` does; a program that has no shards, or a folder with another number of them.
    """
    job = jobs.prepare(config, Path(workdir))
    if not job.program.shard:
        raise errors.InputError(f"program {config.program!r} is not done in shards: run it without --shard")
    if job.program.runs_stages:
        job.program.shard(config, job.workdir, shard)
        return
    if provenance.read(job.workdir):
        return
    jobs.split_and_fold(job)
    if sharding.make_one(job, shard):
        with contextlib.suppress(folders.BusyError):  # another process has seen it too
            run(config, workdir)


def _complete(job: Job) -> dict[str, Any] | None:
    """The result of a job that has nothing left to do."""
    result = provenance.read_together(job.workdir)
    return result if result and hosts.agree(jobs.is_complete(job, result)) else None


def _take_folder(job: Job, stack: contextlib.ExitStack) -> None:
    """Has the first host lock the folder, until `stack` is closed."""
    if hosts.first():
        stack.enter_context(folders.locked(job.workdir))
        folders.sweep(job.workdir)
        folders.mark(job.workdir, job.labels)


def _work(job: Job, split_and_fold: dict[str, Any], start: float) -> None:
    """Runs the program in its folder and writes result.json."""
    if job.program.repeats:
        (job.workdir / storage.RESULT).unlink(missing_ok=True)  # of the last time; it is not true any more
    existing = json_files.read(job.workdir / storage.RESULT) or {}  # of a pipeline that has got more stages
    report = job.program.run(job.config, job.workdir)
    if not hosts.first():
        return
    result = {
        "program": job.config.program,
        "seed": job.labels["config"].get("seed"),
        "seconds": round(existing.get("seconds", 0) + time.perf_counter() - start, 1),
        "ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "device": provenance.device(),
        "huge_pages": pages.used(),
        **split_and_fold,
        **report,
        "inputs": {name: result["digest"] for name, result in job.inputs.items()},
        "digest": jobs.digest(job, report.get("digest")),
        "code": provenance.code(),
        "versions": provenance.versions(),
    }
    sealed = provenance.seal(result, job.workdir, whole=not job.program.runs_stages)
    json_files.write(job.workdir / "result.json", sealed)
    for caveat in report.get("caveats", ()):
        logging.warning("%s: %s", job.workdir.name, caveat)
