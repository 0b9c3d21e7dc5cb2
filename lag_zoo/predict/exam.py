"""One answer for an examination or a patient, from the answers for the frames.

The rules are the plain ones by which `lag_zoo.evaluate` counts examinations (`lag_zoo.metrics.pooling`), and they are
called at the same operating points, so that an evaluation at the level of patients says how good such answers are. An
examination with more frames has a higher maximum, whatever they show: compare like with like.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from lag_zoo.metrics.pooling import Pooling, pool_frames, require_pooling
from lag_zoo.predict.prediction import Failure, Label, Prediction
from lag_zoo.tasks import TaskRules, decide, thresholds_of, whole_thresholds

DRAWS = 1000
"""Resamples of the frames for the limits of an answer."""

_DECIDING = 3
_LEVEL = 0.95


class FrameAnswer(NamedTuple):
    """What an examination takes from a frame: its path, its site, its probabilities or the error, and its doubts."""

    path: Path | None
    site: str
    probabilities: Mapping[str, float] | None
    warnings: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def of(cls, answer: Prediction | Failure, site: str = "") -> "FrameAnswer":
        """Take it from an answer of the Predictor."""
        if isinstance(answer, Failure):
            return cls(answer.path, site, None, error=str(answer.error))
        return cls(answer.path, site, answer.probabilities, answer.warnings)


@dataclass(frozen=True, kw_only=True)
class ExamPrediction:
    """The prediction for an examination, or for all frames of a patient.

    Attributes:
        model: the model's name; `pooling`: the rule by which frames became one answer.
        probabilities: of each label, by that rule.
        low, high: of each label the central 95% of what comes out when as many frames are drawn anew from these, with
            replacement: how far the answer hangs on which frames were taken. It is not the model's error.
        label: the label called; of a multilabel model all labels called.
        frames: how many were answered; `unreadable`: the others, each path with its reason.
        sites: frames of each site that was named, the most frequent first; `unseen`: sites that were asked for and
            that no readable frame is of.
        deciding: places, among the frames that were given, of the up to three that spoke most for the label called; of
            two labels, for the positive one.
        doubted: frames that the model has a reason to doubt.
        warnings: reasons to doubt the answer as a whole.
    """

    model: str
    pooling: Pooling
    probabilities: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    label: Label
    frames: int
    unreadable: Mapping[str, str]
    sites: Mapping[str, int]
    unseen: tuple[str, ...]
    deciding: tuple[int, ...]
    doubted: int
    warnings: tuple[str, ...]

    __repr__ = brief

    def to_dict(self) -> dict[str, Any]:
        """Return this prediction as JSON-ready dictionaries, lists, strings and numbers."""
        return {
            "model": self.model,
            "pooling": self.pooling,
            "label": self.label if isinstance(self.label, str) else list(self.label),
            "probabilities": dict(self.probabilities),
            "low": dict(self.low),
            "high": dict(self.high),
            "frames": self.frames,
            "unreadable": dict(self.unreadable),
            "sites": dict(self.sites),
            "unseen": list(self.unseen),
            "deciding": list(self.deciding),
            "doubted": self.doubted,
            "warnings": list(self.warnings),
        }


class ExamRule(NamedTuple):
    """How frames become one answer: the pooling, and what the model's labels mean.

    `positive`: of two exclusive labels the number of the one that an examination has if any frame has it.
    """

    model: str
    label_names: tuple[str, ...]
    task: TaskRules
    operating_points: Mapping[str, float]
    pooling: Pooling = "maximum"
    draws: int = DRAWS
    seed: int = 0

    @property
    def positive(self) -> int | None:
        """The number of the positive label of two exclusive ones; `None`: each label stands for itself."""
        return self.task.positive(self.label_names)

    def __call__(self, frames: Sequence[FrameAnswer], *, sites: Iterable[str] = ()) -> ExamPrediction:
        """Answer for the frames of one examination.

        Args:
            frames: its frames.
            sites: those that the examination should have frames of.

        Raises:
            InvalidConfigError: a pooling that there is not, or fewer than 1 draw.
            UnreadableImageError: no frame, or none that could be read.
        """
        require_pooling(self.pooling)
        if self.draws < 1:
            raise InvalidConfigError(f"draws is at least 1; got {self.draws}")
        seen = [place for place, frame in enumerate(frames) if frame.probabilities is not None]
        unreadable = {str(frame.path): frame.error for frame in frames if frame.probabilities is None}
        if not seen:
            raise UnreadableImageError(_nothing_seen(unreadable))
        chances = np.array([list((frames[place].probabilities or {}).values()) for place in seen])
        pooled = self._pooled(chances[None])[0]
        low, high = np.quantile(self._drawn(chances), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
        call = self._call(pooled)
        counted = Counter(frames[place].site for place in seen if frames[place].site)
        unseen = tuple(dict.fromkeys(site for site in sites if site not in counted))
        doubted = sum(bool(frames[place].warnings) for place in seen)
        return ExamPrediction(
            model=self.model,
            pooling=self.pooling,
            probabilities=self._named(pooled),
            low=self._named(low),
            high=self._named(high),
            label=self.task.as_called(call, self.label_names),
            frames=len(seen),
            unreadable=unreadable,
            sites=dict(counted.most_common()),
            unseen=unseen,
            deciding=tuple(seen[place] for place in self._deciding(chances, call)),
            doubted=doubted,
            warnings=_warnings(len(seen), doubted, len(unreadable), unseen),
        )

    def _pooled(self, chances: np.ndarray) -> np.ndarray:
        """Probabilities (k, n, C) of k draws of n frames -> (k, C); of two exclusive labels, by the positive one."""
        found = pool_frames(chances, by=self.pooling)
        if self.positive is not None:
            found[:, 1 - self.positive] = 1 - found[:, self.positive]
        return found

    def _drawn(self, chances: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        return self._pooled(chances[rng.integers(0, len(chances), (self.draws, len(chances)))])

    def _call(self, pooled: np.ndarray) -> np.ndarray | np.generic:
        points = thresholds_of(self.operating_points, self.label_names)
        limits = whole_thresholds(points, self.positive)
        found: np.ndarray | np.generic = decide(pooled[None], limits, self.task.name)[0]
        return found

    def _deciding(self, chances: np.ndarray, call: np.ndarray | np.generic) -> list[int]:
        if self.positive is not None:
            spoken = chances[:, self.positive]
        elif self.task.exclusive:
            spoken = chances[:, int(call)]
        else:
            called = np.asarray(call, dtype=bool)
            spoken = chances[:, called if called.any() else slice(None)].max(axis=1)
        return [int(place) for place in np.argsort(-spoken, kind="stable")[:_DECIDING]]

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.label_names, values.tolist(), strict=True))


def _nothing_seen(unreadable: Mapping[str, str]) -> str:
    if not unreadable:
        return "an examination without frames: nothing can be said of it"
    path, error = next(iter(unreadable.items()))
    return f"none of {len(unreadable)} frames could be read; the first: {error.removeprefix(f'{path}: ')} ({path})"


def _warnings(frames: int, doubted: int, unreadable: int, unseen: Sequence[str]) -> tuple[str, ...]:
    found = []
    if unseen:
        found.append(f"no frame of {', '.join(unseen)}")
    if unreadable:
        found.append(f"{unreadable} of {frames + unreadable} frames could not be read")
    if doubted:
        found.append(f"{doubted} of {frames} frames are doubted")
    return tuple(found)
