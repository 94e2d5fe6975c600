"""Checkpoints by Orbax: the last two steps and the best, written in the background, each renamed when it is whole.

Each has checksums (see `integrity`), and says which step was the best so far: Orbax would read the ratings of all steps
when it opens a folder, and a damaged one would cost them all.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from flax import traverse_util

from whale_jax.runtime import errors, hosts
from whale_jax.train import integrity
from whale_jax.train.state import TrainState


class Checkpoints:
    """The checkpoints of one run: `<folder>/<step>`, the last two, in case one is damaged, and the best of all.

    `prune` leaves the last and the best of a run that is done.

    Args:
        folder: made if it is missing; gs:// works as well.
    """

    def __init__(self, folder: Path):
        self._best, processes = {}, _processes()
        options = ocp.CheckpointManagerOptions(
            preservation_policy=_LatestAndBest(self._best),
            cleanup_tmp_directories=True,
            multiprocessing_options=processes,
            create=processes.active_processes is None,  # Orbax has all hosts do it, or none
        )
        remote = "://" in str(folder)
        self._folder = epath.Path(folder if remote else Path(folder).resolve())
        handlers = {"state": ocp.StandardCheckpointHandler(), integrity.ITEM: ocp.JsonCheckpointHandler()}
        try:
            if remote:
                # Or nobody would learn before the first step is saved.
                (self._folder / "writable").write_text("", encoding="utf-8")
            self._manager = ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)
        except Exception as error:  # Orbax and the readers of buckets have none of their own
            reason = integrity.brief(error)
            raise errors.InputError(f"{folder} cannot be opened: {reason}: may this machine write there?") from error
        for step in self._manager.all_steps():
            with contextlib.suppress(errors.InputError):  # whoever needs that step gets the error
                self._best[step] = integrity.read_item(self._path(step))["best"]

    def save(self, state: TrainState, *, best: bool, progress: dict[str, Any]) -> None:
        """Starts to write the state, and what the loop needs to go on.

        Every host calls it, and the state is on all of their devices.

        Args:
            state: what is saved.
            best: whether it is the best state so far.
            progress: what can be written as JSON.
        """
        step, before = int(state.step), self._best[max(self._best)] if self._best else None
        self._best[step] = {"step": step} if best else before
        item = integrity.seal(state._asdict(), progress=progress, best=self._best[step])
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(item))
        with errors.full_disk(self._folder):
            self._manager.save(step, args=args)

    def resume(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The last state and its progress, or those before it, where a host cannot read them; None without any.

        `like` is a state of the same shapes, on the devices where the restored one should be; InputError lists other
        names or shapes. Damaged steps are removed once another was read; where none can be read, InputError says why
        and all stay.
        """
        damaged = {}
        if self._step(best=False) is None:
            return None
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                restored = self._read(step, like)
            except integrity.DamagedError as error:
                restored, damaged[step] = None, error
            if hosts.agree(restored is not None):
                for bad, reason in damaged.items():
                    logging.warning("%s; it is removed, and the run goes on from step %d", reason, step)
                    self._manager.delete(bad)
                    self._best.pop(bad, None)
                return restored
            damaged.setdefault(step, integrity.DamagedError(f"another host cannot read the checkpoint {step}"))
        advice = "there is no other: remove it to begin again, or train in another folder"
        raise errors.InputError("\n".join([*map(str, damaged.values()), advice]))

    def variables(self, like: TrainState, *, best: bool = True, partial: bool = False) -> tuple[TrainState, list[str]]:
        """`like` with the parameters and running averages of the best (or last) step, whatever its optimiser was.

        Args:
            like: a state, or the shapes of one.
            best: take the best step instead of the last.
            partial: take only what has the same name and shape. Otherwise other names or shapes raise InputError, as
                does a folder without a checkpoint.

        Returns:
            The state, and a line for each difference: "-" of what was not taken, "+" of what stays as it was.
        """
        if (step := self._step(best)) is None:
            raise errors.InputError(f"{self._folder} holds no checkpoint: train that network first")
        path, fields = self._path(step), {"params": like.params, "batch_stats": like.batch_stats}
        with integrity.reading(path):
            lines = self._differences(step, fields)
        if lines and not partial:
            raise errors.InputError(errors.listed(self._mismatch(step), lines))
        absent = {line.split()[1] for line in lines}
        leaves = traverse_util.flatten_dict(fields)
        shared = {name: leaf for name, leaf in leaves.items() if "/".join(name) not in absent}
        if not shared:
            raise errors.InputError(errors.listed(f"nothing fits: {self._mismatch(step)}", lines))
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, traverse_util.unflatten_dict(shared))
        args = ocp.args.PyTreeRestore(
            abstract, restore_args=ocp.checkpoint_utils.construct_restore_args(abstract), partial_restore=True
        )
        processes = _processes()
        handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=processes)
        with integrity.reading(path), ocp.Checkpointer(handler, multiprocessing_options=processes) as reader:
            restored = traverse_util.flatten_dict(reader.restore(path / "state", args=args))
        integrity.verify(path, {"/".join(name): array for name, array in restored.items()})
        merged = traverse_util.unflatten_dict(leaves | restored)
        return like._replace(**{field: merged.get(field, {}) for field in fields}), lines

    def prune(self) -> None:
        """Removes all steps but the last and the best: no more are used of a training that is done."""
        used = {self._step(best=True), self._step(best=False)}
        for step in self._manager.all_steps():
            if step not in used:
                self._manager.delete(step)

    def close(self) -> None:
        """Waits for what is being written."""
        with errors.full_disk(self._folder):
            self._manager.close()

    def _path(self, step: int) -> epath.Path:
        return self._folder / str(step)

    def _step(self, best: bool) -> int | None:
        with errors.full_disk(self._folder):
            self._manager.wait_until_finished()
        step = self._manager.latest_step()
        rated = integrity.read_item(self._path(step))["best"] if best and step is not None else None
        return rated["step"] if rated else step  # where none was rated, the last is the best

    def _read(self, step: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """State and progress of a step; DamagedError where it cannot be read or is not what was written."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        item = integrity.read_item(self._path(step))
        with integrity.reading(self._path(step)):
            if lines := self._differences(step, like._asdict()):
                raise errors.InputError(errors.listed(self._mismatch(step), lines))
            state = TrainState(*self._manager.restore(step, args=args)["state"])
        integrity.verify(self._path(step), integrity.named(state._asdict()))
        return state, item["progress"]

    def _differences(self, step: int, fields: Mapping[str, Any]) -> list[str]:
        """A line for each name or shape of a state's fields that is another in the checkpoint."""
        saved = self._manager.item_metadata(step)["state"].tree
        names = sorted(fields, key=lambda name: name != "params")  # what others follow from comes first
        return errors.differences(_shapes(saved, names), _shapes(fields, names))

    def _mismatch(self, step: int) -> str:
        return f"{self._path(step)} is of another network (- what it holds, + what this one has):"


class _LatestAndBest(NamedTuple):
    """Has Orbax keep the last two steps, and what was the best as of each.

    Attributes:
        best: step -> {"step"} of the best so far; None where none was.
    """

    best: dict[int, dict[str, Any] | None]

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Whether to keep each of `checkpoints`."""
        latest = sorted(checkpoint.step for checkpoint in checkpoints)[-2:]
        used = {*latest, *(best["step"] for step in latest if (best := self.best.get(step)))}
        return [checkpoint.step in used for checkpoint in checkpoints]


def _processes() -> ocp.options.MultiprocessingOptions:
    """Who reads and writes: all hosts together, or this one alone."""
    if hosts.count() == jax.process_count():
        return ocp.options.MultiprocessingOptions()
    process = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        process, active_processes={process}, barrier_sync_key_prefix=f"host{process}"
    )


def _shapes(state: Mapping[str, Any], fields: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in integrity.named({field: state[field] for field in fields}).items()}
