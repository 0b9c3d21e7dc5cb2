"""What `lag-zoo cv` tells of scores: each fold's AUROC beside the pooled one, differences, and what they leave out."""

import numpy as np
import pytest
import sklearn.metrics

from lag_zoo.cli.cv_command import OF_TEST_FRAMES, _by_fold, _differences, _mean_differences, _means, _reports
from lag_zoo.evaluate import EvaluationOptions, Scores
from lag_zoo.evaluate.comparison import compare_means, mean_auroc
from lag_zoo.evaluate.scores import Calibration

OPTIONS = EvaluationOptions(operating_point="stored", n_resamples=10)


def out_of_fold(skill: float, *, seed: int = 0, level: float = 0.0) -> Scores:
    """Scores of three folds of 48 frames, four a patient; each fold's are `level` higher than those of the last."""
    rng = np.random.default_rng(seed)
    number = np.arange(144) // 48
    truth = np.arange(144) // 4 % 2
    logits = np.stack([np.zeros(144), skill * truth + level * number + rng.normal(size=144)], axis=1)
    fold = [f"fold{n + 1}" for n in number]
    return Scores.from_arrays(
        logits,
        truth,
        label_names=["normal", "IM"],
        groups=np.arange(144) // 4,
        columns={"fold": fold},
        fold=fold,
        calibration=Calibration(thresholds=np.tile([np.nan, 0.5], (144, 1))),
    )


def of_each_fold(scores: Scores) -> list[str]:
    folds = np.array(scores.frames.fold)
    areas = [
        sklearn.metrics.roc_auc_score(scores.frames.targets[folds == f], scores.probabilities[folds == f, 1])
        for f in sorted(set(folds))
    ]
    return [f"{area:.3f}" for area in areas]


def test_each_fold_has_its_own_auroc() -> None:
    """Also where folds differ in the level of their scores, which the pooled one counts as mistakes."""
    scores = out_of_fold(2.0, level=3.0)
    report = _reports({"finetune": scores}, OPTIONS)["finetune"]
    told = _by_fold(report, "IM").split()
    assert told == of_each_fold(scores)
    pooled = report.rows[0].measures["auroc"].value
    assert pooled < min(map(float, told)) - 0.05


def test_a_fold_of_one_class_has_a_dash() -> None:
    scores = out_of_fold(2.0)
    kept = [
        i
        for i, (f, t) in enumerate(zip(scores.frames.fold, scores.frames.targets, strict=True))
        if f != "fold2" or t
    ]
    one, two, three = _by_fold(_reports({"a": scores.take(np.array(kept))}, OPTIONS)["a"], "IM").split()
    assert two == "-"
    assert [one, three] == of_each_fold(scores)[::2]


def test_the_first_recipe_is_compared_with_the_others() -> None:
    found = {
        "frozen": out_of_fold(2.0),
        "finetune": out_of_fold(0.3, seed=1),
        "plain": out_of_fold(2.0, seed=2),
    }
    reports = _reports(found, OPTIONS)
    assert [report.comparisons == () for report in reports.values()] == [False, True, True]
    rows = list(_differences("frozen", reports["frozen"]))
    assert [row[:2] for row in rows] == [("frozen less finetune", "IM"), ("frozen less plain", "IM")]
    for row, name in zip(rows, ("finetune", "plain"), strict=True):
        apart = compare_means([found["frozen"]], [found[name]])["IM"]
        assert row[2:5] == (f"{apart.value:+.3f}", f"{apart.low:+.3f} to {apart.high:+.3f}", f"{apart.p:.3f}")


def test_repeats_are_told_by_their_mean() -> None:
    found = {
        name: [out_of_fold(skill, seed=seed) for seed in (0, 1)] for name, skill in (("a", 2.0), ("b", 0.5))
    }
    rows = {(row[0], row[2]): row for row in _means(found)}
    for name, repeats in found.items():
        mean = mean_auroc(repeats)["IM"]
        assert rows[name, "IM"][3:] == (
            f"{mean.value:.3f}",
            f"{mean.low:.3f} to {mean.high:.3f}",
            "144",
            "36",
        )
        assert mean.value == pytest.approx(
            np.mean([sklearn.metrics.roc_auc_score(s.frames.targets, s.probabilities[:, 1]) for s in repeats])
        )
    apart = {row[2]: row for row in _mean_differences(found)}["IM"]
    assert apart[0] == "a less b"
    assert float(apart[3]) > 0


def test_what_differences_leave_out_is_said() -> None:
    assert "how networks trained on other frames would differ" in " ".join(OF_TEST_FRAMES.split())
    assert "Bengio and Grandvalet" in OF_TEST_FRAMES
