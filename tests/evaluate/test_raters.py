"""Raters: kappa against scikit-learn and a published table, each rater against the others, alone and in reports."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lag_zoo import evaluate_predictions
from lag_zoo.cli.app import app
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.raters import Raters, majority
from lag_zoo.metrics import influence
from lag_zoo.metrics.agreement import fleiss_kappa, fleiss_kappas
from lag_zoo.metrics.clustered import group_interval
from lag_zoo.metrics.intervals import weighted_bootstraps
from tests.evaluate.drawn_scores import NAMES, of_skill
from tests.evaluate.test_predictions import Columns, table_of, written

RATERS = ("ana", "ben", "cem")


def rated(
    right: float = 0.8, *, names: tuple[str, ...] = NAMES, missing: float = 0.0, seed: int = 0
) -> Columns:
    """Forty patients of three frames, whose labels three raters give rightly so often."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(40) % len(names), 3)
    columns: Columns = {
        "image": [f"{i}.png" for i in range(120)],
        "patient": [f"p{i // 3}" for i in range(120)],
    }
    for rater in RATERS:
        said = np.where(rng.uniform(size=120) < right, truth, rng.integers(0, len(names), 120))
        columns[rater] = ["" if rng.uniform() < missing else names[i] for i in said]
    return columns


def found(columns: Columns, **options: Any) -> Raters:
    report = evaluate_predictions(columns, raters=RATERS, **options)
    assert report.raters is not None
    return report.raters


def test_pairs_are_those_of_scikit_learn() -> None:
    columns = rated(missing=0.1)
    raters = found(columns)
    assert [(pair.one, pair.other) for pair in raters.pairs] == [
        ("ana", "ben"),
        ("ana", "cem"),
        ("ben", "cem"),
    ]
    for pair in raters.pairs:
        both = [(a, b) for a, b in zip(columns[pair.one], columns[pair.other], strict=True) if a and b]
        assert pair.kappa.n == len(both) < 120
        assert pair.kappa.value == pytest.approx(sklearn.metrics.cohen_kappa_score(*zip(*both, strict=True)))
        assert pair.agreed.value == pytest.approx(np.mean([a == b for a, b in both]))
        assert pair.kappa.low < pair.kappa.value < pair.kappa.high
        assert pair.kappa.groups == 40


def test_the_published_table() -> None:
    """Ten subjects, fourteen raters, five categories (https://en.wikipedia.org/wiki/Fleiss%27_kappa): 0.210."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = [np.repeat([f"category {i}" for i in range(5)], row) for row in counts]
    names = [f"rater {i}" for i in range(14)]
    columns = {name: [row[i] for row in ratings] for i, name in enumerate(names)}
    report = evaluate_predictions(columns, raters=names)
    assert report.raters is not None
    assert round(report.raters.kappa.value, 3) == 0.210
    assert len(report.raters.pairs) == 91


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 5))
def test_fleiss_by_influence_is_fleiss(seed: int, labels: int, raters: int) -> None:
    ratings = np.random.default_rng(seed).integers(-1, labels, (12, raters))
    value = fleiss_kappa(ratings, labels=labels)
    statistic = influence.fleiss_kappa(ratings, labels=labels)
    assert statistic.value == pytest.approx(value, nan_ok=True, abs=1e-12)
    if not np.isfinite(value):
        return
    assert statistic.effect.sum() == pytest.approx(0, abs=1e-9)
    for frame in range(3):  # the derivative by a frame's weight, from both sides
        step = np.zeros(12)
        step[frame] = 1e-6
        up, down = fleiss_kappas(ratings, np.stack([1 + step, 1 - step]), labels=labels)
        assert statistic.effect[frame] == pytest.approx((up - down) / 2e-6, abs=1e-4)


def test_the_interval_is_near_that_of_a_bootstrap() -> None:
    columns = rated(names=("normal", "IM"))
    ratings = np.array([[("normal", "IM").index(cell) for cell in columns[rater]] for rater in RATERS]).T
    groups = np.array(columns["patient"])
    (drawn,) = weighted_bootstraps(
        lambda w: fleiss_kappas(ratings, w, labels=2)[:, None], groups, n_resamples=1000
    )
    ours = group_interval(influence.fleiss_kappa(ratings, labels=2), groups, 120, limits=(-1, 1))
    assert ours.value == pytest.approx(drawn.value)
    assert ours.low == pytest.approx(drawn.low, abs=0.04)
    assert ours.high == pytest.approx(drawn.high, abs=0.04)
    assert found(columns).kappa == ours


class TestMajority:
    def test_against_the_others(self) -> None:
        columns = rated(missing=0.1)
        for number, result in enumerate(found(columns).each):
            own, (one, other) = columns[RATERS[number]], [columns[r] for r in RATERS if r != RATERS[number]]
            truth = [(a if a == b else "") if a and b else a or b for a, b in zip(one, other, strict=True)]
            both = [(t, o) for t, o in zip(truth, own, strict=True) if t and o]
            assert result.called is not None
            assert (result.name, result.called.n) == (RATERS[number], len(both))
            assert result.left_out == sum(bool(o) and not t for t, o in zip(truth, own, strict=True))
            accuracy = sklearn.metrics.accuracy_score(*zip(*both, strict=True))
            assert result.called.measures["accuracy"].value == pytest.approx(accuracy)
            assert [row.label for row in result.rows] == sorted(NAMES)
            recall = np.mean([o == "IM" for t, o in both if t == "IM"])
            assert next(r for r in result.rows if r.label == "IM").measures[
                "sensitivity"
            ].value == pytest.approx(recall)

    @given(st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=4), min_size=1, max_size=8))
    def test_more_than_half(self, ratings: list[list[int]]) -> None:
        for row, label in zip(ratings, majority(np.array(ratings), labels=3), strict=True):
            said = [rating for rating in row if rating >= 0]
            most = [x for x in range(3) if 2 * said.count(x) > len(said)]
            assert (most or [-1]) == [label]

    def test_two_raters_who_never_meet_the_majority(self) -> None:
        columns: Columns = {"ana": ["a", "b", ""], "ben": ["b", "a", "a"], "cem": ["", "", ""]}
        raters = found(columns)
        assert (raters.n, raters.pairs[0].agreed.value) == (2, 0.0)
        assert raters.each[2].rows == ()
        assert raters.each[2].called is None
        assert np.isnan(raters.pairs[1].kappa.value)
        assert "| cem | 0 | 0 | - |" in markdown(evaluate_predictions(columns, raters=RATERS))


class TestReports:
    def test_alone(self) -> None:
        report = evaluate_predictions(rated(), raters=RATERS)
        assert (report.rows, report.called, report.scores, report.analysed) == ((), None, None, 120)
        assert report.analysed_groups == 40
        assert report.summary.startswith(
            "3 raters on 120 frames that two or more of them rated: Fleiss' kappa 0."
        )
        page = markdown(report)
        assert "## Raters" in page
        assert "## Each label" not in page
        assert "### Counts" not in page
        assert "<h2>Raters</h2>" in html(report)
        assert json.loads(json.dumps(report.to_dict()))["raters"]["pairs"][0]["one"] == "ana"

    def test_with_a_truth_that_is_not_needed(self) -> None:
        with_truth = rated() | {"label": ["normal", "IM", "GA"] * 40}
        assert found(with_truth) == found(rated()) or repr(found(with_truth)) == repr(found(rated()))

    def test_beside_a_model(self) -> None:
        columns = table_of(of_skill(2.0)) | {
            rater: cells for rater, cells in rated().items() if rater in RATERS
        }
        report = evaluate_predictions(columns, raters=RATERS, n_resamples=20)
        assert report.raters is not None
        assert report.raters.label_names == NAMES
        assert len(report.rows) == 3
        apart = evaluate_predictions([table_of(of_skill(2.0)), rated()], raters=RATERS, n_resamples=20)
        assert apart.raters is not None
        assert apart.raters.kappa == report.raters.kappa
        assert apart.comparisons == ()

    def test_excluded_frames_and_other_splits_are_not_counted(self) -> None:
        columns = rated() | {"split": ["test"] * 60 + ["val"] * 60, "excluded": ["blurred"] * 3 + [""] * 117}
        report = evaluate_predictions(columns, raters=RATERS)
        assert report.raters is not None
        assert (report.raters.n, report.flow.excluded) == (57, 3)

    def test_all_of_one_label(self) -> None:
        columns: Columns = {rater: ["a"] * 6 for rater in RATERS}
        report = evaluate_predictions(columns, raters=RATERS, labels=["a", "b"])
        assert "Fleiss' kappa not defined" in report.summary

    def test_the_positive_label(self) -> None:
        columns = rated(names=("IM", "normal"))
        assert [row.label for row in found(columns).each[0].rows] == ["IM"]
        assert [row.label for row in found(columns, positive="IM").each[0].rows] == ["IM"]

    @pytest.mark.usefixtures("no_pictures")
    def test_the_command(self, tmp_path: Path) -> None:
        path = written(tmp_path / "raters.csv", rated())
        arguments = [
            "evaluate",
            "--predictions",
            str(path),
            "--raters",
            ",".join(RATERS),
            "-o",
            str(tmp_path / "report"),
        ]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        assert "Fleiss' kappa" in done.output
        assert sorted(p.name for p in (tmp_path / "report").iterdir()) >= [
            "figures",
            "report.html",
            "report.json",
        ]


WRONG: dict[str, tuple[Columns, tuple[str, ...], type[Exception], str]] = {
    "one": (rated(), ("ana",), InvalidConfigError, "two columns or more, each once, as ana,ben; got ana"),
    "twice": (rated(), ("ana", "ana"), InvalidConfigError, "two columns or more, each once"),
    "no column": (rated(), ("ana", "bem"), DataError, r"no column 'bem' of a rater.*Did you mean"),
    "one label": (
        {"ana": ["a"], "ben": ["a"]},
        ("ana", "ben"),
        DataError,
        r"give 1 label \(a\), and agreement needs",
    ),
    "none": (
        {"ana": ["a", ""], "ben": ["", "b"]},
        ("ana", "ben"),
        DataError,
        "no frame is rated by two of ana, ben",
    ),
    "a label": (
        table_of(of_skill(2.0)) | {"ana": ["IM"] * 120, "ben": ["IM", "MI"] * 60},
        ("ana", "ben"),
        DataError,
        "line 2, column ben: 'MI' is none of the labels normal, GA, IM",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_right_is_named(case: str) -> None:
    columns, raters, kind, said = WRONG[case]
    with pytest.raises(kind, match=said):
        evaluate_predictions(columns, raters=raters, n_resamples=20)
