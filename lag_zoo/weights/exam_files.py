"""Files of an examination network: two more beside those of its frame network, which stay as they are.

`exam.safetensors` has the head, `exam.json` what it is and the digests of both sets of weights, so that no head is put
onto another frame network than the one that it was trained on.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import lag_zoo
from lag_zoo.errors import (
    InvalidConfigError,
    WeightsIntegrityError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from lag_zoo.nn.exam_head import ExamHead
from lag_zoo.nn.exam_network import head_of
from lag_zoo.opening import read_regular
from lag_zoo.specs import ExamConfig, Measurement, Spec
from lag_zoo.weights.digests import digest_of
from lag_zoo.weights.files import compare, read_weights, write_weights
from lag_zoo.weights.repository import WEIGHTS
from lag_zoo.weights.skeleton import without_memory

EXAM, EXAM_WEIGHTS = "exam.json", "exam.safetensors"
_LARGEST = 1 << 20  # bytes of an exam.json


@dataclass(frozen=True, kw_only=True)
class ExamSpec(Spec):
    """The specification of an examination's head.

    Attributes:
        config: of the head.
        files: SHA-256 of the head's weights and of the frame network's.
        level: what it was trained to answer for: `exam` or `patient`.
        temperature: by which its logits are divided.
        operating_points: probability from which a label is called.
        results: what was measured; `limits`: one sentence each.
        lag_zoo_version: of the lag_zoo that wrote it.
    """

    config: ExamConfig
    files: Mapping[str, str]
    level: str = "exam"
    temperature: float = 1.0
    operating_points: Mapping[str, float] = field(default_factory=dict)
    results: tuple[Measurement, ...] = ()
    limits: tuple[str, ...] = ()
    lag_zoo_version: str

    def __post_init__(self) -> None:
        if set(self.files) != {WEIGHTS, EXAM_WEIGHTS}:
            raise InvalidConfigError(f"the files are {WEIGHTS} and {EXAM_WEIGHTS}, got {sorted(self.files)}")
        if self.level not in ("exam", "patient"):
            raise InvalidConfigError(f"level is exam or patient, got {self.level!r}")
        if not 1e-3 <= self.temperature <= 1e3:
            raise InvalidConfigError(f"temperature is a number from 0.001 to 1000, got {self.temperature!r}")
        for label, point in self.operating_points.items():
            if not 0 <= point <= 1:
                raise InvalidConfigError(f"an operating point is a probability, got {point!r} for {label}")
        if unknown := set(self.operating_points) - set(self.config.label_names):
            raise InvalidConfigError(f"operating points of {', '.join(unknown)}, which are no labels")


class ExamFiles(NamedTuple):
    """The head, and what is vouched for of it."""

    head: ExamHead
    spec: ExamSpec


def write_exam(folder: Path, head: ExamHead, config: ExamConfig, known: ExamSpec | None) -> ExamSpec:
    """Write the two files into the folder of the frame network; the digests are those of what lies there then.

    Args:
        known: what is to be said of the head; `None`: nothing yet.

    Raises:
        OSError: they cannot be written.
    """
    write_weights(folder / EXAM_WEIGHTS, head.state_dict())
    files = {file: digest_of(folder / file) for file in (WEIGHTS, EXAM_WEIGHTS)}
    fresh = ExamSpec(config=config, files=files, lag_zoo_version=lag_zoo.__version__)
    # What was said of other weights, of either network, is not said of these. One without files was just trained.
    of_these = known is not None and (dict(known.files) == files or not any(known.files.values()))
    spec = dataclasses.replace(known, config=config, files=files) if known is not None and of_these else fresh
    (folder / EXAM).write_text(spec.to_json(), encoding="utf-8")
    return spec


def parse_exam(text: bytes, *, source: str) -> ExamSpec:
    """Read an `exam.json`.

    Raises:
        WeightsIntegrityError: it is none that lag_zoo wrote.
    """
    if len(text) > _LARGEST:
        raise WeightsIntegrityError(f"{EXAM} of {source} has {len(text)} bytes, and none has over {_LARGEST}")
    try:
        return ExamSpec.from_json(text)
    except InvalidConfigError as error:
        raise WeightsIntegrityError(f"{EXAM} of {source}: {error}") from error


def read_exam_spec(folder: Path, *, source: str) -> ExamSpec:
    """Read the `exam.json` of a folder.

    Raises:
        WeightsNotFoundError: there is none.
        WeightsIntegrityError: it is none that lag_zoo wrote.
    """
    try:
        text = read_regular(folder / EXAM, most=_LARGEST)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(
            f"{source} has no {EXAM}: it holds no examination network (lag-zoo train exam makes one)"
        ) from error
    except OSError as error:
        raise WeightsIntegrityError(f"{EXAM} of {source} cannot be read: {error.strerror}") from error
    return parse_exam(text, source=source)


def load_exam(path: Path, spec: ExamSpec, *, frame_sha256: str, source: str) -> ExamHead:
    """Load a head from its file.

    Args:
        path: of the file.
        spec: of the head.
        frame_sha256: of the frame network's weights, as they were loaded.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes than those vouched for.
        WeightsMismatchError: the head is another one's, or was trained on another frame network.
    """
    if spec.files[WEIGHTS] != frame_sha256:
        raise WeightsMismatchError(
            f"{source}: the head was trained on the frame network {spec.files[WEIGHTS][:12]}..., and here is "
            f"{frame_sha256[:12]}..."
        )
    weights = read_weights(path, spec.files[EXAM_WEIGHTS]).tensors
    with without_memory():
        skeleton = head_of(spec.config)
    compare(skeleton.state_dict(), weights, source=source)
    skeleton.load_state_dict(
        {key: tensor.float() for key, tensor in weights.items()}, strict=True, assign=True
    )
    return skeleton.eval()
