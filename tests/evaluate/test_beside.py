"""What stands beside a network's row: other networks on the same frames, and the paper's tables."""

import numpy as np
import pytest

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.beside import with_others
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.paper_table import paper_table
from lag_zoo.evaluate.scores import Scores


def drawn(skill: float, *, names: tuple[str, ...] = ("normal", "GA", "IM"), seed: int = 0) -> Scores:
    """Scores of 40 patients of three frames each."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(40) % len(names), 3)
    logits = skill * np.eye(len(names))[targets] + rng.normal(size=(120, len(names)))
    return Scores(
        label_names=names,
        task="multiclass",
        images=tuple(f"{i}.png" for i in range(120)),
        logits=logits,
        targets=targets,
        groups=np.array([f"p{i // 3}" for i in range(120)]),
        grouping="patient",
        found=120,
    )


class TestOthers:
    def test_the_difference_is_that_of_the_areas(self) -> None:
        good, poor = drawn(3.0), drawn(0.3, seed=1)
        report = with_others(evaluate(good, draws=200), good, {"plain at 448": poor}, draws=200)
        (other,) = report.beside
        assert [row.label for row in other.rows] == ["normal", "GA", "IM"]
        for row, mine, difference in zip(other.rows, report.rows, other.differences, strict=True):
            areas = mine.measures["auroc"].value - row.measures["auroc"].value
            assert difference.value == pytest.approx(areas)
            assert difference.low > 0
            assert difference.p < 0.05
        for text in (markdown(report, title="t"), html(report, title="t")):
            assert text.count("plain at 448") == 3
            assert f"{other.differences[2].value:.3f}" in text

    def test_other_labels_cannot_stand_beside(self) -> None:
        scores = drawn(1.0)
        with pytest.raises(InvalidConfigError, match="same frames and labels"):
            with_others(
                evaluate(scores, draws=100), scores, {"other": drawn(1.0, names=("a", "b", "c"))}, draws=100
            )


class TestThePapersTables:
    def test_measured_and_reported_are_told_apart(self) -> None:
        report = evaluate(drawn(2.0), draws=100)
        text = paper_table(report, model="my model", data="my data", modality="lci")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        measured = [line for line in lines if "| measured" in line]
        reported = [line for line in lines if "| reported by the paper, LCI |" in line]
        assert len(measured) == 2
        assert len(reported) == 2 * 9, "nine networks for IM and for GA"
        assert not [line for line in lines if "WLI" in line]
        accuracy = report.rows[2].measures["accuracy"]
        assert (
            f"{100 * accuracy.value:.1f} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
            in measured[0]
        )
        assert "| lag, as printed | reported by the paper, LCI | - | 97.83 | 96.69 | 98.82 |" in text
        assert "have not been reproduced" in text
        assert "No model here is a medical device" in text

    def test_both_lights_where_none_is_told(self) -> None:
        text = paper_table(evaluate(drawn(2.0), draws=100), model="m", data="d")
        assert text.count("reported by the paper, WLI") == text.count("reported by the paper, LCI") == 18

    def test_other_labels_have_no_table(self) -> None:
        with pytest.raises(InvalidConfigError, match="are of IM and GA; the labels here are a, b"):
            paper_table(evaluate(drawn(2.0, names=("a", "b")), draws=100), model="m", data="d")
