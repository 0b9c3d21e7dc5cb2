"""Recipes: all that settles a training run besides its data, in a small YAML file that is checked key by key."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from lag_zoo.errors import InvalidConfigError, extra
from lag_zoo.specs import Json, Spec

Balance = Literal["none", "weights", "sampling", "modality"]
Precision = Literal["no", "bf16", "fp16"]
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
_SUFFIX = ".yaml"


@dataclass(frozen=True, kw_only=True)
class Stage(Spec):
    """One part of a run.

    Attributes:
        name: for the log.
        epochs: how many.
        crops: whether the crops take part; without, only the global path is trained. Where no stage has them, the
            network that comes out is its plain backbone: its crops say nothing.
        train: `all`, or `head`: all but the backbone.
        modality: only frames of this modality; empty: of all.
        alignment: weight of a loss that draws the global features of the modalities together (CORAL: Sun & Saenko,
            Deep CORAL, 2016, https://arxiv.org/abs/1607.01719).
        learning_rate: in place of the recipe's.
    """

    name: str = "all"
    epochs: int
    crops: bool = True
    train: Literal["all", "head"] = "all"
    modality: str = ""
    alignment: float = 0.0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _between("epochs", self.epochs, 1, 100_000)
        _between("alignment", self.alignment, 0, 1e6)
        if self.learning_rate is not None:
            _between("learning_rate", self.learning_rate, 0, 100)
        if self.alignment and self.modality:
            raise InvalidConfigError(
                f"stage {self.name}: alignment draws modalities together, and the stage sees {self.modality} alone"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe(Spec):
    """A training run without its data.

    Attributes:
        about: what it is for, and whose reading of what.
        model: a name of the zoo, an architecture, or a place (`hf-hub:`, `local-dir:`).
        pretrained: as in `lag_zoo.create_model`.
        fields: fields of `LAGConfig` in place of the model's own, such as `num_crops`.
        stages: one after another.
        batch_size: frames a step, over all processes.
        learning_rate: of AdamW, at its highest; `crop_learning_rate` times as much for the crop branch.
        weight_decay: of weights, not of biases and norms.
        layer_decay: the rate falls by this factor from a layer of the backbone to the one before (timm's); `null`: not.
        warmup: share of a stage's steps in which the rate rises; then it falls along a cosine.
        label_smoothing: of exclusive labels.
        average: the weights that are kept are a moving average with this decay a step; 0: the last ones.
        balance: `weights`: rare labels count more in the loss; `sampling`: are drawn more often; the labels' true
            frequency is then fitted on the validation frames, into the head's bias. `modality`: each modality is drawn
            equally often; `none`.
        global_loss: weight of a second loss, of the global path alone.
        crop_drop: share of frames of which, in training, the crops are dropped.
        accumulate: steps whose gradients are added before the weights move.
        clip: highest norm of the gradient.
        freeze_norm: batch norms keep their statistics.
        augment: how far the global view is rotated, scaled, blurred, dimmed and blanked in spots, besides being flipped
            and turned by quarters: 1 is any angle, 0 not at all.
        select: by what the best epoch is chosen on the validation frames.
        patience: epochs without a better one after which a stage ends; 0: none ends early.
        mixed_precision: accelerate's.
        compile: torch's.
        tracker: one of accelerate's that is installed (`tensorboard`, `wandb`, `mlflow`, ...), or `none`.
        workers: processes that make views.
        seed: settles everything that is drawn.
    """

    about: str = ""
    model: str
    pretrained: bool | str = False
    fields: Mapping[str, Json] = field(default_factory=dict)
    stages: tuple[Stage, ...]
    batch_size: int = 32
    learning_rate: float = 1e-3
    crop_learning_rate: float = 1.0
    weight_decay: float = 0.05
    layer_decay: float | None = None
    warmup: float = 0.05
    label_smoothing: float = 0.0
    average: float = 0.0
    balance: Balance = "none"
    global_loss: float = 1.0
    crop_drop: float = 0.5
    accumulate: int = 1
    clip: float = 5.0
    freeze_norm: bool = False
    augment: float = 1.0
    select: Literal["auroc", "loss"] = "auroc"
    patience: int = 0
    mixed_precision: Precision = "no"
    compile: bool = False
    tracker: str = "tensorboard"
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.stages:
            raise InvalidConfigError("Recipe.stages: at least one is needed")
        _between("batch_size", self.batch_size, 1, 1 << 20)
        _between("learning_rate", self.learning_rate, 0, 100)
        _between("crop_learning_rate", self.crop_learning_rate, 0, 1000)
        _between("weight_decay", self.weight_decay, 0, 1000)
        if self.layer_decay is not None:
            _between("layer_decay", self.layer_decay, 0.01, 1)
        _between("warmup", self.warmup, 0, 0.99)
        _between("label_smoothing", self.label_smoothing, 0, 0.99)
        _between("average", self.average, 0, 0.99999)
        _between("global_loss", self.global_loss, 0, 1000)
        _between("crop_drop", self.crop_drop, 0, 0.99)
        _between("accumulate", self.accumulate, 1, 100_000)
        _between("augment", self.augment, 0, 1)
        _between("clip", self.clip, 1e-6, 1e9)
        _between("patience", self.patience, 0, 100_000)
        _between("workers", self.workers, 0, 1024)
        _between("seed", self.seed, 0, 2**31 - 1)

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def to_yaml(self) -> str:
        """The recipe as the text of a file."""
        with extra("train"):
            import yaml
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))


def list_recipes() -> list[str]:
    """The recipes that come with lag_zoo.

    >>> list_recipes()
    ['dual_transfer', 'finetune', 'frozen', 'paper']
    """
    folder = files("lag_zoo.training") / "recipes"
    return sorted(file.name.removesuffix(_SUFFIX) for file in folder.iterdir() if file.name.endswith(_SUFFIX))


def load_recipe(source: str | Path, *, changes: Mapping[str, Any] | Sequence[str] = ()) -> Recipe:
    """A recipe by its name (`list_recipes`) or from a YAML file, with some keys changed.

    Args:
        changes: a mapping, or texts such as `"batch_size=16"`, `"fields.num_crops=20"`, `"stages.0.epochs=5"`.

    Raises:
        InvalidConfigError: no such recipe, no YAML, or a key that does not exist (with near matches) or cannot have
            such a value.
        MissingExtraError: the extra `train` is not installed.

    >>> load_recipe("finetune", changes=["batch_size=16", "fields.num_crops=20"]).fields["num_crops"]
    20
    """
    with extra("train"):
        import yaml
    text, where = _text(source)

    # YAML 1.1 takes 1e-3 for a word; here it is the number that everyone means. Of equal keys the last would win.
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    try:
        data = yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise InvalidConfigError(f"{where} is no YAML: {error}") from error
    if not isinstance(data, dict):
        raise InvalidConfigError(f"{where}: a recipe is a YAML mapping, got {type(data).__name__}")
    pairs = changes.items() if isinstance(changes, Mapping) else map(_pair, changes)
    for key, value in pairs:
        _change(
            data,
            key,
            yaml.load(value, loader)
            if isinstance(value, str) and not isinstance(changes, Mapping)
            else value,
        )
    try:
        return Recipe.from_dict(data)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{where}: {error}") from error


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    """A mapping whose keys stand there once."""
    from yaml.constructor import ConstructorError

    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise ConstructorError(
                None, None, f"the key {key!r} stands there twice", node.value[place][0].start_mark
            )
    loader.flatten_mapping(node)
    return dict(loader.construct_mapping(node, deep=True))


def _text(source: str | Path) -> tuple[str, str]:
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigError(f"no recipe can be read from {path}: {error}") from error
    if str(source) not in list_recipes():
        raise InvalidConfigError(
            f"no recipe {str(source)!r}: a file that ends in .yaml, or one of {', '.join(list_recipes())}"
        )
    return (files("lag_zoo.training") / "recipes" / f"{source}{_SUFFIX}").read_text(encoding="utf-8"), str(
        source
    )


def _pair(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not mark:
        raise InvalidConfigError(f"{text!r}: say key=value, for example batch_size=16")
    return key.strip(), value


def _change(data: dict[str, Any], key: str, value: Any) -> None:
    """Sets `a.b.0.c`; what is not there yet is made, so that a misspelt key is seen when the recipe is checked."""
    place: Any = data
    *path, last = key.split(".")
    try:
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise InvalidConfigError(f"the recipe has no {key!r} that could be set") from error


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidConfigError(f"{name} is a number from {low:,} to {high:,}, got {value!r}")


def with_stages(recipe: Recipe, stages: Sequence[Stage]) -> Recipe:
    """The same recipe with other stages."""
    return dataclasses.replace(recipe, stages=tuple(stages))
