"""A catalogue for other tools: a folder of photos and its tables, written anew in another layout.

    --config=configs/export.py:csv              one table in our own columns, points and boxes included
    --config=configs/export.py:wildbook         Wildbook's bulk import, a spreadsheet with a row an encounter
    --config=configs/export.py:folders          the photos, copied into a folder for each whale
    --config=configs/export.py:capture_history  a row a whale, a column a survey, for mark-recapture programs

python -m whale_jax.main --config=configs/export.py:wildbook --config.data.root=PHOTOS --workdir=runs/export

--config.occasion=year makes every year a survey in place of every day. --config.species="Eubalaena australis" is for
southern right whales. whale_jax/data/exports.py says what each layout holds, and what is yours to fill in.
"""

from whale_jax.data import exports
from whale_jax.runtime import registry
from whale_jax.workflow import stage

PRESETS = exports.LAYOUTS


def get_config(layout="csv"):
    """The config of `export`; data.root is the folder of photos."""
    registry.lookup("preset", PRESETS, layout)
    return stage.config("export", layout=layout)
