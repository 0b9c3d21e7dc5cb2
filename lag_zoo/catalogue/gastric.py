"""The gastric entries: every backbone of the zoo, for white light (`wli`) and for linked colour imaging (`lci`).

Multiclass over the dominant finding, as the public frames are filed. A multilabel model would need columns that say of
every frame whether it shows GA and whether it shows IM, and no public data has them.
"""

from typing import Literal

from lag_zoo.catalogue.backbones import BACKBONES, Backbone
from lag_zoo.catalogue.size import count_crop_macs, count_params
from lag_zoo.specs import LAGConfig, ModelSpec

LABELS = ("normal", "GA", "IM")

_LIGHT = {"wli": "white-light imaging", "lci": "linked colour imaging"}


def _declared(row: Backbone, domain: Literal["wli", "lci"]) -> ModelSpec:
    config = LAGConfig(
        backbone=row.pinned,
        num_classes=len(LABELS),
        label_names=LABELS,
        global_size=row.input_size,
        backbone_args=row.arguments,
    )
    return ModelSpec(
        name=f"lag_{row.name}_{domain}",
        config=config,
        domain=domain,
        description=f"Normal mucosa, gastric atrophy (GA) or intestinal metaplasia (IM) in {_LIGHT[domain]}: "
        f"LAG on {row.name}.",
        params=count_params(config, backbone_params=row.params, backbone_features=row.features),
        backbone_macs=row.macs,
        crop_macs=count_crop_macs(config),
        backbone_licence=row.licence,
    )


GASTRIC: tuple[ModelSpec, ...] = tuple(
    _declared(row, domain) for row in BACKBONES.values() for domain in ("wli", "lci")
)
"""Every backbone in both lights."""
