"""One answer for an examination: the rules of the evaluation, and what an answer says of the frames behind it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate.contrasts import contrasts_of
from lag_zoo.evaluate.operating_points import OperatingPoints
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.scores import Calibration, Scores
from lag_zoo.predict.exam import FrameAnswer, PlainRule
from lag_zoo.tasks import rules_of

TWO, THREE = ("mucosa", "polyp"), ("normal", "GA", "IM")


def frames(chances: np.ndarray, labels: tuple[str, ...], *, sites: tuple[str, ...] = ()) -> list[FrameAnswer]:
    return [
        FrameAnswer(Path(f"{i}.png"), sites[i] if sites else "", dict(zip(labels, row.tolist(), strict=True)))
        for i, row in enumerate(chances)
    ]


def rule(
    labels: tuple[str, ...] = TWO,
    *,
    pooling: str = "maximum",
    task: str = "multiclass",
    points: dict[str, float] | None = None,
    draws: int = 50,
) -> PlainRule:
    return PlainRule("a model", pooling, labels, rules_of(task), points or {}, draws=draws)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 9),
    labels=st.sampled_from([TWO, ("IM", "normal"), THREE]),
    task=st.sampled_from(["multiclass", "multilabel", "ordinal"]),
    pooling=st.sampled_from(["maximum", "mean", "top3", "noisy-or"]),
    points=st.dictionaries(st.integers(0, 2), st.floats(0.05, 0.95), max_size=3),
)
def test_calls_an_examination_as_the_evaluation_does(
    seed: int, count: int, labels: tuple[str, ...], task: str, pooling: str, points: dict[int, float]
) -> None:
    rng = np.random.default_rng(seed)
    stored = {labels[number]: point for number, point in points.items() if number < len(labels)}
    logits = rng.normal(size=(count + 1, len(labels))) * 2
    targets = rng.integers(0, 2, (count + 1, len(labels)))
    scores = Scores.from_arrays(
        logits,
        targets if task == "multilabel" else targets[:, 0],
        label_names=labels,
        task=task,
        groups=["a"] * count + ["b"],
        grouping="exam",
        calibration=Calibration(operating_points=stored),
    )
    options = EvaluationOptions(level="exam", pooling=pooling)
    units = scores.at("exam", pooling)
    calls = OperatingPoints(scores, units, options, None).call(units, contrasts_of(units, pairs=False))
    found = rule(labels, task=task, points=stored, pooling=pooling)(
        frames(scores.probabilities[:count], labels)
    )
    assert found.label == rules_of(task).as_called(calls[0], labels)
    rules = rules_of(task)
    expected = rules.of_claims(units.probabilities[:1])[0]
    shown = labels if len(labels) > 2 or task != "multiclass" else (labels[units.positive or 0],)
    for label in shown:
        assert found.probabilities[label] == pytest.approx(expected[labels.index(label)])
        assert found.low[label] <= found.high[label]


def test_of_two_labels_the_answer_is_about_the_positive_one() -> None:
    found = rule()(frames(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), TWO))
    assert found.label == "polyp"
    assert found.probabilities == pytest.approx({"mucosa": 0.2, "polyp": 0.8})
    assert found.deciding == (1, 2, 0)
    clean = rule()(frames(np.array([[0.9, 0.1], [0.7, 0.3]]), TWO))
    assert (clean.label, clean.deciding[0]) == ("mucosa", 1), "the frame that came nearest to a polyp"


def test_limits_say_how_far_it_hangs_on_single_frames() -> None:
    alone = np.array([[0.95, 0.05]] * 19 + [[0.1, 0.9]])
    hangs = rule(draws=2000)(frames(alone, TWO))
    assert (hangs.low["polyp"], hangs.high["polyp"]) == (0.05, 0.9)
    many = rule(draws=2000)(frames(np.array([[0.1, 0.9]] * 20), TWO))
    assert (many.low["polyp"], many.high["polyp"]) == (0.9, 0.9)


def test_what_could_not_be_read_or_seen_is_said() -> None:
    given_frames = frames(np.array([[0.9, 0.1], [0.2, 0.8]]), TWO, sites=("antrum", "corpus"))
    given_frames[1] = given_frames[1]._replace(warnings=("blurred",))
    broken = FrameAnswer(Path("x.png"), "incisura", None, error="x.png: damaged")
    found = rule()([broken, *given_frames], sites=("antrum", "incisura", "corpus"))
    assert (found.frames, found.unreadable, found.doubted) == (2, {"x.png": "x.png: damaged"}, 1)
    assert (found.sites, found.unseen) == ({"antrum": 1, "corpus": 1}, ("incisura",))
    assert found.deciding == (2, 1), "places among all frames that were given"
    assert found.warnings == (
        "no frame of incisura",
        "1 of 3 frames could not be read",
        "1 of 2 frames are doubted",
    )
    assert found.to_dict()["probabilities"]["polyp"] == 0.8


def test_an_examination_without_frames_is_no_answer() -> None:
    with pytest.raises(UnreadableImageError, match="without frames"):
        rule()([])
    with pytest.raises(
        UnreadableImageError, match=r"none of 1 frames could be read; the first: damaged \(x.png\)"
    ):
        rule()([FrameAnswer(Path("x.png"), "", None, error="x.png: damaged")])


def test_a_pooling_that_there_is_not() -> None:
    with pytest.raises(InvalidConfigError, match="noisy-or"):
        rule(pooling="median")(frames(np.array([[0.9, 0.1]]), TWO))
