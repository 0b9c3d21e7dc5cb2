"""The picture of a timeline: probabilities over the time of a video, smoothed, with thresholds, events and doubts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lag_zoo.evaluate.figure import new_figure
from lag_zoo.predict.timeline import Stretch, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _GREY, _RED = "tab:blue", "tab:orange", "tab:green", "0.8", "tab:red"


def timeline_figure(
    timeline: Timeline,
    thresholds: Mapping[str, float],
    events: Sequence[Stretch],
    *,
    smooth: float,
    truth: Sequence[Stretch] = (),
    title: str = "",
) -> "Figure":
    """Draw a panel for each label that has a threshold.

    Points are the probabilities, red where the frame is doubted, the line is smoothed, dashes are the threshold; orange
    are events, green findings of a truth, grey stretches without an answer.

    Raises:
        MissingExtraError: the extra `evaluate` is not installed.
    """
    figure = new_figure(11, 1.2 + 2.4 * len(thresholds))
    panels = figure.subplots(len(thresholds), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (label, threshold) in zip(panels, thresholds.items(), strict=True):
        _panel(axes, timeline, label, threshold, smooth)
        _spans(axes, [(e.start, e.end) for e in events if e.label == label], 0.0, 1.0, _ORANGE, "event")
        _spans(axes, [(t.start, t.end) for t in truth if t.label == label], 0.96, 1.0, _GREEN, "truth")
        _spans(axes, timeline.gaps, 0.0, 1.0, _GREY, "no answer")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, ncols=7, frameon=False)
    panels[-1].set_xlabel("seconds")
    note = "research, not a medical device"
    figure.suptitle(f"{title}: {note}".replace("$", r"\$") if title else note, fontsize=10)
    return figure


def _panel(axes: "Axes", timeline: Timeline, label: str, threshold: float, smooth: float) -> None:
    values, doubted = timeline.probabilities[label], timeline.doubted
    axes.plot(timeline.times[~doubted], values[~doubted], ".", color=_BLUE, markersize=3, label="a frame")
    axes.plot(
        timeline.times[doubted], values[doubted], ".", color=_RED, markersize=3, label="a doubted frame"
    )
    axes.plot(
        timeline.times,
        timeline.smoothed(label, smooth),
        color="black",
        linewidth=1,
        label=f"median of {smooth:g} s",
    )
    axes.axhline(
        threshold, color="black", linewidth=0.8, linestyle="dashed", label=f"threshold {threshold:.3f}"
    )
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(label.replace("$", r"\$"))


def _spans(
    axes: "Axes", spans: Sequence[tuple[float, float]], low: float, high: float, color: str, name: str
) -> None:
    for number, (start, end) in enumerate(spans):
        axes.axvspan(
            start,
            end,
            ymin=low,
            ymax=high,
            color=color,
            alpha=0.35,
            linewidth=0,
            label="" if number else name,
        )
