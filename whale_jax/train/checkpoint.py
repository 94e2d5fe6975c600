"""Checkpoints by Orbax: the last two steps and the best, written in the background, each renamed when it is whole.

Orbax does not see that a byte has changed on the disk: each checkpoint carries a checksum of every array, and one of
what stands beside them. Each also says which step was the best so far: Orbax would read the ratings of all steps when
it opens a folder, and one that is damaged would cost them all.
"""

import contextlib
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from flax import traverse_util

from whale_jax.runtime import errors, hosts
from whale_jax.train.state import TrainState

ITEM = "progress"  # what stands beside the arrays
SAID = 200  # characters of what Orbax says of a file, which may be pages


class Checkpoints:
    """The checkpoints of one run: `<folder>/<step>`, the last two, in case one is damaged, and the best of them.

    Of a run that is done, `prune` leaves the last and the best.

    Args:
        folder: made if it is not there; gs:// works as well.
        maximise: whether a higher rating is better.
    """

    def __init__(self, folder: Path, *, maximise: bool):
        self._sign, self._best = 1 if maximise else -1, {}
        processes = _processes()
        options = ocp.CheckpointManagerOptions(
            preservation_policy=_LatestAndBest(self._best),
            cleanup_tmp_directories=True,
            multiprocessing_options=processes,
            create=processes.active_processes is None,  # Orbax has all hosts do it, or none
        )
        there = "://" in str(folder)
        self._folder = epath.Path(folder if there else Path(folder).resolve())
        handlers = {"state": ocp.StandardCheckpointHandler(), ITEM: ocp.JsonCheckpointHandler()}
        try:
            if there:
                # Or nobody would learn before the first step is saved.
                (self._folder / "writable").write_text("", encoding="utf-8")
            self._manager = ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)
        except Exception as error:  # Orbax and what reads buckets have none of their own
            raise errors.InputError(
                f"{folder} cannot be opened: {_brief(error)}: may this machine write there?"
            ) from error
        for step in self._manager.all_steps():
            with contextlib.suppress(errors.InputError):  # whoever wants that step is told
                self._best[step] = self._item(step)["best"]

    def save(self, state: TrainState, rating: float | None, progress: dict[str, Any]) -> None:
        """Starts writing the state, and what the loop must know to go on.

        Every host calls it, and the state is on all of their devices.

        Args:
            state: what is saved.
            rating: of the state, by which the best is chosen, of equals the last. None, where it was not measured, and
                what is not finite never are the best.
            progress: what can be written as JSON.
        """
        step, best = int(state.step), self._best[max(self._best)] if self._best else None
        rated = rating is not None and math.isfinite(rating)
        if rated and (best is None or self._sign * rating >= self._sign * best["rating"]):
            best = {"step": step, "rating": rating}
        self._best[step] = best
        item = {"progress": progress, "best": best, "checksums": checksums(_named(state._asdict()))}
        item["checksum"] = _checksum(item)
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(item))
        with errors.full_disk(self._folder):
            self._manager.save(step, args=args)

    def resume(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """What `restore` returns of the last step; of the one before it, where a host finds that damaged.

        What is damaged is removed once another was read; where none can be, InputError says why and all stay.
        """
        damaged = {}
        if self._step(best=False) is None:
            return None
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._read(step, like)
            except _DamagedError as error:
                found, damaged[step] = None, error
            if hosts.agree(found is not None):
                for bad, why in damaged.items():
                    logging.warning("%s; it is removed, and the run goes on from step %d", why, step)
                    self._manager.delete(bad)
                    self._best.pop(bad, None)
                return found
            damaged.setdefault(step, _DamagedError(f"another host cannot read the checkpoint {step}"))
        what = "no other is there: remove it to begin anew, or train in another folder"
        raise errors.InputError("\n".join([*map(str, damaged.values()), what]))

    def restore(self, like: TrainState, *, best: bool = False) -> tuple[TrainState, dict[str, Any]] | None:
        """The last (or best) state and its progress, or None where there is none; a damaged one raises InputError.

        Args:
            like: a state of the same shapes, on the devices where the restored one should be; where its names or
                shapes are others, InputError tells which.
            best: take the best step instead of the last.
        """
        step = self._step(best)
        return None if step is None else self._read(step, like)

    def variables(self, like: TrainState, *, fitting: bool = False) -> tuple[TrainState, list[str]]:
        """`like` with the parameters and running averages of the best step: where a new training begins.

        Args:
            like: a state, or the shapes of one.
            fitting: take only what has the same name and shape. Otherwise other names or shapes raise InputError, as
                does a folder without a checkpoint.

        Returns:
            The state, and a line for each difference: "-" of what was not taken, "+" of what stays as it was.
        """
        if (step := self._step(best=True)) is None:
            raise errors.InputError(f"{self._folder} holds no checkpoint to begin with: train that network first")
        wanted = {"params": like.params, "batch_stats": like.batch_stats}
        with self._reading(step):
            lines = self._differences(step, wanted)
        if lines and not fitting:
            raise errors.InputError("\n".join([self._another(step), *errors.first(lines)]))
        absent = {line.split()[1] for line in lines}
        every = traverse_util.flatten_dict(wanted)
        taken = {path: leaf for path, leaf in every.items() if "/".join(path) not in absent}
        if not taken:
            raise errors.InputError("\n".join([f"nothing fits: {self._another(step)}", *errors.first(lines)]))
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, traverse_util.unflatten_dict(taken))
        args = ocp.args.PyTreeRestore(
            abstract, restore_args=ocp.checkpoint_utils.construct_restore_args(abstract), partial_restore=True
        )
        with self._reading(step), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            found = traverse_util.flatten_dict(reader.restore(self._folder / str(step) / "state", args=args))
        self._verify(step, {"/".join(path): array for path, array in found.items()})
        merged = traverse_util.unflatten_dict(every | found)
        return like._replace(**{part: merged.get(part, {}) for part in wanted}), lines

    def _read(self, step: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """What `restore` returns, of one step; _DamagedError where it cannot be read or is not what was written."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        item = self._item(step)
        with self._reading(step):
            self._compare(step, like._asdict())
            state = TrainState(*self._manager.restore(step, args=args)["state"])
        self._verify(step, _named(state._asdict()))
        return state, item["progress"]

    def _item(self, step: int) -> dict[str, Any]:
        """What stands beside the arrays: "progress", "best" so far and "checksums"; _DamagedError where it is another.

        It is read without Orbax, whose reader is there for all hosts at once.
        """
        path = self._folder / str(step) / ITEM / "metadata"
        try:
            item = json.loads(path.read_text(encoding="utf-8"))
            checksum = item.pop("checksum", None)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise _DamagedError(
                f"the checkpoint {path.parent.parent} cannot be read: {path}: {_brief(error)}"
            ) from error
        if checksum is None:
            what = "was written before checkpoints had checksums: train again in another folder"
            raise errors.InputError(f"the checkpoint {path.parent.parent} {what}")
        if checksum != _checksum(item):
            what = "copy it there anew, or train again in another folder"
            raise _DamagedError(
                f"the checkpoint {path.parent.parent} is damaged, {path} is not what was written: {what}"
            )
        return item

    @contextlib.contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        """Turns what Orbax raises, which has no error of its own for files that are damaged or gone, into ours."""
        try:
            yield
        except errors.InputError:
            raise
        except Exception as error:
            where = f"the checkpoint {self._folder / str(step)} cannot be read"
            raise _DamagedError(f"{where}: {_brief(error)}") from error

    def _verify(self, step: int, arrays: dict[str, jax.Array]) -> None:
        """Raises _DamagedError where an array is not what was written."""
        written = self._item(step)["checksums"]
        for name, checksum in checksums(arrays).items():
            if checksum != written[name]:
                what = f"{name} is not what was written: copy it there anew, or train again in another folder"
                raise _DamagedError(f"the checkpoint {self._folder / str(step)} is damaged, {what}")

    def _step(self, best: bool) -> int | None:
        with errors.full_disk(self._folder):
            self._manager.wait_until_finished()
        step = self._manager.latest_step()
        best_step = self._item(step)["best"] if best and step is not None else None
        return best_step["step"] if best_step else step  # where none was rated, the last is the best

    def _compare(self, step: int, wanted: dict[str, Any]) -> None:
        """Raises InputError where the parts `wanted` of a state are not as in the checkpoint, a line a difference."""
        if lines := self._differences(step, wanted):
            raise errors.InputError("\n".join([self._another(step), *errors.first(lines)]))

    def _differences(self, step: int, wanted: dict[str, Any]) -> list[str]:
        there = self._manager.item_metadata(step)["state"].tree
        parts = sorted(wanted, key=lambda part: part != "params")  # what others follow from comes first
        return errors.differences(_shapes(there, parts), _shapes(wanted, parts))

    def _another(self, step: int) -> str:
        return f"{self._folder / str(step)} is of another network (- what it holds, + what this one has):"

    def prune(self) -> None:
        """Removes all steps but the last and the best: of a training that is done, no more are used."""
        used = {self._step(best=True), self._step(best=False)}
        for step in self._manager.all_steps():
            if step not in used:
                self._manager.delete(step)

    def close(self) -> None:
        """Waits for what is being written."""
        with errors.full_disk(self._folder):
            self._manager.close()


class _LatestAndBest(NamedTuple):
    """Has Orbax keep the last two steps, and what was the best as of each.

    Attributes:
        best: step -> {"step", "rating"} of the best so far; None where none was rated.
    """

    best: dict[int, dict[str, Any] | None]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Whether to keep each of `checkpoints`."""
        latest = sorted(checkpoint.step for checkpoint in checkpoints)[-2:]
        kept = {*latest, *(best["step"] for step in latest if (best := self.best.get(step)))}
        return [checkpoint.step in kept for checkpoint in checkpoints]


class _DamagedError(errors.InputError):
    """A checkpoint is not what was written."""


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0][:SAID] or type(error).__name__


def _processes() -> ocp.options.MultiprocessingOptions:
    """Who reads and writes: all hosts together, or this one alone."""
    if hosts.count() == jax.process_count():
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(own, active_processes={own}, barrier_sync_key_prefix=f"host{own}")


def _checksum(item: dict[str, Any]) -> int:
    """The CRC-32 of what can be written as JSON."""
    return zlib.crc32(json.dumps(item, sort_keys=True).encode())


def checksums(arrays: dict[str, jax.Array]) -> dict[str, int]:
    """The CRC-32 of the bytes of each array."""
    return {name: zlib.crc32(np.ascontiguousarray(array)) for name, array in jax.device_get(arrays).items()}


def _named(state: dict[str, Any]) -> dict[str, Any]:
    """{"params/Dense_0/kernel": leaf} of parts of a state, in their order."""
    leaves = [(part, *leaf) for part, tree in state.items() for leaf in jax.tree_util.tree_leaves_with_path(tree)]
    return {f"{part}/{jax.tree_util.keystr(path, simple=True, separator='/')}": leaf for part, path, leaf in leaves}


def _shapes(state: dict[str, Any], parts: list[str]) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in _named({part: state[part] for part in parts}).items()}
