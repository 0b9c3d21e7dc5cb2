"""Anybody's predictions: what is in a table is what is reported, and what cannot be right is named."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import lag_zoo
from lag_zoo import evaluate_predictions
from lag_zoo.cli.app import app
from lag_zoo.errors import DataError, DoubtfulIdsWarning, InvalidConfigError, UnusedColumnWarning
from lag_zoo.evaluate import Report, Scores, evaluate
from lag_zoo.evaluate.pages import markdown
from lag_zoo.evaluate.prediction_columns import Reading, parts_of
from lag_zoo.evaluate.predictions import logits_of, read_predictions
from lag_zoo.tasks import rules_of
from tests.evaluate.drawn_scores import NAMES, drawn, of_skill

Columns = dict[str, list[Any]]


def table_of(scores: Scores, **more: list[Any]) -> Columns:
    """The columns of a table of predictions."""
    frames = scores.frames
    columns: Columns = {"image": list(frames.images)}
    if frames.grouping:
        columns[frames.grouping] = frames.groups.tolist()
    if scores.rules.exclusive:
        columns["label"] = [scores.label_names[target] for target in frames.targets]
    else:
        marks = [["" if mark < 0 else int(mark) for mark in row] for row in frames.targets]
        columns |= {name: [row[i] for row in marks] for i, name in enumerate(scores.label_names)}
    for i, name in enumerate(scores.label_names):
        columns[f"p_{name}"] = scores.probabilities[:, i].tolist()
    return columns | more


def written(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def read(columns: Mapping[str, Sequence[Any]], split: str | None = None, **reading: Any) -> Scores:
    given = Reading(**reading)
    return read_predictions(parts_of([columns], given), given)[0].scores(split)


def numbers(report: Report) -> dict[str, Any]:
    """All of a report but where it comes from."""
    kept = report.to_dict()
    return {
        name: value
        for name, value in kept.items()
        if name not in ("title", "about", "comparisons", "warnings", "raters")
    }


def small(**more: Any) -> Columns:
    """Eight frames of four patients with two labels."""
    columns: Columns = {
        "image": [f"{i}.png" for i in range(8)],
        "patient": [f"p{i // 2}" for i in range(8)],
        "label": ["normal", "IM"] * 4,
        "p_normal": [0.9, 0.2, 0.6, 0.7, 0.8, 0.1, 0.75, 0.25],
        "p_IM": [0.1, 0.8, 0.4, 0.3, 0.2, 0.9, 0.25, 0.75],
    }
    return {name: cells for name, cells in (columns | more).items() if cells is not None}


class TestRoundTrips:
    @pytest.mark.parametrize("task", ["multiclass", "multilabel"])
    @pytest.mark.parametrize("ending", [".csv", ".parquet"])
    def test_a_table_of_probabilities_gives_the_report_of_the_scores(
        self, task: str, ending: str, tmp_path: Path
    ) -> None:
        scores = drawn(task=task)
        path = tmp_path / f"model{ending}"
        if ending == ".csv":
            written(path, table_of(scores))
        else:
            columns = {
                name: list(map(str, cells)) if name in NAMES else cells
                for name, cells in table_of(scores).items()
            }
            pyarrow.parquet.write_table(pyarrow.table(columns), path)
        report = evaluate_predictions(path, n_resamples=50)
        assert numbers(report) == numbers(evaluate(scores, n_resamples=50))
        assert report.title == f"model on model{ending}"
        assert report.scores is not None
        assert np.array_equal(report.scores.probabilities, scores.probabilities)

    def test_logits_are_taken_as_they_are(self) -> None:
        scores = drawn()
        columns = {name: cells for name, cells in table_of(scores).items() if not name.startswith("p_")}
        columns |= {f"logit_{name}": scores.logits[:, i].tolist() for i, name in enumerate(NAMES)}
        assert np.array_equal(read(columns).logits, scores.logits)
        assert numbers(evaluate_predictions(columns, n_resamples=50)) == numbers(
            evaluate(scores, n_resamples=50)
        )

    def test_scores_with_given_probabilities_are_written_and_read(self, tmp_path: Path) -> None:
        scores = read(table_of(drawn(40)))
        scores.write(tmp_path / "scores.csv")
        again = Scores.read(tmp_path / "scores.csv")
        assert again.given is not None
        assert np.array_equal(again.given, scores.probabilities)
        turned = again.with_label_order(NAMES[::-1])
        assert np.array_equal(turned.probabilities, scores.probabilities[:, ::-1])
        parts = again.take(np.arange(10)), again.take(np.arange(10, 40))
        assert np.array_equal(parts[0].join([parts[1]]).probabilities, scores.probabilities)
        network = drawn(40, seed=1)
        assert np.array_equal(again.join([network]).probabilities[40:], network.probabilities)

    def test_columns_of_numpy_torch_and_pyarrow(self) -> None:
        scores = drawn(40)
        columns = table_of(scores)
        arrays = {name: np.array(cells) for name, cells in columns.items()}
        tensors = columns | {
            f"p_{n}": torch.from_numpy(scores.probabilities[:, i]) for i, n in enumerate(NAMES)
        }
        single = np.array([0.5, 0.25, 0.1], dtype=np.float32)
        for table in (arrays, tensors, pyarrow.table(columns)):
            assert np.array_equal(read(table).probabilities, scores.probabilities)
        one = read({"label": ["a", "b", "a"], "p_b": single})
        assert np.array_equal(one.probabilities[:, 1], single.astype(np.float64))

    def test_ties_stay_ties(self) -> None:
        """Votes of ten trees sum to 1 but for rounding; scaled to it, equal ones would come apart."""
        rng = np.random.default_rng(0)
        votes = rng.multinomial(10, [0.2, 0.3, 0.5], size=400) / 10
        truth = rng.integers(0, 3, 400)
        columns: Columns = {"label": [NAMES[i] for i in truth]}
        columns |= {f"p_{name}": votes[:, i].tolist() for i, name in enumerate(NAMES)}
        report = evaluate_predictions(columns, n_resamples=20)
        for i, row in enumerate(report.rows):
            assert row.measures["auroc"].value == pytest.approx(
                sklearn.metrics.roc_auc_score(truth == i, votes[:, i]), abs=1e-12
            )

    @pytest.mark.parametrize("point", ["0.1", "0.2", "0.3", "0.7"])
    def test_a_probability_at_the_threshold_is_called(self, point: str) -> None:
        rest = [(1 - float(point)) / 2] * 6
        columns: Columns = {"label": ["a", "b", "c"] * 2, "p_a": [float(point)] * 6, "p_b": rest, "p_c": rest}
        row = evaluate_predictions(columns, n_resamples=20, operating_point=point).rows[0]
        assert (row.label, row.measures["sensitivity"].value) == ("a", 1.0)


probabilities = st.one_of(
    st.floats(0, 1), st.sampled_from([0.0, 1.0, 0.5, 5e-324, 1e-300, 1 - 2**-53]), st.floats(0, 1e-12)
)


@given(st.lists(probabilities, min_size=1, max_size=20))
def test_logits_of_labels_each_for_itself(given: list[float]) -> None:
    chances = np.array(given)[:, None]
    back = rules_of("multilabel").probabilities(logits_of(chances, "multilabel"))
    assert back == pytest.approx(chances, rel=1e-12, abs=1e-300)
    assert np.array_equal(back == 0, chances == 0)
    assert np.array_equal((back >= 0.5), (chances >= 0.5))


@given(
    st.lists(
        st.lists(probabilities, min_size=3, max_size=3).filter(lambda row: sum(row) > 0.1),
        min_size=1,
        max_size=9,
    )
)
def test_logits_of_exclusive_labels(given: list[list[float]]) -> None:
    chances = np.array(given)
    chances /= chances.sum(axis=1, keepdims=True)
    back = rules_of("multiclass").probabilities(logits_of(chances, "multiclass"))
    assert back == pytest.approx(chances, rel=1e-12, abs=1e-300)
    assert np.array_equal(back == 0, chances == 0)


@given(st.data())
def test_any_table_is_read_as_it_stands(data: st.DataObject) -> None:
    count, labels = data.draw(st.integers(2, 12)), data.draw(st.integers(2, 4))
    names = [f"label {i}" for i in range(labels)]
    rows = data.draw(
        st.lists(
            st.lists(st.floats(0, 1), min_size=labels, max_size=labels).filter(lambda row: sum(row) > 0.01),
            min_size=count,
            max_size=count,
        )
    )
    chances = np.array([np.array(row) / sum(row) for row in rows])
    columns: Columns = {"label": [data.draw(st.sampled_from(names)) for _ in range(count)]}
    columns |= {f"p_{name}": chances[:, i].tolist() for i, name in enumerate(names)}
    scores = read(columns)
    assert scores.label_names == tuple(names)
    assert np.array_equal(scores.probabilities, chances)
    assert [names[i] for i in scores.frames.targets] == columns["label"]


class TestColumns:
    def test_one_column_of_two_labels(self) -> None:
        alone = small(p_normal=None)
        assert read(alone).label_names == ("normal", "IM")
        assert numbers(evaluate_predictions(alone, n_resamples=20)) == numbers(
            evaluate_predictions(small(), n_resamples=20)
        )
        logit = np.log(np.array(small()["p_IM"]) / np.array(small()["p_normal"]))
        odds = read(small(p_normal=None, p_IM=None, logit_IM=logit))
        assert odds.probabilities[:, 1] == pytest.approx(small()["p_IM"])
        other_way = read(small(p_IM=None))
        assert other_way.label_names == ("IM", "normal")

    def test_one_column_of_one_label_for_itself(self) -> None:
        row = evaluate_predictions(
            {"polyp": [0, 1, 1, 0], "p_polyp": [0.1, 0.9, 0.3, 0.2]}, n_resamples=20
        ).rows[0]
        assert (row.label, row.n, row.measures["sensitivity"].value) == ("polyp", 4, 0.5)

    def test_a_cohort_lacks_a_label(self) -> None:
        scores = drawn()
        columns = table_of(scores)
        kept = [label != "GA" for label in columns["label"]]
        some = {name: [c for c, ok in zip(cells, kept, strict=True) if ok] for name, cells in columns.items()}
        report = evaluate_predictions(some, n_resamples=20)
        assert [row.label for row in report.rows] == list(NAMES)
        assert report.rows[1].positives == 0
        unknown = table_of(drawn(task="multilabel"))
        del unknown["GA"]
        report = evaluate_predictions(unknown, n_resamples=20)
        assert [row.label for row in report.rows] == ["normal", "IM"]
        assert any("Nothing is known of GA" in said for said in report.warnings)

    def test_a_truth_that_nothing_predicts_is_named(self) -> None:
        columns = table_of(drawn(task="multilabel"))
        del columns["p_GA"]
        with pytest.warns(
            UnusedColumnWarning, match=r"GA \(0 and 1\) has no predictions, and only normal, IM are"
        ):
            assert read(columns).label_names == ("normal", "IM")

    def test_labels_say_order_and_choice(self) -> None:
        columns = table_of(drawn())
        assert read(columns, labels=("IM", "GA", "normal")).label_names == ("IM", "GA", "normal")
        with pytest.warns(UnusedColumnWarning):
            assert read(table_of(drawn(task="multilabel")), labels=("IM",)).label_names == ("IM",)

    def test_renamed_columns(self, tmp_path: Path) -> None:
        columns = small()
        columns["case_id"] = columns.pop("patient")
        report = evaluate_predictions(
            written(tmp_path / "a.csv", columns), columns={"case_id": "patient"}, n_resamples=20
        )
        assert report.grouping == "patient"

    def test_age_sex_and_excluded_are_read_as_in_manifests(self) -> None:
        more = {
            "age": [30, 30, 50, 50, 70, 70, 70, 70],
            "sex": ["F", "F", "m", "m", "f", "f", "M", "M"],
            "excluded": ["", "", "", "", "", "", "blurred", "no"],
            "label": ["normal", "IM"] * 3 + ["cancer", "IM"],
        }
        report = evaluate_predictions(small(**more), n_resamples=20)
        assert (report.flow.found, report.flow.excluded, report.flow.reasons) == (8, 1, {"blurred": 1})
        assert {(part.column, part.value) for part in report.subgroups} >= {("sex", "f"), ("age_band", "<40")}

    def test_ids_that_may_be_one(self) -> None:
        with pytest.warns(DoubtfulIdsWarning, match="'P0' = 'p0'"):
            read(small(patient=["p0", "P0", "p1", "p1", "p2", "p2", "p3", "p3"]))

    def test_without_images_rows_are_numbered(self) -> None:
        assert read(small(image=None)).frames.images[:2] == ("row 1", "row 2")


class TestCalls:
    def test_exclusive(self) -> None:
        columns: Columns = {"label": ["a", "b", "c", "a"] * 3, "called": ["a", "b", "a", "a"] * 3}
        report = evaluate_predictions(columns, n_resamples=20)
        assert report.calls_only
        assert report.called is not None
        assert report.called.measures["accuracy"].value == 0.75
        assert report.called.measures["kappa"].value == pytest.approx(
            sklearn.metrics.cohen_kappa_score(columns["label"], columns["called"])
        )
        assert all(row.curves is None and not row.calibration for row in (*report.rows, *report.pairs))
        assert all(np.isnan(row.measures["auroc"].value) for row in report.rows)
        assert {row.rule for row in report.rows} == {"as called"}
        page = markdown(report)
        assert "## Calibration" not in page
        assert "Called: as given." in page

    def test_several_labels_a_frame(self) -> None:
        columns: Columns = {
            "polyp": [1, 0, 1, 0],
            "bleeding": [1, 1, 0, ""],
            "called": ["polyp; bleeding", "", "polyp", "bleeding"],
        }
        report = evaluate_predictions(columns, n_resamples=20)
        assert report.scores is not None
        assert report.scores.probabilities.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1]]
        assert [(row.n, row.measures["sensitivity"].value) for row in report.rows] == [(4, 1.0), (3, 0.5)]

    def test_a_rule_for_thresholds_does_not_touch_calls(self) -> None:
        columns: Columns = {"label": ["a", "b"] * 4, "called": ["a", "b", "b", "a"] * 2}
        report = evaluate_predictions(columns, n_resamples=20, operating_point="youden", apparent=True)
        assert [(row.rule, row.apparent) for row in report.rows] == [("as called", False)]

    def test_a_label_that_no_frame_has(self) -> None:
        columns: Columns = {"label": ["a", "b"] * 4, "called": ["a", "c"] * 4}
        with pytest.raises(
            DataError, match=r"line 2, column called: 'c' is none of the labels a, b\..*--labels"
        ):
            evaluate_predictions(columns)
        assert len(evaluate_predictions(columns, labels=["a", "b", "c"], n_resamples=20).rows) == 3

    def test_by_examination(self) -> None:
        """Of two labels an examination is called as any of its frames is; of more, only a mean says one."""
        exams = [f"e{i // 2}" for i in range(8)]
        two: Columns = {
            "exam": exams,
            "label": ["a", "a", "b", "a", "a", "a", "b", "b"],
            "called": ["a", "b", "b", "a", "a", "a", "a", "a"],
        }
        row = evaluate_predictions(two, level="exam", n_resamples=20).rows[0]
        assert (row.label, row.confusion) == ("b", (1, 1, 1, 1))
        three = two | {"label": ["a", "a", "b", "b", "c", "c", "b", "b"]}
        with pytest.raises(InvalidConfigError, match=r"calls of 3 labels cannot be pooled by maximum.*mean"):
            evaluate_predictions(three, level="exam")
        report = evaluate_predictions(three, level="exam", pooling="mean", n_resamples=20)
        assert report.called is not None
        assert report.called.n == 4


class TestSplits:
    def columns(self) -> Columns:
        scores = of_skill(2.0)
        splits = [("train", "val", "test")[int(group[1:]) // 3 % 3] for group in scores.frames.groups]
        return table_of(scores, split=splits)

    def test_test_is_reported_and_val_gives_thresholds(self) -> None:
        columns = self.columns()
        report = evaluate_predictions(columns, operating_point="youden", n_resamples=20)
        assert report.analysed == columns["split"].count("test")
        validation = columns["split"].count("val")
        assert {row.rule for row in report.rows} == {f"youden on {validation} validation frames"}
        assert not any(row.apparent for row in report.rows)
        assert report.about["split"] == "test"

    def test_as_the_scores_of_the_splits(self) -> None:
        report = evaluate_predictions(self.columns(), operating_point="sens>=0.9", n_resamples=20)
        test, val = (read(self.columns(), split) for split in ("test", "val"))
        assert numbers(report) == numbers(
            evaluate(test, validation=val, operating_point="sens>=0.9", n_resamples=20)
        )

    def test_without_validation(self) -> None:
        with pytest.raises(InvalidConfigError, match="needs frames to choose a threshold on"):
            evaluate_predictions(table_of(of_skill(2.0)), operating_point="youden")
        report = evaluate_predictions(
            table_of(of_skill(2.0)), operating_point="youden", apparent=True, n_resamples=20
        )
        assert all(row.apparent for row in report.rows)

    def test_which_frames(self) -> None:
        assert evaluate_predictions(self.columns(), split="all", n_resamples=20).analysed == 120
        assert evaluate_predictions(self.columns(), split="val", n_resamples=20).analysed == self.columns()[
            "split"
        ].count("val")
        columns = self.columns() | {"split": [f"fold{i % 2}" for i in np.arange(120) // 3]}
        with pytest.raises(InvalidConfigError, match="and no test: say which frames"):
            evaluate_predictions(columns)

    def test_a_group_in_two_splits(self) -> None:
        with pytest.raises(DataError, match=r"groups by patient stand in more than one split"):
            evaluate_predictions(small(split=["test", "val"] * 4))


class TestSeveralModels:
    def test_in_one_table_as_in_several(self, tmp_path: Path) -> None:
        one, other = (table_of(of_skill(skill, seed=seed)) for skill, seed in ((2.0, 0), (1.0, 1)))
        paths = [written(tmp_path / f"{name}.csv", table) for name, table in (("good", one), ("bad", other))]
        joined = {name: one[name] + other[name] for name in one} | {"model": ["good"] * 120 + ["bad"] * 120}
        several = evaluate_predictions(paths, n_resamples=20)
        together = evaluate_predictions(written(tmp_path / "both.csv", joined), n_resamples=20)
        assert together.comparisons == several.comparisons or repr(together.comparisons) == repr(
            several.comparisons
        )
        assert [one.name for one in together.comparisons] == ["bad"]
        difference = together.comparisons[0].differences[0].auroc
        measures = [
            row.measures["auroc"].value for row in (together.rows[0], together.comparisons[0].rows[0])
        ]
        assert difference.value == pytest.approx(measures[0] - measures[1])
        turned = evaluate_predictions(paths, reported="bad", n_resamples=20)
        assert turned.title == "bad on bad.csv"
        assert turned.comparisons[0].differences[0].auroc.value == pytest.approx(-difference.value)

    def test_frames_that_not_all_have(self) -> None:
        one, other = table_of(of_skill(2.0)), table_of(of_skill(1.0, seed=1))
        fewer = {name: cells[:-3] for name, cells in other.items()}
        more = {name: cells[6:] for name, cells in one.items()}
        report = evaluate_predictions(
            [more | {"model": ["a"] * 114}, fewer | {"model": ["b"] * 117}], n_resamples=20
        )
        assert report.analysed == 111
        assert report.about["left_out"] == {
            "a": sorted(one["image"][:6]),
            "b": sorted(one["image"][-3:]),
        }
        assert "9 frames are left out" in report.warnings[0]
        assert "a lacks 6, b lacks 3" in report.warnings[0]
        assert numbers(report) | {"flow": None} == numbers(
            evaluate(read(one).take(np.arange(6, 117)), n_resamples=20)
        ) | {"flow": None} | {
            key: numbers(report)[key] for key in ("found", "found_groups", "excluded", "reasons")
        }
        with pytest.raises(DataError, match=r"no frame is in all of 2 models: a has 114, such as 10.png"):
            evaluate_predictions(
                [
                    more | {"model": ["a"] * 114},
                    fewer | {"model": ["b"] * 117, "image": [f"x{i}" for i in range(117)]},
                ]
            )

    def test_a_reader_beside_a_model(self) -> None:
        scores = of_skill(2.0)
        model, truth = table_of(scores), [NAMES[i] for i in scores.frames.targets]
        reader = {name: cells for name, cells in model.items() if not name.startswith("p_")}
        reader["called"] = [NAMES[0] if i % 5 == 0 else label for i, label in enumerate(truth)]
        report = evaluate_predictions([model, reader], n_resamples=20)
        (other,) = report.comparisons
        assert np.isnan(other.differences[0].auroc.value)
        assert np.isfinite(other.differences[0].sensitivity.value)
        assert other.called is not None
        assert other.called.measures["accuracy"].value == pytest.approx(
            np.mean([a == b for a, b in zip(reader["called"], truth, strict=True)])
        )

    def test_files_of_one_name(self, tmp_path: Path) -> None:
        paths = []
        for run, skill in (("1", 2.0), ("2", 1.0)):
            (tmp_path / run).mkdir()
            paths.append(written(tmp_path / run / "predictions.csv", table_of(of_skill(skill))))
        report = evaluate_predictions(paths, n_resamples=20)
        assert (report.about["model"], report.comparisons[0].name) == tuple(map(str, paths))

    def test_what_cannot_be_compared(self) -> None:
        one = small(model=["a"] * 8)
        with pytest.raises(DataError, match="the model a stands in two tables"):
            evaluate_predictions([one, one])
        with pytest.raises(DataError, match=r"has no column image: 2 models \(a, b\) are compared"):
            evaluate_predictions(small(image=None, model=["a", "b"] * 4))
        with pytest.raises(InvalidConfigError, match=r"no model 'c' to be reported; there are a, b"):
            evaluate_predictions([one, small(model=["b"] * 8)], reported="c")
        with pytest.raises(DataError, match="the truth is written alike in all tables"):
            evaluate_predictions([one, small(model=["b"] * 8, label=None, IM=[0, 1] * 4)])
        with pytest.raises(
            InvalidConfigError, match=r"do not agree on the truth of 1 of 8 frames, the first is 0\.png"
        ):
            evaluate_predictions([one, small(model=["b"] * 8, label=["IM", "IM"] + ["normal", "IM"] * 3)])
        with pytest.raises(InvalidConfigError, match="only networks of the same labels can be compared"):
            evaluate_predictions([one, small(model=["b"] * 8, p_GA=[0] * 8)])


def with_p(cell: Any) -> Columns:
    """The small table with another probability in its second line."""
    return {"p_IM": [0.1, cell, 0.4, 0.3, 0.2, 0.9, 0.25, 0.75]}


EMPTY: Columns = {name: [] for name in small()}
ALONE, NONE = {"p_normal": None}, {"p_normal": None, "p_IM": None}
WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "sum": (with_p(0.7), r"of 1 of 8 rows do not sum to 1.*; the first, line 2 \(p_normal, p_IM\): 0.2 \+ 0.7"),
    "above 1": (with_p(1.8), r"line 2, column p_IM: '1.8' is no probability from 0 to 1; logits stand in"),
    "text": (with_p("many"), "line 2, column p_IM: 'many' is no probability"),
    "nan": (with_p("nan"), "line 2, column p_IM: 'nan' is no probability"),
    "a cell": (with_p(""), "line 2, column p_IM: is empty, and other labels of the line have predictions"),
    "no number": (NONE | {"logit_IM": [0, 1, 2, "inf", 4, 5, 6, 7]}, "line 4, column logit_IM: 'inf' is no finite"),
    "nothing": (NONE, "has no predictions: a column p_LABEL or logit_LABEL.*its columns are image, patient, label"),
    "calls too": ({"called": ["IM"] * 8}, "has called and p_normal, which are two predictions of one thing"),
    "logits too": ({"logit_IM": [1] * 8}, "has p_normal and logit_IM, which are two predictions of one thing"),
    "label": ({"label": ["normal", "GA"] * 4}, "line 2, column label: 'GA' has no column p_GA; the labels are"),
    "no label": ({"label": ["normal", ""] * 4}, "line 2, column label: is empty, and nothing says why"),
    "no truth": ({"label": None}, "has no truth: a column label with one of normal, IM, or a column of 0 and 1"),
    "a mark": ({"label": None, "IM": ["yes", "no"] * 4}, "line 1, column IM: 'yes' is neither 0, 1 nor empty"),
    "one of three": (ALONE | {"label": ["normal", "IM", "GA", "GA"] * 2}, "p_IM alone.*here are GA, IM, normal: give"),
    "one of one": (ALONE | {"label": ["IM"] * 8}, "every frame is IM: say what the other is called, --labels OTHER,IM"),
    "image": ({"image": ["0.png"] * 8}, r"0\.png stands on line 1 and again on line 2"),
    "patient": ({"patient": ["p"] * 4 + [""] * 4}, "patient is empty on line 5"),
    "age": ({"age": ["old"] * 8}, "line 1, column age: 'old' is no age"),
    "model": ({"model": ["a", ""] * 4}, "line 2, column model: is empty"),
    "lengths": ({"p_IM": [0.1]}, "columns are equally long"),
    "no lines": (EMPTY, "has a header and no lines"),
    "no answer": ({"p_IM": [""] * 8, "p_normal": [""] * 8}, r"line 1, column p_normal: is empty.*\(and of 7 more\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_right_is_named(case: str) -> None:
    changes, said = WRONG[case]
    with pytest.raises(DataError, match=said):
        evaluate_predictions(small(**changes))


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*none\.csv"):
        evaluate_predictions(tmp_path / "none.csv")
    with pytest.raises(
        DataError, match="the table predictions is a int; a path or a mapping of columns is expected"
    ):
        evaluate_predictions(3)
    with pytest.raises(InvalidConfigError, match="needs every frame's exam"):
        evaluate_predictions(small(), level="exam")


def test_rounded_probabilities_pass() -> None:
    rounded = small(p_normal=[0.333] * 8, p_IM=[0.666] * 8)
    assert read(rounded).probabilities[0].tolist() == [0.333, 0.666]


class TestFramesWithoutAnAnswer:
    columns = small(
        p_normal=["", 0.2, 0.6, 0.7, 0.8, 0.1, 0.75, 0.25], p_IM=["", 0.8, 0.4, 0.3, 0.2, 0.9, 0.25, 0.75]
    )

    def test_are_listed_or_count_as_failures(self) -> None:
        report = evaluate_predictions(self.columns, skip_unreadable=True, n_resamples=20)
        assert (report.flow.unreadable, report.analysed) == (("0.png",), 7)
        worst = evaluate_predictions(self.columns, unreadable_as_failures=True, n_resamples=20)
        assert report.rows[0].measures["specificity"].value == 1.0
        assert worst.rows[0].measures["specificity"].value == 0.75

    def test_of_several_models_they_are_the_same(self) -> None:
        tables = [self.columns | {"model": ["a"] * 8}, small(model=["b"] * 8)]
        report = evaluate_predictions(tables, skip_unreadable=True, n_resamples=20)
        assert report.about["left_out"] == {"a": ["0.png"]}
        with pytest.raises(InvalidConfigError, match=r"no answer for different frames \(a 1, b 0\)"):
            evaluate_predictions(tables, unreadable_as_failures=True)


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


class TestCommand:
    @pytest.mark.usefixtures("no_pictures")
    def test_a_report(self, tmp_path: Path) -> None:
        path = written(tmp_path / "ours.csv", table_of(of_skill(2.0)))
        other = written(tmp_path / "theirs.csv", table_of(of_skill(1.0, seed=1)))
        said = command(
            "--predictions",
            path,
            "--predictions",
            other,
            "--reported",
            "theirs",
            "--n-resamples",
            100,
            "-o",
            tmp_path / "report",
        )
        assert "written: " in said
        report = json.loads((tmp_path / "report" / "report.json").read_text())
        assert (report["title"], report["comparisons"][0]["name"]) == ("theirs on theirs.csv", "ours")
        assert Scores.read(tmp_path / "report" / "scores.csv").given is not None
        assert "ours" in (tmp_path / "report" / "report.html").read_text()

    def test_on_the_screen(self, tmp_path: Path) -> None:
        columns = table_of(of_skill(2.0, names=("normal", "IM")))
        columns["case"] = columns.pop("patient")
        path = written(tmp_path / "ours.csv", columns)
        page = command(
            "--predictions",
            path,
            "--column",
            "case=patient",
            "--labels",
            "IM,normal",
            "--positive",
            "IM",
            "--prevalence",
            0.1,
            "--n-resamples",
            100,
        )
        assert "| IM |" in page
        assert "0.100" in page

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "say MODEL and DATA, to evaluate a network, or --predictions FILE"),
            (["a-network"], "got a-network alone"),
            (["a-network", "a.csv", "--predictions", "b.csv"], r"MODEL \(a-network\) is for a network"),
            (["--predictions", "b.csv", "--without-crops"], "and --without-crops is for a network"),
            (["--predictions", "b.csv", "--compare", "x"], "and --compare is for a network"),
            (
                ["a-network", "a.csv", "--raters", "a,b"],
                "--raters is for tables: it needs --predictions FILE",
            ),
            (["a-network", "a.csv", "--reported", "a"], "--reported is for tables"),
        ],
    )
    def test_mixtures(self, arguments: list[str], said: str) -> None:
        with pytest.raises(InvalidConfigError, match=said):
            command(*arguments)

    @pytest.mark.slow
    def test_a_process(self, tmp_path: Path, root: Path) -> None:
        path = written(tmp_path / "wrong.csv", small(label=["normal", "GA"] * 4))
        done = subprocess.run(
            [sys.executable, "-m", "lag_zoo.cli", "evaluate", "--predictions", path],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        assert done.returncode == 2
        assert "wrong.csv, line 3, column label: 'GA' has no column p_GA" in done.stderr


def test_it_is_public() -> None:
    assert lag_zoo.evaluate_predictions is evaluate_predictions
