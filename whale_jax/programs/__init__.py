"""What can be asked for: a stage's work, one file each, that ends with `PROGRAM = Program(defaults, run, ...)`.

A program is imported when a config first names it. Whoever adds one writes such a value, here or anywhere, and calls
`programs.register(name, PROGRAM)`. `workflow.program.Program` documents its fields.
"""

from whale_jax.workflow.program import PROGRAMS

register = PROGRAMS.register

for _name in (
    "draw",
    "catalogue",
    "export",
    "import_photos",
    "split",
    "align",
    "train",
    "crossfit",
    "predict",
    "extract",
    "describe",
    "retrieve",
    "rerank",
    "novelty",
    "identify",
    "review",
    "stack",
    "blend",
    "fuse",
    "calibrate",
    "pseudo",
    "submit",
    "saliency",
    "tta",
    "report",
    "compare",
    "pipeline",
):
    register(_name, f"{__name__}.{_name}")
