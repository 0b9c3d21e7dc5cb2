"""The built-in model: is a polyp in view, or only mucosa?

The training run writes its network and weights beside this file, as `Trained`.
"""

from dataclasses import dataclass
from pathlib import Path

from lag_zoo.catalogue.backbones import BACKBONES
from lag_zoo.catalogue.size import count_crop_macs, count_params
from lag_zoo.specs import LAGConfig, ModelSpec, Spec, WeightSpec

NAME = "lag_tf_efficientnet_lite0_polyp"
LABELS = ("mucosa", "polyp")

_TRAINED = Path(__file__).with_name(f"{NAME}.json")
_ROW = BACKBONES["tf_efficientnet_lite0"]
_BACKBONE_MACS = {160: 195871200, 192: 282054528, 224: _ROW.macs, 256: 501430272, 288: 634622688}
"""Of the backbone, by the side of the global view."""


@dataclass(frozen=True, kw_only=True)
class Trained(Spec):
    """The outcome of the training run: the network and the specification of its weights."""

    config: LAGConfig
    weights: WeightSpec


def _declared() -> ModelSpec:
    trained = Trained.from_json(_TRAINED.read_bytes())
    config = trained.config
    return ModelSpec(
        name=NAME,
        config=config,
        domain="polyp",
        description="A polyp in view, or only mucosa, in a colonoscopy frame in white light: "
        f"{_ROW.name} from ImageNet weights, without crops; misses small polyps.",
        params=count_params(config, backbone_params=_ROW.params, backbone_features=_ROW.features),
        backbone_macs=_BACKBONE_MACS.get(config.global_size or 0),
        crop_macs=count_crop_macs(config),
        backbone_licence=_ROW.licence,
        weights=(trained.weights,),
    )


POLYP: ModelSpec = _declared()
"""`lag_tf_efficientnet_lite0_polyp`."""
