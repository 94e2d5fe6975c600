"""Work on every photo, done in shards: by several hosts, or by processes that know nothing of each other."""

import contextlib
import shutil
from collections.abc import Iterable

from absl import logging

from whale_jax.data import shards
from whale_jax.data.shards import Shard
from whale_jax.runtime import errors, hosts
from whale_jax.workflow import folders
from whale_jax.workflow.jobs import Job


def share_out(job: Job) -> None:
    """Does a job's shards, where there are several hosts or some shards were done before; `Program.run` does the rest.

    Every host calls it, and does its share.
    """
    planned = shards.plan(job.workdir)
    hosts.wait()  # until all hosts have looked
    if job.program.shard and (planned or hosts.count() > 1):
        planned = planned or [Shard(i, hosts.count()) for i in range(hosts.count())]
        hosts.each(_make_all, job, planned[hosts.index() :: hosts.count()])


def make_one(job: Job, shard: Shard) -> bool:
    """Does one shard of a job. Returns whether all shards are done now.

    Raises:
        InputError: a folder with another number of shards, where another process is at this one, or bad photos. What
            cannot be done leaves no trace.
    """
    with contextlib.ExitStack() as stack:
        with folders.locked(job.workdir):  # so that neither a run of all shards nor a clean-up comes between
            planned = shards.plan(job.workdir)
            if planned and shard not in planned:
                advice = f"go on with these, or delete {job.workdir / shards.FOLDER}"
                raise errors.InputError(
                    f"{job.workdir} was divided into {len(planned)} shards, not {shard.number}: {advice}"
                )
            stack.enter_context(folders.locked(shard.folder(job.workdir)))
            folders.mark(job.workdir, job.labels)
        try:
            _make(job, shard)
        except errors.InputError as error:
            with folders.locked(job.workdir):
                mistake = _discard(job, shard, error=error)
                if not shards.plan(job.workdir):
                    folders.unmark(job.workdir)
            raise mistake from None
    if not (planned := shards.plan(job.workdir)):
        return False  # another process has put them together
    finished = sum(each.is_complete(job.workdir) for each in planned)
    logging.info("%s: %d of %d shards are done", job.workdir, finished, len(planned))
    return finished == len(planned)


def _make_all(job: Job, dealt_out: Iterable[Shard]) -> None:
    for shard in dealt_out:
        with folders.locked(shard.folder(job.workdir)):
            try:
                _make(job, shard)
            except errors.InputError as error:
                raise _discard(job, shard, error=error) from None


def _make(job: Job, shard: Shard) -> None:
    """Does one shard, unless it is whole."""
    if not shard.is_complete(job.workdir):
        job.program.shard(job.config, job.workdir, shard)
        shard.finish(job.workdir)


def _discard(job: Job, shard: Shard, *, error: errors.InputError) -> errors.InputError:
    """Removes the folder of a shard that failed, and the folder of all shards if it is empty then.

    Returns:
        The error to raise, which says so where other shards keep the config from being changed.
    """
    folder = shard.folder(job.workdir)
    if {path.name for path in folder.iterdir()} <= {folders.LOCK}:
        shutil.rmtree(folder)
    with contextlib.suppress(OSError):  # it is not empty
        folder.parent.rmdir()
    advice = f"\nto change the config, delete {job.workdir} first: it has other shards"
    return errors.InputError(f"{error}{advice if folder.parent.exists() else ''}")
