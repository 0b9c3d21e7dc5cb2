"""Scores lose nothing: joined, taken, written and read, each frame keeps its probability, its call and its columns."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate import Analysis, Calibration, EvaluationOptions, Flow, FrameTable, Scores
from lag_zoo.tasks import rules_of
from tests.evaluate.drawn_scores import drawn

NAMES = ("normal", "GA", "IM")
OPTIONS = EvaluationOptions(n_resamples=10)
WORDS = st.text(max_size=4)  # commas, quotes, line breaks and all


@st.composite
def tables(draw: st.DrawFn, task: str, names: list[str], grouping: str | None, fold: str) -> FrameTable:
    n = len(names)
    shape, lowest, highest = ((n,), -1, 2) if task == "multiclass" else ((n, 3), -1, 1)
    count = int(np.prod(shape))
    targets = draw(st.lists(st.integers(lowest, highest), min_size=count, max_size=count))
    groups = (
        draw(st.lists(st.sampled_from(["p1", "p,2", "é"]), min_size=n, max_size=n)) if grouping else names
    )
    columns = {"device": tuple(draw(st.lists(WORDS, min_size=n, max_size=n)))}
    if grouping == "exam":
        columns["exam"] = tuple(groups)
    elif draw(st.booleans()):
        columns["in_training_data"] = tuple(
            draw(st.lists(st.sampled_from(["yes", ""]), min_size=n, max_size=n))
        )
    return FrameTable(
        images=tuple(names),
        targets=np.array(targets, dtype=int).reshape(shape),
        groups=np.array(groups),
        grouping=grouping,  # type: ignore[arg-type]
        columns=columns,
        fold=(fold,) * n if fold else (),
    )


@st.composite
def scores_of(draw: st.DrawFn, task: str, names: list[str], grouping: str | None) -> Scores:
    """Scores of these frames, the last of which could not be read where there are several."""
    skipped = names[-1:] if len(names) > 1 and draw(st.booleans()) else []
    seen = names[: len(names) - len(skipped)]
    n = len(seen)
    numbers = st.floats(-30, 30)
    logits = draw(st.lists(numbers, min_size=3 * n, max_size=3 * n))
    limits = draw(st.none() | st.lists(st.floats(0, 1) | st.just(np.nan), min_size=3 * n, max_size=3 * n))
    fold = draw(st.sampled_from(["", "fold1", "test"]))
    return Scores(
        label_names=NAMES,
        task=task,  # type: ignore[arg-type]
        logits=np.array(logits).reshape(n, 3),
        frames=draw(tables(task, seen, grouping, fold)),
        calibration=Calibration(
            temperature=draw(st.sampled_from([1.0, 0.7, 3.0])),
            operating_points=draw(st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 0.99))),
            thresholds=None if limits is None else np.array(limits).reshape(n, 3),
        ),
        flow=Flow(
            found=len(names) + 2,
            found_groups=draw(st.none() | st.integers(1, 9)),
            excluded=2,
            reasons={"blurred": 2},
            references={"histology": n},
            skipped=draw(tables(task, skipped, grouping, fold)) if skipped else None,
        ),
    )


@st.composite
def parts(draw: st.DrawFn) -> list[Scores]:
    """Scores of different frames, as of folds."""
    task = draw(st.sampled_from(["multiclass", "multilabel"]))
    grouping = draw(st.sampled_from([None, "patient", "exam"]))
    names = draw(st.lists(st.text(min_size=1, max_size=4), min_size=3, max_size=9, unique=True))
    cuts = sorted(draw(st.sets(st.integers(1, len(names) - 1), max_size=2)))
    return [
        draw(scores_of(task, names[a:b], grouping))
        for a, b in zip([0, *cuts], [*cuts, len(names)], strict=True)
    ]


def calls(scores: Scores) -> np.ndarray:
    """Made frame by frame as the Predictor makes them."""
    units = scores.at("frame")
    return scores.rules.decide(units.probabilities, units.thresholds)


def same(one: FrameTable, other: FrameTable) -> bool:
    arrays = np.array_equal(one.targets, other.targets) and np.array_equal(one.groups, other.groups)
    return arrays and (one.images, one.grouping, dict(one.columns), one.fold) == (
        other.images, other.grouping, dict(other.columns), other.fold,
    )  # fmt: skip


@settings(max_examples=50)
@given(parts())
def test_joined_each_frame_stays_as_it_is(each: list[Scores]) -> None:
    joined = each[0].join(each[1:])
    assert np.array_equal(joined.probabilities, np.concatenate([s.probabilities for s in each]))
    assert np.array_equal(calls(joined), np.concatenate([calls(s) for s in each]))
    assert joined.frames.images == tuple(image for s in each for image in s.frames.images)
    assert np.array_equal(joined.frames.targets, np.concatenate([s.frames.targets for s in each]))
    assert joined.frames.groups.tolist() == [group for s in each for group in s.frames.groups]
    place = 0
    for scores in each:
        for own in range(len(scores)):
            for name, values in joined.frames.columns.items():
                assert values[place] == scores.frames.columns.get(name, ("",) * len(scores))[own]
            if joined.frames.fold:
                assert joined.frames.fold[place] == (scores.frames.fold[own] if scores.frames.fold else "")
            place += 1
    flow, flows = joined.flow, [scores.flow for scores in each]
    assert flow.found == sum(one.found for one in flows)
    assert flow.excluded == flow.reasons["blurred"] == 2 * len(each)
    assert flow.references == {"histology": len(joined)}
    assert flow.unreadable == tuple(image for one in flows for image in one.unreadable)
    known = [one.found_groups for one in flows]
    assert flow.found_groups == (None if None in known else sum(known))  # type: ignore[arg-type]


def test_joined_of_other_temperatures_the_probability_is_kept() -> None:
    """A frame of a network that is divided by 2 is not taken for one that is not."""
    cool, hot = (
        Scores.from_arrays(
            [[0.0, 1.0]],
            [1],
            label_names=("normal", "IM"),
            images=[f"{t}.png"],
            calibration=Calibration(temperature=t, operating_points={"IM": 0.7}),
        )
        for t in (2.0, 0.5)
    )
    joined = cool.join([hot])
    assert joined.probabilities[:, 1] == pytest.approx([0.6225, 0.8808], abs=1e-4)
    assert joined.calibration.temperature == 1
    assert joined.rules.decide(joined.probabilities, joined.at("frame").thresholds).tolist() == [0, 1]


@settings(max_examples=50)
@given(parts())
def test_written_and_read_it_is_the_same(each: list[Scores]) -> None:
    scores = each[0].join(each[1:]) if len(each) > 1 else each[0]
    with tempfile.TemporaryDirectory() as folder:
        scores.write(Path(folder) / "scores.csv", seed=3)
        read = Scores.read(Path(folder) / "scores.csv")
    assert (read.label_names, read.task, read.calls_only) == (
        scores.label_names,
        scores.task,
        scores.calls_only,
    )
    assert np.array_equal(read.logits, scores.logits)
    assert np.array_equal(read.probabilities, scores.probabilities)
    assert np.array_equal(calls(read), calls(scores))
    assert same(read.frames, scores.frames)
    one, other = read.calibration, scores.calibration
    assert (one.temperature, one.operating_points) == (other.temperature, other.operating_points)
    assert (one.thresholds is None) == (other.thresholds is None)
    for name in ("found", "found_groups", "excluded", "reasons", "references", "unreadable"):
        assert getattr(read.flow, name) == getattr(scores.flow, name)
    if scores.flow.skipped is not None:
        assert read.flow.skipped is not None
        assert same(read.flow.skipped, scores.flow.skipped)


@settings(max_examples=60)
@given(parts(), st.permutations(range(3)), st.randoms())
def test_taken_and_in_another_order_each_frame_stays_as_it_is(
    each: list[Scores], order: list[int], random: st.DataObject
) -> None:
    scores = each[0]
    places = np.array(random.sample(range(len(scores)), k=len(scores)))  # type: ignore[attr-defined]
    turned = scores.with_label_order([NAMES[i] for i in order]).take(places)
    assert np.allclose(turned.probabilities, scores.probabilities[places][:, order], rtol=1e-12, atol=0)
    assert turned.frames.images == tuple(scores.frames.images[i] for i in places)
    back = turned.with_label_order(NAMES)
    assert np.array_equal(back.frames.targets, scores.frames.targets[places])
    assert np.array_equal(back.logits, scores.logits[places])
    limits = scores.calibration.thresholds
    if limits is not None:
        assert np.array_equal(back.calibration.thresholds, limits[places], equal_nan=True)  # type: ignore[arg-type]


class TestWhatIsRefused:
    def test_scores_that_cannot_be_joined(self) -> None:
        scores = drawn(12)
        with pytest.raises(InvalidConfigError, match="a frame is scored twice"):
            scores.join([scores])
        with pytest.raises(InvalidConfigError, match="grouped by None and patient"):
            scores.join([drawn(12, seed=1, grouping=None)])
        for other in (
            dataclasses.replace(drawn(12, seed=1), label_names=("a", "b", "c")),
            drawn(12, seed=1, task="multilabel"),
            dataclasses.replace(drawn(12, seed=1), calls_only=True),
        ):
            with pytest.raises(InvalidConfigError, match="different labels, or of different tasks"):
                scores.join([other])

    def test_arrays_that_do_not_fit(self) -> None:
        with pytest.raises(InvalidConfigError, match=r"3 frames and 2 labels need .*\(3, 3\)"):
            Scores.from_arrays(np.zeros((3, 3)), [0, 1, 0], label_names=("a", "b"))
        with pytest.raises(InvalidConfigError, match=r"need a value each; got \{'targets': 2\}"):
            Scores.from_arrays(np.zeros((3, 2)), [0, 1], label_names=("a", "b"))
        with pytest.raises(InvalidConfigError, match=r"need a value each; got \{'device': 1\}"):
            Scores.from_arrays(np.zeros((3, 2)), [0, 1, 0], label_names=("a", "b"), columns={"device": ["x"]})
        limits = Calibration(thresholds=np.zeros((2, 2)))
        with pytest.raises(InvalidConfigError, match=r"'thresholds': \(2, 2\)"):
            Scores.from_arrays(np.zeros((3, 2)), [0, 1, 0], label_names=("a", "b"), calibration=limits)
        with pytest.raises(InvalidConfigError, match="the scores are of normal, GA, IM; a, b are asked for"):
            drawn(12).with_label_order(("a", "b"))

    def test_files_of_others(self, tmp_path: Path) -> None:
        (tmp_path / "other.csv").write_text("a,b\n1,2\n")
        with pytest.raises(DataError, match="hold no scores that this lag_zoo wrote"):
            Scores.read(tmp_path / "other.csv")
        scores = drawn(12)
        scores.write(tmp_path / "scores.csv")
        (tmp_path / "scores.csv.json").unlink()
        with pytest.raises(DataError, match="keep the two files together"):
            Scores.read(tmp_path / "scores.csv")

    def test_a_table_with_the_rest_of_another(self, tmp_path: Path) -> None:
        """As a full disk or a copy of one file leaves it; another temperature would be applied in silence."""
        for name, count in (("a", 12), ("b", 15)):
            (tmp_path / name).mkdir()
            drawn(count).write(tmp_path / name / "scores.csv")
        (tmp_path / "a" / "scores.csv").replace(tmp_path / "b" / "scores.csv")
        with pytest.raises(DataError, match="not of one writing, or the table was changed"):
            Scores.read(tmp_path / "b" / "scores.csv")


LEVELS = ("exam", "patient")
POOLINGS = ("maximum", "mean", "top2", "noisy-or")


def pooled_by_hand(chances: list[float], pooling: str) -> float:
    if pooling == "noisy-or":
        return 1 - float(np.prod([1 - p for p in chances]))
    ordered = sorted(chances, reverse=True)
    kept = {"maximum": ordered[:1], "mean": ordered, "top2": ordered[:2]}[pooling]
    return sum(kept) / len(kept)


class TestLevels:
    @settings(max_examples=50)
    @given(st.data(), st.sampled_from(["multiclass", "multilabel"]), st.sampled_from(POOLINGS))
    def test_as_defined(self, data: st.DataObject, task: str, pooling: str) -> None:
        n = data.draw(st.integers(1, 10))
        lists = {"min_size": n, "max_size": n}
        exams = data.draw(st.lists(st.sampled_from(["1", "2"]), **lists))
        patients = data.draw(st.lists(st.sampled_from(["a", "b", "c"]), **lists))
        table = data.draw(tables(task, [f"{i}.png" for i in range(n)], "patient", ""))
        logits = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=3 * n, max_size=3 * n))).reshape(n, 3)
        table = dataclasses.replace(table, groups=np.array(patients), columns={"exam": tuple(exams)})
        scores = Scores(label_names=NAMES, task=task, logits=logits, frames=table)  # type: ignore[arg-type]
        rules = rules_of(task)
        for level in LEVELS:
            keys = list(zip(patients, exams, strict=True)) if level == "exam" else [(p,) for p in patients]
            units = scores.at(level, pooling)  # type: ignore[arg-type]
            assert len(units) == len(set(keys))
            for place, key in enumerate(sorted(set(keys))):
                frames = [i for i in range(n) if keys[i] == key]
                assert units.groups[place] == key[0]
                assert units.frames[place] == len(frames)
                for label in range(3):
                    known, has = rules.known(table.targets, label), rules.truth(table.targets, label)
                    truth = any(known[i] and has[i] for i in frames)
                    assert bool(units.truth[place, label]) == truth
                    assert bool(units.known[place, label]) == (truth or all(known[i] for i in frames))
                    expected = pooled_by_hand([scores.probabilities[i, label] for i in frames], pooling)
                    assert units.probabilities[place, label] == pytest.approx(expected, abs=1e-9)

    def test_one_negative_frame_makes_no_negative_examination(self) -> None:
        """Nine others are unknown: nothing is known of the whole, and it counts nowhere."""
        targets = np.full((40, 1), -1)
        targets[0] = 0  # the first examination: one frame lacks it
        targets[10] = 1  # the second: one has it, and that is enough
        targets[20:30] = 0  # the third: all lack it; of the fourth nothing is known
        scores = Scores.from_arrays(
            np.linspace(-1, 1, 40)[:, None],
            targets,
            label_names=("IM",),
            task="multilabel",
            groups=np.repeat(["a", "b", "c", "d"], 10),
        )
        units = scores.at("patient", "mean")
        assert units.known[:, 0].tolist() == [False, True, True, False]
        assert units.truth[:, 0].tolist() == [False, True, False, False]
        assert units.targets[:, 0].tolist() == [-1, 1, 0, -1]
        (row,) = (analysis := Analysis(scores, dataclasses.replace(OPTIONS, level="patient"))).rows()
        assert (row.n, row.positives) == (2, 1)
        called = analysis.called_label()
        assert called is not None
        assert (called.n, called.left_out) == (2, 2)

    def test_frames_are_not_pooled(self) -> None:
        scores = drawn(24)
        units = scores.at("frame", "mean")
        assert units.pooling is None
        assert np.array_equal(units.probabilities, scores.probabilities)
        with pytest.raises(InvalidConfigError, match="top0"):
            scores.at("patient", "top0")
