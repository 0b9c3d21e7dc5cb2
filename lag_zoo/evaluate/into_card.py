"""The headline numbers of a report as measurements, and these in the card of the network that was evaluated."""

import hashlib
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate.operating_points import TRAINED_ON
from lag_zoo.evaluate.scores import IN_TRAINING_DATA, Scores
from lag_zoo.evaluate.summary import UNITS, counted
from lag_zoo.metrics.intervals import Interval
from lag_zoo.publishing import add_results
from lag_zoo.specs import Measurement

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report
    from lag_zoo.evaluate.results import LabelResult

HEADLINES = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}
"""Measures of each label that go into a card; the last two stand on a threshold."""

OF_ALL_LABELS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "mean_absolute_error": "mean absolute error",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
}
"""Measures of the called label; of two labels they follow from the others, and are left out."""

_DIGITS = 4


def write_into_card(
    report: "Report", folder: str | os.PathLike[str], *, data_name: str = "", command: str = ""
) -> tuple[Measurement, ...]:
    """Write the headline numbers of a report into the card and the configuration of the network's folder.

    The write is whole or not at all, and leaves the weights' bytes as they are. A number of the same metric, unit and
    data takes the place of the earlier one. Frames that the weights were trained on are named in its note.

    Args:
        report: of `evaluate_model`.
        folder: as `lag_zoo.save_pretrained` wrote it; it holds the very weights that were evaluated.
        data_name: a name for the data; by default the file's, with a digest of the frames.
        command: the one that measures the same again.

    Raises:
        InvalidConfigError: the report is not of a whole network with weights, or the folder holds other weights.
        DataError: there is no number to write.
        WeightsError: no such folder, or it holds no network.
        OSError: the folder cannot be written; what was there is untouched.
    """
    digest = report.about.get("weights_sha256")
    if digest is None:
        raise InvalidConfigError(
            "a card tells of a network's weights, and this report is of none as they were loaded: evaluate the folder "
            "itself, lag-zoo evaluate FOLDER DATA --into-card"
        )
    if report.about["without_crops"]:
        raise InvalidConfigError("a card tells of the whole network, and this report is of it without crops")
    found = measurements(report, data_name=data_name, command=command)
    if not found:
        raise DataError("nothing could be measured on these frames: there is no number for the card")
    add_results(folder, found, weights_sha256=digest)
    return found


def measurements(report: "Report", *, data_name: str = "", command: str = "") -> tuple[Measurement, ...]:
    """Return AUROC, sensitivity and specificity of each label, and of several exclusive labels the accuracy.

    Of grades these are of "at least this one", and mean absolute error and quadratic weighted kappa go with accuracy.

    Args:
        report: of `evaluate_model`; arguments as in `write_into_card`.
    """
    about, of_frames = report.about, [*_about_frames(report)]
    data = _data_named(report, data_name)

    def measured(metric: str, interval: Interval, notes: list[str]) -> Measurement:
        return Measurement(
            metric=metric,
            value=round(interval.value, _DIGITS),
            low=_limit(interval.low),
            high=_limit(interval.high),
            interval=interval.method,
            n=interval.n,
            unit=UNITS[report.level][1],
            groups=interval.groups,
            data=data,
            date=about["date"],
            command=command,
            revision=f"lag_zoo {about['lag_zoo']}",
            note="; ".join([*of_frames, *notes]),
        )

    of_labels = [
        measured(
            f"{title} of {row.label}", row.measures[key], [*_about_row(row, with_threshold=key != "auroc")]
        )
        for row in report.rows
        for key, title in HEADLINES.items()
        if math.isfinite(row.measures[key].value)
    ]
    called = report.called
    of_all = (
        []
        if called is None or len(called.label_names) < 3
        else [
            measured(title, called.measures[key], [called.rule])
            for key, title in OF_ALL_LABELS.items()
            if key in called.measures and math.isfinite(called.measures[key].value)
        ]
    )
    return (*of_labels, *of_all)


def _limit(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) else None


def _data_named(report: "Report", name: str) -> str:
    split = f", {report.about['split']}" if report.about["split"] else ""
    if name or report.scores is None:
        return f"{name or report.about['data']}{split}"
    return f"{report.about['data']}{split} (SHA-256 {_digest(report.scores)})"


def _digest(scores: Scores) -> str:
    """12 hex digits of the SHA-256 of the frames' names and truth, in any order."""
    frames = scores.frames
    lines = sorted(
        f"{image}\0{target}" for image, target in zip(frames.images, frames.targets.tolist(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _about_frames(report: "Report") -> Iterator[str]:
    """Say what holds for every number: frames from training first, for what is measured on them is no evidence."""
    if report.scores is not None:
        frames, n = report.scores.frames, len(report.scores)
        if seen := frames.columns.get(IN_TRAINING_DATA, ()).count("yes"):
            yield f"apparent, no evidence: the weights were trained on {seen} of the {n} frames, or chosen by them"
        elif seen := sum(part in TRAINED_ON for part in frames.fold):
            parts = " and ".join(part for part in TRAINED_ON if part in frames.fold)
            yield f"apparent if the network was trained with this manifest: {seen} of the {n} frames are of {parts}"
    if report.about["precision"] != "fp32":
        yield f"in {report.about['precision']}"
    if report.pooling is not None:
        yield f"frames pooled by {report.pooling}"
    if report.flow.unreadable:
        how = "counted as wrong" if report.about["unreadable_as_failures"] else "left out"
        yield f"{counted(len(report.flow.unreadable), 'frame')} could not be read: {how}"


def _about_row(row: "LabelResult", *, with_threshold: bool) -> Iterator[str]:
    yield f"{row.positives} of {row.n} have it"
    if with_threshold:
        yield f"called from {row.threshold:.3g}, {row.rule}"
    if row.unreliable:
        yield row.unreliable.partition(" (")[0]
