"""A whole evaluation of anybody's predictions in one call: tables and options in; a report out."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lag_zoo.data.facts import data_facts
from lag_zoo.data.manifest import Column
from lag_zoo.errors import DataError, InvalidConfigError, did_you_mean
from lag_zoo.evaluate.analysis import Analysis, count_rows
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.prediction_columns import Data, Part, Reading, has_predictions, parts_of
from lag_zoo.evaluate.predictions import Predicted, read_predictions
from lag_zoo.evaluate.raters import agreement, in_words, rated_part, rater_manifest, ratings_of
from lag_zoo.evaluate.report import Report, report_of
from lag_zoo.evaluate.run import describe_evaluation, require_level, split_of
from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import flow_of
from lag_zoo.listener import Listener
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

VALIDATION = "val"


def evaluate_predictions(
    tables: Data | Sequence[Data],
    options: EvaluationOptions | None = None,
    *,
    raters: Sequence[str] = (),
    reported: str | None = None,
    split: str | None = None,
    labels: Sequence[str] | None = None,
    task: Task | None = None,
    columns: Mapping[str, Column] | None = None,
    skip_unreadable: bool = False,
    listener: Listener = Listener(),
    **changes: Any,
) -> Report:
    """Evaluate anybody's predictions: any network's, a reader's, a device's; several on the same frames are compared.

    A table has the truth and the groups as manifests have them (`image`, which may be missing; `label`, or one column
    of 0 and 1 a label; `patient`, `exam`, `centre`, `device` and so on), and of each label a column `p_LABEL`
    (probability) or `logit_LABEL`; or one column `called` with the label that is called. A column `model`, or several
    tables, hold several models.

    Args:
        tables: a CSV or Parquet file, a mapping of columns (as a dict of lists, or a DataFrame), or several of these.
        options: how predictions are evaluated. A rule for thresholds is applied to the frames of the split `val`.
        raters: columns with the labels that raters gave: their agreement is reported too, or alone where the tables
            have no predictions.
        reported: the model that the report is about; by default the first. The others are compared with it.
        split: the frames that are reported: by default `test` where there are splits; `all`: every frame.
        labels: the labels in their order; by default those with predictions, else those of the truth.
        task: `ordinal`: exclusive labels are grades, from the lowest on in the order of `labels`, or else of the
            columns `p_LABEL`; `None`: as the truth has it. The agreement of raters does not look at the order.
        columns: which of the tables' columns is which of a manifest's, for example `{"case_id": "patient"}`.
        skip_unreadable: list frames without a prediction, and leave them out; by default they are an error.
        listener: hears what is about to be done, and how far it is.
        changes: fields of `EvaluationOptions`, in place of the options' own.

    Raises:
        DataError: a table that cannot be right; the message names the line and the column.
        InvalidConfigError: options that cannot be, or that do not fit the data.
        MissingExtraError: a Parquet file needs the extra `data`.

    >>> table = {"label": ["normal", "IM"] * 8, "p_normal": [0.9, 0.2] * 8, "p_IM": [0.1, 0.8] * 7 + [0.1, 0.8]}
    >>> report = evaluate_predictions(table, n_resamples=100)
    >>> report.rows[0].label, report.rows[0].measures["auroc"].value
    ('IM', 1.0)
    """
    options = dataclasses.replace(options or EvaluationOptions(), **changes)
    reading = Reading(
        columns=columns or {},
        labels=None if labels is None else tuple(labels),
        task=task,
        raters=tuple(raters),
        skip_unreadable=skip_unreadable or options.unreadable_as_failures,
    )
    with listener.task("reading the tables"):
        parts = parts_of(_several(tables), reading)
        rated = rated_part(parts, raters) if raters else None
        models = [part for part in parts if has_predictions(part.table, raters) or part is not rated]
        predicted = _reported_first(read_predictions(models, reading), reported) if models else []
    if not predicted and rated is not None:
        if reading.ordered:
            raise InvalidConfigError(
                f"task={task!r} is for predictions of grades, and {rated.table.source} has none: the agreement of "
                "raters does not look at the order of labels"
            )
        return _of_raters(rated, reading, options, split, listener)
    report = _Run(predicted, options, split, listener).report()
    if rated is None:
        return report
    with listener.task("agreement of the raters"):
        first, manifest = predicted[0].manifest, rater_manifest(rated, raters)
        names = first.label_names if rules_of(first.task).exclusive else None
        chosen = manifest.where(split=split_of(split, manifest))
        return dataclasses.replace(
            report, raters=agreement(ratings_of(rated, chosen, raters, names), options)
        )


class _Run:
    """The models of one evaluation, the first of which is reported."""

    def __init__(
        self,
        predicted: Sequence[Predicted],
        options: EvaluationOptions,
        split: str | None,
        listener: Listener,
    ) -> None:
        self.predicted, self.options, self.listener = predicted, options, listener
        self.first = predicted[0]
        self.split = split_of(split, self.first.manifest)
        for one in predicted:
            require_level(options, one.manifest, self.split)

    def report(self) -> Report:
        """Report the first model, and compare the others with it on the frames that all have."""
        self.listener.begin(self._facts())
        with self.listener.task("reading the predictions"):
            scores, left_out = on_shared_frames({one.name: one.scores(self.split) for one in self.predicted})
            _require_same_failures(scores, self.options)
            analyses = {
                one.name: Analysis(scores[one.name], self.options, self._validation(one))
                for one in self.predicted
            }
        first = analyses.pop(self.first.name)
        with self.listener.task("statistics", count_rows(first.scores, self.options)) as advance:
            report = report_of(first, progress=lambda: advance(1))
        if analyses:
            with self.listener.task("comparing", len(report.rows) * len(analyses)) as advance:
                report = with_comparisons(report, first, analyses, progress=lambda: advance(1))
        source = Path(self.first.table.source).name
        return dataclasses.replace(
            report,
            title=f"{self.first.name} on {source}{f', {self.split}' if self.split else ''}",
            about=describe_evaluation(self.first.name, source, self.split, self.options, left_out=left_out),
            warnings=(*_said_of(left_out), *report.warnings),
        )

    def _validation(self, one: Predicted) -> Scores | None:
        """The scores of the split `val`, where a rule chooses thresholds on it."""
        needed = self.options.uses_rule and not self.options.apparent
        if not needed or VALIDATION not in one.manifest.splits or self.split in (None, VALIDATION):
            return None
        return one.scores(VALIDATION)

    def _facts(self) -> dict[str, str]:
        names = [one.name for one in self.predicted]
        return {
            "model": f"{names[0]}, labels {', '.join(self.first.manifest.label_names)}",
            **({"compared with": ", ".join(names[1:])} if names[1:] else {}),
            **data_facts(self.first.manifest.where(split=self.split)),
            "counted by": self.options.level,
            "operating point": self.options.operating_point,
        }


def on_shared_frames(scores: Mapping[str, Scores]) -> tuple[dict[str, Scores], dict[str, list[str]]]:
    """Return the scores of the frames that all models have, and the frames that each of them lacks, if any.

    Raises:
        DataError: no frame is in all of them.
    """
    images = {name: set(one.frames.images) for name, one in scores.items()}
    shared, every = set.intersection(*images.values()), set().union(*images.values())
    if not shared:
        examples = "; ".join(f"{name} has {len(own)}, such as {min(own)}" for name, own in images.items())
        raise DataError(
            f"no frame is in all of {len(scores)} models: {examples}. The column image has to name a frame alike in all"
        )
    kept = {
        name: one.take(np.flatnonzero([image in shared for image in one.frames.images]))
        for name, one in scores.items()
    }
    return kept, {name: sorted(every - own) for name, own in images.items() if every - own}


def _several(tables: Data | Sequence[Data]) -> Sequence[Data]:
    return tables if isinstance(tables, list | tuple) else [tables]


def _reported_first(predicted: list[Predicted], reported: str | None) -> list[Predicted]:
    names = [one.name for one in predicted]
    if reported is None:
        return predicted
    if reported not in names:
        raise InvalidConfigError(
            f"no model {reported!r} to be reported; there are {', '.join(names)}.{did_you_mean(reported, names)}"
        )
    return sorted(predicted, key=lambda one: one.name != reported)


def _require_same_failures(scores: Mapping[str, Scores], options: EvaluationOptions) -> None:
    lost = {name: frozenset(one.flow.unreadable) for name, one in scores.items()}
    if options.unreadable_as_failures and len(set(lost.values())) > 1:
        counts = ", ".join(f"{name} {len(frames)}" for name, frames in lost.items())
        raise InvalidConfigError(
            f"the models give no answer for different frames ({counts}): count those as failures of one model at a "
            "time, or compare the models on the frames that all have, without --unreadable-as-failures"
        )


def _of_raters(
    rated: Part, reading: Reading, options: EvaluationOptions, split: str | None, listener: Listener
) -> Report:
    """Report the agreement of raters alone."""
    with listener.task("agreement of the raters"):
        manifest = rater_manifest(rated, reading.raters)
        split = split_of(split, manifest)
        chosen = manifest.where(split=split)
        ratings = ratings_of(rated, chosen, reading.raters, reading.labels)
        found = agreement(ratings, options)
    frames, source = ratings.frames, Path(rated.table.source).name
    return Report(
        title=f"{', '.join(ratings.names)} on {source}",
        about=describe_evaluation(None, source, split, options, raters=list(ratings.names)),
        summary=in_words(found),
        rows=(),
        pairs=(),
        subgroups=(),
        called=None,
        level="frame",
        pooling=None,
        grouping=frames.grouping,
        flow=flow_of(manifest, chosen, split, np.ones(len(chosen), bool)),
        analysed=len(chosen),
        analysed_groups=chosen.count_groups(),
        temperature=1.0,
        calls_only=True,
        warnings=(),
        raters=found,
    )


def _said_of(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    """A warning that counts the frames that some model lacks."""
    if not left_out:
        return []
    every = {image for images in left_out.values() for image in images}
    counts = ", ".join(f"{name} lacks {len(images)}" for name, images in left_out.items())
    return [
        f"{len(every)} frames are left out, of which not every model has a prediction: {counts}. report.json names "
        "them (about, left_out)."
    ]
