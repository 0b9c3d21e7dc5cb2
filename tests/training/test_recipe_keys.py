"""Recipes key by key: what each may be stands in one place, is checked, and is shown by `lag-zoo recipes`."""

import dataclasses
import math
import shutil
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.manifest import MODALITIES, Manifest
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Spec
from lag_zoo.training import Recipe, Stage, finetune, list_recipes, load_recipe
from lag_zoo.training.finetuning import RecipeFields
from lag_zoo.training.keys import Between, keys_of
from lag_zoo.training.recipe import EPOCHS, Modality, differences
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, Stopped, StopsBeforeTraining, WholeRun

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


def admitted(hint: Any, bounds: Between | None, value: Any) -> bool:
    """Whether a value is of the type of a field, and within its bounds."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(admitted(option, bounds, value) for option in options)
    if origin is Literal:
        return isinstance(value, str) and value in options
    if hint is float:
        whole = type(value) in (int, float) and math.isfinite(value)
        return whole and (bounds is None or bounds.low <= value <= bounds.high)
    if hint is int:
        return type(value) is int and (bounds is None or bounds.low <= value <= bounds.high)
    return type(value) is hint


def plain(hint: Any) -> Any:
    """The type of a field without its notes."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


FIELDS = [
    (kind, name, plain(hint), keys_of(kind)[name].bounds)
    for kind in (Recipe, Stage)
    for name, hint in typing.get_type_hints(kind, include_extras=True).items()
    if name not in ("fields", "stages")  # of values of several kinds: below
]
NUMBERS = [bound for *_, bounds in FIELDS if bounds for bound in (bounds.low, bounds.high)]
VALUES = (
    st.sampled_from(
        [None, True, False, "", "no", "none", "acc", "auroc", "all", "1", "nbi", [], [1], {"a": 1}]
    )
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_subnormal=False)
    | st.sampled_from(NUMBERS).flatmap(lambda n: st.sampled_from([n, int(n), n - 1, n + 1, n * (1 + 1e-9)]))
)


def check(make: Callable[[], Any], kind: Any, name: str, value: Any, *, good: bool) -> None:
    if good:
        found = make()
        found = found.stages[0] if isinstance(found, Recipe) and kind is Stage else found
        assert getattr(found, name) == value
    else:
        with pytest.raises(InvalidConfigError, match=rf"\b{name}\b"):
            make()


@pytest.mark.parametrize(("kind", "name", "hint", "bounds"), FIELDS)
@given(value=VALUES)
@settings(max_examples=30)
def test_each_field_takes_what_it_may_be_and_nothing_else(
    kind: Any, name: str, hint: Any, bounds: Any, value: Any
) -> None:
    start: Any = RECIPE if kind is Recipe else Stage(epochs=1)
    good = admitted(hint, bounds, value)
    check(lambda: dataclasses.replace(start, **{name: value}), kind, name, value, good=good)


@pytest.mark.parametrize(("kind", "name", "hint", "bounds"), FIELDS)
def test_so_it_does_in_a_file_and_as_text(
    tmp_path: Path, kind: Any, name: str, hint: Any, bounds: Any
) -> None:
    values = [2.5, True, "acc", None, [1]] + ([bounds.low, bounds.high + 1] if bounds else [])
    whole = RECIPE.to_dict()
    for value in values:
        (whole if kind is Recipe else whole["stages"][0])[name] = value
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole))
        key = name if kind is Recipe else f"stages.0.{name}"
        text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
        good = admitted(hint, bounds, value)
        check(lambda: load_recipe(tmp_path / "recipe.yaml"), kind, name, value, good=good)
        change = f"{key}={text}"
        check(lambda change=change: load_recipe("paper", changes=[change]), kind, name, value, good=good)


def test_the_modalities_of_a_stage_are_those_of_a_manifest() -> None:
    assert set(typing.get_args(Modality)) == {"", *MODALITIES}


@pytest.mark.parametrize("value", [None, 3, "all", {}, [], [1], [{}], [{"epochs": 1, "epoch": 2}]])
def test_stages_that_cannot_be(value: Any) -> None:
    for make in (
        lambda: dataclasses.replace(RECIPE, stages=value),
        lambda: load_recipe("finetune", changes={"stages": value}),
    ):
        with pytest.raises(InvalidConfigError, match=r"stages|Stage"):
            make()


@pytest.mark.parametrize("value", [None, 3, "num_crops", [1], {"num_crops": {"a": 1}}])
def test_fields_of_the_model_that_cannot_be(value: Any) -> None:
    for make in (
        lambda: dataclasses.replace(RECIPE, fields=value),
        lambda: load_recipe("finetune", changes={"fields": value}),
    ):
        with pytest.raises(InvalidConfigError, match=r"fields.* is expected, got"):
            make()


def test_finetune_takes_the_fields_of_a_recipe_by_name() -> None:
    """The types of keyword arguments have to be written out; sequences and mappings in them may be any."""
    fields, taken = typing.get_type_hints(Recipe), typing.get_type_hints(RecipeFields)
    assert set(taken) == set(fields) - {"name", "about", "model"} | {EPOCHS}
    for name in set(taken) - {EPOCHS, "fields", "stages"}:
        assert taken[name] == fields[name], name


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
        with pytest.raises(Stopped):
            finetune(
                None,
                data,
                tmp_path / "run",
                recipe=RECIPE,
                device="cpu",
                epochs=2,
                listener=StopsBeforeTraining(),
            )
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


INERT = {"workers": 1, "tracker": "tensorboard", "name": "other", "about": "else"}


class TestWhatChangesNoNumber:
    def test_is_what_is_marked(self) -> None:
        assert {name for name, key in keys_of(Recipe).items() if key.inert} == set(INERT)
        assert differences(RECIPE, RECIPE.changed(INERT)) == {}

    def test_does_not_bar_a_resume(self, whole_run: WholeRun, data: Manifest, tmp_path: Path) -> None:
        shutil.copytree(whole_run.folder, tmp_path / "run")
        how: dict[str, Any] = {"device": "cpu", "resume": True}
        before = (tmp_path / "run" / "recipe.yaml").read_text()
        with pytest.raises(Stopped):
            finetune(
                None,
                data,
                tmp_path / "run",
                recipe=RECIPE.changed(INERT),
                listener=StopsBeforeTraining(),
                **how,
            )
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
