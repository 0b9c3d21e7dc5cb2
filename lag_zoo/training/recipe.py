"""Recipes: all settings of a training run besides its data, checked key by key."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from lag_zoo.bounds import Between, hold
from lag_zoo.errors import InvalidConfigError, extra
from lag_zoo.specs import Json, Spec
from lag_zoo.training.keys import INERT, keys_of

Balance = Literal["none", "weights", "sampling", "modality"]
Precision = Literal["no", "bf16", "fp16"]
Select = Literal["auroc", "loss", "last"]
Modality = Literal["", "wli", "lci", "bli", "nbi", "other"]
EPOCHS = "epochs"
"""The key, among the changes of a recipe, of the epochs of all stages together."""

_Rate = Between(0, 100)


@dataclass(frozen=True, kw_only=True)
class Stage(Spec):
    """One part of a run.

    Attributes:
        name: of the stage, in the log.
        epochs: how many times all frames are seen.
        crops: whether the crops take part; without, only the global path is trained. Where no stage has them, the
            network is its plain backbone, and has no crops from the start (`LAG.remove_crops`).
        train: `all`, or `head`: all but the backbone.
        modality: only frames of this modality; empty: of all.
        alignment: weight of a loss that draws the global features of the modalities together (CORAL: Sun & Saenko,
            Deep CORAL, 2016, https://arxiv.org/abs/1607.01719).
        learning_rate: in place of the recipe's.
    """

    name: str = "all"
    epochs: Annotated[int, Between(1, 100_000)]
    crops: bool = True
    train: Literal["all", "head"] = "all"
    modality: Annotated[Modality, "wli, lci, bli, nbi, other, or empty"] = ""
    alignment: Annotated[float, Between(0, 1_000_000)] = 0.0
    learning_rate: Annotated[float | None, _Rate] = None

    def __post_init__(self) -> None:
        self._hold_types()
        hold(type(self), vars(self))
        if self.alignment and self.modality:
            raise InvalidConfigError(
                f"stage {self.name}: alignment draws modalities together, and the stage sees {self.modality} alone"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe(Spec):
    """A training run without its data.

    Attributes:
        name: its name in titles; a file's is its own.
        about: its purpose, and whose reading of what.
        model: the network.
        pretrained: what it starts from: the `backbone`'s own weights; `true`: those of `model`; `false`: none; or those
            of a place, as in `lag_zoo.create_model`.
        backbone_weights: weights of the backbone from elsewhere, in place of its own.
        fields: fields of `LAGConfig` in place of the model's own, such as `num_crops`.
        stages: one after another.
        batch_size: frames a step, over all processes.
        learning_rate: of AdamW, at its highest.
        crop_learning_rate: so many times as much for the crop branch.
        weight_decay: of weights, not of biases and norms.
        layer_decay: the rate falls by this factor from a layer of the backbone to the one before (timm's); `null`: not.
        warmup: share of a stage's steps in which the rate rises; then it falls along a cosine.
        label_smoothing: of exclusive labels, and of grades.
        average: decay a step of a moving average of the weights, which is then kept; 0: the last weights are.
        balance: `weights`: rare labels count more in the loss; `sampling`: are drawn more often; the labels' true
            frequency is then fitted on the validation frames, into the head's bias. `modality`: each modality is drawn
            equally often; `none`.
        global_loss: weight of a second loss, of the global path alone.
        mask_loss: weight of a loss of the evidence at each position of the map against the frame's mask, where the data
            have masks and the network a map (`fields.pooling: topk`).
        crop_drop: share of frames of which, in training, the crops are dropped.
        accumulate: steps to one update of the weights, which is then that of a batch so many times as large.
        clip: highest norm of the gradient.
        freeze_norm: the backbone's batch norms keep their statistics, as they do where only the head is trained.
        augment: how far the global view is rotated, scaled, blurred, dimmed and blanked in spots, besides being flipped
            and turned by quarters: 1 is any angle, 0 not at all.
        select: the measure on the validation frames by which the best epoch is chosen; of equal AUROCs the lower loss.
            `last`: the last epoch of each stage is taken, for on few validation frames any choice is chance.
        patience: epochs without a better one after which a stage ends; 0: none ends early.
        mixed_precision: half precision where accelerate finds it safe; a GPU is faster with it.
        compile: torch.compile of the network, which takes minutes and then is faster.
        tracker: where losses and rates are shown while it trains.
        workers: processes that make views.
        seed: settles everything that is drawn.
    """

    name: Annotated[str, INERT] = ""
    about: Annotated[str, INERT] = ""
    model: Annotated[str, "a name of the zoo, lag_<any timm name>, or a place (hf-hub:, local-dir:)"]
    pretrained: Annotated[bool | str, "backbone, true, false, or a place (hf-hub:, local-dir:)"] = False
    backbone_weights: Annotated[str | None, "null, a safetensors file, or hf-hub:org/repo[:file]"] = None
    fields: Annotated[
        Mapping[str, Json | tuple[Json, ...]], "fields.<name> each, as lag_zoo.LAGConfig has them"
    ] = field(default_factory=dict)
    stages: Annotated[tuple[Stage, ...], "one or more"]
    batch_size: Annotated[int, Between(1, 1 << 20)] = 32
    learning_rate: Annotated[float, _Rate] = 1e-3
    crop_learning_rate: Annotated[float, Between(0, 1000)] = 1.0
    weight_decay: Annotated[float, Between(0, 1000)] = 0.05
    layer_decay: Annotated[float | None, Between(0.01, 1)] = None
    warmup: Annotated[float, Between(0, 0.99)] = 0.05
    label_smoothing: Annotated[float, Between(0, 0.99)] = 0.0
    average: Annotated[float, Between(0, 0.99999)] = 0.0
    balance: Balance = "none"
    global_loss: Annotated[float, Between(0, 1000)] = 1.0
    mask_loss: Annotated[float, Between(0, 1000)] = 1.0
    crop_drop: Annotated[float, Between(0, 0.99)] = 0.5
    accumulate: Annotated[int, Between(1, 100_000)] = 1
    clip: Annotated[float, Between(1e-6, 1_000_000_000)] = 5.0
    freeze_norm: bool = False
    augment: Annotated[float, Between(0, 1)] = 1.0
    select: Select = "auroc"
    patience: Annotated[int, Between(0, 100_000)] = 0
    mixed_precision: Precision = "no"
    compile: bool = False
    tracker: Annotated[
        str, "none, or one of accelerate's that is installed (tensorboard, wandb, mlflow, ...)", INERT
    ] = "tensorboard"
    workers: Annotated[int, Between(0, 1024), INERT] = 2
    seed: Annotated[int, Between(0, 2**31 - 1)] = 0

    def __post_init__(self) -> None:
        self._hold_types()
        if not self.stages:
            raise InvalidConfigError("Recipe.stages: at least one is needed")
        hold(type(self), vars(self))

    @property
    def epochs(self) -> int:
        """The epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def has_crops(self) -> bool:
        """True where the crops take part in some stage."""
        return any(stage.crops for stage in self.stages)

    def to_yaml(self) -> str:
        """Write the recipe as the text of a YAML file."""
        with extra("train"):
            import yaml
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))

    def changed(self, changes: Mapping[str, Any]) -> "Recipe":
        """Return the recipe with other values of some fields, or with other `epochs`, dealt over the stages.

        Raises:
            InvalidConfigError: a field that does not exist or cannot have such a value; `epochs` beside `stages`.

        >>> from lag_zoo.training import load_recipe
        >>> [stage.epochs for stage in load_recipe("dual_transfer").changed({"epochs": 7}).stages]
        [3, 2, 2]
        """
        epochs, others = changes.get(EPOCHS), {k: v for k, v in changes.items() if k != EPOCHS}
        if epochs is not None and "stages" in others:
            raise InvalidConfigError("epochs and stages both say how long a run is: say one of them")
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        recipe = Recipe.from_dict({**values, **others})
        if epochs is None:
            return recipe
        return dataclasses.replace(recipe, stages=_dealt(recipe.stages, epochs))


def differences(one: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Find the keys that change numbers and differ between recipes: `(before, after)` each, `None` where missing.

    >>> from lag_zoo.training import load_recipe
    >>> recipe = load_recipe("frozen")
    >>> differences(recipe, recipe.changed({"epochs": 2, "workers": 9}))
    {'stages.0.epochs': (20, 2)}
    """
    before, after = (dict(_flat(recipe.to_dict())) for recipe in (one, other))
    inert = {name for name, key in keys_of(Recipe).items() if key.inert}
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name) and name not in inert
    }


def _flat(value: Any, name: str = "") -> list[tuple[str, Any]]:
    inside = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if inside is None:
        return [(name, value)]
    return [pair for key, part in inside for pair in _flat(part, f"{name}.{key}" if name else str(key))]


def _dealt(stages: Sequence[Stage], total: Any) -> tuple[Stage, ...]:
    """Deal so many epochs over the stages, in proportion to their own; each keeps one at least."""
    if type(total) is not int or total < len(stages):
        names = ", ".join(stage.name for stage in stages)
        raise InvalidConfigError(
            f"epochs is a whole number from {len(stages)} on, one for each stage ({names}); got {total!r}"
        )
    before = sum(stage.epochs for stage in stages)
    shares, dealt = [total * stage.epochs / before for stage in stages], [1] * len(stages)
    while sum(dealt) < total:  # to whom most is missing; of equals the first
        missing = [share - count for share, count in zip(shares, dealt, strict=True)]
        dealt[missing.index(max(missing))] += 1
    return tuple(dataclasses.replace(stage, epochs=count) for stage, count in zip(stages, dealt, strict=True))
