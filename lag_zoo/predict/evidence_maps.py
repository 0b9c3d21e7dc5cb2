"""Evidence: where in a frame the scores lie that make the answer.

The head scores every position of the backbone's map, and the evidence for a label is the log-odds that these scores
mean at the temperature of the weights: above 0 the position speaks for the label. With top-k pooling the logits are the
mean of the highest of these scores, so the map is the answer itself, spread out. A network with average pooling was not
trained to give it: each position is then read as if the whole frame looked like it.

A map is coarse, a position for 32 pixels of the global view in most backbones, and each position has seen its
surroundings. It is no segmentation, and no proof that what lies there is the label.
"""

from typing import overload

import torch
from torch import Tensor

from lag_zoo.nn import LAG
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.nn.modes import evaluating
from lag_zoo.predict.labels import labels_of, labels_with_evidence
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of
from lag_zoo.views import to_pixels
from lag_zoo.views.extract import over_frame
from lag_zoo.views.pixels import ImageLike


@overload
def evidence(model: LAG | GlobalPath, image: ImageLike) -> dict[str, Tensor]: ...
@overload
def evidence(
    model: LAG | GlobalPath, image: list[ImageLike] | tuple[ImageLike, ...]
) -> list[dict[str, Tensor]]: ...
def evidence(
    model: LAG | GlobalPath, image: ImageLike | list[ImageLike] | tuple[ImageLike, ...]
) -> dict[str, Tensor] | list[dict[str, Tensor]]:
    """Map the evidence for each label over a frame: label -> log-odds (H, W), float32 on the CPU, one for each pixel.

    The map of the backbone is spread bilinearly over the whole frame, what lies outside the field of view included. A
    background label, which nothing in a frame shows, has no map.
    `Predictor(model, evidence=True)` gives the small maps besides its answers, from the same pass.

    Args:
        model: a network, in evaluation mode meanwhile. With average pooling, which does not train for it, each position
            is read as if the whole frame looked like it.
        image: one as `lag_zoo.views.to_pixels` takes it, or a list of such images, of any sizes.

    Returns:
        The maps by label; of a list of images a list of them.

    Raises:
        BackboneError: a backbone without a map.
        InvalidConfigError: a network without a classifier, or with a single class that excludes all others.
        InvalidImageError: something is not an image.

    >>> from lag_zoo.data.phantom import draw_frame
    >>> model = LAG("mobilenetv3_small_050", pooling="topk", label_names=["mucosa", "polyp"])
    >>> maps = evidence(model, draw_frame((300, 400)))
    >>> maps["polyp"].shape, bool((maps["polyp"] == -maps["mucosa"]).all())
    (torch.Size([300, 400]), True)
    """
    if isinstance(image, list | tuple):
        return [evidence(model, each) for each in image]
    network = model.lag if isinstance(model, GlobalPath) else model
    labels, pixels = labels_of(network), to_pixels(image)
    with torch.inference_mode(), evaluating(model):
        scores = model.position_scores(pixels[None])
    temperature = 1.0 if network.weight_spec is None else network.weight_spec.temperature
    small = log_odds(scores.double().cpu(), task=network.config.task, temperature=temperature)[0]
    height, width = pixels.shape[-2:]
    maps = dict(zip(labels, over_frame(small.float(), (height, width)), strict=True))
    return {label: maps[label] for label in labels_with_evidence(network)}


def log_odds(scores: Tensor, *, task: Task, temperature: float = 1.0) -> Tensor:
    """Scores of a map (B, C, h, w), on the CPU -> the evidence for each label, of the same shape.

    >>> log_odds(torch.tensor([3.0, 1.0]).view(1, 2, 1, 1), task="multiclass").flatten()
    tensor([ 2., -2.])
    """
    found = rules_of(task).evidence((scores / temperature).movedim(1, -1).numpy())
    return torch.from_numpy(found).movedim(-1, 1)
