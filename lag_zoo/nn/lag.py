"""LAG, local attention grouping: a backbone on the shrunken frame and an ensemble of crops at native resolution.

Source: Yang et al., A Benchmark Dataset of Endoscopic Images and Novel Deep Learning Method to Detect Intestinal
Metaplasia and Gastritis Atrophy, IEEE JBHI 2022. The layout follows the paper's figure; the widths are ours, since
the paper does not state them. A model here is not a medical device.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack, cast

import torch
from torch import Tensor, nn

from lag_zoo.errors import BackboneError, InvalidConfigError
from lag_zoo.nn.backbones import (
    Traits,
    adopt_backbone,
    backbone_features,
    create_backbone,
    pooled_features,
)
from lag_zoo.nn.crop_ensemble import CropEnsemble
from lag_zoo.nn.fast.fold_norms import fold_norms
from lag_zoo.nn.fast.max_pool import replace_max_pools
from lag_zoo.nn.fast.onednn import pack_convolutions
from lag_zoo.nn.fusion import FUSIONS, AttentionFusion, ConcatFusion, Fused, MeanFusion
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.nn.grade_head import GradeHead
from lag_zoo.nn.normalise import normalise
from lag_zoo.nn.positions import as_map, features_at_positions, mean_of_highest
from lag_zoo.specs import (
    ConfigFields,
    LAGConfig,
    Policy,
    Pooling,
    Task,
    WeightSpec,
    as_tuple,
    require_known_fields,
)
from lag_zoo.tasks import rules_of
from lag_zoo.views import Views, ViewSampler
from lag_zoo.views.pixels import Frames, ImageLike

if TYPE_CHECKING:
    from lag_zoo.weights.report import LoadReport

_CROP_FIELDS = {  # field of LAGConfig: attribute of CropEnsemble
    "num_crops": "num_crops",
    "crop_size": "crop_size",
    "crop_widths": "widths",
    "crop_embed_dim": "embed_dim",
    "crop_se_ratio": "se_ratio",
    "shared_crops": "shared",
}


_READINGS: dict[Pooling, Callable[[nn.Module, Tensor], Tensor]] = {
    "average": pooled_features,
    "topk": features_at_positions,
}
"""Features of the backbone, by the pooling: of the whole frame, or of each position."""


class LAGOutput(NamedTuple):
    """Logits (B, C), the crops' weights (B, N) where the fusion has weights, and the scores of the map (B, C, h, w)."""

    logits: Tensor
    weights: Tensor | None
    scores: Tensor


class LAG(nn.Module):
    """A classifier of endoscopic frames that looks twice. Every keyword is a field of `LAGConfig`; see there.

    Args:
        backbone: a timm name (`googlenet` and `squeezenet1_1` are torchvision's), built untrained; or a ready module
            with timm's protocol, which LAG takes over: **its classifier is removed, in place**.
        crops: the crop ensemble; `None` builds one from the fields, and none with `num_crops=0`.

    Raises:
        BackboneError: a backbone that LAG cannot attach to.
        InvalidConfigError: a field out of range, neither `num_classes` nor `label_names`, or a crop field that
            contradicts `crops`.

    Frames go in raw: uint8, or float from 0 to 1; normalisation happens inside. Crops lie where `policy` puts them, in
    training mode too: a training transform (`lag_zoo.create_transform(model, training=True)`) draws them at random.

    >>> model = LAG("mobilenetv3_small_050", label_names=["normal", "GA", "IM"]).eval()
    >>> model(torch.zeros(2, 3, 300, 400, dtype=torch.uint8) + 90).shape
    torch.Size([2, 3])
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    load_report: "LoadReport | None" = None
    """The tensors that were loaded and those that were not, where `create_model` loaded weights."""
    weight_spec: "WeightSpec | None" = None
    """The specification of the weights, where all of them were loaded."""
    is_fused: bool = False
    """True where `fuse` made this network: then it predicts, and cannot be trained or saved."""

    def __init__(
        self,
        backbone: str | nn.Module,
        crops: CropEnsemble | None = None,
        **fields: Unpack[ConfigFields],
    ) -> None:
        super().__init__()
        asked = _asked_for(backbone, fields)
        if crops is not None:
            asked = _with_crops_of(asked, crops)
        if isinstance(backbone, str):
            backbone = create_backbone(backbone, asked.backbone_args)
        elif asked.backbone_args:
            raise InvalidConfigError("backbone_args go with a backbone's name; this one is built already")
        traits = adopt_backbone(backbone)
        rules = rules_of(asked.task)
        if asked.background is not None and not (rules.exclusive and rules.zero_output is None):
            raise InvalidConfigError(
                f"background={asked.background!r} goes with exclusive labels without an order, got "
                f"task={asked.task!r}: leave it out"
            )
        self.config = _settled(asked, traits, backbone)
        self.backbone = backbone
        self.global_fc = nn.Linear(traits.width, asked.global_dim)
        self.crops = crops if crops is not None else _crops_from(asked)
        self.fusion = _fusion_of(asked)
        self.hidden = nn.Sequential(nn.Linear(self.fusion.out_features, asked.hidden_dim), nn.ReLU())
        self.head = _classifier(asked.hidden_dim, asked.num_classes, asked.task)
        self.num_features = self.fusion.out_features
        self.head_hidden_size = asked.hidden_dim
        self.init_non_persistent_buffers()

    @classmethod
    def from_config(cls, config: LAGConfig) -> "LAG":
        """The untrained network that a configuration describes.

        Raises:
            InvalidConfigError: a configuration without a backbone's name.
        """
        if config.backbone is None:
            raise InvalidConfigError("a configuration without a backbone's name cannot be built")
        fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
        del fields["schema_version"]
        return cls(fields.pop("backbone"), **fields)

    # -- from frames to logits --------------------------------------------------------------------------------------

    def forward(self, x: Frames | Views) -> Tensor:
        """Frames (B, 3, H, W), a list of images of any sizes, or `Views` -> logits (B, num_classes).

        Raises:
            InvalidImageError: something is not an image.
        """
        return self.forward_head(self.forward_features(x))

    def views(
        self, x: Frames | ImageLike, *, epoch: int = 0, index: int | Sequence[int] | None = None
    ) -> Views:
        """Frames (B, 3, H, W) or images -> `Views`, batched, on the network's device."""
        return self.sampler()(x, epoch=epoch, index=index).batched().to(self.pixel_mean.device)

    def sampler(
        self, *, policy: Policy | None = None, seed: int = 0, with_coverage: bool = True
    ) -> ViewSampler:
        """The `ViewSampler` of this network; `policy` and `seed` in place of its own."""
        return ViewSampler.from_config(self.config, policy=policy, seed=seed, with_coverage=with_coverage)

    def forward_features(self, x: Frames | Views) -> Tensor:
        """Frames or views -> global and crop features, fused: (B, num_features), in top-k pooling a row a position."""
        return self.fused(x).features

    def fused(self, x: Frames | Views) -> Fused:
        """Frames or views -> fused features, and each crop's weight where the fusion has weights."""
        views = self._seen(x)
        return self.fusion(self.global_features(views), self.crop_features(views), views.inside)  # type: ignore[no-any-return]

    def global_features(self, views: Views) -> Tensor:
        """Batched views -> features of the global view (B, global_dim), with top-k pooling a row a position.

        Raises:
            BackboneError: top-k pooling, and a backbone without a map.
        """
        return self._global_features(self._last_features(views))

    def crop_features(self, views: Views) -> Tensor:
        """Batched views -> features of the crops (B, N, crop_embed_dim); N is 0 for a network without crops."""
        if self.crops is None:
            return self.pixel_mean.new_zeros(len(views.global_view), 0, self.config.crop_embed_dim)
        return self.crops(self._normalised(views.crops))  # type: ignore[no-any-return]

    def position_scores(self, x: Frames | Views) -> Tensor:
        """Frames or views -> the head's score of each label at each position of the map (B, num_classes, h, w).

        With top-k pooling the logits are the mean of the highest of these scores. A network with average pooling was
        not trained to give them: the head then takes each position as if the whole frame looked like it.

        Raises:
            BackboneError: a backbone without a map.
        """
        return self.outputs(x).scores

    def outputs(self, x: Frames | Views, *, with_crops: bool = True) -> LAGOutput:
        """Frames or views -> logits and `position_scores`, both from one pass through the backbone.

        Args:
            x: as `forward` takes it.
            with_crops: otherwise crop features are zero, as in `forward_global`.

        Raises:
            BackboneError: a backbone without a map.
        """
        views = self._seen(x, with_crops=with_crops)
        last, fuse = self._last_features(views), self._fusing(views, with_crops)
        fused = each = fuse(self._global_features(last))
        if fused.features.ndim == 2:
            each = fuse(self.global_fc(features_at_positions(self.backbone, last)))
        scores = self.scored(self.hidden(each.features))
        logits = self.pooled(scores) if each is fused else self.forward_head(fused.features)
        return LAGOutput(logits, fused.weights, as_map(scores))

    def forward_global(self, x: Frames | Views) -> Tensor:
        """Frames or views -> logits (B, num_classes) of the global view alone; crop features are zero."""
        views = self._seen(x, with_crops=False)
        return self.forward_head(self.fusion.without_crops(self.global_features(views)))

    def without_crops(self) -> GlobalPath:
        """This network without its crops, sharing its weights: the plain backbone inside. See `GlobalPath`."""
        return GlobalPath(self)

    def remove_crops(self) -> None:
        """Take the crops away, in place and for good: the network becomes the plain backbone inside.

        Its logits are then those of `without_crops()`, its configuration says `num_crops=0`, and it takes, saves and
        draws no crops. `weight_spec` belongs to the network with crops and goes with them.

        >>> model = LAG("mobilenetv3_small_050", num_classes=3)
        >>> model.remove_crops()
        >>> model.views(torch.zeros(1, 3, 300, 400, dtype=torch.uint8) + 90).crops.shape
        torch.Size([1, 0, 3, 64, 64])
        """
        if self.crops is None:
            return
        self.config = dataclasses.replace(self.config, num_crops=0)
        self.crops, self.fusion = None, _fusion_of(self.config)
        self.num_features = self.fusion.out_features
        first = cast(nn.Linear, self.hidden[0])
        kept = first.weight.detach()[:, : self.num_features]  # the global features come first
        first.weight = nn.Parameter(kept.clone())
        first.in_features = self.num_features
        self.weight_spec = None

    def fuse(self, *, pack: bool = True) -> "LAG":
        """Return a copy to predict with, by `lag_zoo.nn.fast`; its logits are equal to 1e-5.

        Norms are folded into convolutions, 2 x 2 max pooling keeps no places, and memory is channels last. On the CPU,
        in float32, the backbone's weights are also laid out for the processor, once for single frames and once for
        several, when they first come. Such a copy stays on the CPU and takes up to three times the memory of its
        convolutions; `pack=False` leaves that out, for `torch.compile`.

        The copy is in evaluation mode and only predicts: `train` and `save_pretrained` refuse it. Layers with hooks
        stay as they are. A network that is fused already is copied.

        >>> model = LAG("mobilenetv3_small_050", num_classes=3).eval()
        >>> frames = torch.zeros(1, 3, 300, 400, dtype=torch.uint8) + 90
        >>> torch.allclose(model(frames), model.fuse()(frames), atol=1e-5)
        True
        """
        fused = copy.deepcopy(self).eval()
        if fused.is_fused:
            return fused
        side = fused.config.global_size or 0
        pixels = self.pixel_mean.new_zeros
        fold_norms(fused.backbone, lambda: backbone_features(fused.backbone, pixels(1, 3, side, side)))
        if (crops := fused.crops) is not None:
            count, crop = 1 if crops.shared else crops.num_crops, crops.crop_size
            fold_norms(crops, lambda: crops(pixels(1, count, 3, crop, crop)))
        replace_max_pools(fused)
        fused.to(memory_format=torch.channels_last)
        if pack:
            pack_convolutions(fused.backbone)
        fused.is_fused = True
        return fused

    def train(self, mode: bool = True) -> "LAG":
        """Set training or evaluation mode, as torch does.

        Raises:
            InvalidConfigError: training mode for a fused network, which has no norms left.
        """
        if mode and self.is_fused:
            raise InvalidConfigError("a fused network only predicts: train the one that it was made from")
        return super().train(mode)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Fused features -> logits (B, num_classes), or with `pre_logits` the classifier's input (B, hidden_dim).

        With top-k pooling the classifier's input has a row a position (B, P, hidden_dim); without a classifier the
        logits are its mean over them.
        """
        features = self.hidden(features)
        return features if pre_logits else self.pooled(self.scored(features))

    def scored(self, hidden: Tensor) -> Tensor:
        """The classifier's input (..., hidden_dim) -> scores (..., num_classes); those of `background_index` are 0."""
        scores: Tensor = self.head(hidden)
        at = self.background_index
        if at is None:
            return scores
        before, own, after = scores.tensor_split([at, at + 1], dim=-1)
        return torch.cat([before, torch.zeros_like(own), after], dim=-1)

    def pooled(self, scores: Tensor) -> Tensor:
        """Scores, in top-k pooling a row a position (B, P, num_classes), -> logits (B, num_classes)."""
        if scores.ndim == 2:
            return scores
        return mean_of_highest(scores, self.config.topk) if self.num_classes else scores.mean(1)

    def _last_features(self, views: Views) -> Tensor:
        pixels = self._normalised(views.global_view)
        return self.backbone.forward_features(pixels)  # type: ignore[operator,no-any-return]

    def _global_features(self, last: Tensor) -> Tensor:
        return self.global_fc(_READINGS[self.config.pooling](self.backbone, last))  # type: ignore[no-any-return]

    def _fusing(self, views: Views, with_crops: bool) -> Callable[[Tensor], Fused]:
        """The fusion of these views' crops with any global features of them."""
        if not with_crops:
            return lambda features: Fused(self.fusion.without_crops(features), None)
        crops = self.crop_features(views)
        return lambda features: self.fusion(features, crops, views.inside)

    def _seen(self, x: Frames | Views, *, with_crops: bool = True) -> Views:
        """Views as they are, batched; or those of frames, without the coverage, which no layer looks at."""
        return x.batched() if isinstance(x, Views) else self._looked_at(x, with_crops=with_crops)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _looked_at(self, frames: Frames, *, with_crops: bool) -> Views:
        # Not compiled: many small steps, which depend on the pixels of a frame and on its size.
        sampler = ViewSampler.from_config(self.config, with_crops=with_crops, with_coverage=False)
        return sampler(frames).batched().to(self.pixel_mean.device)

    def _normalised(self, pixels: Tensor) -> Tensor:
        return normalise(pixels, self.pixel_mean, self.pixel_std)

    def init_non_persistent_buffers(self) -> None:
        """Set mean and std from the configuration; they are in no state dict (timm's convention for such buffers)."""
        for name, values in (("pixel_mean", self.config.mean), ("pixel_std", self.config.std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    # -- timm's conventions -----------------------------------------------------------------------------------------

    @property
    def num_classes(self) -> int:
        """Outputs of the head; 0: none."""
        return self.config.num_classes

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """One name an output."""
        return self.config.label_names

    @property
    def background_index(self) -> int | None:
        """The number of the label whose score is 0: the background, or the lowest grade; `None`: there is none."""
        named, background = self.label_names or (), self.config.background
        if background is not None:
            return named.index(background)
        return rules_of(self.config.task).zero_output if self.num_classes else None

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """The input that timm should make for this network: raw pixels, hence mean 0 and std 1."""
        size = self.config.global_size
        backbone = self.config.backbone or type(self.backbone).__name__
        return {
            # Without the tag, which names weights of the backbone and none of this network.
            "architecture": f"lag_{backbone.partition('.')[0]}",
            "num_classes": self.num_classes,
            "label_names": self.label_names,
            "input_size": (3, size, size),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "classifier": "head",
        }

    default_cfg = pretrained_cfg

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.head

    def reset_classifier(
        self, num_classes: int, global_pool: str | None = None, *, label_names: Iterable[str] | None = None
    ) -> None:
        """Put a new, untrained last layer in place; 0 leaves it out.

        `weight_spec` and the operating points in it belong to the old layer and go with it.

        Raises:
            InvalidConfigError: a `global_pool`, which timm's models have and LAG has not.
        """
        if global_pool is not None:
            raise InvalidConfigError(f"LAG has no pooling to choose, got global_pool={global_pool!r}")
        names = None if label_names is None else as_tuple(label_names, "label_names")
        kept = self.config.background if self.config.background in (names or ()) else None
        self.config = dataclasses.replace(
            self.config, num_classes=num_classes, label_names=names, background=kept
        )
        head = _classifier(self.head_hidden_size, self.num_classes, self.config.task)
        self.head = head.to(self.pixel_mean)
        self.weight_spec = None

    def group_matcher(self, coarse: bool = False) -> dict[str, Any] | Callable[[str], Any]:
        """The backbone's layer groups for timm's layer decay; crops, fusion and head come last.

        Raises:
            BackboneError: the backbone has none.
        """
        if not hasattr(self.backbone, "group_matcher"):
            raise BackboneError(f"{type(self.backbone).__name__} has no layer groups")
        matcher: Mapping[str, Any] | Callable[[str], Any] = self.backbone.group_matcher(coarse=coarse)  # type: ignore[operator]
        if callable(matcher):
            return lambda name: (
                matcher(name.removeprefix("backbone.")) if name.startswith("backbone.") else math.inf
            )
        return {name: _prefixed(pattern) for name, pattern in matcher.items()}

    def no_weight_decay(self) -> set[str]:
        """Names of the backbone's parameters without weight decay."""
        spared: set[str] = getattr(self.backbone, "no_weight_decay", set)()
        return {f"backbone.{name}" for name in spared}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in the backbone.

        Raises:
            BackboneError: the backbone cannot.
        """
        if not hasattr(self.backbone, "set_grad_checkpointing"):
            raise BackboneError(f"{type(self.backbone).__name__} has no gradient checkpointing")
        self.backbone.set_grad_checkpointing(enable)  # type: ignore[operator]


def _asked_for(backbone: str | nn.Module, fields: ConfigFields) -> LAGConfig:
    """The configuration of these keywords; `_settled` fills in the rest from the backbone."""
    require_known_fields(fields, "LAG")
    names, count = fields.get("label_names"), fields.get("num_classes")
    if names is None and count is None:
        raise InvalidConfigError(
            "say what to classify: label_names=[...] or num_classes=N (0 leaves the head out)"
        )
    names = None if names is None else as_tuple(names, "label_names")
    values: dict[str, Any] = {
        **fields,
        "label_names": names,
        "num_classes": len(names or ()) if count is None else count,
        "backbone_args": dict(fields.get("backbone_args") or {}),
    }
    return LAGConfig(backbone=backbone if isinstance(backbone, str) else None, **values)


def _classifier(features: int, num_classes: int, task: Task) -> nn.Module:
    if not num_classes:
        return nn.Identity()
    layer = GradeHead if rules_of(task).ordered else nn.Linear
    return layer(features, num_classes)


def _fusion_of(config: LAGConfig) -> ConcatFusion | MeanFusion | AttentionFusion:
    """The fusion that a configuration names; without crops the global features pass through, whatever it names."""
    name = config.fusion if config.num_crops else "concat"
    return FUSIONS[name](config.global_dim, config.crop_embed_dim, config.num_crops)


def _crops_from(config: LAGConfig) -> CropEnsemble | None:
    if not config.num_crops:
        return None
    return CropEnsemble(
        config.num_crops,
        config.crop_size,
        widths=config.crop_widths,
        embed_dim=config.crop_embed_dim,
        se_ratio=config.crop_se_ratio,
        shared=config.shared_crops,
    )


def _with_crops_of(config: LAGConfig, crops: CropEnsemble) -> LAGConfig:
    """The configuration with the crop fields of a ready ensemble; another value for one of them is an error."""
    actual = {field: getattr(crops, attribute) for field, attribute in _CROP_FIELDS.items()}
    defaults = LAGConfig(backbone=None, num_classes=0)
    for field, value in actual.items():
        given = getattr(config, field)
        if given not in (getattr(defaults, field), value):
            raise InvalidConfigError(f"{field}={given} contradicts the crop ensemble, which has {value}")
    return dataclasses.replace(config, **actual)


def _settled(config: LAGConfig, traits: Traits, backbone: nn.Module) -> LAGConfig:
    """The configuration with the backbone's name, input size, mean and std where it leaves them open."""
    size = config.global_size or traits.input_size
    fixed = (getattr(backbone, "pretrained_cfg", None) or {}).get("fixed_input_size", False)
    if fixed and size != traits.input_size and not config.backbone_args.get("dynamic_img_size"):
        raise BackboneError(
            f"{traits.name} is built for {traits.input_size} pixels and global_size is {size}: "
            f"build it with backbone_args={{'img_size': {size}}}, if it takes that"
        )
    return dataclasses.replace(
        config,
        backbone=config.backbone or traits.name,
        global_size=size,
        mean=config.mean or traits.mean,
        std=config.std or traits.std,
    )


def _prefixed(pattern: Any) -> Any:
    """A regular expression, or timm's nested tuples of them, moved under `backbone.`."""
    if isinstance(pattern, str):
        return rf"^backbone\.(?:{pattern.removeprefix('^')})"
    if isinstance(pattern, list | tuple):
        return type(pattern)(_prefixed(p) if isinstance(p, str | list | tuple) else p for p in pattern)
    return pattern
