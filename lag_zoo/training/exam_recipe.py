"""The recipe of an examination's head."""

from dataclasses import dataclass
from typing import Annotated

from lag_zoo.bounds import Between, hold
from lag_zoo.specs import Spec


@dataclass(frozen=True, kw_only=True)
class ExamRecipe(Spec):
    """The recipe by which an examination's head is trained; the frame network stays as it is.

    Attributes:
        model: the frame network: a name with weights, `local-dir:path` or `hf-hub:org/repo`.
        epochs: rounds through the training examinations; the one with the lowest validation loss is kept.
        batch_size: examinations a step.
        learning_rate: of AdamW, falling to 0 along a cosine; `weight_decay`: likewise of AdamW.
        width: features of a frame that are weighed and summed.
        attention_width: of the layer behind the weights.
        site_dropout: probability with which the frames of a site are left out of an examination in a step.
        max_frames: of an examination in a step; of one that has more so many are drawn each time.
        seed: of the first weights and of all draws.
    """

    model: str = "lag_tf_efficientnet_lite0_polyp"
    epochs: Annotated[int, Between(1, 100_000)] = 60
    batch_size: Annotated[int, Between(1, 100_000)] = 16
    learning_rate: Annotated[float, Between(1e-8, 1)] = 1e-3
    weight_decay: Annotated[float, Between(0, 10)] = 1.0
    width: Annotated[int, Between(1, 65536)] = 128
    attention_width: Annotated[int, Between(1, 65536)] = 64
    site_dropout: Annotated[float, Between(0, 0.9)] = 0.1
    max_frames: Annotated[int, Between(1, 1_000_000)] = 64
    seed: Annotated[int, Between(0, 2**31)] = 0

    def __post_init__(self) -> None:
        self._hold_types()
        hold(type(self), vars(self))
