"""Grades: the rules of `task="ordinal"` as properties, and networks that tell them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lag_zoo
from lag_zoo.cli.prediction_table import as_table
from lag_zoo.cli.sink import PlainConsole
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.scaling import _FREQUENCIES, fit_temperature
from lag_zoo.predict import Predictor
from lag_zoo.publishing import verify
from lag_zoo.specs import LAGConfig
from lag_zoo.tasks import decide, rules_of
from lag_zoo.training.losses import LOSSES
from tests.networks import equal, small

GRADES = ("none", "mild", "severe")
RULES = rules_of("ordinal")
logits = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(2, 6)),
    elements=st.floats(-60, 60, allow_subnormal=False),
)
temperatures = st.floats(0.05, 20)


def graded(**fields: Any) -> lag_zoo.LAG:
    return small(label_names=GRADES, task="ordinal", **fields)


@given(logits, temperatures)
def test_probabilities_are_consistent(found: np.ndarray, temperature: float) -> None:
    chances = RULES.probabilities(found / temperature)
    assert chances.sum(axis=1) == pytest.approx(1)
    claims = RULES.claims(chances)
    assert (np.diff(claims, axis=1) <= 0).all()
    assert claims[:, 0] == pytest.approx(1)
    steps = np.exp(-np.logaddexp(0, -found[:, 1:] / temperature))
    assert claims[:, 1:] == pytest.approx(steps.cumprod(axis=1), abs=1e-12)
    others = found.copy()
    others[:, 0] += 7  # nothing looks at it
    assert (RULES.probabilities(others / temperature) == chances).all()


@given(logits.filter(lambda found: np.abs(found).max() < 12))
def test_logits_invert_probabilities(found: np.ndarray) -> None:
    again = RULES.logits(RULES.probabilities(found))
    assert (again[:, 0] == 0).all()
    assert again[:, 1:] == pytest.approx(found[:, 1:], abs=1e-6)


@given(logits)
def test_what_is_certain_has_logits_too(found: np.ndarray) -> None:
    certain = np.eye(found.shape[1])[np.arange(len(found)) % found.shape[1]]
    assert (RULES.probabilities(RULES.logits(certain).clip(-800, 800)) == certain).all()
    assert (
        RULES.decide(RULES.claims(certain), np.full(found.shape[1], np.nan)) == certain.argmax(axis=1)
    ).all()


@given(logits)
def test_evidence_is_the_log_odds_of_at_least_a_grade_here_and_in_training(found: np.ndarray) -> None:
    evidence = RULES.evidence(found)
    claims = np.exp(np.minimum(0, -np.logaddexp(0, -found[:, 1:]).cumsum(axis=1)))
    with np.errstate(divide="ignore"):
        odds = np.log(claims) - np.log1p(-claims)
    plain = np.abs(odds) < 20  # further out the plain formula loses its digits
    assert evidence[:, 1:][plain] == pytest.approx(odds[plain], rel=1e-6, abs=1e-6)
    assert np.isfinite(evidence).all()
    assert (evidence[:, 0] == -evidence[:, 1]).all()
    trained = LOSSES["ordinal"].evidence(torch.from_numpy(found)).numpy()
    assert trained == pytest.approx(evidence, rel=1e-9, abs=1e-9)


def test_the_median_grade_is_called_where_no_threshold_is_set() -> None:
    chances = np.array(
        [[0.4, 0.2, 0.4], [0.5, 0.1, 0.4], [0.51, 0.0, 0.49], [0.3, 0.2, 0.5], [0.2, 0.5, 0.3]]
    )
    claims, unset = RULES.claims(chances), np.full(3, np.nan)
    assert decide(claims, unset, "ordinal").tolist() == [1, 1, 0, 2, 1]
    assert decide(claims, np.array([np.nan, np.nan, 0.4]), "ordinal").tolist() == [2, 2, 2, 2, 1]
    assert decide(claims, np.array([np.nan, 0.65, np.nan]), "ordinal").tolist() == [0, 0, 0, 2, 1]
    assert RULES.expected(chances) == pytest.approx([1.0, 0.9, 0.98, 1.2, 1.1])


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=20))
def test_claims_that_are_true_come_to_the_target(numbers: list[int]) -> None:
    targets = np.array(numbers)
    known, truth = (np.stack([of(targets, k) for k in range(5)], axis=1) for of in (RULES.known, RULES.truth))
    assert (RULES.targets_from(known, truth) == targets).all()


def test_frequencies_are_those_of_going_on_to_a_grade() -> None:
    targets = np.repeat([0, 1, 2], [60, 30, 10])
    shifts = _FREQUENCIES["ordinal"](targets, 3)
    assert shifts == pytest.approx([0, np.log(41 / 60.5 / 2), np.log(10.5 / 30.5)], abs=0.02)
    even = np.zeros((100, 3))
    even[:, 1:] = np.log([2, 1])  # of equally frequent grades
    fit = fit_temperature(even, targets, task="ordinal", intercepts=True)
    assert RULES.probabilities(even / fit.temperature + fit.intercepts)[0] == pytest.approx(
        [0.6, 0.3, 0.1], abs=0.05
    )


class TestNetworks:
    @pytest.mark.parametrize("pooling", ["average", "topk"])
    @pytest.mark.parametrize("fusion", ["concat", "mean", "attention"])
    def test_the_lowest_grade_has_the_logit_zero(self, pooling: str, fusion: str) -> None:
        model = graded(pooling=pooling, fusion=fusion)
        frames = torch.stack([draw_frame((80, 100), seed=seed) for seed in range(2)])
        with torch.inference_mode():
            found, alone, scores = model(frames), model.without_crops()(frames), model.position_scores(frames)
        assert model.background_index == 0
        for zero in (found[:, 0], alone[:, 0], scores[:, 0]):
            assert not zero.any()
        assert found[:, 1:].abs().min() > 0
        torch.testing.assert_close(model.fuse()(frames), found, atol=1e-4, rtol=0)

    def test_one_score_tells_all_grades(self) -> None:
        model = graded(pooling="topk")
        assert model.get_classifier().weight.shape == (1, 256)
        scores = model.position_scores(torch.stack([draw_frame((80, 100))]))
        with torch.no_grad():
            model.get_classifier().bias[:] = torch.tensor([0.0, 1.0, -2.0])
            moved = model.position_scores(torch.stack([draw_frame((80, 100))]))
        torch.testing.assert_close(moved[:, 1] - moved[:, 2], torch.full_like(moved[:, 1], 3.0))
        torch.testing.assert_close(scores[:, 1], scores[:, 2])

    def test_without_a_head_features_stay_whole(self) -> None:
        model = lag_zoo.create_model(
            "lag_mobilenetv3_small_050", num_classes=0, task="ordinal", global_size=64
        )
        assert model.background_index is None
        model.reset_classifier(3, label_names=GRADES)
        assert model.background_index == 0

    def test_a_background_is_refused(self) -> None:
        with pytest.raises(InvalidConfigError, match="exclusive labels without an order"):
            graded(pooling="topk", background="none")

    def test_a_saved_one_is_loaded_the_same(self, tmp_path: Path) -> None:
        model = graded(pooling="topk")
        lag_zoo.save_pretrained(model, tmp_path / "net")
        again = lag_zoo.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True)
        assert equal(model, again)
        assert again.config.task == "ordinal"
        assert again.label_names == GRADES
        assert LAGConfig.from_json(again.config.to_json()) == again.config
        assert verify(f"local-dir:{tmp_path / 'net'}") < 1e-4  # the saved example
        with pytest.raises(lag_zoo.LagZooError, match="task"):
            lag_zoo.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True, task="multiclass")

    def test_evidence_is_of_all_but_the_lowest(self) -> None:
        frame, model = draw_frame((80, 100)), graded(pooling="topk")
        maps = lag_zoo.evidence(model, frame)
        assert set(maps) == {"mild", "severe"}
        assert bool((maps["severe"] <= maps["mild"]).all())
        (found,) = Predictor(model, evidence=["none", "mild"])(frame)
        assert found.evidence is not None
        assert (np.array(found.evidence["none"]) == -np.array(found.evidence["mild"])).all()

    def test_a_prediction_has_a_grade_and_an_expected_one(self, tmp_path: Path) -> None:
        frame, model = draw_frame((80, 100)), graded()
        with torch.no_grad():
            model.head.bias[:] = torch.tensor([9.0, 0.2, -0.4])
            model.head.weight *= 0.01
        predictor = Predictor(model)
        (found,) = predictor(frame)
        chances = list(found.probabilities.values())
        assert sum(chances) == pytest.approx(1)
        assert found.expected_grade == pytest.approx(chances[1] + 2 * chances[2])
        assert found.label == "mild"
        assert max(found.probabilities, key=found.probabilities.__getitem__) == "none"
        assert found.to_dict()["expected_grade"] == found.expected_grade
        assert found.draw(frame).size[0] == 100
        predictor.operating_points = {"severe": 0.1}
        assert predictor(frame)[0].label == "severe"
        spread = predictor(frame, tta=3)[0]
        assert spread.expected_grade == pytest.approx(
            sum(grade * p for grade, p in enumerate(spread.probabilities.values()))
        )
        path = tmp_path / "table.txt"
        with path.open("w") as file:
            rows = [{"path": "a.png", **found.to_dict()}]
            PlainConsole(file=file, width=200).print(as_table([{**rows[0], "path": "a.png"}], "m", {}))
        shown = path.read_text()
        assert f"{found.expected_grade:.2f}" in shown
        assert "the highest grade of which the probability of at least this one reaches 0.5" in shown

    def test_other_labels_have_no_expected_grade(self) -> None:
        (found,) = Predictor(small())(draw_frame((80, 100)))
        assert found.expected_grade is None
        assert "expected_grade" not in found.to_dict()
