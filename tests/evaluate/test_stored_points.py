"""Operating points that are stored for some labels only: what is called instead, and that the report says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Report, Scores, evaluate
from lag_zoo.evaluate.beside import with_others
from lag_zoo.evaluate.contrasts import EvaluationOptions, against_rest, answers
from lag_zoo.evaluate.pages import markdown

STORED = EvaluationOptions("stored", "frame", "maximum", None, False, None, 100, 0)


def scores_of(
    logits: np.ndarray, names: tuple[str, ...], points: dict[str, float], *, task: str = "multiclass"
) -> Scores:
    n = len(logits)
    targets = np.arange(n) % len(names)
    return Scores(
        label_names=names,
        task=task,  # type: ignore[arg-type]
        images=tuple(map(str, range(n))),
        logits=logits,
        targets=targets if task == "multiclass" else np.eye(len(names), dtype=int)[targets],
        groups=(np.arange(n) // 4).astype(str),
        grouping="patient",
        operating_points=points,
        found=n,
    )


def drawn(names: tuple[str, ...], points: dict[str, float], *, task: str = "multiclass") -> Scores:
    rng = np.random.default_rng(0)
    return scores_of(rng.normal(size=(96, len(names))), names, points, task=task)


def stored(scores: Scores) -> Report:
    return evaluate(scores, operating_point="stored", n_resamples=20)


@given(
    st.lists(st.tuples(st.integers(-60, 60), st.integers(-60, 60)), min_size=2, max_size=20),
    st.floats(0.001, 0.999),
    st.integers(-1, 19),
    st.integers(0, 1),
)
def test_of_two_labels_each_frame_is_called_one(
    logits: list[tuple[int, int]], point: float, tied: int, number: int
) -> None:
    """Those on the line too: a frame whose probability is the point itself is of the label whose point it is."""
    scores = scores_of(np.array(logits) / 4, ("mucosa", "polyp"), {})
    if 0 <= tied < len(logits):
        point = float(scores.probabilities[tied, number])
    scores = scores_of(scores.logits, scores.label_names, {scores.label_names[number]: point})
    found = [answers(contrast, scores, STORED) for contrast in against_rest(scores)]
    called = [one.probabilities >= one.thresholds for one in found]
    assert (called[number] == (scores.probabilities[:, number] >= point)).all()
    assert (called[0] != called[1]).all()


def test_two_labels() -> None:
    names = ("mucosa", "polyp")
    scores = drawn(names, {"polyp": 0.3})
    mucosa, polyp = (report := stored(scores)).rows
    assert (polyp.threshold, polyp.rule) == (0.3, "stored with the weights")
    assert mucosa.threshold == pytest.approx(0.7)
    assert mucosa.rule == "stored with the weights for polyp: where that is not called"
    (tp, fp, tn, fn) = polyp.confusion
    assert mucosa.confusion == (tn, fn, tp, fp)
    assert "stored with the weights" in markdown(report, title="t")
    assert not any("No operating point" in warning for warning in report.warnings)
    again = with_others(report, scores, {"the same": (scores, report)}, n_resamples=20)
    assert all(
        difference.value == 0 for differences in again.beside[0].differences for difference in differences
    )


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_of_more_labels_one_is_called_at_a_half(task: str) -> None:
    names = ("normal", "GA", "IM")
    report = stored(drawn(names, {"normal": 0.3, "IM": 0.2}, task=task))
    assert [row.threshold for row in report.rows] == [0.3, 0.5, 0.2]
    assert report.rows[1].rule == "0.5: none is stored"
    assert "No operating point is stored with the weights for GA: called at 0.5." in report.warnings


def test_labels_that_do_not_exclude_each_other_have_no_complement() -> None:
    report = stored(drawn(("GA", "IM"), {"IM": 0.2}, task="multilabel"))
    assert [row.threshold for row in report.rows] == [0.5, 0.2]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_where_none_is_stored_it_is_refused(task: str) -> None:
    for points in ({}, {"another": 0.5}):
        with pytest.raises(InvalidConfigError, match="no operating point of GA is stored"):
            stored(drawn(("GA", "IM"), points, task=task))


def test_on_frames_that_training_used_the_complement_is_apparent_too() -> None:
    scores = drawn(("mucosa", "polyp"), {"polyp": 0.3})
    scores = Scores(**{**vars(scores), "parts": ("train",) * 96})
    assert all(row.apparent and "apparent" in row.rule for row in stored(scores).rows)
