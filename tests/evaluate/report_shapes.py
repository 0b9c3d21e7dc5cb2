"""Reports of many shapes, made once each: few and many labels, few patients, one class, calls, several labels."""

import dataclasses
import functools

import numpy as np

from lag_zoo.evaluate import Analysis, EvaluationOptions, Report, Scores
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.report import report_of

SPECIAL = ("50% of a_b & {c}", r"\d^e~f", "<g>|[h] $i$ #j *k* `l` -- \"m\" 'n'")
"""Names that LaTeX, Markdown, HTML, CSV and matplotlib each take amiss."""


def scores_of(
    count: int, patients: int, *, names: tuple[str, ...] | None = None, skill: float = 2.0
) -> Scores:
    """Scores of exclusive labels, three frames a patient, whose labels come in turn."""
    rng = np.random.default_rng(count)
    groups = np.repeat(np.arange(patients), 3)
    own = groups % count
    noise = rng.normal(size=(patients, count))[groups] + rng.normal(0, 0.5, (len(groups), count))
    return Scores.from_arrays(
        skill * np.eye(count)[own] + noise,
        own,
        label_names=names or tuple(f"label {number}" for number in range(count)),
        groups=groups,
    )


def of_several_labels(count: int, *, unknown: float = 0.1) -> Scores:
    """Scores of labels that do not exclude each other, some of them unknown."""
    rng = np.random.default_rng(count)
    groups = np.repeat(np.arange(40), 3)
    marks = (rng.random((40, count)) < 0.4).astype(int)[groups]
    logits = 2.5 * (marks - 0.5) + rng.normal(size=marks.shape)
    targets = np.where(rng.random(marks.shape) < unknown, -1, marks)
    names = tuple(f"finding {number}" for number in range(count))
    return Scores.from_arrays(logits, targets, label_names=names, task="multilabel", groups=groups)


@functools.cache
def report(shape: str) -> Report:
    """Make the report of a shape of `SHAPES`."""
    options = EvaluationOptions(n_resamples=60, prevalence=0.1 if shape == "special" else None)
    scores = SHAPES[shape]()
    analysis = Analysis(scores, options)
    found = report_of(analysis)
    if shape != "special":
        return found
    worse = dataclasses.replace(scores, logits=scores.logits[:, ::-1].copy())
    return with_comparisons(
        dataclasses.replace(found, title=SPECIAL[2]), analysis, {SPECIAL[2]: Analysis(worse, options)}
    )


SHAPES = {
    "two labels": lambda: scores_of(2, 40, names=("normal", "IM")),
    "few patients": lambda: scores_of(2, 6, names=("normal", "IM"), skill=9.0),
    "special": lambda: scores_of(3, 45, names=SPECIAL),
    "many labels": lambda: scores_of(23, 92, skill=3.0),
    "several labels": lambda: of_several_labels(3),
    "one class": lambda: scores_of(2, 20, names=("normal", "IM")).take(np.arange(0, 60, 6)),
    "calls": lambda: dataclasses.replace(scores_of(3, 30), calls_only=True),
}
