"""One answer for an examination or a patient, from the answers for the frames.

The rules are the plain ones by which `lag_zoo.evaluate` counts examinations (`lag_zoo.metrics.pooling`), and they are
called at the same operating points, so that an evaluation at the level of patients says how good such answers are. An
examination with more frames has a higher maximum, whatever they show: compare like with like.
"""

from abc import ABC, abstractmethod
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
_AT_ONCE = 1 << 22  # probabilities of drawn frames that are held at once
_LEVEL = 0.95


class FrameAnswer(NamedTuple):
    """The part of an answer for a frame that its examination takes.

    Its path and site; its probabilities, or the error; its doubts; and what a trained head reads of it.
    """

    path: Path | None
    site: str
    probabilities: Mapping[str, float] | None
    warnings: tuple[str, ...] = ()
    error: str = ""
    features: tuple[float, ...] | None = None
    in_training_data: bool = False

    @classmethod
    def of(
        cls, answer: Prediction | Failure, site: str = "", features: tuple[float, ...] | None = None
    ) -> "FrameAnswer":
        """Take it from an answer of the Predictor."""
        if isinstance(answer, Failure):
            return cls(answer.path, site, None, error=str(answer.error))
        known = answer.in_training_data
        return cls(answer.path, site, answer.probabilities, answer.warnings, "", features, known)


@dataclass(frozen=True, kw_only=True)
class ExamPrediction:
    """The prediction for an examination, or for all frames of a patient.

    Attributes:
        model: the model's name; `pooling`: the rule by which frames became one answer.
        probabilities: of each label, by that rule.
        low: of each label the lower limit of the central 95% of what comes out when as many frames are drawn anew from
            these, with replacement: how far the answer hangs on which frames were taken, and not the model's error.
        high: the upper limit.
        label: the label called; of a multilabel model all labels called.
        expected_grade: where the labels are grades, the mean of their numbers, 0 the lowest; else `None`.
        in_training_data: frames that the weights, or those they were made from, were trained on or chosen by.
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
    expected_grade: float | None
    in_training_data: int
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
            **({} if self.expected_grade is None else {"expected_grade": self.expected_grade}),
            "in_training_data": self.in_training_data,
            "frames": self.frames,
            "unreadable": dict(self.unreadable),
            "sites": dict(self.sites),
            "unseen": list(self.unseen),
            "deciding": list(self.deciding),
            "doubted": self.doubted,
            "warnings": list(self.warnings),
        }


class Answered(NamedTuple):
    """An answer for an examination, and the frames behind it: probabilities (C,), their limits (C,), the call, and the
    places of the frames that decided, among those that could be read."""

    probabilities: np.ndarray
    low: np.ndarray
    high: np.ndarray
    call: np.ndarray | np.generic
    deciding: Sequence[int]


class ExamRule(ABC):
    """The rule by which answers for frames become one for their examination.

    Args:
        model: the model's name; `pooling`: what the rule is called; `label_names`: of its answers.
        task: their meaning.
        operating_points: by which labels are called.
        draws: resamples of the frames for the limits of an answer.
    """

    def __init__(
        self,
        model: str,
        pooling: Pooling,
        label_names: tuple[str, ...],
        task: TaskRules,
        operating_points: Mapping[str, float],
        *,
        draws: int = DRAWS,
    ) -> None:
        if draws < 1:
            raise InvalidConfigError(f"draws is at least 1; got {draws}")
        self.model, self.pooling, self.label_names, self.task = model, pooling, label_names, task
        self.operating_points, self.draws = operating_points, draws

    @abstractmethod
    def answer(self, frames: Sequence[FrameAnswer], drawn: np.ndarray) -> Answered:
        """Answer for frames that could be read, at least one.

        Args:
            drawn: (k, n) places of frames, k resamples of them.
        """

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
            UnreadableImageError: no frame, or none that could be read.
        """
        seen = [place for place, frame in enumerate(frames) if frame.probabilities is not None]
        unreadable = {
            f"frame {place + 1}" if frame.path is None else str(frame.path): frame.error
            for place, frame in enumerate(frames)
            if frame.probabilities is None
        }
        if not seen:
            raise UnreadableImageError(_nothing_seen(unreadable))
        drawn = np.random.default_rng(0).integers(0, len(seen), (self.draws, len(seen)))
        found = self.answer([frames[place] for place in seen], drawn)
        counted = Counter(frames[place].site for place in seen if frames[place].site)
        unseen = tuple(dict.fromkeys(site for site in sites if site not in counted))
        doubted = sum(bool(frames[place].warnings) for place in seen)
        known = sum(frames[place].in_training_data for place in seen)
        return ExamPrediction(
            model=self.model,
            pooling=self.pooling,
            probabilities=self._named(found.probabilities),
            low=self._named(found.low),
            high=self._named(found.high),
            label=self.task.as_called(found.call, self.label_names),
            expected_grade=_expected(self.task, found.probabilities),
            in_training_data=known,
            frames=len(seen),
            unreadable=unreadable,
            sites=dict(counted.most_common()),
            unseen=unseen,
            deciding=tuple(seen[place] for place in found.deciding),
            doubted=doubted,
            warnings=_warnings(len(seen), doubted, len(unreadable), unseen, known),
        )

    def called(self, claims: np.ndarray) -> np.ndarray | np.generic:
        """Call labels for claims (C,), see `lag_zoo.tasks.TaskRules.claims`, at the operating points."""
        points = whole_thresholds(thresholds_of(self.operating_points, self.label_names), self.positive)
        found: np.ndarray | np.generic = decide(claims[None], points, self.task.name)[0]
        return found

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.label_names, values.tolist(), strict=True))


class PlainRule(ExamRule):
    """Pools the probabilities of the frames, label by label; arguments as of `ExamRule`.

    Raises:
        InvalidConfigError: a pooling that there is not.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        require_pooling(self.pooling)

    def answer(self, frames: Sequence[FrameAnswer], drawn: np.ndarray) -> Answered:
        """Answer for frames that could be read."""
        chances = np.array([list((frame.probabilities or {}).values()) for frame in frames])
        claims = self.task.claims(chances)
        pooled = self._pooled(claims[None])[0]
        call = self.called(pooled)
        parts = np.array_split(drawn, -(-claims.size * len(drawn) // _AT_ONCE) or 1)
        pools = np.concatenate([self._pooled(claims[part]) for part in parts])
        low, high = limits_of(self.task.of_claims(pools))
        return Answered(self.task.of_claims(pooled), low, high, call, self._deciding(claims, call))

    def _pooled(self, claims: np.ndarray) -> np.ndarray:
        """Claims (k, n, C) of k draws of n frames -> (k, C); of two exclusive labels, by the positive one."""
        found = pool_frames(claims, by=self.pooling)
        if self.positive is not None:
            found[:, 1 - self.positive] = 1 - found[:, self.positive]
        return found

    def _deciding(self, claims: np.ndarray, call: np.ndarray | np.generic) -> list[int]:
        if self.positive is not None:
            spoken = claims[:, self.positive]
        elif self.task.ordered:  # of the lowest grade, which all have, those that come nearest to the next
            spoken = claims[:, max(1, int(call))]
        elif self.task.exclusive:
            spoken = claims[:, int(call)]
        else:
            called = np.asarray(call, dtype=bool)
            spoken = claims[:, called if called.any() else slice(None)].max(axis=1)
        return highest(spoken)


def limits_of(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits (C,) of the central 95% of draws (k, C)."""
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return low, high


def highest(values: np.ndarray) -> list[int]:
    """Return the places of the highest values, at most three, the highest first."""
    return [int(place) for place in np.argsort(-values, kind="stable")[:_DECIDING]]


def _nothing_seen(unreadable: Mapping[str, str]) -> str:
    if not unreadable:
        return "an examination without frames: nothing can be said of it"
    path, error = next(iter(unreadable.items()))
    return f"none of {len(unreadable)} frames could be read; the first: {error.removeprefix(f'{path}: ')} ({path})"


def _expected(task: TaskRules, probabilities: np.ndarray) -> float | None:
    expected = task.expected(probabilities[None])
    return None if expected is None else float(expected[0])


def _warnings(
    frames: int, doubted: int, unreadable: int, unseen: Sequence[str], known: int
) -> tuple[str, ...]:
    found = []
    if known:
        found.append(f"the weights were trained on {known} of {frames} frames, or chosen by them")
    if unseen:
        found.append(f"no frame of {', '.join(unseen)}")
    if unreadable:
        found.append(f"{unreadable} of {frames + unreadable} frames could not be read")
    if doubted:
        found.append(f"{doubted} of {frames} frames are doubted")
    return tuple(found)
