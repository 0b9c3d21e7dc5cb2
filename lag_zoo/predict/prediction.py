"""The prediction for an image, or the failure to make one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from lag_zoo.brief import brief
from lag_zoo.data.images import read_image
from lag_zoo.drawing import FIELD, captioned, legend, outlined
from lag_zoo.errors import InvalidConfigError, InvalidImageError, UnreadableImageError
from lag_zoo.views.pixels import ImageLike

Label = str | tuple[str, ...]

EvidenceMap = tuple[tuple[float, ...], ...]
"""Log-odds (h, w) over the whole frame, row by row from the top."""

RIGHT, WRONG = (120, 230, 120), (255, 130, 110)


@dataclass(frozen=True)
class Prediction:
    """The prediction of a model for one frame.

    Attributes:
        path: the file; `None` for an image that came in memory.
        model: the model's name.
        probabilities: of each label; of several looks (`tta`) their mean.
        label: the label called at the operating point, or else the likeliest; of a multilabel model all labels called
            (at the operating point, or else 0.5); of grades the highest that is reached: the probability of this one or
            a higher one is at its operating point, or else 0.5, or above.
        boxes: x1 y1 x2 y2 of each crop, in pixels of the frame, right and bottom exclusive; of all looks.
        crop_weights: what each crop counted for, summing to 1; `None` where the model's fusion gives no weights.
        coverage: the part of the field of view that the crops saw together, 0 to 1; `None` of a network without crops.
        spread: standard deviation of each probability over the looks (`tta`); `None` of one look.
        warnings: reasons to doubt this answer.
        in_training_data: whether the weights, or those that they were made from, were trained on this very frame, or
            chosen by it.
        evidence: of each label that it was asked for (`Predictor(model, evidence=True)`), the log-odds at each position
            of the backbone's map over the frame (h, w), of several looks their mean; see `lag_zoo.evidence`.
        expected_grade: the mean of the grades by their probabilities, the lowest being 0; `None` where labels are none.
    """

    path: Path | None
    model: str
    probabilities: Mapping[str, float]
    label: Label
    boxes: tuple[tuple[int, int, int, int], ...]
    crop_weights: tuple[float, ...] | None
    coverage: float | None
    spread: Mapping[str, float] | None = None
    warnings: tuple[str, ...] = ()
    in_training_data: bool = False
    evidence: Mapping[str, EvidenceMap] | None = None
    expected_grade: float | None = None

    __repr__ = brief

    def draw(
        self, image: ImageLike | None = None, *, truth: Label | None = None, width: int | None = None
    ) -> Image.Image:
        """Draws the frame with its field of view and the crops, and the answer beneath.

        The boxes say where the network looked by design, not what it found. Where there is evidence, colours show that
        for the label called, or if there is none of it, for the likeliest label that has some; they are no segmentation
        and no proof. What lies outside the field of view is blanked.

        Args:
            image: the frame; by default it is read from `path` again.
            truth: what the frame truly shows, where that is known: the answer is then called right or wrong.
            width: of the picture, in pixels; by default the frame's.

        Raises:
            InvalidConfigError: no `image`, and the prediction is of an image that came in memory.
            UnreadableImageError: the file cannot be read any more.
        """
        if image is None and self.path is None:
            raise InvalidConfigError("this prediction is of an image in memory: draw(image) wants it again")
        maps, shown = self.evidence or {}, self._label_shown()
        frame = read_image(self.path or "") if image is None else image
        picture = outlined(frame, self.boxes, width=width, evidence=maps.get(shown))
        said = ", ".join(f"{label} {p:.2f}" for label, p in self.probabilities.items())
        heading, colour = [f"{_in_words(self.label)}   ({said})"], FIELD
        if truth is not None:
            right = _in_words(truth) == _in_words(self.label)
            heading.append(f"{'right' if right else 'WRONG'}: the frame shows {_in_words(truth)}")
            colour = RIGHT if right else WRONG
        lines = [f"Doubt: {warning}" for warning in self.warnings]
        likeliest = max(self.probabilities, key=lambda label: self.probabilities[label])
        if isinstance(self.label, str) and self.label != likeliest:
            why = (
                "Called at its operating point"
                if self.expected_grade is None
                else "The highest grade reached"
            )
            lines.append(f"{why}, though it is not the likeliest.")
        if self.in_training_data:
            lines.append("The weights, or those they were made from, were trained on this very frame.")
        coloured = any(value > 0 for row in maps.get(shown, ()) for value in row)
        lines += [
            legend(self.boxes, evidence_for=shown, coloured=coloured),
            f"{self.model}: research, not a medical device",
        ]
        return captioned(picture, heading, lines, colour=colour)

    def _label_shown(self) -> str:
        """The label whose evidence is drawn: the likeliest of those called, or of all, that have some; "": none."""
        called, maps = (self.label,) if isinstance(self.label, str) else self.label, self.evidence or {}
        among = [label for label in called if label in maps] or maps
        return max(among, key=lambda label: self.probabilities[label], default="")

    def to_dict(self) -> dict[str, Any]:
        """This prediction as JSON-ready dictionaries, lists, strings and numbers."""
        return {
            "path": None if self.path is None else str(self.path),
            "model": self.model,
            "probabilities": dict(self.probabilities),
            "label": self.label if isinstance(self.label, str) else list(self.label),
            **({} if self.expected_grade is None else {"expected_grade": self.expected_grade}),
            "coverage": self.coverage,
            "spread": None if self.spread is None else dict(self.spread),
            "warnings": list(self.warnings),
            "in_training_data": self.in_training_data,
            "boxes": [list(box) for box in self.boxes],
            "crop_weights": None if self.crop_weights is None else list(self.crop_weights),
            "evidence": None if self.evidence is None else {k: _rounded(v) for k, v in self.evidence.items()},
        }


def _rounded(rows: EvidenceMap) -> list[list[float]]:
    return [[round(value, 3) for value in row] for row in rows]


def _in_words(label: Label) -> str:
    return label if isinstance(label, str) else " + ".join(label) or "none of its labels"


@dataclass(frozen=True)
class Failure:
    """An image of which nothing can be said, and why. `path` is `None` for one that came in memory."""

    path: Path | None
    error: UnreadableImageError | InvalidImageError

    def to_dict(self) -> dict[str, Any]:
        """This failure, JSON-ready: `path` and `error`."""
        path = None if self.path is None else str(self.path)
        return {"path": path, "error": str(self.error).removeprefix(f"{path}: ")}
