"""The evaluation of an examination network: examinations or patients are scored by its head, and counted."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import torch

from lag_zoo.data.facts import data_facts
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.analysis import Analysis, count_rows
from lag_zoo.evaluate.exam_scoring import level_of, score_exams
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.report import Report, report_of
from lag_zoo.evaluate.run import describe_evaluation, place_of, split_of
from lag_zoo.evaluate.scores import Scores
from lag_zoo.factory import create_exam_model
from lag_zoo.listener import Listener
from lag_zoo.nn.devices import describe_device, present_device
from lag_zoo.nn.exam_network import ExamNetwork


def evaluate_exam_model(
    model: ExamNetwork | str | os.PathLike[str],
    data: Manifest | str | os.PathLike[str],
    options: EvaluationOptions | None = None,
    *,
    split: str | None = None,
    any_frame: bool = False,
    cache: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
    device: torch.device | str = "auto",
    workers: int = 2,
    listener: Listener = Listener(),
    **changes: Any,
) -> Report:
    """Evaluate the head of an examination network; what is counted is what it was trained to answer for.

    Args:
        model: a network, or its place.
        data: as `lag_zoo.evaluate.evaluate_model` takes it; each frame has the label of its examination.
        options: of the evaluation; its level and pooling are not used.
        split: as in `evaluate_model`.
        any_frame: as in `lag_zoo.data.exam_table.exams_of`.
        cache: a folder in which features of frames are kept.
        skip_unreadable: leave out frames that cannot be read; an examination without any other is named.
        workers: processes that read frames.
        changes: fields of `EvaluationOptions`, in place of theirs.

    Raises:
        InvalidConfigError: options that cannot be, or no split val, and a rule that needs one.
        DataError: labels that the network does not have, no such split, or as `exams_of` raises.
        UnreadableImageError: a frame that cannot be read.
        WeightsNotFoundError: no examination network there.
    """
    manifest = data if isinstance(data, Manifest) else open_data(data, cohort=True)
    chosen = split_of(split, manifest)
    with listener.task("loading the network"):
        where = present_device(device)
        place = "a network" if isinstance(model, ExamNetwork) else place_of(model)
        network = (
            model if isinstance(model, ExamNetwork) else create_exam_model(place_of(model), device=where)
        )
    level = level_of(network)
    options = dataclasses.replace(options or EvaluationOptions(), **changes)
    options = dataclasses.replace(options, level=level, pooling="maximum")  # of one row each
    needs_val = options.uses_rule and not options.apparent
    if needs_val and "val" not in manifest.splits:
        raise InvalidConfigError(f"{options.operating_point} needs a split val to choose a threshold on")
    listener.begin(
        {
            "model": f"{place}, its head, labels {', '.join(network.config.label_names)}",
            **data_facts(manifest.where(split=chosen)),
            "counted by": level,
            "device": describe_device(network.frame.pixel_mean.device),
        }
    )

    def scored(part: str | None) -> Scores:
        with listener.task("frames", len(manifest.where(split=part))) as advance:
            return score_exams(
                network,
                manifest,
                split=part,
                any_frame=any_frame,
                workers=workers,
                cache=None if cache is None else Path(cache),
                skip_unreadable=skip_unreadable,
                progress=lambda: advance(1),
            )

    analysis = Analysis(scored(chosen), options, scored("val") if needs_val else None)
    with listener.task("statistics", count_rows(analysis.scores, options)) as advance:
        report = report_of(analysis, progress=lambda: advance(1))
    name = Path(manifest.source).name
    return dataclasses.replace(
        report,
        title=f"the head of {place} on {name}{f', {chosen}' if chosen else ''}",
        about=describe_evaluation(f"the head of {place}", name, chosen, options, any_frame=any_frame),
    )
