"""The options of an evaluation, checked once."""

from dataclasses import dataclass
from typing import get_args

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.units import Level
from lag_zoo.metrics.pooling import Pooling, require_pooling
from lag_zoo.metrics.thresholds import number_or_rule

AUTO = "auto"
STORED = "stored"


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Options of an evaluation of scores.

    Attributes:
        operating_point: `auto` (those that come with the weights, else 0.5), `stored` (with the weights), a
            probability, or a rule for `choose_threshold` (`youden`, `sens>=0.95`), which is applied to validation
            scores.
        level: count frames, examinations or patients.
        pooling: how the frames of one become one probability: maximum, mean, top3 (or another number), noisy-or.
        positive: of two exclusive labels the one that is reported; `None`: the second, or the first where the second is
            `normal`.
        apparent: choose thresholds on the very frames that are reported, and say so in each line.
        prevalence: at which predictive values are reported too.
        pairs: label against label too, where labels are exclusive; `None`: of three to six labels.
        unreadable_as_failures: count frames that cannot be read as called wrongly: the worst case.
        n_resamples: of the bootstrap, for calibration and the bands of curves.
        seed: of the bootstrap.
    """

    operating_point: str = AUTO
    level: Level = "frame"
    pooling: Pooling = "maximum"
    positive: str | None = None
    apparent: bool = False
    prevalence: float | None = None
    pairs: bool | None = None
    unreadable_as_failures: bool = False
    n_resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise InvalidConfigError(f"level is one of {', '.join(get_args(Level))}; got {self.level!r}")
        require_pooling(self.pooling)
        if self.operating_point not in (AUTO, STORED):
            number_or_rule(self.operating_point)
        if self.prevalence is not None and not 0 <= self.prevalence <= 1:
            raise InvalidConfigError(f"a prevalence is a share from 0 to 1, got {self.prevalence}")
        if self.n_resamples < 1:
            raise InvalidConfigError(f"n_resamples is at least 1, got {self.n_resamples}")

    @property
    def uses_rule(self) -> bool:
        """True where thresholds are chosen on frames, by a rule."""
        point = self.operating_point
        return point not in (AUTO, STORED) and number_or_rule(point) is None
