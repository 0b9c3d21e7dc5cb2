"""Recipes key by key: what each may be stands in one place, is checked, and is shown by `lag-zoo recipes`."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Spec
from lag_zoo.training import Recipe, Stage, finetune, list_recipes, load_recipe
from lag_zoo.training.keys import keys_of
from lag_zoo.training.recipe import differences
from tests.training.drawn_data import write_frames
from tests.training.test_finetune import RECIPE

BOUNDED = [
    (kind, name, key.bounds) for kind in (Recipe, Stage) for name, key in keys_of(kind).items() if key.bounds
]


@pytest.mark.parametrize("kind", [Recipe, Stage])
def test_each_key_has_a_meaning_and_what_it_may_be(kind: type[Spec]) -> None:
    keys = keys_of(kind)
    assert list(keys) == [f.name for f in dataclasses.fields(kind)]
    for name, key in keys.items():
        assert len(key.meaning) > 5, name
        assert key.values, name
        assert "typing" not in key.values, name


@pytest.mark.parametrize(("kind", "name", "bounds"), BOUNDED)
def test_the_bounds_that_are_shown_hold(kind: type[Any], name: str, bounds: Any) -> None:
    start: Any = Stage(epochs=1) if kind is Stage else RECIPE
    whole = type(getattr(start, name)) is int
    for value in (bounds.low, bounds.high):
        assert getattr(dataclasses.replace(start, **{name: value}), name) == value
    step = 1 if whole else 1e-7
    for value in (bounds.low - step, bounds.high * (1 + 1e-9) + step):
        with pytest.raises(InvalidConfigError, match=f"{name} is a number {bounds}, got"):
            dataclasses.replace(start, **{name: math.ceil(value) if whole else value})


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 2.5}, {"batch_size": True}, {"batch_size": "8"}, {"select": "acc"}, {"balance": "fair"},
        {"model": None}, {"compile": 1}, {"learning_rate": "fast"}, {"learning_rate": math.nan}, {"fields": [1]},
        {"stages": 3}, {"pretrained": 1.0}, {"mixed_precision": "fp8"}, {"tracker": None}, {"seed": 0.5},
    ],
)  # fmt: skip
def test_types_are_held_in_python_too(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(InvalidConfigError, match=rf"{name}: .* is expected, got"):
        dataclasses.replace(RECIPE, **change)
    with pytest.raises(InvalidConfigError, match=rf"{name}: .* is expected, got"):
        load_recipe("finetune", changes=change)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(0, 500))
def test_epochs_are_dealt_over_the_stages(lengths: list[int], more: int) -> None:
    recipe = dataclasses.replace(RECIPE, stages=tuple(Stage(epochs=length) for length in lengths))
    total = len(lengths) + more
    dealt = [stage.epochs for stage in recipe.changed({"epochs": total}).stages]
    assert sum(dealt) == total
    shares = [total * length / sum(lengths) for length in lengths]
    raised = sum(max(0.0, 1 - share) for share in shares)  # what short stages take from the others
    assert all(
        count == 1 or abs(count - share) < 1 + raised for count, share in zip(dealt, shares, strict=True)
    )
    assert recipe.changed({"epochs": sum(lengths)}) == recipe


class TestEpochs:
    def test_in_texts_and_in_python(self, tmp_path: Path) -> None:
        assert [s.epochs for s in load_recipe("finetune", changes=["epochs=5"]).stages] == [3, 2]
        data = write_frames(tmp_path / "frames", patients=6)
        finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", epochs=2)
        assert [s.epochs for s in load_recipe(tmp_path / "run" / "recipe.yaml").stages] == [1, 1]

    @pytest.mark.parametrize("value", ["1", "2.5", "many", "true", "0", "-3"])
    def test_that_cannot_be(self, value: str) -> None:
        with pytest.raises(
            InvalidConfigError, match=r"whole number from 2 on, one for each stage .backbone, crops."
        ):
            load_recipe("finetune", changes=[f"epochs={value}"])

    @pytest.mark.parametrize("other", ["stages=[{epochs: 1}]", "stages.0.epochs=3"])
    def test_beside_stages(self, other: str) -> None:
        with pytest.raises(InvalidConfigError, match="both say how long a run is"):
            load_recipe("finetune", changes=["epochs=4", other])
        with pytest.raises(InvalidConfigError, match="both say how long a run is"):
            RECIPE.changed({"epochs": 4, "stages": [Stage(epochs=1)]})
        assert load_recipe("finetune", changes=["epochs=4", "stages.0.train=head"]).epochs == 4


INERT = {"workers": 1, "tracker": "none", "name": "other", "about": "else"}


class TestWhatChangesNoNumber:
    def test_is_what_is_marked(self) -> None:
        assert {name for name, key in keys_of(Recipe).items() if key.inert} == set(INERT)
        assert differences(RECIPE, RECIPE.changed(INERT)) == {}

    def test_does_not_bar_a_resume(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path / "frames", patients=6)
        how: dict[str, Any] = {"device": "cpu", "epochs": 2, "resume": False}
        finetune(None, data, tmp_path / "run", recipe=RECIPE, **how)
        before = (tmp_path / "run" / "recipe.yaml").read_text()
        how["resume"] = True
        finetune(None, data, tmp_path / "run", recipe=RECIPE.changed(INERT), **how)
        assert (tmp_path / "run" / "recipe.yaml").read_text() == before
        other = RECIPE.changed({"fields": {**RECIPE.fields, "num_crops": 4}, "batch_size": 2, "augment": 0.5})
        with pytest.raises(
            InvalidConfigError,
            match=r"\(fields.num_crops: 2 there, 4 here; batch_size: 4 there, 2 here; augment: 1.0 there, 0.5 here\)",
        ):
            finetune(None, data, tmp_path / "run", recipe=other, **how)


class TestTheCommand:
    def run(self, *arguments: str) -> str:
        done = CliRunner().invoke(app, ["recipes", *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    def test_lists_the_recipes(self) -> None:
        lines = self.run().splitlines()
        for name in list_recipes():
            (line,) = [line for line in lines if line.startswith(f"{name} ")]
            assert str(load_recipe(name).epochs) in line

    @pytest.mark.parametrize("name", list_recipes())
    def test_shows_each_key_of_one(self, name: str) -> None:
        first = {line.split()[0] for line in self.run(name).splitlines() if line[:1].isalpha()}
        assert {*keys_of(Recipe), *(f"stages.N.{key}" for key in keys_of(Stage)), "epochs"} <= first

    def test_of_no_such_recipe(self) -> None:
        with pytest.raises(InvalidConfigError, match="no recipe 'fine'"):
            self.run("fine")
