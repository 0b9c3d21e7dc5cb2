"""Tasks: one object each, and no other room asks which it is; a task or a policy that there is not is an error."""

import importlib
import inspect
import pkgutil
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lag_zoo
from lag_zoo.cli.data_commands import opened
from lag_zoo.data import Frame, Manifest, open_data, read_manifest
from lag_zoo.data.folder import read_folder
from lag_zoo.data.grades import as_asked, as_told_by
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Scores, evaluate_predictions
from lag_zoo.evaluate.baselines import _REGRESSIONS
from lag_zoo.evaluate.paper_table import require_no_grades
from lag_zoo.evaluate.prediction_columns import Reading
from lag_zoo.evaluate.predictions import logits_of
from lag_zoo.metrics.scaling import _FREQUENCIES, fit_temperature, negative_log_likelihood
from lag_zoo.nn import LAG
from lag_zoo.predict.evidence_maps import log_odds
from lag_zoo.predict.timeline import timeline_of
from lag_zoo.specs import ExamConfig, LAGConfig, WeightSpec
from lag_zoo.tasks import TASKS, decide, readable_as, rules_of
from lag_zoo.training.losses import (
    LOSSES,
    label_loss,
    label_weights,
    labels_that_hold,
    loss_of,
    loss_weight,
    mask_loss,
)
from lag_zoo.training.validation import mean_auroc
from lag_zoo.views import ViewSampler
from lag_zoo.views.field_of_view import whole_frame
from lag_zoo.views.policies import place_crops
from tests.networks import small

ROOT = Path(__file__).resolve().parent.parent
PREDICTED = {"label": ["a", "b"] * 4, "p_a": [0.9, 0.1] * 4, "p_b": [0.1, 0.9] * 4}
LOGITS, TARGETS = np.array([[1.0, 0.0], [0.0, 2.0]] * 10), np.array([0, 1] * 10)


@cache
def labelled() -> Path:
    """A manifest of two frames with labels, and none of their files."""
    path = Path(tempfile.mkdtemp()) / "manifest.csv"
    path.write_text("image,label\na.png,a\nb.png,b\n", encoding="utf-8")
    return path


@cache
def foldered() -> Path:
    """A folder of a folder a label, with an empty file each."""
    root = Path(tempfile.mkdtemp())
    for label in "ab":
        (root / label).mkdir()
        (root / label / "frame.png").touch()
    return root


UNKNOWN_TASK: dict[Any, Callable[[Any], Any]] = {
    rules_of: lambda task: rules_of(task),
    ExamConfig: lambda task: ExamConfig(label_names=("a", "b"), in_features=4, task=task),
    timeline_of: lambda task: timeline_of([{"time": 0.0, "probabilities": {"a": 1.0}}], 1.0, task=task),
    readable_as: lambda task: readable_as("multiclass", task),
    decide: lambda task: decide(LOGITS, np.full(2, np.nan), task),
    Scores: lambda task: Scores.from_arrays(LOGITS, TARGETS, label_names=("a", "b"), task=task),
    Scores.from_arrays: lambda task: Scores.from_arrays(LOGITS, TARGETS, label_names=("a", "b"), task=task),
    Manifest: lambda task: Manifest(
        root=Path("."), label_names=("a", "b"), frames=(Frame(image="a.png", labels=(0,)),), task=task
    ),
    logits_of: lambda task: logits_of(np.array([[0.5, 0.5]]), task),
    fit_temperature: lambda task: fit_temperature(LOGITS, TARGETS, task=task),
    negative_log_likelihood: lambda task: negative_log_likelihood(LOGITS, TARGETS, task=task),
    mean_auroc: lambda task: mean_auroc(LOGITS, TARGETS, task=task),
    loss_of: lambda task: loss_of(task),
    label_loss: lambda task: label_loss(torch.tensor(LOGITS), torch.tensor(TARGETS), task=task),
    loss_weight: lambda task: loss_weight(torch.tensor(TARGETS), task=task),
    label_weights: lambda task: label_weights(torch.tensor(TARGETS), labels=2, task=task),
    labels_that_hold: lambda task: labels_that_hold(torch.tensor(TARGETS), labels=2, task=task),
    mask_loss: lambda task: mask_loss(
        torch.zeros(1, 4, 2), torch.zeros(1, 8, 8), torch.ones(1, 2, dtype=torch.bool), task=task
    ),
    log_odds: lambda task: log_odds(torch.zeros(1, 2, 2, 2), task=task),
    require_no_grades: lambda task: require_no_grades(task),
    as_asked: lambda task: as_asked(read_manifest(labelled()), task, None),
    as_told_by: lambda task: as_told_by(read_manifest(labelled()), ("a", "b"), task),
    read_manifest: lambda task: read_manifest(labelled(), task=task),
    read_folder: lambda task: read_folder(foldered(), task=task),
    open_data: lambda task: open_data(labelled(), task=task),
    opened: lambda task: opened(labelled(), None, None, task=task),
    Reading: lambda task: Reading(task=task).ordered,
    evaluate_predictions: lambda task: evaluate_predictions(PREDICTED, task=task),
    LAGConfig: lambda task: LAGConfig(backbone="x", num_classes=2, task=task),
    WeightSpec: lambda task: WeightSpec.from_dict(
        {**lag_zoo.model_info("lag_tf_efficientnet_lite0_polyp").weights[0].to_dict(), "task": task}
    ),
}
"""Each public function and class that takes a task."""

AS_THE_DATA_HAVE_IT = (
    as_asked,
    as_told_by,
    read_manifest,
    read_folder,
    open_data,
    opened,
    Reading,
    evaluate_predictions,
)

UNKNOWN_POLICY: dict[Any, Callable[[Any], Any]] = {
    LAGConfig: lambda policy: LAGConfig(backbone="x", num_classes=2, policy=policy),
    LAG.sampler: lambda policy: small().sampler(policy=policy),
    ViewSampler: lambda policy: ViewSampler(policy=policy),
    ViewSampler.from_config: lambda policy: ViewSampler.from_config(small().config, policy=policy),
    place_crops: lambda policy: place_crops(
        whole_frame(1, (64, 64)), num_crops=2, crop_size=16, policy=policy, seeds=[0]
    ),
}
"""Each public function and class that takes a policy of crops."""

OTHER_TASKS = {
    "ReportedResult",  # the paper's tasks, IM and GA
    "ExamRule",  # its rules are given as an object
    "PlainRule",
    "train_exam_head",  # part of a command
    *(
        "train",
        "cv",
        "check",
        "split",
        "evaluate",
    ),  # commands: typer refuses another word (tests/data/test_grades.py)
}


def taking(name: str) -> Iterator[Any]:
    """Yield the public functions, classes and methods of the library with such an argument."""
    for found in pkgutil.walk_packages(lag_zoo.__path__, "lag_zoo."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for public, thing in vars(module).items():
            if public.startswith("_") or getattr(thing, "__module__", "") != found.name:
                continue
            if public in OTHER_TASKS or not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            methods = vars(thing) if inspect.isclass(thing) else {}
            members = [getattr(thing, member) for member in methods if not member.startswith("_")]
            for one in (thing, *filter(inspect.isroutine, members)):
                try:
                    if name in inspect.signature(one).parameters:
                        yield one
                except (TypeError, ValueError):  # no signature: a class of C
                    continue


@pytest.mark.parametrize("taker", UNKNOWN_TASK, ids=lambda taker: taker.__qualname__)
@pytest.mark.parametrize("task", ["ranked", "Multiclass", "", None])
def test_a_task_that_there_is_not(taker: Any, task: Any) -> None:
    if task is None and taker in AS_THE_DATA_HAVE_IT:
        pytest.skip("None is as the data have it")
    with pytest.raises((InvalidConfigError, lag_zoo.LagZooError), match=r"task|multiclass"):
        UNKNOWN_TASK[taker](task)


@pytest.mark.parametrize("taker", UNKNOWN_POLICY, ids=lambda taker: taker.__qualname__)
@pytest.mark.parametrize("policy", ["Sobol", "spiral", ""])
def test_a_policy_that_there_is_not(taker: Any, policy: str) -> None:
    with pytest.raises(lag_zoo.LagZooError, match="policy"):
        UNKNOWN_POLICY[taker](policy)


@pytest.mark.parametrize(("name", "tried"), [("task", UNKNOWN_TASK), ("policy", UNKNOWN_POLICY)])
def test_all_that_take_one_are_tried(name: str, tried: dict[Any, Any]) -> None:
    assert {one.__qualname__ for one in taking(name)} <= {one.__qualname__ for one in tried}


@pytest.mark.parametrize("table", [LOSSES, _FREQUENCIES, _REGRESSIONS])
def test_each_task_has_its_own_everywhere(table: dict[str, Any]) -> None:
    assert set(table) == set(TASKS)


def test_no_other_room_asks_which_task_it_is() -> None:
    """Nor infers it from the shape of targets."""
    asking = re.compile(r"\btask *(==|!=|in\b) *[\"'(\[{]|targets?\.(ndim|dim\(\))|targets?\.shape\[1")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "lag_zoo").rglob("*.py"))
        if path != ROOT / "lag_zoo" / "tasks.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if asking.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("task", TASKS)
def test_logits_and_probabilities_are_each_others_inverse(task: str) -> None:
    rules = rules_of(task)
    chances = rules.probabilities(np.random.default_rng(0).normal(0, 3, (50, 4)))
    assert rules.probabilities(rules.logits(chances)) == pytest.approx(chances, abs=1e-12)
    assert rules.logits(np.array([[0.0, 1.0]]))[0].tolist() in (
        [-np.inf, 0.0],
        [-np.inf, np.inf],
        [0.0, np.inf],
    )


def test_such_a_question_is_found() -> None:
    asking = r"\btask *(==|!=|in\b) *[\"'(\[{]|targets?\.(ndim|dim\(\))|targets?\.shape\[1"
    for line in ('if task == "multiclass":', "self.manifest.task != 'multilabel'", "if targets.ndim == 2:"):
        assert re.search(asking, line)
    assert not re.search(asking, "if lag.config.task != manifest.task:")
