"""The frames that a model was trained on, by digest: what it says of them is apparent, not evidence.

A list holds digests only, one a line; no picture can be had back from them. Lists of the zoo's own models ship with
them; `finetune` leaves one in the folder of a run, beside its `best/`, and not in it: it is not published.
"""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

import lag_zoo.catalogue
from lag_zoo.errors import InvalidImageError
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import DatasetRef

FRAMES = "frames.txt"
_DIGITS = 16
_STEP = 8  # every eighth pixel each way tells frames apart as well as all do, and costs next to nothing


def frame_digest(pixels: Tensor) -> str:
    """16 hex digits of the SHA-256 of a frame (3, H, W), uint8: of every eighth pixel each way, plane by plane.

    >>> frame_digest(torch.zeros(3, 40, 40, dtype=torch.uint8))
    '367467f43d580c3c'
    """
    if pixels.dtype != torch.uint8:
        raise InvalidImageError(f"the digest of a frame is taken of uint8 pixels; got {pixels.dtype}")
    return hashlib.sha256(pixels[:, ::_STEP, ::_STEP].cpu().contiguous().numpy().tobytes()).hexdigest()[
        :_DIGITS
    ]


@functools.cache
def known_frames(name: str) -> frozenset[str]:
    """The digests of the frames that this model of the zoo was trained on; empty where no list is shipped.

    >>> known_frames("lag_resnet50_lci")
    frozenset()
    """
    return _listed(Path(lag_zoo.catalogue.__file__).with_name(f"{name}_{FRAMES}"))


def frames_behind(seen: Iterable[DatasetRef], path: Path | None = None) -> frozenset[str]:
    """The digests of the frames behind a set of weights: of each model of the zoo that was trained on one of these data
    sets, and of the run whose `best/` the weights lie in.

    Args:
        seen: the data sets behind the weights, `WeightSpec.seen_data`; compared by id.
        path: the file of the weights.

    >>> len(frames_behind([DatasetRef("kvasir-seg")]))
    798
    """
    named = {data.id for data in seen}
    shared = (
        name
        for name in list_models(pretrained=True)
        if named & {data.id for data in model_info(name).weights[0].seen_data}
    )
    of_run = frozenset[str]() if path is None else _listed(path.absolute().parent.with_name(FRAMES))
    return of_run.union(*(known_frames(name) for name in shared))


def _listed(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
