"""A program that stands in for a real one, and its configs."""

from ml_collections import ConfigDict

from whale_jax.runtime import errors
from whale_jax.workflow.program import PROGRAMS, Program


class Stub:
    """Stands in for a program: counts its runs."""

    def __init__(self, monkeypatch):
        self.runs = 0
        self.monkeypatch = monkeypatch
        self.change(defaults={"inputs": {}, "value": 1, "split": None}, run=self.run)

    def change(self, **fields):
        """Registers the program with other fields."""
        value = PROGRAMS.get("stub", Program({}, self.run))._replace(**fields)
        self.monkeypatch.setitem(PROGRAMS, "stub", value)

    def run(self, config, workdir):
        self.runs += 1
        if config.value < 0:
            raise RuntimeError("cut off")
        if config.value > 8:
            raise errors.InputError("too much")
        return {"digest": config.value, **{key: config[key] for key in ("split", "fold") if key in config}}


def config(before="", **changes):
    return ConfigDict({"program": "stub", "inputs": {"before": str(before)}, "value": 1, **changes})
