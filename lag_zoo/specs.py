"""Definitions of models and weights as plain frozen data: no torch here, and JSON both ways.

`LAGConfig` is all that a network is built from, and all that a stranger's repository can say about one: names
and bounded numbers, never a class or a path. `WeightSpec` describes one set of weights, with their SHA-256. `ModelSpec`
is an entry of the zoo.
"""

import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypedDict

from lag_zoo.bounds import Between, Count, hold
from lag_zoo.brief import brief, shown
from lag_zoo.errors import InvalidConfigError, did_you_mean
from lag_zoo.inert import in_a_line

SCHEMA_VERSION = 1

TORCHVISION_BACKBONES = ("googlenet", "squeezenet1_1")
"""Two of the paper's baselines, which timm lacks; every other backbone is a timm name."""

Task = Literal["multiclass", "multilabel", "ordinal"]
Fusion = Literal["concat", "mean", "attention"]
Pooling = Literal["average", "topk"]
Policy = Literal["sobol", "grid", "random"]
Domain = Literal["wli", "lci", "polyp"]
Json = str | int | float | bool | None


@dataclass(frozen=True)
class Spec:
    """Base of the specifications: strict JSON both ways.

    An unknown key, a missing key or a value of another type is an `InvalidConfigError` that names it.
    """

    def __init_subclass__(cls) -> None:
        cls.__repr__ = brief  # type: ignore[method-assign]  # before the dataclass of each makes its own

    def to_dict(self) -> dict[str, Any]:
        """Return the specification as JSON-ready dictionaries, lists, strings and numbers."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the specification as a JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read a specification that `to_dict` wrote.

        Raises:
            InvalidConfigError: an unknown or missing field, or a value that it cannot have.
        """
        if not isinstance(data, Mapping):
            raise InvalidConfigError(f"{cls.__name__}: a JSON object is expected, got {type(data).__name__}")
        hints = cls._hints()
        unknown = sorted(set(data) - set(hints))
        if unknown:
            raise InvalidConfigError(
                f"{cls.__name__}: unknown fields {unknown}.{did_you_mean(str(unknown[0]), hints)} Known are "
                f"{sorted(hints)}"
            )
        required = {
            f.name
            for f in dataclasses.fields(cls)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }
        missing = sorted(required - set(data))
        if missing:
            raise InvalidConfigError(f"{cls.__name__}: fields {missing} are missing")
        return cls(**{k: _typed(v, hints[k], f"{cls.__name__}.{k}") for k, v in data.items()})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a specification that `to_json` wrote; errors as in `from_dict`."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidConfigError(f"{cls.__name__}: not a JSON text: {error}") from error
        return cls.from_dict(data)

    @classmethod
    def checked(cls, **values: Any) -> dict[str, Any]:
        """Check values of some fields by themselves, and return them in the types of these fields.

        Raises:
            InvalidConfigError: one that the field cannot have.

        >>> LAGConfig.checked(num_crops=4, crop_widths=[8, 8, 16, 16])
        {'num_crops': 4, 'crop_widths': (8, 8, 16, 16)}
        """
        hints = cls._hints()
        typed = {name: _typed(value, hints[name], name) for name, value in values.items()}
        hold(cls, typed)
        return typed

    @classmethod
    def _hints(cls) -> dict[str, Any]:
        """The types of the fields, without their bounds."""
        kind: Any = cls
        return _hints_of(kind)

    def _hold_types(self) -> None:
        """Hold the values of a caller to the same types as those of a file."""
        hints = self._hints()
        for f in dataclasses.fields(self):
            object.__setattr__(self, f.name, _typed(getattr(self, f.name), hints[f.name], f.name))


_hints_of = functools.cache(typing.get_type_hints)  # they take longer to read than all values to check


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


def as_tuple(value: Any, where: str) -> tuple[Any, ...]:
    """Any ordered iterable as a tuple: a list, an array, a column of a table.

    Raises:
        InvalidConfigError: a single text, or something without an order; the message names `where`.

    >>> as_tuple({"mucosa": 0, "polyp": 1}.keys(), "label_names")
    ('mucosa', 'polyp')
    """
    value = _own(value)
    if isinstance(value, str):
        raise InvalidConfigError(f"{where}: a list is expected, got one text: say a list, [{value!r}]")
    if not isinstance(value, Iterable) or isinstance(value, Mapping | set | frozenset | bytes):
        raise InvalidConfigError(f"{where}: a list is expected, got {shown(value)} ({type(value).__name__})")
    return tuple(_own(item) for item in value)


def _own(value: Any) -> Any:
    """Python's own number or text for one of numpy's, a tensor of one number, or a subclass of `str`."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    return str.__str__(value) if isinstance(value, str) else value


def _typed(value: Any, hint: Any, where: str) -> Any:
    """`value`, from a file or a caller, brought to the type `hint`; anything else is an error that names `where`."""
    value = _own(value)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is not None and len(args) == 2 and args[1] is types.NoneType:
            return _typed(value, args[0], where)
        for option in args:
            try:
                return _typed(value, option, where)
            except InvalidConfigError:
                continue
    elif origin is Literal:
        if value in args and isinstance(value, str):
            return value
    elif origin is tuple:
        return tuple(_typed(v, args[0], f"{where}[{i}]") for i, v in enumerate(as_tuple(value, where)))
    elif origin is Mapping and isinstance(value, Mapping):
        return {str(k): _typed(v, args[1], f"{where}[{k!r}]") for k, v in value.items()}
    elif isinstance(hint, type) and issubclass(hint, Spec):
        return value if isinstance(value, hint) else hint.from_dict(value)
    elif hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    elif hint in (int, str, bool, types.NoneType) and type(value) is hint:
        return value
    raise InvalidConfigError(f"{where}: {_described(hint)} is expected, got {value!r}")


def _described(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(typing.get_args(hint))}"
    return str(hint.__name__) if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidConfigError(message)


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    _require(good, f"{name} must be a number from {low:g} to {high:g}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class LAGConfig(Spec):
    """All that defines a LAG network. The defaults are the paper's, where the paper states them.

    Attributes:
        backbone: a timm name, or `googlenet` or `squeezenet1_1` (torchvision's). `None`: a module that came ready-made
            and that no name can rebuild.
        num_classes: outputs; 0 leaves the head out.
        label_names: one name an output, in their order.
        task: `multiclass` (softmax, exclusive labels), `multilabel` (sigmoid) or `ordinal` (grades, `label_names` from
            the lowest on; cumulative logits, see `lag_zoo.tasks.Ordinal`).
        fusion: how the crops join the global view: `concat` (the paper; a fixed number of crops), `mean`, `attention`.
        pooling: `average`: the backbone's features are pooled over the frame, and scored once (the paper); `topk`: each
            position of its map is scored, and the highest scores make the logit, so that a map shows where.
        topk: share of the positions whose mean is the logit, with `topk` pooling.
        background: the label of frames without a finding, with `topk` pooling and exclusive labels: nothing in a frame
            shows it, so its score is 0 everywhere, and the other labels' scores are evidence against it. `None`: each
            label has evidence of its own.
        num_crops: crops an image; 0: none, the plain backbone with LAG's head.
        crop_size: side of a crop, in native pixels.
        crop_widths: channels of the four convolutions of the crop branch.
        crop_embed_dim: features a crop.
        crop_se_ratio: width of the squeeze-and-excitation bottleneck, relative to its channels.
        shared_crops: one set of weights for all crops, or one a crop.
        global_dim: features of the backbone's fully connected layer.
        hidden_dim: features of the layer before the classifier.
        global_size: side of the square global view, in pixels. `None`: the backbone's own.
        mean: mean of a pixel, a channel, on the scale 0 to 1. `None`: the backbone's own.
        std: standard deviation, likewise.
        policy: where the crops lie in evaluation: `sobol`, `grid` (both deterministic) or `random`.
        field_of_view: crops stay inside the lit field of the frame.
        mask_outside: blank what lies outside the field in the global view.
        backbone_args: further arguments of the timm model, such as `img_size`.
        schema_version: the version of this layout.
    """

    backbone: str | None
    num_classes: Annotated[int, Between(0, 100_000)]
    label_names: tuple[str, ...] | None = None
    task: Task = "multiclass"
    fusion: Fusion = "concat"
    pooling: Pooling = "average"
    topk: Annotated[float, Between(0.001, 1)] = 0.1
    background: str | None = None
    num_crops: Annotated[int, Between(0, 4096)] = 10
    crop_size: Annotated[int, Between(16, 1024)] = 64
    crop_widths: Annotated[tuple[int, ...], Count(4), Between(1, 4096)] = (16, 32, 64, 64)
    crop_embed_dim: Annotated[int, Between(1, 65536)] = 64
    crop_se_ratio: Annotated[float, Between(0.001, 16)] = 0.25
    shared_crops: bool = True
    global_dim: Annotated[int, Between(1, 65536)] = 256
    hidden_dim: Annotated[int, Between(1, 65536)] = 256
    global_size: Annotated[int | None, Between(32, 4096)] = None
    mean: Annotated[tuple[float, ...] | None, Count(3), Between(0, 1)] = None
    std: Annotated[tuple[float, ...] | None, Count(3), Between(0.001, 10)] = None
    policy: Policy = "sobol"
    field_of_view: bool = True
    mask_outside: bool = False
    backbone_args: Mapping[str, Json] = field(default_factory=dict, hash=False)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        self._hold_types()
        _require(
            self.schema_version == SCHEMA_VERSION,
            f"schema version {self.schema_version!r} is not {SCHEMA_VERSION}, which this lag_zoo reads; "
            "a newer lag_zoo may read it",
        )
        hold(type(self), vars(self))
        if self.label_names is not None:
            named = len(self.label_names)
            _require(len(set(self.label_names)) == named, f"label_names repeat: {list(self.label_names)}")
            strange = [name for name in self.label_names if in_a_line(name) != name or not name.strip()]
            _require(
                not strange,
                f"a label is a text of letters that can be seen, got {', '.join(map(ascii, strange))}",
            )
            _require(
                named == self.num_classes,
                f"num_classes is {self.num_classes}, but label_names has {named}: {list(self.label_names)}",
            )
        if self.background is not None:
            self._hold_background()

    def _hold_background(self) -> None:
        known = self.label_names or ()
        _require(
            self.background in known,
            f"background is one of the labels ({', '.join(known) or 'which have no names here'}), got "
            f"{self.background!r}",
        )
        _require(self.pooling == "topk", f"background goes with pooling='topk', got pooling={self.pooling!r}")


class ConfigFields(TypedDict, total=False):
    """The fields of `LAGConfig` as keywords of `LAG` and `create_model`, for editors and type checkers.

    A list, an array or another sequence does where the configuration holds a tuple.
    """

    num_classes: int
    label_names: Iterable[str] | None
    task: Task
    fusion: Fusion
    pooling: Pooling
    topk: float
    background: str | None
    num_crops: int
    crop_size: int
    crop_widths: Iterable[int]
    crop_embed_dim: int
    crop_se_ratio: float
    shared_crops: bool
    global_dim: int
    hidden_dim: int
    global_size: int | None
    mean: Iterable[float] | None
    std: Iterable[float] | None
    policy: Policy
    field_of_view: bool
    mask_outside: bool
    backbone_args: Mapping[str, Json]


def require_known_fields(fields: Iterable[str], caller: str) -> None:
    """Refuse keywords that are no fields of `LAGConfig`.

    Raises:
        InvalidConfigError: one is not; with near matches.

    >>> require_known_fields(["num_crop"], "LAG")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lag_zoo.errors.InvalidConfigError: LAG has no argument num_crop. Did you mean num_crops? Fields are ...
    """
    known = ConfigFields.__annotations__
    if unknown := sorted(set(fields) - set(known)):
        raise InvalidConfigError(
            f"{caller} has no argument {', '.join(unknown)}.{did_you_mean(unknown[0], known)} Fields are "
            f"{', '.join(known)}"
        )


@dataclass(frozen=True, kw_only=True)
class ExamConfig(Spec):
    """All that defines the head of an examination network, beside the frame network that it stands on.

    Attributes:
        label_names: of the examination, one an output.
        task: as in `LAGConfig`.
        in_features: numbers that the frame network gives for a frame.
        log_odds: how many of these, the last ones, are log-odds of the frame network's labels.
        sites: names of the sites that frames may be of, such as antrum and corpus; empty: the head is not told.
        width: features of a frame that are weighed and summed.
        attention_width: of the layer behind the weights.
        site_dropout: in training, the probability with which the frames of a site are left out.
        schema_version: the version of this layout.
    """

    label_names: tuple[str, ...]
    task: Task = "multiclass"
    in_features: Annotated[int, Between(1, 1_000_000)]
    log_odds: Annotated[int, Between(0, 100_000)] = 0
    sites: tuple[str, ...] = ()
    width: Annotated[int, Between(1, 65536)] = 128
    attention_width: Annotated[int, Between(1, 65536)] = 64
    site_dropout: Annotated[float, Between(0, 0.9)] = 0.1
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        self._hold_types()
        _require(
            self.schema_version == SCHEMA_VERSION,
            f"schema version {self.schema_version!r} is not {SCHEMA_VERSION}, which this lag_zoo reads",
        )
        hold(type(self), vars(self))
        _require(
            0 < len(self.label_names) <= 1000,
            f"an examination has 1 to 1000 labels, got {len(self.label_names)}",
        )
        _require(len(self.sites) <= 1000, f"an examination has at most 1000 sites, got {len(self.sites)}")
        for what in ("label_names", "sites"):
            names = getattr(self, what)
            _require(len(set(names)) == len(names), f"{what} repeat: {list(names)}")
            strange = [name for name in names if in_a_line(name) != name or not name.strip()]
            _require(
                not strange,
                f"{what} are texts of letters that can be seen, got {', '.join(map(ascii, strange))}",
            )


@dataclass(frozen=True, kw_only=True)
class Measurement(Spec):
    """One measurement by this repository's own code, with its data, interval and command.

    Attributes:
        metric: its name, for example `AUROC`.
        value: the estimate; `low` and `high` bound its interval at `level` (None: no interval exists).
        interval: how the interval was made, for example `cluster bootstrap by group, 2000 resamples`.
        n: how many of `unit`; `groups` is the number of independent groups among them.
        data: the data and the split.
        date: ISO date of the run.
        command: the one that printed it.
        revision: of this repository, at which the command printed it, or the version of lag_zoo: a later one may print
            another number.
        note: caveats, parted by semicolons, the gravest first.
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    interval: str = ""
    n: int
    unit: str
    groups: int | None = None
    data: str
    date: str
    command: str
    revision: str = ""
    note: str = ""


@dataclass(frozen=True)
class DatasetRef(Spec):
    """Names a data set that weights were trained on.

    Attributes:
        id: small letters, digits, ".", "_" and "-"; the same data set has the same id everywhere, for by it weights are
            known to have seen frames (`lag_zoo.provenance`).
        citation: how to cite it, or what it is where nothing is published.
        licence: its licence or ethics approval; empty: not stated.

    >>> print(DatasetRef("kvasir-seg", "Jha et al., MMM 2020", "CC-BY-4.0"))
    kvasir-seg: Jha et al., MMM 2020; CC-BY-4.0
    """

    id: str
    citation: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        self._hold_types()
        near = re.sub(r"[^a-z0-9._-]+", "-", self.id.lower()).strip("._-")[:96]
        _require(
            re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,95}", self.id) is not None,
            f"the id of a data set is up to 96 small letters, digits, '.', '_' and '-', such as "
            f"{near or 'our-hospital-2026'}; got {self.id!r}",
        )

    def __str__(self) -> str:
        about = "; ".join(text for text in (self.citation, self.licence) if text)
        return f"{self.id}: {about}" if about else self.id

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `id: citation; licence`, the licence after the last semicolon; or a JSON object.

        Raises:
            InvalidConfigError: no id, or JSON that is no data set.

        >>> DatasetRef.from_text("kvasir-seg: Jha et al.; MMM 2020; CC-BY-4.0")
        DatasetRef(id='kvasir-seg', citation='Jha et al.; MMM 2020', licence='CC-BY-4.0')
        """
        if text.lstrip().startswith("{"):
            return cls.from_json(text)
        name, _, rest = text.partition(":")
        citation, mark, licence = rest.rpartition(";")
        return (
            cls(name.strip(), citation.strip(), licence.strip()) if mark else cls(name.strip(), rest.strip())
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | str) -> Self:
        """The data set that `to_dict` wrote."""
        if isinstance(data, str):
            raise InvalidConfigError(
                f"a data set is named by an id and how to cite it, got only the text {data!r}: say "
                'DatasetRef("our-hospital-2026", "how to cite it", "its licence"), in JSON {"id": ..., "citation": ...}'
            )
        return super().from_dict(data)


def data_sets(given: Any, where: str) -> tuple[DatasetRef, ...]:
    """The data sets that a caller names, each a `DatasetRef` or its dictionary.

    Raises:
        InvalidConfigError: something else, such as a citation alone.
    """
    found: tuple[DatasetRef, ...] = _typed(given, tuple[DatasetRef, ...], where)
    return found


@dataclass(frozen=True, kw_only=True)
class KnownFeatures(Spec):
    """The channels of a backbone's layer on the frames that weights know: their means as a normal distribution.

    Attributes:
        layer: the name of the layer in the backbone.
        centre: of the means of the channels, folded to at most 48 numbers.
        whitening: lower triangle, row by row, of the matrix that brings them to unit variance.
        distance: the longest distance from the centre, whitened, by root mean square, that raises no doubt.
    """

    layer: str
    centre: tuple[float, ...]
    whitening: tuple[float, ...]
    distance: Annotated[float, Between(0, 1e9)]

    def __post_init__(self) -> None:
        self._hold_types()
        hold(type(self), vars(self))
        count = len(self.centre)
        _require(1 <= count <= 48, f"centre has 1 to 48 numbers, got {count}")
        triangle = count * (count + 1) // 2
        _require(
            len(self.whitening) == triangle,
            f"whitening has {triangle} numbers where centre has {count}, got {len(self.whitening)}",
        )


@dataclass(frozen=True, kw_only=True)
class Doubts(Spec):
    """The frames that weights know, in a few numbers; an image beyond them is foreign (`lag_zoo.predict.doubts`).

    Attributes:
        frames: the number of frames that it was fitted on.
        red: lowest and highest share of red in the light of a frame; `green` and `blue` likewise.
        roughness: lowest and highest roughness of a frame (`lag_zoo.views.appearance.Appearance`).
        features: of a layer in the middle of the backbone; `None`: the backbone does not describe its layers.
    """

    frames: Annotated[int, Between(1, 1_000_000_000)]
    red: Annotated[tuple[float, ...], Count(2)]
    green: Annotated[tuple[float, ...], Count(2)]
    blue: Annotated[tuple[float, ...], Count(2)]
    roughness: Annotated[tuple[float, ...], Count(2)]
    features: KnownFeatures | None = None

    def __post_init__(self) -> None:
        self._hold_types()
        hold(type(self), vars(self))
        for name in ("red", "green", "blue", "roughness"):
            low, high = getattr(self, name)
            _require(low <= high, f"{name} is a lowest and a highest value, got {low:g} and {high:g}")


@dataclass(frozen=True, kw_only=True)
class WeightSpec(Spec):
    """One set of weights that this version of lag_zoo vouches for.

    Attributes:
        tag: its name among the weights of one model.
        repo: its Hub repository; `None`: the files are inside the package.
        revision: the full commit of the repository.
        files: SHA-256 of each file.
        label_names: one name an output.
        task: as in `LAGConfig`.
        modality: the light that the frames were taken with.
        global_size: side of the global view, in pixels; `mean` and `std` as in `LAGConfig`.
        training_data: the data sets that they were trained on.
        initialised_from: the weights that the training began from, and those that they began from; empty: none.
        inherited_data: the data sets that those were trained on, as far as that is stated.
        licence: of the weights (SPDX).
        backbone_licence: of what the backbone was initialised from; empty: trained from scratch.
        results: what was measured.
        operating_points: probability above which a label is called, from data that no result stands on.
        temperature: by which logits are divided before they become probabilities.
        doubts: the frames that they know, so that foreign images raise a warning; `None`: not fitted.
        intended_use: one paragraph; `limits`: one sentence each.
    """

    tag: str
    repo: str | None = None
    revision: str | None = None
    files: Mapping[str, str]
    label_names: tuple[str, ...]
    task: Task = "multiclass"
    modality: str
    global_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    training_data: tuple[DatasetRef, ...]
    initialised_from: tuple[str, ...] = ()
    inherited_data: tuple[DatasetRef, ...] = ()
    licence: str
    backbone_licence: str = ""
    results: tuple[Measurement, ...] = ()
    operating_points: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    doubts: Doubts | None = None
    intended_use: str = ""
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("training_data", "inherited_data"):
            object.__setattr__(self, name, data_sets(getattr(self, name), name))
        _require(bool(self.files), f"weights {self.tag!r} name no file")
        for name, digest in self.files.items():
            good = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
            _require(good, f"weights {self.tag!r}: the SHA-256 of {name!r} is {digest!r}")
        if self.repo is not None:
            pinned = self.revision is not None and len(self.revision) == 40
            _require(
                pinned, f"weights {self.tag!r}: the revision must be a full commit, got {self.revision!r}"
            )
        for label in self.operating_points:
            _require(
                label in self.label_names, f"weights {self.tag!r}: operating point of {label!r}, not a label"
            )
        _within("temperature", self.temperature, 1e-3, 1e3)

    @property
    def seen_data(self) -> tuple[DatasetRef, ...]:
        """Every data set behind the weights: their own, and those of the weights that they were made from."""
        return tuple({data.id: data for data in (*self.inherited_data, *self.training_data)}.values())


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """An entry of the zoo, or the architecture `lag_<timm name>`.

    Attributes:
        name: as `create_model` takes it.
        config: the network.
        domain: `wli` (white light), `lci` (linked colour imaging), `polyp`; `None`: an architecture.
        description: one sentence.
        params: parameters of the whole network.
        backbone_macs: multiply-accumulates of the backbone on one global view; `crop_macs`: of all crops of one image.
        backbone_licence: of the backbone's pretrained weights, as their publisher states it; empty: not stated.
        weights: the weights that exist, the default first.
    """

    name: str
    config: LAGConfig
    domain: str | None = None
    description: str = ""
    params: int | None = None
    backbone_macs: int | None = None
    crop_macs: int | None = None
    backbone_licence: str = ""
    weights: tuple[WeightSpec, ...] = ()

    def __post_init__(self) -> None:
        allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        _require(
            bool(self.name) and set(self.name) <= allowed | {"."},
            f"a model name is made of letters, digits, '_' and '-', got {self.name!r}",
        )
        tags = [w.tag for w in self.weights]
        _require(len(set(tags)) == len(tags), f"{self.name}: weight tags repeat: {tags}")

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The labels of the network's outputs."""
        return self.config.label_names

    @property
    def modality(self) -> str:
        """The light that the frames are taken with: `wli` or `lci`."""
        return "lci" if self.domain == "lci" else "wli"

    @property
    def measured_results(self) -> tuple[Measurement, ...]:
        """Measurements of the default weights by this repository's own code."""
        return self.weights[0].results if self.weights else ()

    @property
    def weights_state(self) -> str:
        """`built in`, `on the Hub` or `none yet`."""
        if not self.weights:
            return "none yet"
        return "on the Hub" if self.weights[0].repo else "built in"

    def weights_named(self, tag: str | None) -> WeightSpec | None:
        """The weights with this tag; without a tag, the default ones; `None` where there are none."""
        return next((w for w in self.weights if tag in (None, w.tag)), None)
