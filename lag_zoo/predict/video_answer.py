"""The answer to one moment of a video."""

from dataclasses import dataclass
from typing import Any

from lag_zoo.brief import brief
from lag_zoo.predict.prediction import Failure, Prediction


@dataclass(frozen=True)
class VideoAnswer:
    """A prediction, or the failure to make one, of a frame of a video; from `Predictor.video`.

    Attributes:
        number: of the time that asked for it: `start + number * every` is that time, or shortly before `time`.
        time: of the frame, in seconds from the beginning of the video; of a failure, where it begins.
        answer: a `Failure` where the video is damaged or ends too early; it says until when.
    """

    number: int
    time: float
    answer: Prediction | Failure

    __repr__ = brief

    def to_dict(self) -> dict[str, Any]:
        """This answer, JSON-ready: those of `Prediction.to_dict` or `Failure.to_dict`, with `time`."""
        said = self.answer.to_dict()
        return {"path": said.pop("path"), "time": round(self.time, 6), **said}
