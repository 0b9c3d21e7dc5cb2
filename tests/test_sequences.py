"""Labels and numbers in every form in which tables, arrays and loops give them."""

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lag_zoo
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import LAGConfig, as_tuple
from lag_zoo.training import Recipe, load_recipe

SMALL, BACKBONE = "lag_mobilenetv3_small_050", "mobilenetv3_small_050"


class Column:
    """A column of a table, as pandas has it: it gives its values in order, and is no sequence."""

    def __init__(self, values: Iterable[object]) -> None:
        self.values = np.array(list(values), object)
        self.shape = self.values.shape
        self.dtype = self.values.dtype

    def __iter__(self) -> Iterator[object]:
        return iter(self.values)

    def item(self) -> object:
        return self.values.item()  # an error where there are several, as in pandas


class Finding(enum.StrEnum):
    NORMAL = "normal"
    IM = "IM"


FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda items: np.array(items, object),
    "numpy's items": lambda items: list(np.array(items)),
    "column": Column,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "generator": lambda items: (item for item in items),
    "enum": lambda items: [Finding(item) for item in items],
}
MAKERS: dict[str, Callable[[Any], LAGConfig]] = {
    "create_model": lambda names: lag_zoo.create_model(SMALL, label_names=names).config,
    "LAG": lambda names: lag_zoo.LAG(BACKBONE, label_names=names).config,
    "LAGConfig": lambda names: LAGConfig(backbone=BACKBONE, num_classes=2, label_names=names),
}


@pytest.fixture(autouse=True)
def _without_memory() -> Iterator[None]:
    """Only configurations are looked at."""
    with torch.device("meta"):
        yield


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("form", FORMS)
def test_labels(maker: str, form: str) -> None:
    names = MAKERS[maker](FORMS[form](["normal", "IM"])).label_names
    assert names == ("normal", "IM")
    assert [type(name) for name in names] == [str, str]


def test_labels_of_a_new_head() -> None:
    model = lag_zoo.LAG(BACKBONE, num_classes=3)
    model.reset_classifier(np.int64(2), label_names=np.array(["normal", "IM"]))  # type: ignore[arg-type]
    assert (model.label_names, model.num_classes) == (("normal", "IM"), 2)
    assert type(model.num_classes) is int


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("ab", r"label_names: a list is expected, got one text: say a list, \['ab'\]"),
        (np.str_("ab"), r"say a list, \['ab'\]"),
        (np.array("ab"), r"say a list, \['ab'\]"),
        (b"ab", r"a list is expected, got b'ab' \(bytes\)"),
        (5, r"a list is expected, got 5 \(int\)"),
        ({"a": 0, "b": 1}, r"got \{'a': 0, 'b': 1\} \(dict\)"),
        ({"a", "b"}, r"\(set\)"),
        (["a", 1], r"label_names\[1\]: str is expected, got 1"),
        (np.array([3, 4]), r"label_names\[0\]: str is expected, got 3"),
        (Column(["a", float("nan")]), r"label_names\[1\]: str is expected, got nan"),
        (["a", None], r"label_names\[1\]: str is expected, got None"),
        ([["a", "b"]], r"label_names"),
    ],
)
def test_what_are_no_labels(maker: str, given_: Any, says: str) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        MAKERS[maker](given_)


numbers = st.lists(st.floats(0.0625, 0.9375, width=32), min_size=3, max_size=3)
widths = st.lists(st.integers(1, 64), min_size=4, max_size=4)


@given(mean=numbers, crops=widths, form=st.sampled_from([f for f in FORMS if f not in ("keys", "enum")]))
def test_numbers(mean: list[float], crops: list[int], form: str) -> None:
    config = LAGConfig(
        backbone=BACKBONE, num_classes=0, mean=FORMS[form](mean), crop_widths=FORMS[form](crops)
    )
    assert (config.mean, config.crop_widths) == (tuple(mean), tuple(crops))
    assert {type(x) for x in (*config.mean, *config.crop_widths)} == {float, int}
    assert LAGConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("form", ["array", "column", "generator"])
@pytest.mark.parametrize("make", [partial(lag_zoo.LAG, BACKBONE), partial(lag_zoo.create_model, SMALL)])
def test_numbers_of_a_network(make: Callable[..., lag_zoo.LAG], form: str) -> None:
    several = {"mean": (0.5, 0.25, 0.5), "std": (0.5, 0.5, 0.25), "crop_widths": (8, 8, 16, 16)}
    model = make(
        **{field: FORMS[form](list(values)) for field, values in several.items()},
        num_classes=np.int64(3),
        hidden_dim=np.int32(32),
        crop_se_ratio=np.float32(0.5),
        field_of_view=np.bool_(False),
    )
    plain = {**several, "num_classes": 3, "hidden_dim": 32, "crop_se_ratio": 0.5, "field_of_view": False}
    for field, value in plain.items():
        assert getattr(model.config, field) == value
        assert type(getattr(model.config, field)) is type(value)


def test_a_tensor_of_numbers() -> None:
    with torch.device("cpu"):
        config = LAGConfig(backbone=BACKBONE, num_classes=0, mean=torch.tensor([0.5, 0.25, 0.5]))  # type: ignore[arg-type]
    assert config.mean == (0.5, 0.25, 0.5)


@pytest.mark.parametrize(
    "changes", [{"fields.crop_widths": np.array([8, 8, 8, 8])}, ["fields.crop_widths=[8, 8, 8, 8]"]]
)
def test_fields_of_a_recipe(changes: Any) -> None:
    recipe = load_recipe("finetune", changes=changes)
    assert recipe.fields["crop_widths"] == (8, 8, 8, 8)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "crop_widths:" in recipe.to_yaml()


def test_an_order_is_kept_and_nothing_is_taken_twice() -> None:
    assert as_tuple((x for x in "abc"), "x") == ("a", "b", "c")
    config = LAGConfig(backbone=BACKBONE, num_classes=2, label_names=("a", "b"))
    assert dataclasses.replace(config, label_names=iter(["b", "a"])).label_names == ("b", "a")
