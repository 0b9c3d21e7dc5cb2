"""Specifications: JSON both ways, and nothing that cannot be gets in."""

import dataclasses
import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.bounds import Between, bounds_of
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import SCHEMA_VERSION, DatasetRef, LAGConfig, Measurement, ModelSpec, WeightSpec

words = st.text("abcdefghijklmnopqrstuvwxyz é\n\"'{}", max_size=12)
dims = st.integers(1, 65536)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
data_sets = st.builds(DatasetRef, id=ids, citation=words, licence=words)
numbers = st.floats(allow_nan=False, allow_infinity=False)
seen = words.filter(lambda text: text.strip() and "\n" not in text)
labels = st.lists(seen, min_size=1, max_size=5, unique=True).map(tuple)
json_values = st.one_of(words, st.integers(), numbers, st.booleans(), st.none())


def triple(low: float, high: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.floats(low, high)] * 3)


@st.composite
def configs(draw: st.DrawFn) -> LAGConfig:
    names = draw(st.none() | labels)
    return LAGConfig(
        backbone=draw(st.none() | words),
        num_classes=len(names) if names else draw(st.integers(0, 100_000)),
        label_names=names,
        task=draw(st.sampled_from(["multiclass", "multilabel"])),
        fusion=draw(st.sampled_from(["concat", "mean", "attention"])),
        pooling=draw(st.sampled_from(["average", "topk"])),
        num_crops=draw(st.integers(0, 4096)),
        crop_size=draw(st.integers(16, 1024)),
        crop_widths=draw(st.tuples(*[st.integers(1, 4096)] * 4)),
        crop_embed_dim=draw(dims),
        crop_se_ratio=draw(st.floats(0.001, 16)),
        shared_crops=draw(st.booleans()),
        global_dim=draw(dims),
        hidden_dim=draw(dims),
        global_size=draw(st.none() | st.integers(32, 4096)),
        mean=draw(st.none() | triple(0, 1)),
        std=draw(st.none() | triple(1e-3, 10)),
        policy=draw(st.sampled_from(["sobol", "grid", "random"])),
        field_of_view=draw(st.booleans()),
        mask_outside=draw(st.booleans()),
        backbone_args=draw(st.dictionaries(words, json_values, max_size=3)),
    )


measurements = st.builds(
    Measurement,
    metric=words,
    value=numbers,
    low=st.none() | numbers,
    high=st.none() | numbers,
    n=st.integers(0),
    unit=words,
    groups=st.none() | st.integers(0),
    data=words,
    date=words,
    command=words,
    note=words,
)


@st.composite
def weights(draw: st.DrawFn, tag: str = "base") -> WeightSpec:
    names = draw(labels)
    repo = draw(st.none() | words)
    return WeightSpec(
        tag=tag,
        repo=repo,
        revision=None if repo is None else "0" * 40,
        files=draw(st.dictionaries(words, digests, min_size=1, max_size=2)),
        label_names=names,
        modality=draw(words),
        global_size=224,
        mean=draw(triple(0, 1)),
        std=draw(triple(1e-3, 10)),
        training_data=draw(st.lists(data_sets, max_size=2).map(tuple)),
        initialised_from=draw(st.lists(words, max_size=2).map(tuple)),
        inherited_data=draw(st.lists(data_sets, max_size=2).map(tuple)),
        licence=draw(words),
        results=draw(st.lists(measurements, max_size=2).map(tuple)),
        operating_points={name: draw(st.floats(0, 1)) for name in names[:1]},
        temperature=draw(st.floats(1e-3, 1e3)),
        limits=draw(st.lists(words, max_size=2).map(tuple)),
    )


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    sets = tuple(draw(weights(tag)) for tag in draw(st.lists(words, max_size=2, unique=True)))
    return ModelSpec(
        name=draw(st.text("abcXYZ019_-", min_size=1)),
        config=draw(configs()),
        domain=draw(st.none() | words),
        params=draw(st.none() | st.integers(0)),
        weights=sets,
    )


@given(spec=st.one_of(configs(), measurements, weights(), models()))
def test_json_both_ways(spec: Any) -> None:
    kind = type(spec)
    assert kind.from_json(spec.to_json()) == spec
    assert kind.from_dict(spec.to_dict()) == spec
    assert kind.from_json(spec.to_json(indent=None).encode()) == spec


SMALLEST: dict[str, Any] = {"backbone": "resnet18", "num_classes": 2}


@given(
    data=st.dictionaries(
        st.sampled_from([f.name for f in dataclasses.fields(LAGConfig)]) | words, json_values
    )
)
def test_a_stranger_s_file_gives_a_configuration_or_one_kind_of_error(data: dict[str, Any]) -> None:
    try:
        config = LAGConfig.from_json(json.dumps({**SMALLEST, **data}))
    except InvalidConfigError:
        return
    assert LAGConfig.from_json(config.to_json()) == config


@given(text=st.text() | st.binary())
def test_any_text_gives_a_configuration_or_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(InvalidConfigError):
        LAGConfig.from_json(text)


def test_a_text_too_deep_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="not a JSON text"):
        LAGConfig.from_json("[" * 200_000)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({**SMALLEST, "colour": 1}, r"unknown fields \['colour'\]\. Known are"),
        ({"backbone": "resnet18"}, r"fields \['num_classes'\] are missing"),
        ({**SMALLEST, "num_crops": "10"}, "LAGConfig.num_crops: int is expected, got '10'"),
        ({**SMALLEST, "num_crops": True}, "num_crops: int is expected, got True"),
        ({**SMALLEST, "num_crops": 10.0}, "num_crops: int is expected, got 10.0"),
        ({**SMALLEST, "shared_crops": 1}, "shared_crops: bool is expected"),
        ({**SMALLEST, "mean": [0.5, "x", 0.5]}, r"mean\[1\]: float is expected, got 'x'"),
        ({**SMALLEST, "crop_se_ratio": float("nan")}, "crop_se_ratio: float is expected, got nan"),
        ({**SMALLEST, "crop_se_ratio": float("inf")}, "crop_se_ratio: float is expected, got inf"),
        ({**SMALLEST, "fusion": ["concat"]}, "fusion"),
        ({**SMALLEST, "backbone_args": {"a": [1]}}, r"backbone_args\['a'\]"),
        ({**SMALLEST, "schema_version": 2}, "schema version 2 is not 1.*newer lag_zoo"),
        ([1], "a JSON object is expected, got list"),
    ],
)
def test_what_a_file_says_wrongly_is_named(data: Any, says: str) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        LAGConfig.from_json(json.dumps(data))


BOUNDED = [
    (name, bound)
    for name, bounds in bounds_of(LAGConfig).items()
    for bound in bounds
    if isinstance(bound, Between)
]


@pytest.mark.parametrize(("field", "bound"), BOUNDED)
def test_bounds_hold(field: str, bound: Between) -> None:
    """A step is the smallest that the type of the field has; of a tuple the last number strays."""
    default = {"mean": (0.5,) * 3, "std": (0.5,) * 3}.get(field, getattr(LAGConfig(**SMALLEST), field))
    is_tuple = isinstance(default, tuple)
    whole = isinstance(default[0] if is_tuple else default, int | None)
    step = 1 if whole else 1e-6

    def with_value(value: float) -> LAGConfig:
        held = (*default[:-1], value) if is_tuple else value
        return LAGConfig(**{**SMALLEST, field: held})

    for value in (bound.low, bound.high):
        found = getattr(with_value(value), field)
        assert (found[-1] if is_tuple else found) == value
    for value in (bound.low - step, bound.high + step):
        with pytest.raises(InvalidConfigError, match=rf"{field}(\[\d\])? is a number {bound}, got"):
            with_value(value)


def test_every_number_has_bounds() -> None:
    """A stranger's file decides how much memory a network takes."""
    names = {"backbone", "label_names", "task", "fusion", "pooling", "background", "policy"}
    free = names | {"backbone_args", "schema_version"}
    hints = typing.get_type_hints(LAGConfig)
    assert {name for name, hint in hints.items() if hint is not bool} - free == set(bounds_of(LAGConfig))


@pytest.mark.parametrize("field", ["crop_widths", "mean", "std"])
def test_how_many_numbers_is_held(field: str) -> None:
    with pytest.raises(
        InvalidConfigError, match=rf"{field} has [34] items, got 2: \(1, 1\)|{field} has 3 items"
    ):
        LAGConfig(**{**SMALLEST, field: (1, 1)})


def test_equal_configurations_have_one_hash() -> None:
    one, other = (LAGConfig(**SMALLEST, backbone_args={"img_size": size}) for size in (224, 256))
    assert hash(one) == hash(dataclasses.replace(one))
    assert one != other


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        LAGConfig(**SMALLEST).num_crops = 3  # type: ignore[misc]


def a_weight_spec(**fields: Any) -> WeightSpec:
    given = {
        "tag": "base",
        "files": {"a.safetensors": "0" * 64},
        "label_names": ("no", "yes"),
        "modality": "wli",
        "global_size": 224,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "training_data": (DatasetRef("drawn"),),
        "licence": "Apache-2.0",
    }
    return WeightSpec(**{**given, **fields})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"files": {}}, "name no file"),
        ({"files": {"a": "0" * 63}}, "SHA-256 of 'a'"),
        ({"files": {"a": "G" * 64}}, "SHA-256 of 'a'"),
        ({"repo": "someone/x"}, "full commit, got None"),
        ({"repo": "someone/x", "revision": "main"}, "full commit, got 'main'"),
        ({"operating_points": {"maybe": 0.5}}, "operating point of 'maybe', not a label"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_weights_that_cannot_be_vouched_for(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidConfigError, match=says):
        a_weight_spec(**fields)


class TestModelSpec:
    def spec(self, **fields: Any) -> ModelSpec:
        return ModelSpec(**{"name": "lag_x", "config": LAGConfig(**SMALLEST), **fields})

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "é"])
    def test_names(self, name: str) -> None:
        with pytest.raises(InvalidConfigError, match="letters, digits"):
            self.spec(name=name)

    def test_tags_are_unique(self) -> None:
        with pytest.raises(InvalidConfigError, match="tags repeat"):
            self.spec(weights=(a_weight_spec(), a_weight_spec()))

    def test_state_of_the_weights(self) -> None:
        hub = a_weight_spec(tag="hub", repo="someone/x", revision="0" * 40)
        result = Measurement(
            metric="AUROC", value=0.9, n=10, unit="frames", data="d", date="2026-01-01", command="c"
        )
        builtin = a_weight_spec(results=(result,))
        assert self.spec().weights_state == "none yet"
        assert self.spec(weights=(hub, builtin)).weights_state == "on the Hub"
        two = self.spec(weights=(builtin, hub))
        assert two.weights_state == "built in"
        assert two.measured_results == (result,)
        assert self.spec().measured_results == ()
        assert two.weights_named(None) is builtin
        assert two.weights_named("hub") is hub
        assert two.weights_named("nothing") is None

    def test_modality_follows_the_domain(self) -> None:
        assert [self.spec(domain=d).modality for d in ("lci", "wli", "polyp", None)] == [
            "lci",
            "wli",
            "wli",
            "wli",
        ]


def test_the_schema_is_version_one() -> None:
    assert LAGConfig(**SMALLEST).schema_version == SCHEMA_VERSION == 1


class TestDatasets:
    @pytest.mark.parametrize("id", ["", "Kvasir-SEG", "kvasir seg", "-a", "a/b", "a" * 97, "säule"])
    def test_ids_that_two_people_may_write_in_two_ways_are_refused(self, id: str) -> None:
        with pytest.raises(InvalidConfigError, match="the id of a data set is up to 96 small letters"):
            DatasetRef(id)

    def test_a_citation_alone_names_no_data_set(self) -> None:
        """As repositories were written before data sets had ids, and as a user may write it."""
        says = 'a data set is named by an id .*say DatasetRef\\("our-hospital-2026"'
        with pytest.raises(InvalidConfigError, match=says):
            a_weight_spec(training_data=("Kvasir-SEG (Jha et al.)",))
        with pytest.raises(InvalidConfigError, match=says):
            WeightSpec.from_dict({**a_weight_spec().to_dict(), "training_data": ["Kvasir-SEG (Jha et al.)"]})

    def test_one_alone_is_no_list(self) -> None:
        with pytest.raises(InvalidConfigError, match="training_data: a list is expected"):
            a_weight_spec(training_data=DatasetRef("drawn"))

    def test_all_that_the_weights_have_seen(self) -> None:
        before, own = DatasetRef("before"), DatasetRef("own", "cited")
        spec = a_weight_spec(training_data=(own,), inherited_data=(before, DatasetRef("own")))
        assert spec.seen_data == (before, own)
