"""The sentence that a report opens with, and the warnings, in every shape: exact, in plain English."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from lag_zoo.evaluate import Calibration, EvaluationOptions, Scores, evaluate
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.summary import summary
from lag_zoo.metrics.intervals import Interval
from tests.evaluate.drawn_scores import drawn, with_frames
from tests.evaluate.report_shapes import of_several_labels, report

WITHOUT_SOURCE = ", at the default threshold of 0.5, as none is stored with the model"


def two(truth: list[int], called: list[int], **fields: Any) -> Scores:
    """Scores of normal and IM with these calls, two frames a patient unless `groups` says otherwise."""
    logits = np.eye(2)[called] * 2
    fields = {"groups": np.arange(len(truth)) // 2, **fields}
    return Scores.from_arrays(logits, truth, label_names=("normal", "IM"), **fields)


def said(scores: Scores, **options: Any) -> str:
    return evaluate(scores, n_resamples=5, **options).summary


def with_limits(found: Report, low: float = 0.25, high: float = 0.75) -> Report:
    """The report with all numbers and limits alike, so that sentences are short to write down."""

    def fixed(intervals: dict[str, Interval]) -> dict[str, Interval]:
        return {name: one._replace(value=0.5, low=low, high=high) for name, one in intervals.items()}

    rows = tuple(dataclasses.replace(row, measures=fixed(row.measures)) for row in found.rows)
    called = found.called and dataclasses.replace(found.called, measures=fixed(found.called.measures))
    return dataclasses.replace(found, rows=rows, called=called)


def test_two_labels() -> None:
    scores = two([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 1])
    found = evaluate(scores, n_resamples=5)
    low, high = (f"{limit:.1%}" for limit in found.rows[0].measures["sensitivity"][1:3])
    least = f"{found.rows[0].measures['specificity'].low:.1%}"
    assert found.summary == (
        f"In 8 frames from 4 patients, IM was called in 75.0% (95% confidence interval {low} to {high}) of the 4 "
        f"frames with it (sensitivity) and not called in 100.0% ({least} to 100.0%) of the 4 frames without it "
        f"(specificity){WITHOUT_SOURCE}."
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            "calls",
            "Of 90 frames from 30 patients, 50.0% (95% confidence interval 25.0% to 75.0%) were given the right one of "
            "3 labels, and 50.0% (25.0% to 75.0%) with each label counting equally, with the calls as given.",
        ),
        (
            "many labels",
            "Of 276 frames from 92 patients, 50.0% (95% confidence interval 25.0% to 75.0%) were given the right one "
            "of 23 labels, and 50.0% (25.0% to 75.0%) with each label counting equally, at the default threshold "
            "of 0.5 for each label, as none is stored with the model.",
        ),
        (
            "one class",
            "In 10 frames from 10 patients, none of them with IM, IM was not called in 50.0% (95% confidence interval "
            f"25.0% to 75.0%) of the 10 frames without it (specificity){WITHOUT_SOURCE}.",
        ),
    ],
)
def test_shapes(shape: str, expected: str) -> None:
    assert summary(with_limits(report(shape))) == expected


def test_all_with_the_label() -> None:
    found = with_limits(evaluate(two([1] * 6, [1, 1, 1, 1, 0, 1]), n_resamples=5))
    assert summary(found) == (
        "In 6 frames from 3 patients, all of them with IM, IM was called in 50.0% (95% confidence interval 25.0% to "
        f"75.0%) of the 6 frames with it (sensitivity){WITHOUT_SOURCE}."
    )


def test_one_frame() -> None:
    found = with_limits(evaluate(two([1], [1], groups=None), n_resamples=5))
    assert summary(found) == (
        "In 1 frame (from how many patients is not known), with IM, IM was called in 50.0% (95% confidence interval "
        f"25.0% to 75.0%) of the 1 frame with it (sensitivity){WITHOUT_SOURCE}."
    )


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ({"level": "patient"}, "In 4 patients, IM was called in 50.0%"),
        ({"level": "exam"}, "In 8 examinations from 4 patients, IM was called in 50.0%"),
        ({"level": "frame"}, "In 16 frames from 4 patients, IM was called in 50.0%"),
    ],
)
def test_levels(options: dict[str, Any], begins: str) -> None:
    exams = [str(number // 2) for number in range(16)]
    truth = [0] * 8 + [1] * 8
    scores = two(truth, truth, groups=np.arange(16) // 4, columns={"exam": exams})
    found = with_limits(evaluate(scores, n_resamples=5, **options))
    assert summary(found).startswith(begins)


def test_grouped_by_examination() -> None:
    scores = with_frames(two([0, 0, 1, 1], [0, 0, 1, 1]), grouping="exam")
    assert said(scores).startswith("In 4 frames from 2 examinations, IM was called")
    assert said(scores, level="exam").startswith("In 2 examinations, IM was called")


def test_several_labels() -> None:
    found = with_limits(report("several labels"))
    rates = "a sensitivity of 50.0% (25.0% to 75.0%) and a specificity of 50.0% (25.0% to 75.0%)"
    most = max(row.n for row in found.rows)
    assert summary(found) == (
        f"In up to {most} frames from 40 patients, finding 0 was called with a sensitivity of 50.0% (95% confidence "
        "interval 25.0% to 75.0%) and a specificity of 50.0% (25.0% to 75.0%); finding 1 with "
        f"{rates}; finding 2 with {rates}, at the default threshold of 0.5 for each label, as none is stored with the "
        "model."
    )


def test_more_than_three_labels() -> None:
    found = with_limits(evaluate(of_several_labels(5, unknown=0), n_resamples=5))
    assert summary(found) == (
        "In 120 frames from 40 patients, all 5 labels were called correctly in 50.0% (95% confidence interval 25.0% to "
        "75.0%); macro-F1 was 0.50 (0.25 to 0.75), at the default threshold of 0.5 for each label, as none is stored "
        "with the model."
    )
    without = dataclasses.replace(found, called=None)
    assert "; 2 more labels are in the table, at" in summary(without)
    assert "; 1 more label is in the table, at" in summary(dataclasses.replace(without, rows=found.rows[:4]))


def test_a_label_of_one_class_among_several() -> None:
    targets = np.stack([np.arange(40) % 2, np.zeros(40, int)], axis=1)
    scores = Scores.from_arrays(targets - 0.5, targets, label_names=("a", "b"), task="multilabel")
    assert "; b with a specificity of 100.0%" in said(scores)
    assert "sensitivity of an unknown" not in said(scores)


def test_nothing_is_known() -> None:
    scores = Scores.from_arrays(
        np.zeros((4, 2)), -np.ones((4, 2), int), label_names=("a", "b"), task="multilabel"
    )
    assert said(scores) == "Nothing could be measured: the truth is not known of any frame."


def test_no_interval() -> None:
    found = with_limits(report("two labels"), low=float("nan"), high=float("nan"))
    assert "called in 50.0% (without an interval) of the" in summary(found)


def test_thresholds() -> None:
    scores = drawn()
    fields = {"images": tuple(f"v{number}" for number in range(240))}
    validation = with_frames(drawn(seed=1), **fields)
    asked = evaluate(scores, n_resamples=5, operating_point="0.3").summary
    assert asked.endswith(", at a threshold of 0.3 for each label, as asked for.")
    rule = evaluate(scores, n_resamples=5, operating_point="sens>=0.9", validation=validation).summary
    assert rule.endswith(", chosen for a sensitivity of at least 0.9 on 240 validation frames.")
    by_patient = evaluate(
        scores, n_resamples=5, operating_point="youden", level="patient", validation=validation
    ).summary
    assert by_patient.startswith("Of 60 patients, ")
    assert by_patient.endswith(", chosen by Youden's rule on 60 validation patients.")
    stored = drawn(calibration=Calibration(operating_points={"normal": 0.2, "GA": 0.25, "IM": 0.4}))
    assert said(stored).endswith(", at thresholds of 0.2 to 0.4, stored with the weights.")
    folds = drawn(calibration=Calibration(thresholds=np.full((240, 3), 0.3)), fold=["a"] * 120 + ["b"] * 120)
    assert said(folds).endswith(
        ", at a median threshold of 0.3 for each label, chosen in each fold on its inner validation frames."
    )
    partly = drawn(calibration=Calibration(operating_points={"normal": 0.2}))
    assert said(partly).endswith(", at thresholds of 0.2 to 0.5, chosen as the table says.")


def test_apparent() -> None:
    found = said(drawn(), operating_point="youden", apparent=True)
    assert found.endswith(
        ", chosen by Youden's rule on these very frames; these numbers are therefore apparent, probably too good."
    )
    points = Calibration(operating_points={"IM": 0.2, "normal": 0.5})
    trained = two([0, 0, 1, 1], [0, 0, 1, 1], calibration=points, fold=["val"] * 4)
    assert said(trained).endswith(
        ", at a threshold of 0.2, stored with the weights, which were chosen on some of these frames; these numbers "
        "are therefore apparent, probably too good."
    )


class TestWarnings:
    def test_each_once_the_gravest_first(self) -> None:
        scores = drawn(24, grouping=None, fold=["val"] * 24)
        found = evaluate(scores, n_resamples=5, operating_point="youden", apparent=True).warnings
        assert [warning.split()[0] for warning in found[:3]] == ["Among", "Thresholds", "The"]
        assert len(set(found)) == len(found)

    def test_few_patients(self) -> None:
        assert report("few patients").warnings == (
            "Too few patients have, or lack, IM: the intervals are not to be relied on, as the table says.",
        )

    def test_many_labels(self) -> None:
        (first, *_, last) = report("many labels").warnings
        assert first.startswith("Too few patients have, or lack, label 0, label 1,")
        assert last.startswith("Pairs of labels are left out: 23 labels have 253 ")

    def test_one_class(self) -> None:
        assert report("one class").warnings == (
            "No frame has IM: no sensitivity, predictive values, F1, AUROC or calibration.",
        )

    def test_unknown_labels(self) -> None:
        (only,) = report("several labels").warnings
        assert only.endswith("frames have labels that are not known: left out of the called label's numbers.")

    def test_an_ordinary_report_has_none(self) -> None:
        assert report("two labels").warnings == ()
        assert evaluate(drawn(), EvaluationOptions(n_resamples=5)).warnings == ()
