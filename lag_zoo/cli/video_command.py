"""`lag-zoo predict VIDEO`: rows by time, kept as they come, and what follows from all of them."""

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from lag_zoo.cli.prediction_table import BULKY
from lag_zoo.cli.screen import Screen
from lag_zoo.cli.sink import complain
from lag_zoo.errors import extra
from lag_zoo.files import csv_writer, write_whole
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from lag_zoo.predict import Predictor
    from lag_zoo.predict.resumable import ResumableOutput
    from lag_zoo.predict.timeline import Stretch

Row = dict[str, Any]
_SHOWN = 5
_EVERY, _SMOOTH, _AT_LEAST = 0.2, 1.0, 1.0  # seconds, where nobody says; as lag_zoo.predict has them
_LONGEST = 24 * 3600.0  # seconds of a video whose header does not say how long it is


class Cut(NamedTuple):
    """The moments of a video that are asked for: seconds."""

    every: float
    start: float
    end: float | None

    @classmethod
    def of(cls, every: float | None, start: float | None, end: float | None) -> "Cut":
        """The moments that options ask for, `None`: what is usual."""
        return cls(_EVERY if every is None else every, start or 0.0, end)

    def most(self, duration: float | None) -> int:
        """The most moments that there can be."""
        until = min(_LONGEST if duration is None else duration, math.inf if self.end is None else self.end)
        return max(0, math.ceil((until - self.start) / self.every)) + 1


def the_video(paths: Sequence[Path], *, asked: bool) -> Path | None:
    """The video among the paths, which is then the only one; `None`: they are images.

    Args:
        asked: there are options that only a video has.

    Raises:
        BadParameter: a video beside other paths, or moments of what is no video.
    """
    from lag_zoo.data.readers.video import is_video

    videos = [path for path in paths if is_video(path)]
    if videos and len(paths) > 1:
        raise typer.BadParameter("one video at a time, and without images", param_hint="PATHS")
    if not videos and asked:
        raise typer.BadParameter("these options are for a video, and no path is one", param_hint="--every")
    return videos[0] if videos else None


def survey_video(path: Path, cut: Cut) -> dict[str, Any]:
    """Facts for `ResumableOutput`: the moments that there can be at most, and which video it is.

    Raises:
        UnreadableImageError: no video that can be opened.
    """
    from lag_zoo.data.readers.video import video_facts

    facts, size = video_facts(path), path.stat().st_size
    return {
        "images": cut.most(facts.duration),
        "names": f"{path}, {size} bytes, {facts.width} x {facts.height}",
        "cut": [cut.every, cut.start, cut.end],
    }


def answer_moments(
    predictor: "Predictor",
    path: Path,
    cut: Cut,
    tta: int,
    *,
    screen: Screen,
    parts: "ResumableOutput | None" = None,
) -> Iterator[Row]:
    """Answer what is not answered yet, into the parts where there are some; all rows, in order of time.

    What is gone on with begins with a whole batch, so that no answer depends on where it was stopped.
    """
    total = int(str(survey_video(path, cut)["images"]))
    first, done = (0, 0) if parts is None else _begun(parts, predictor.images_a_batch(tta))
    if done:
        screen.say(f"{done} moments are answered already")
    with screen.task("moments", total, done=first) as advance:
        last = first - 1
        for answer in predictor.video(
            path, every=cut.every, start=cut.start, end=cut.end, tta=tta, first=first
        ):
            row = {name: value for name, value in answer.to_dict().items() if name not in BULKY}
            if "error" in row:
                complain(f"{in_a_line(row['path'])} at {row['time']:.2f} s: {in_a_line(row['error'])}")
            if parts is None:
                yield row
            else:
                parts.write(answer.number, row)
            advance(answer.number - last)
            last = answer.number
    if parts is not None:
        yield from parts.rows()


def _begun(parts: "ResumableOutput", batch: int) -> tuple[int, int]:
    """Number of the first moment to do, and how many rows there are before it: whole batches."""
    numbers = [number for number, mark in enumerate(parts.done()) if mark]
    kept = len(numbers) // batch * batch
    failed = ["error" in row for row in parts.rows()]
    while kept and failed[kept - 1]:  # a stretch without answers is begun anew, or it would be listed twice
        kept -= batch
    return (numbers[kept - 1] + 1 if kept else 0), kept


class Wanted(NamedTuple):
    """Files to write of all rows, and the rules."""

    timeline: Path | None
    events: Path | None
    truth: Path | None
    smooth: float
    at_least: float

    @classmethod
    def of(
        cls,
        timeline: Path | None,
        events: Path | None,
        truth: Path | None,
        smooth: float | None,
        at_least: float | None,
    ) -> "Wanted":
        """The files and rules that options ask for, `None`: what is usual."""
        rules = _SMOOTH if smooth is None else smooth, _AT_LEAST if at_least is None else at_least
        return cls(timeline, events, truth, *rules)

    def require_possible(self, labels: Sequence[str]) -> "list[Stretch]":
        """Read the truth, and refuse now what could not be written after all is answered."""
        for path, option in ((self.timeline, "--timeline"), (self.events, "--events")):
            if path is not None and not path.resolve().parent.is_dir():
                raise typer.BadParameter(f"{path.parent} is no folder", param_hint=option)
        if self.timeline is not None:
            with extra("evaluate"):
                import matplotlib  # noqa: F401
        from lag_zoo.predict.timeline import read_truth

        return [] if self.truth is None else read_truth(self.truth, labels)


def conclude(
    rows: Sequence[Row],
    predictor: "Predictor",
    cut: Cut,
    wanted: Wanted,
    truth: "Sequence[Stretch]",
    title: str,
) -> list[str]:
    """Find events, write them and the picture, and hold them against the truth; what there is to say, in lines."""
    from lag_zoo.predict.labels import labels_with_evidence
    from lag_zoo.predict.timeline import compare, timeline_of
    from lag_zoo.tasks import DEFAULT_THRESHOLD, rules_of

    config = predictor.model.config
    rules = rules_of(config.task)
    timeline = timeline_of(rows, cut.every, task=config.task)
    if rules.ordered:  # who has a grade has those below it
        names = predictor.label_names
        truth = [one._replace(label=name) for one in truth for name in names[1 : names.index(one.label) + 1]]
    set_points = predictor.operating_points
    points = {
        label: set_points.get(label, DEFAULT_THRESHOLD) for label in labels_with_evidence(predictor.model)
    }
    events = [
        event
        for label, point in points.items()
        for event in timeline.events(label, point, smooth=wanted.smooth, at_least=wanted.at_least)
    ]
    events.sort(key=lambda event: event.start)
    doubted, count = int(timeline.doubted.sum()), len(timeline.times)
    said = [
        f"{timeline.watched:.1f} s watched, {len(timeline.gaps)} gaps; {doubted} of {count} frames doubted "
        f"({doubted / count:.0%})",
        f"{len(events)} events of {wanted.at_least:g} s or more (median of {wanted.smooth:g} s): "
        + (", ".join(f"{e.label} {e.start:.1f} to {e.end:.1f} s" for e in events[:_SHOWN]) or "none"),
    ]
    if wanted.events is not None:
        text = io.StringIO(newline="")
        writer = csv_writer(text)
        writer.writerow(["label", "start", "end", "peak"])
        writer.writerows([e.label, f"{e.start:.3f}", f"{e.end:.3f}", f"{e.peak:.4f}"] for e in events)
        write_whole(wanted.events, text.getvalue())
    if wanted.timeline is not None:
        from lag_zoo.evaluate.figure import png
        from lag_zoo.evaluate.timeline_figure import timeline_figure

        figure = timeline_figure(timeline, points, events, smooth=wanted.smooth, truth=truth, title=title)
        write_whole(wanted.timeline, png(figure, dpi=110))
    if wanted.truth is not None:
        for label in points:
            found = compare(timeline, events, truth, label).to_dict()
            rate, delay = found["false_alarms_a_minute"], found["median_delay"]
            said.append(
                f"{label}: {found['found']} of {found['findings']} findings found"
                + ("" if delay is None else f", median delay {delay:.1f} s")
                + f"; {found['false_alarms']} false alarms in {found['minutes']:.2f} min without one"
                + ("" if rate is None else f" ({rate:.2f} a minute)")
            )
    return said
