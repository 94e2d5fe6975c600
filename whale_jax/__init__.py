"""Finds, aligns and identifies individual right whales in aerial photos, in functional JAX.

`load` and `photos` are for notebooks, see `whale_jax.api`. They are imported when they are first used.
"""

import importlib
from typing import Any

SURFACE = ("load", "photos")


def __getattr__(name: str) -> Any:
    if name in SURFACE:
        return getattr(importlib.import_module("whale_jax.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *SURFACE})
