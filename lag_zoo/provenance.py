"""The frames that a model was trained on, by digest and by hash: what it says of them is apparent, not evidence.

A list holds a line a frame: its digest, and, where it has one, its hash (`lag_zoo.likeness`), by which a copy that was
compressed again, resized or turned is known. From a digest no picture can be had back; a hash tells which of 12 x 12
cells of a frame are brighter than their neighbours. Lists of the zoo's own models ship with them; `finetune` leaves one
in the folder of a run, beside its `best/`, and not in it: it is not published.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

import lag_zoo.catalogue
from lag_zoo.errors import InvalidImageError, StateError
from lag_zoo.likeness import BITS, frame_hashes, looks_like, signs
from lag_zoo.opening import UnfitFileError, read_regular
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import DatasetRef
from lag_zoo.views import FieldOfView

FRAMES = "frames.txt"
_CHECKSUM = "# SHA-256 of the lines: "
_OURS = re.compile(r"# SHA-256 of the lines|[0-9a-f]{8}")
_LARGEST = 1 << 28  # bytes of a list
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


@dataclass(frozen=True)
class KnownFrames:
    """Frames that weights have seen.

    Attributes:
        hashes: the hash of each frame, by its digest; `None`: the list gives none.
    """

    hashes: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def digests(self) -> frozenset[str]:
        """The digests of the frames."""
        return frozenset(self.hashes)

    def holds(self, pixels: Tensor, *, field: FieldOfView | None = None) -> bool:
        """True for the very pixels (3, H, W) of one of the frames, and for a near-copy of one that has a hash.

        Args:
            field: the field of view of the pixels, where it is known already.
        """
        if not self.hashes or pixels.dtype != torch.uint8:
            return False
        if frame_digest(pixels) in self.hashes:
            return True
        if not len(self._signs):
            return False
        hashes = frame_hashes(pixels, field=field)
        # No cell of a black frame is brighter than its neighbour: it has nothing to be alike in.
        return any(hashes) and looks_like(hashes, self._signs)

    @cached_property
    def _signs(self) -> Tensor:
        return signs([value for value in self.hashes.values() if value is not None])

    def __len__(self) -> int:
        return len(self.hashes)

    def to_text(self) -> str:
        """The lines of a list, sorted, and their checksum; `read_frames` reads them."""
        digits = BITS // 4
        lines = [
            digest if value is None else f"{digest} {value:0{digits}x}"
            for digest, value in sorted(self.hashes.items())
        ]
        return "".join(f"{line}\n" for line in [*lines, _CHECKSUM + _checksum(lines)])


@functools.cache
def known_frames(name: str) -> KnownFrames:
    """The frames that this model of the zoo was trained on; none where no list is shipped.

    >>> len(known_frames("lag_resnet50_lci"))
    0
    """
    return read_frames(Path(lag_zoo.catalogue.__file__).with_name(f"{name}_{FRAMES}"))


def frames_behind(seen: Iterable[DatasetRef], path: Path | None = None) -> KnownFrames:
    """The frames behind a set of weights: of each model of the zoo that was trained on one of these data sets, and of
    the run whose `best/` the weights lie in.

    Args:
        seen: the data sets behind the weights, `WeightSpec.seen_data`; compared by id.
        path: the file of the weights.

    >>> len(frames_behind([DatasetRef("kvasir-seg")]))
    966
    """
    named = {data.id for data in seen}
    lists = [KnownFrames() if path is None else read_frames(path.absolute().parent.with_name(FRAMES))]
    lists += [
        known_frames(name)
        for name in list_models(pretrained=True)
        # A list holds the frames of its model's own training, not those of what the model began from.
        if named & {data.id for data in model_info(name).weights[0].training_data}
    ]
    return KnownFrames({digest: value for each in lists for digest, value in each.hashes.items()})


def read_frames(path: Path) -> KnownFrames:
    """A list of frames; none where there is no such file, or one that is no list of ours but has its name.

    Raises:
        StateError: it is damaged.
    """
    try:
        text = read_regular(path, most=_LARGEST).decode("ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return KnownFrames()
    except UnfitFileError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from error
    lines = [line for line in text if not line.startswith("#")]
    if len(text) > 1 and not any(_OURS.search(line) for line in text):
        return KnownFrames()
    if not text or text[-1] != _CHECKSUM + _checksum(lines):
        raise StateError(
            f"{path} is damaged, or of a lag_zoo that wrote no checksum: its last line is not its checksum. Without it "
            "nobody knows the frames that the weights beside it have seen: train again, or move it away"
        )
    rows = (line.split() for line in lines)
    return KnownFrames({digest: int(rest[0], 16) if rest else None for digest, *rest in rows})


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("ascii", errors="replace")).hexdigest()
