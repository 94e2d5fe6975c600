"""Photos alone: nobody has named them yet."""

from whale_jax.data.folder import Folder
from whale_jax.data.rows import Format, Reading, Settings


def evidence(folder: Folder) -> str:
    """What it is recognised by: photos."""
    return f"{len(folder.photos):,} photos" if folder.photos else ""


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """Nothing is said of them."""
    return Reading((), notes=("no table and no folders of individuals: they name no photo",))


FORMAT = Format(evidence, read)
