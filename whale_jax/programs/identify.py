"""Who is on photos that a finished run has never seen? Its answer, without training."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import cells, doubts, groups, tables, validation
from whale_jax.data.gallery_folder import gallery_rows
from whale_jax.data.right_whale import Photos
from whale_jax.evaluation import judge, reliability
from whale_jax.evaluation.judge import Judge
from whale_jax.evaluation.probabilities import likeliest, of_groups
from whale_jax.recognition import members
from whale_jax.recognition import query as queries
from whale_jax.recognition.points import NO_HEAD, no_head_notes, point_shifts, points_of
from whale_jax.recognition.query import Query
from whale_jax.report import answers
from whale_jax.review import mail
from whale_jax.review.contents import Contents
from whale_jax.review.pictures import Pictures
from whale_jax.runtime import progress
from whale_jax.workflow import finished_runs
from whale_jax.workflow.program import Program

DEFAULTS = {
    # photos: those that nobody has named; fused: a finished `fuse` of a run. And, by the names that they have in the
    # run, stages of the new photos: features, and the view that is compared patch by patch.
    "inputs": {"photos": "", "fused": ""},
    "num_candidates": 5,  # candidates of a photo
    "error": 0.05,  # the largest share of photos of known whales that may be called new
    "prior": 0.1,  # the share of photos whose whale is assumed to be new
    # Of a predicted head: one so many times as long as the run's, or as short, is none; 0 for any. And how far the last
    # network may move the points of the one before it, in head lengths; 0 for any distance.
    "max_length_ratio": 2.5,
    "max_point_shift": 0.25,
}
COLUMNS = ("rank", "whaleID", "probability", "nearest", "p_none", "is_none", "threshold", "error", "note")
SQUASHED = 1.5  # the largest factor between the width over height of a ready crop and that of the run's


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes candidates.csv, encounters.csv, points.csv, validation.csv and report.html, the page of review to look at.

    Of the run's own photos, those that have no name are asked about.
    """
    source = queries.of_folders(config.inputs)
    new = source.photos
    finished = queries.open_run(Path(config.inputs.fused), source)
    if finished.references and (alike := doubts.alike(finished.whales)):
        text = "whales of the run and of the gallery whose names differ in case, blanks or hyphens alone: %s"
        logging.warning(text, cells.examples(alike))
    rows = np.flatnonzero(~gallery_rows(new) & ((new.label < 0) | (new.digest != finished.photos.digest)))
    cut = queries.head_view(finished.answer, config.inputs)
    heads = finished_runs.read(config.inputs[cut.folder.name])
    if heads.config["frame"] == "head":
        points, predicted = points_of(heads, new)
        limits = {"max_length_ratio": config.max_length_ratio, "max_point_shift": config.max_point_shift}
        usual, shifts = heads.result.get("length", 0.0), point_shifts(heads, new)
        notes = no_head_notes(points, new, usual=usual, shifts=shifts, **limits)
        notes[~predicted] = ""  # a person is sure of them
        write_points(workdir / answers.POINTS, new, points=points, predicted=predicted, rows=rows)
    else:
        notes = misfits(new, finished.photos)
    if len(odd := np.flatnonzero(gallery_rows(new) & (new.label >= 0) & (notes != ""))):
        text = "references of the gallery that may show no head: %d, such as %s (%s): take them out of its folder"
        logging.warning(text, len(odd), new.name[odd[0]], notes[odd[0]])
    held_out, p_known, label = finished.validation()
    judged = judge.fit(p_known, members.without_whales(finished), error=config.error, prior=config.prior)
    query = queries.begin(finished, source, rows=rows[notes[rows] == ""])
    p = answer(query, rows, notes=notes, judged=judged)
    trust = reliability.measure(p_known, label)
    validation.write(workdir / validation.FILE, finished.photos.name[held_out], reliability=trust)
    write_answers(workdir, query, rows=rows, p=p, notes=notes, judged=judged, count=config.num_candidates)
    pictures = Pictures(new, finished, folders=config.inputs, stored=mail.SMALL)
    mail.write(workdir, Contents(workdir, source, run=finished, error=config.error, pictures=pictures))
    answered = rows[np.isfinite(p[rows]).all(1)]
    skipped = finished_runs.read(config.inputs.photos).result.get("skipped", [])
    for line in skipped:
        logging.warning("left out: %s", line)
    return {
        "photos": len(rows),
        "gallery": int(gallery_rows(new).sum()),
        "answered": len(answered),
        "without": new.name[np.setdiff1d(rows, answered)].tolist()[:20],
        "left_out": skipped,
        "called_new": int(judged.verdicts(p[answered])[1].sum()),
        "threshold": judged.threshold if np.isfinite(judged.threshold) else None,
        "stated_error": config.error,
    }


def answer(query: Query, rows: np.ndarray, *, notes: np.ndarray, judged: Judge) -> np.ndarray:
    """(n, whales) probabilities, if the whale is one of the run's, and a line a photo, with the time that is left.

    Args:
        query: the photos to answer.
        rows: (m,) these and those that have no answer.
        notes: (n,) why they have none.
        judged: of whether the whale is one of the run's.
    """
    name, whales, total = query.source.photos.name, query.run.whales, len(rows)
    unanswered = rows[notes[rows] != ""]
    for i, row in enumerate(unanswered, start=1):
        logging.info("[%d/%d] %s: %s", i, total, name[row], notes[row])
    p, count = np.full((len(name), len(whales)), np.nan), 0
    members.ask_searches(query.run.answer, query)
    start = time.monotonic()
    for part, scores in members.ask_in_parts(query.run.answer, query):
        p[part] = scores
        count += len(part)
        remaining = (time.monotonic() - start) / count * (len(query.rows) - count)
        rest = f" ({progress.duration(remaining)} left)" if remaining else ""
        for i, row in enumerate(part, start=len(unanswered) + count - len(part) + 1):
            logging.info("[%d/%d] %s: %s%s", i, total, name[row], in_words(p[row], whales, judged=judged), rest)
    return p


def in_words(p: np.ndarray, whales: Sequence[str], *, judged: Judge) -> str:
    """The likeliest three whales of an answer of (whales,) probabilities, on a line of the terminal."""
    if not np.isfinite(p).all():
        return NO_HEAD
    [none], [new] = judged.verdicts(p[None])
    names = [f"{whales[i]} {100 * (1 - none) * p[i]:.0f} %" for i in likeliest(p, 3)]
    return f"{'called new; ' if new else ''}{', '.join(names)}, none of these {100 * none:.0f} %"


def misfits(crops: Photos, photos: Photos) -> np.ndarray:
    """(n,) str, why a photo is no ready crop as the run's `photos` are; "" where it may be one."""
    notes = np.full(len(crops.name), "", object)
    shape = np.median(photos.size, axis=0)
    factor = (crops.size[:, 1] / crops.size[:, 0]) / (shape[1] / shape[0])
    for row in np.flatnonzero(np.maximum(factor, 1 / factor) > SQUASHED):
        height, width = crops.size[row]
        notes[row] = (
            f"no crop of a head as the run's are ({width} x {height} pixels, and those {shape[1]:.0f} x {shape[0]:.0f})"
        )
    return notes


def write_points(path: Path, photos: Photos, *, points: np.ndarray, predicted: np.ndarray, rows: np.ndarray) -> None:
    """Writes the (n, 2, 2) points of (m,) rows of photos, in pixels, bit for bit, and where they come from."""
    lines = []
    for row in rows.tolist():
        finite = np.isfinite(points[row]).all()
        numbers = np.float32(points[row]).ravel()
        cells = [np.format_float_positional(value, trim="-") if finite else "" for value in numbers]
        lines.append([photos.name[row], *cells, ("predicted" if predicted[row] else "table") if finite else ""])
    tables.write(path, answers.POINTS_COLUMNS, rows=lines)


def write_answers(
    workdir: Path,
    query: Query,
    *,
    rows: np.ndarray,
    p: np.ndarray,
    notes: np.ndarray,
    judged: Judge,
    count: int,
) -> None:
    """Writes candidates.csv, of each photo, and encounters.csv, of the photos of each encounter together.

    Args:
        workdir: the folder.
        query: the photos, which have been answered.
        rows: (m,) photos to write.
        p: (n, whales) probabilities, if the whale is one of the run's.
        notes: (n,) why a photo has no answer.
        judged: of whether it is.
        count: number of candidates.
    """
    new = query.source.photos
    group = groups.of_one_whale(new)[rows]
    first = np.unique(group, return_index=True)[1]
    names = np.concatenate([query.run.photos.name, new.name, [""]])
    pooled, mean = (of_groups(p[rows], group, mean=mean)[first] for mean in (False, True))
    nearest = query.nearest[rows]
    levels = {
        answers.CANDIDATES: (rows, p[rows], p[rows], nearest),
        answers.ENCOUNTERS: (rows[first], pooled, mean, of_encounters(nearest, group)),
    }
    for file, (numbers, answer, sure, examples) in levels.items():
        head = ("Image", "encounter") if file == answers.CANDIDATES else ("encounter", "Image")
        facts = {"Image": new.name[numbers], "encounter": new.encounter[numbers]}
        shown = {"nearest": names[examples], "judged": judged, "count": count}
        blocks = [*candidates(answer, query.run.whales, sure=sure, **shown)]
        for i, note in enumerate(notes[numbers]):
            blocks[i] = blocks[i] or [[*[""] * (len(COLUMNS) - 1), note or NO_HEAD]]
        lines = [
            [*(str(facts[column][i]) for column in head), *line] for i, block in enumerate(blocks) for line in block
        ]
        tables.write(workdir / file, (*head, *COLUMNS), rows=lines)


def of_encounters(nearest: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(g, whales) int, the photo of each whale to show beside an encounter: that of its first photo that has one.

    (m, whales) `nearest` are those of its photos, -1 for none, and (m,) `group` the encounter of each.
    """
    blocks = (nearest[group == number] for number in np.unique(group))
    whales = np.arange(nearest.shape[1])
    return np.array([block[(block >= 0).argmax(0), whales] for block in blocks], int).reshape(-1, len(whales))


def candidates(
    p: np.ndarray, whales: Sequence[str], *, sure: np.ndarray, nearest: np.ndarray, judged: Judge, count: int
) -> Iterator[list[list[str]]]:
    """The cells of COLUMNS for each candidate of each of n answers, the likeliest first; none where there is no answer.

    Args:
        p: (n, whales) probabilities, if the whale is one of these.
        whales: their names.
        sure: (n, whales) probabilities as sure as those of a photo, by which the answer is judged.
        nearest: (n, whales) name of the photo to show of each whale, "" for none.
        judged: of whether it is.
        count: number of candidates.
    """
    for row, single, examples in zip(p, sure, nearest, strict=True):
        if not np.isfinite(row).all():
            yield []
            continue
        [none], [new] = judged.verdicts(single[None])
        limit = f"{np.exp(judged.threshold):.4f}", f"{judged.error:g}"
        verdict = f"{none:.4f}", str(int(new)), *limit, ""
        yield [
            [str(rank), whales[i], f"{(1 - none) * row[i]:.4f}", examples[i], *verdict]
            for rank, i in enumerate(likeliest(row, count), start=1)
        ]


PROGRAM = Program(DEFAULTS, run, any_fold=True)
