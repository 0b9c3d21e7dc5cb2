"""Operating points that are stored for some labels only: what is called instead, and that the report says so."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Analysis, Calibration, EvaluationOptions, Report, Scores, evaluate
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.pages import markdown
from lag_zoo.evaluate.report import report_of
from tests.evaluate.drawn_scores import with_frames

STORED = EvaluationOptions(operating_point="stored", n_resamples=20)


def scores_of(
    logits: np.ndarray, names: tuple[str, ...], points: dict[str, float], *, task: str = "multiclass"
) -> Scores:
    n = len(logits)
    targets = np.arange(n) % len(names)
    return Scores.from_arrays(
        logits,
        targets if task == "multiclass" else np.eye(len(names), dtype=int)[targets],
        label_names=names,
        task=task,  # type: ignore[arg-type]
        groups=np.arange(n) // 4 if n > 4 else None,
        calibration=Calibration(operating_points=points),
    )


def drawn(names: tuple[str, ...], points: dict[str, float], *, task: str = "multiclass") -> Scores:
    rng = np.random.default_rng(0)
    return scores_of(rng.normal(size=(96, len(names))), names, points, task=task)


def stored(scores: Scores, **changes: object) -> Report:
    return evaluate(scores, STORED, **changes)


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
    called = []
    for positive in scores.label_names:
        analysis = Analysis(scores, dataclasses.replace(STORED, positive=positive))
        (contrast,) = analysis.contrasts
        called.append(analysis.called(contrast))
        threshold = analysis.points.of(contrast, analysis.units).each
        assert (called[-1] == (contrast.probabilities >= threshold)).all(), "at the threshold that is told"
    assert (called[number] == (scores.probabilities[:, number] >= point)).all()
    assert (called[0] != called[1]).all()


def test_two_labels() -> None:
    scores = drawn(("mucosa", "polyp"), {"polyp": 0.3})
    (polyp,) = (report := stored(scores)).rows
    (mucosa,) = stored(scores, positive="mucosa").rows
    assert (polyp.label, polyp.against, mucosa.label, mucosa.against) == (
        "polyp",
        "mucosa",
        "mucosa",
        "polyp",
    )
    assert (polyp.threshold, polyp.rule) == (0.3, "stored with the weights")
    assert mucosa.threshold == pytest.approx(0.7)
    assert mucosa.rule == "stored with the weights for polyp: where that is not called"
    (tp, fp, tn, fn) = polyp.confusion
    assert mucosa.confusion == (tn, fn, tp, fp)
    assert "stored with the weights" in markdown(report)
    assert not any("No operating point" in warning for warning in report.warnings)
    analysis = Analysis(scores, STORED)
    again = with_comparisons(report_of(analysis), analysis, {"the same": analysis})
    assert all(
        difference.value == 0
        for differences in again.comparisons[0].differences
        for difference in differences
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
        with pytest.raises(InvalidConfigError, match="no operating point of GA, IM is stored"):
            stored(drawn(("GA", "IM"), points, task=task))


def test_on_frames_that_training_used_the_complement_is_apparent_too() -> None:
    scores = with_frames(drawn(("mucosa", "polyp"), {"polyp": 0.3}), fold=("train",) * 96)
    for positive in scores.label_names:
        (row,) = stored(scores, positive=positive).rows
        assert row.apparent
        assert "apparent" in row.rule
