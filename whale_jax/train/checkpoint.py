"""Checkpoints by Orbax: the last and the best step, written in the background, each renamed into place when whole."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import traverse_util
from orbax.checkpoint import checkpoint_managers

from whale_jax import errors
from whale_jax.train.state import TrainState


class Checkpoints:
    """The checkpoints of one run: `<folder>/<step>`, the last and the best of them.

    Args:
        folder: made if it is not there.
        metric: name of the metric in `save` that says which is best.
        maximise: whether more is better.
    """

    def __init__(self, folder: Path, *, metric: str, maximise: bool):
        self.metric = metric
        best = checkpoint_managers.BestN(
            get_metric_fn=lambda metrics: metrics[metric],
            reverse=not maximise,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=checkpoint_managers.AnyPreservationPolicy([checkpoint_managers.LatestN(1), best]),
            best_fn=lambda metrics: metrics[metric],
            best_mode="max" if maximise else "min",
            cleanup_tmp_directories=True,
        )
        self._folder = Path(folder).resolve()
        handlers = {"state": ocp.StandardCheckpointHandler(), "progress": ocp.JsonCheckpointHandler()}
        self._manager = ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)

    def save(self, state: TrainState, rating: float, progress: dict[str, Any]) -> None:
        """Starts writing the state, the metric that rates it and what the loop must know to go on."""
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), progress=ocp.args.JsonSave(progress)),
            metrics={self.metric: rating},
        )

    def restore(self, like: TrainState, *, best: bool = False) -> tuple[TrainState, dict[str, Any]] | None:
        """The last (or best) state and its progress, or None where there is none.

        Args:
            like: a state of the same shapes, on the devices where the restored one should be; where its names or
                shapes are others, InputError tells which.
            best: take the best step instead of the last.
        """
        if (step := self._step(best)) is None:
            return None
        self._compare(step, like._asdict())
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=args)
        return TrainState(*restored["state"]), restored["progress"]

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
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            found = traverse_util.flatten_dict(reader.restore(self._folder / str(step) / "state", args=args))
        merged = traverse_util.unflatten_dict(every | found)
        return like._replace(**{part: merged.get(part, {}) for part in wanted}), lines

    def _step(self, best: bool) -> int | None:
        self._manager.wait_until_finished()
        return self._manager.best_step() if best else self._manager.latest_step()

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

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()


def _shapes(state: dict[str, Any], parts: list[str]) -> dict[str, tuple[int, ...]]:
    """{"params/Dense_0/kernel": shape} of parts of a state."""
    leaves = [(part, *leaf) for part in parts for leaf in jax.tree_util.tree_leaves_with_path(state[part])]
    return {
        f"{part}/{jax.tree_util.keystr(path, simple=True, separator='/')}": leaf.shape for part, path, leaf in leaves
    }
