"""A video's answers over time: smoothed probabilities, the events in them, and both against a truth.

Rules, all of them stated, so that numbers of two reports can be compared:

- The smoothed probability of a moment is the median of those within half a window to either side (a centred running
  median, Tukey, 1977), and a quarter of a moment beyond, because frames do not come on time. So it lags by half a
  window where it is computed while the video runs. A window of 0 leaves the probabilities as they are.
- An event is a run of moments whose smoothed probability is at or above the label's threshold, that lasts at least so
  many seconds. It begins with its first moment and ends with the first that is below; a moment without an answer ends
  it too.
- Against a truth, an event is a false alarm if it overlaps no finding of its label. False alarms a minute are counted
  over the minutes that were watched and lie outside all findings of the label. A finding is found if an event overlaps
  it; the delay is the time from its beginning to that of the first such event, 0 where the event began before.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lag_zoo.errors import DataError
from lag_zoo.opening import read_regular
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

SMOOTH, AT_LEAST = 1.0, 1.0
"""Seconds: the window of the median, and the shortest event."""

_LARGEST = 1 << 26  # bytes of a table of truths
_SAME = 1e-6  # seconds


class Stretch(NamedTuple):
    """A stretch of a video, in seconds: an event with its highest smoothed probability, or a finding of a truth."""

    label: str
    start: float
    end: float
    peak: float = 0.0


class Timeline(NamedTuple):
    """The answers to a video.

    Attributes:
        times: of each answer (n,), seconds, ascending.
        ends: until when each answer holds (n,): the next moment's time, `every` seconds at most.
        probabilities: of each label (n,).
        doubted: moments with a warning (n,) bool.
        gaps: from when to when there is no answer.
        every: seconds from moment to moment, as asked for.
    """

    times: np.ndarray
    ends: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    doubted: np.ndarray
    gaps: tuple[tuple[float, float], ...]
    every: float

    def smoothed(self, label: str, seconds: float = SMOOTH) -> np.ndarray:
        """The smoothed probability of a label (n,).

        >>> timeline = timeline_of([{"time": n, "probabilities": {"polyp": p}} for n, p in enumerate([0, 1, 0, 0])], 1)
        >>> timeline.smoothed("polyp", 2.0).tolist()
        [0.5, 0.0, 0.0, 0.0]
        """
        values = self.probabilities[label]
        if not seconds:
            return values
        reach = seconds / 2 + self.every / 4
        low = np.searchsorted(self.times, self.times - reach)
        high = np.searchsorted(self.times, self.times + reach)
        return np.array([np.median(values[a:b]) for a, b in zip(low, high, strict=True)])

    def events(
        self, label: str, threshold: float, *, smooth: float = SMOOTH, at_least: float = AT_LEAST
    ) -> list[Stretch]:
        """The events of a label."""
        smoothed = self.smoothed(label, smooth)
        found, run = [], list[int]()
        for place in range(len(self.times)):
            if run and self.times[place] > self.ends[run[-1]] + _SAME:  # nothing was seen between
                found.append(run)
                run = []
            if smoothed[place] >= threshold:
                run.append(place)
            elif run:
                found.append(run)
                run = []
        found += [run] if run else []
        stretches = [
            Stretch(label, float(self.times[run[0]]), float(self.ends[run[-1]]), float(smoothed[run].max()))
            for run in found
        ]
        return [event for event in stretches if event.end - event.start >= at_least - _SAME]

    @property
    def watched(self) -> float:
        """Seconds for which there is an answer."""
        return float((self.ends - self.times).sum())


def timeline_of(rows: Iterable[Mapping[str, Any]], every: float, *, task: Task = "multiclass") -> Timeline:
    """The timeline of rows of `VideoAnswer.to_dict`, in order of time.

    Args:
        every: seconds from moment to moment; an answer holds for up to twice as long, where the next frame is late.
        task: of the labels; the probability of a grade is that of at least this one, as its operating point is.

    Raises:
        DataError: no answer among them.
    """
    rows = list(rows)
    answered = [row for row in rows if "probabilities" in row]
    if not answered:
        raise DataError("no moment of the video was answered: there is no timeline")
    times = np.array([row["time"] for row in answered], dtype=float)
    after = {id(row): rows[place + 1]["time"] for place, row in enumerate(rows[:-1])}
    ends = np.array([min(after.get(id(r), r["time"] + every), r["time"] + 2 * every) for r in answered])
    labels = list(answered[0]["probabilities"])
    chances = np.array([[row["probabilities"][label] for label in labels] for row in answered], dtype=float)
    claims = rules_of(task).claims(chances)
    gaps = []
    for place, row in enumerate(rows):
        if "probabilities" not in row:
            following = rows[place + 1]["time"] if place + 1 < len(rows) else row["time"] + every
            gaps.append((float(row["time"]), float(following)))
    return Timeline(
        times=times,
        ends=ends,
        probabilities=dict(zip(labels, claims.T, strict=True)),
        doubted=np.array([bool(row.get("warnings")) for row in answered]),
        gaps=tuple(gaps),
        every=every,
    )


class Comparison(NamedTuple):
    """The events of a label against a truth.

    Attributes:
        findings: of the truth; `found`: of them those that an event overlaps.
        false_alarms: events that overlap none.
        minutes: watched, and outside all findings of the label.
        delays: seconds, of each finding that was found.
    """

    label: str
    findings: int
    found: int
    false_alarms: int
    minutes: float
    delays: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """These numbers, JSON-ready, with the rate and the median delay."""
        return {
            **self._asdict(),
            "delays": [round(delay, 3) for delay in self.delays],
            "false_alarms_a_minute": self.false_alarms / self.minutes if self.minutes else None,
            "median_delay": float(np.median(self.delays)) if self.delays else None,
        }


def compare(
    timeline: Timeline, events: Sequence[Stretch], truth: Sequence[Stretch], label: str
) -> Comparison:
    """Hold the events of a label against its findings in a truth; see the module for the definitions.

    >>> moments = [{"time": float(n), "probabilities": {"polyp": float(20 <= n < 30 or n == 50)}} for n in range(70)]
    >>> timeline = timeline_of(moments, 1.0)
    >>> events = timeline.events("polyp", 0.5, smooth=0.0, at_least=1.0)
    >>> compare(timeline, events, [Stretch("polyp", 18.0, 28.0)], "polyp")
    Comparison(label='polyp', findings=1, found=1, false_alarms=1, minutes=1.0, delays=(2.0,))
    """
    mine = [event for event in events if event.label == label]
    findings = [finding for finding in truth if finding.label == label]
    delays = []
    for finding in findings:
        if hits := [event for event in mine if _overlap(event, finding)]:
            delays.append(max(0.0, min(event.start for event in hits) - finding.start))
    false_alarms = sum(not any(_overlap(event, finding) for finding in findings) for event in mine)
    outside = sum(
        end - time - _covered(time, end, findings)
        for time, end in zip(timeline.times.tolist(), timeline.ends.tolist(), strict=True)
    )
    return Comparison(label, len(findings), len(delays), false_alarms, outside / 60, tuple(delays))


def read_truth(path: Path, labels: Sequence[str]) -> list[Stretch]:
    """Read a truth: a CSV file with the columns start, end (seconds) and label.

    Raises:
        DataError: no such file, or rows that cannot be right; the message names the line.
    """
    try:
        text = read_regular(path, most=_LARGEST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: a truth that cannot be read ({reason})") from error
    table = csv.DictReader(io.StringIO(text, newline=""), restval="")
    if not {"start", "end", "label"} <= set(table.fieldnames or ()):
        raise DataError(
            f"{path}: a truth has the columns start, end, label; this file has {table.fieldnames}"
        )
    found = []
    try:
        rows = list(table)
    except csv.Error as error:
        raise DataError(f"{path}, line {table.line_num}: {error}") from error
    for line, row in enumerate(rows, start=2):
        try:
            start, end = float(row["start"]), float(row["end"])
        except (TypeError, ValueError):
            start, end = 0.0, 0.0
        if not 0 <= start < end < np.inf:
            raise DataError(
                f"{path}, line {line}: start and end are seconds, the end after the start; got "
                f"{row['start']!r} and {row['end']!r}"
            )
        if row["label"] not in labels:
            raise DataError(f"{path}, line {line}: the label {row['label']!r} is none of {', '.join(labels)}")
        found.append(Stretch(row["label"], start, end))
    return sorted(found, key=lambda stretch: stretch.start)


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.start < other.end and other.start < one.end


def _covered(start: float, end: float, stretches: Sequence[Stretch]) -> float:
    """Seconds of a time that stretches cover together; they are sorted by their beginnings."""
    total, at = 0.0, start
    for stretch in sorted(stretches, key=lambda each: each.start):
        low, high = max(at, stretch.start), min(end, stretch.end)
        if high > low:
            total += high - low
            at = high
    return total
