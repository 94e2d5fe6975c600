"""Checkpoints by Orbax: the last and the best step, written in the background, each renamed into place when whole."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

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
        self._manager = ocp.CheckpointManager(Path(folder).resolve(), options=options, item_names=("state", "progress"))

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
            like: a state of the same shapes, on the devices where the restored one should be.
            best: take the best step instead of the last.
        """
        self._manager.wait_until_finished()
        step = self._manager.best_step() if best else self._manager.latest_step()
        if step is None:
            return None
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore())
        restored = self._manager.restore(step, args=args)
        return TrainState(*restored["state"]), restored["progress"]

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()
