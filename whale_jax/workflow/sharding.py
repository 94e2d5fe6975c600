"""What is made of every photo, done in shards: by several hosts, or by processes that know nothing of each other.

A stage here is what `stage` opens: its program, config and folder.
"""

import contextlib
import shutil
from collections.abc import Iterable
from typing import Any

from whale_jax.data import shards
from whale_jax.runtime import errors, hosts
from whale_jax.workflow import json_files


def deal_out(stage: Any) -> None:
    """Does in shards what is made of every photo, where there are several hosts, or where that was begun in shards."""
    there = shards.every(stage.workdir)
    hosts.wait()  # until all have looked
    if stage.program.shard and (there or hosts.count() > 1):
        there = there or [shards.Shard(i, hosts.count()) for i in range(hosts.count())]
        hosts.each(_make_all, stage, there[hosts.index() :: hosts.count()])


def make(stage: Any, shard: shards.Shard) -> None:
    """Does one shard, unless it is whole."""
    if not shard.done(stage.workdir):
        stage.program.shard(stage.config, stage.workdir, shard)
        shard.finish(stage.workdir)


def discard(stage: Any, shard: shards.Shard, error: errors.InputError) -> errors.InputError:
    """Removes the folder of a shard that could not be made, and that of all where no other is there; what to say."""
    folder = shard.folder(stage.workdir)
    if {path.name for path in folder.iterdir()} <= {json_files.LOCK}:
        shutil.rmtree(folder)
    with contextlib.suppress(OSError):  # it is not empty
        folder.parent.rmdir()
    remedy = f"\nto change the config, delete {stage.workdir} first: it has other shards"
    return errors.InputError(f"{error}{remedy if folder.parent.exists() else ''}")


def _make_all(stage: Any, dealt: Iterable[shards.Shard]) -> None:
    for shard in dealt:
        with json_files.locked(shard.folder(stage.workdir)):
            try:
                make(stage, shard)
            except errors.InputError as error:
                raise discard(stage, shard, error) from None
