"""A whole evaluation in one call: networks, frames and options in; a report out. `lag-zoo evaluate` is this call."""

import dataclasses
import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lag_zoo.data.facts import data_facts
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate.analysis import Analysis, count_rows
from lag_zoo.evaluate.baselines import baselines as score_baselines
from lag_zoo.evaluate.baselines import with_baselines
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.mistakes import worst_mistakes
from lag_zoo.evaluate.options import AUTO, STORED, EvaluationOptions
from lag_zoo.evaluate.paper_table import one_light, paper_rows, paper_table, paper_tasks, require_no_grades
from lag_zoo.evaluate.report import Report, report_of
from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import score
from lag_zoo.factory import create_model
from lag_zoo.listener import Listener
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import AUTO as AUTO_DEVICE
from lag_zoo.nn.devices import describe_device
from lag_zoo.predict.engine import Precision
from lag_zoo.publishing import is_as_loaded

ALL = "all"
Model = str | os.PathLike[str] | LAG


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extras:
    """Further parts of an evaluation, each of which takes longer.

    Attributes:
        baselines: what colours, metadata and the border give (fitted on the split `train`), and the plain backbone.
        compare: other networks on the same frames.
        paper_table: rows of IM or GA in the form of the paper's.
        mistakes: so many of the worst mistakes of each label and kind as pictures, at most; the page then holds frames.
    """

    baselines: bool = False
    compare: Sequence[Model] = ()
    paper_table: bool = False
    mistakes: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring:
    """Options of running networks on frames.

    Attributes:
        split: the frames that are reported: by default `test` where there are splits; `all`: every frame.
        without_crops: only the global path, the plain backbone inside.
        skip_unreadable: list frames that cannot be read, and leave them out; by default they are an error.
        device: as in `create_model`.
        precision: as in `Predictor`; `fuse`: likewise.
        batch_size: views that pass through a network at once; `workers`: processes that read frames.
    """

    split: str | None = None
    without_crops: bool = False
    skip_unreadable: bool = False
    device: torch.device | str = AUTO_DEVICE
    precision: Precision = "fp32"
    fuse: bool = True
    batch_size: int = 32
    workers: int = 2


def evaluate_model(
    model: Model,
    data: Manifest | str | os.PathLike[str],
    options: EvaluationOptions | None = None,
    *,
    scoring: Scoring | None = None,
    extras: Extras | None = None,
    listener: Listener = Listener(),
    **changes: Any,
) -> Report:
    """Evaluate a network on frames that it has not seen: five rates, F1, AUROC, AUPRC, calibration, with intervals.

    For research; no number makes a network a medical device. `Report.save(folder)` writes the pages.

    Args:
        model: a name of the zoo, a folder with a network, `hf-hub:org/repo`, or a LAG.
        data: a manifest, or a folder or file that gives one (`lag_zoo.data.open_data`).
        options: how scores are evaluated.
        scoring: how networks are run on frames.
        extras: baselines, other networks, the paper's table, mistakes.
        listener: hears what is about to be done, and how far it is.
        changes: fields of `EvaluationOptions`, `Scoring` or `Extras` by name, in place of theirs.

    Raises:
        InvalidConfigError: options that cannot be, or that do not fit each other, the data or the network.
        DataError: no such split, or labels that the network does not have.
        UnreadableImageError: a frame that cannot be read.
        WeightsNotFoundError: a network without weights.
    """
    options, scoring, extras = _changed(
        changes, options or EvaluationOptions(), scoring or Scoring(), extras or Extras()
    )
    manifest = data if isinstance(data, Manifest) else open_data(data, cohort=True)
    chosen = split_of(scoring.split, manifest)
    _require_possible(options, scoring, extras, manifest, chosen)
    with listener.task("loading the networks", 1 + len(extras.compare)) as advance:
        networks = []
        for place in (model, *extras.compare):
            networks.append(_network(place, manifest, scoring))
            advance(1)
    if extras.paper_table:
        require_no_grades(networks[0].config.task)
    run = _Run(manifest, chosen, options, scoring, listener)
    name = _named(model, scoring.without_crops)
    listener.begin(run.facts(name, networks[0]))
    analysis = run.analysed(networks[0], crops=not scoring.without_crops)
    with listener.task("statistics", count_rows(analysis.scores, options)) as advance:
        report = report_of(analysis, progress=lambda: advance(1))
    if extras.baselines:
        report = run.with_baselines(report, analysis, networks[0])
    others = {
        _named(place, False): run.analysed(network, crops=True)
        for place, network in zip(extras.compare, networks[1:], strict=True)
    }
    if extras.baselines and not scoring.without_crops and networks[0].config.num_crops:
        plain, remark = run.plain_backbone(networks[0])
        others[f"{name}, without crops"] = plain
        report = dataclasses.replace(report, warnings=(*report.warnings, *remark))
    if others:
        with listener.task("comparing", len(report.rows) * len(others)) as advance:
            report = with_comparisons(report, analysis, others, progress=lambda: advance(1))
    on = f"{Path(manifest.source).name}{f', {chosen}' if chosen else ''}"
    found = dataclasses.replace(
        report,
        title=f"{name} on {on}",
        about=describe_evaluation(
            name, Path(manifest.source).name, chosen, options, **_of_network(networks[0], scoring)
        ),
        scores=analysis.scores,
    )
    return run.finished(found, analysis, networks[0], extras, name, on)


def split_of(asked: str | None, manifest: Manifest) -> str | None:
    """Return the split that is reported; `None`: all frames.

    Raises:
        InvalidConfigError: there are splits, none of them test, and none is asked for.
    """
    if asked == ALL and ALL not in manifest.splits:
        return None
    if asked is None and manifest.splits and "test" not in manifest.splits:
        raise InvalidConfigError(
            f"{manifest.source} has the splits {', '.join(manifest.splits)}, and no test: say which frames, --split "
            f"{manifest.splits[-1]}, or --split all"
        )
    return asked if asked is not None or not manifest.splits else "test"


class _Run:
    """The parts of one evaluation that share data and options."""

    def __init__(
        self,
        manifest: Manifest,
        split: str | None,
        options: EvaluationOptions,
        scoring: Scoring,
        listener: Listener,
    ) -> None:
        self.manifest, self.split, self.options = manifest, split, options
        self.scoring, self.listener = scoring, listener

    def facts(self, name: str, network: LAG) -> dict[str, str]:
        """Describe the evaluation for the header."""
        return {
            "model": f"{name}, labels {', '.join(network.label_names or ())}",
            **data_facts(self.manifest.where(split=self.split)),
            "counted by": self.options.level,
            "operating point": self.options.operating_point,
            "device": describe_device(network.pixel_mean.device),
        }

    def analysed(self, network: LAG, *, crops: bool, options: EvaluationOptions | None = None) -> Analysis:
        """Score the frames, and those of the split `val` where a rule needs them."""
        options = options or self.options
        scores = self._scored(network, self.split, crops)
        validation = None
        if options.uses_rule and not options.apparent:
            validation = self._scored(network, "val", crops)
        return Analysis(scores, options, validation)

    def with_baselines(self, report: Report, analysis: Analysis, network: LAG) -> Report:
        """Fit the baselines on the split `train`, and report them."""
        count = len(analysis.scores) + sum(
            f.split == "train" and not f.excluded for f in self.manifest.frames
        )
        with self.listener.task("frames for the baselines", count) as advance:
            found = score_baselines(
                self.manifest,
                analysis.scores,
                network.config,
                skip_unreadable=self.scoring.skip_unreadable,
                progress=lambda: advance(1),
            )
        with self.listener.task("statistics of the baselines", len(found) * len(report.rows)) as advance:
            return with_baselines(report, found, self.options, progress=lambda: advance(1))

    def plain_backbone(self, network: LAG) -> tuple[Analysis, list[str]]:
        """Analyse the plain backbone inside, and what is to be said of its thresholds."""
        options = self.options
        stored = options.operating_point in (STORED, AUTO) and bool(
            network.weight_spec and network.weight_spec.operating_points
        )
        if stored:
            options = dataclasses.replace(options, operating_point="0.5")
        remark = (
            "The plain backbone inside is called at 0.5, for what is stored was chosen with the crops: its AUROC "
            "can be compared, its rates cannot."
        )
        return self.analysed(network, crops=False, options=options), [remark] if stored else []

    def finished(
        self, report: Report, analysis: Analysis, network: LAG, extras: Extras, name: str, on: str
    ) -> Report:
        """Add the paper's table and the worst mistakes, where they are asked for."""
        if extras.paper_table:
            rows = paper_rows(analysis.scores, self.options, validation=analysis.validation)
            table = paper_table(rows, model=name, data=on, modality=one_light(analysis.scores))
            report = dataclasses.replace(report, paper_table=table)
        if extras.mistakes:
            with self.listener.task("drawing the worst mistakes"):
                worst = worst_mistakes(
                    network,
                    self.manifest,
                    analysis.scores,
                    report,
                    count=extras.mistakes,
                    with_crops=not self.scoring.without_crops and network.config.num_crops > 0,
                )
            report = dataclasses.replace(report, mistakes=tuple(worst))
        return report

    def _scored(self, network: LAG, split: str | None, crops: bool) -> Scores:
        what = f"frames{f' of {split}' if split else ''}{'' if crops else ', without crops'}"
        with self.listener.task(what, len(self.manifest.where(split=split))) as advance:
            return score(
                network if crops else network.without_crops(),
                self.manifest,
                split=split,
                batch_size=self.scoring.batch_size,
                workers=self.scoring.workers,
                fuse=self.scoring.fuse,
                precision=self.scoring.precision,
                skip_unreadable=self.scoring.skip_unreadable,
                progress=lambda: advance(1),
            )


def _changed(changes: Mapping[str, Any], *parts: Any) -> tuple[Any, ...]:
    """The options with other values of some fields, each in the part that has it."""
    known = {f.name: number for number, part in enumerate(parts) for f in dataclasses.fields(part)}
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise InvalidConfigError(f"no option {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return tuple(
        dataclasses.replace(part, **{name: v for name, v in changes.items() if known[name] == number})
        for number, part in enumerate(parts)
    )


def _require_possible(
    options: EvaluationOptions, scoring: Scoring, extras: Extras, manifest: Manifest, split: str | None
) -> None:
    """Refuse now what could not be reported after an hour of scoring."""
    if extras.paper_table:
        paper_tasks(manifest.label_names)
    if extras.mistakes and options.level != "frame":
        raise InvalidConfigError("mistakes are frames: they need level frame")
    if scoring.without_crops and options.operating_point == STORED:
        raise InvalidConfigError(
            "what is stored was chosen for the network with its crops: without them say a probability, or a rule "
            "(youden, sens>=0.95)"
        )
    others = "val" in manifest.splits and split not in (None, "val")
    if options.uses_rule and not options.apparent and not others:
        raise InvalidConfigError(
            f"{options.operating_point} needs frames to choose a threshold on that are not the ones reported: a split "
            "val, or --apparent to choose it on these, which the report then says"
        )
    if extras.baselines and "train" not in manifest.splits:
        raise InvalidConfigError(f"baselines are fitted on a split train, and {manifest.source} has none")
    require_level(options, manifest, split)


def require_level(options: EvaluationOptions, manifest: Manifest, split: str | None = None) -> None:
    """Refuse a level that the data do not name.

    Raises:
        InvalidConfigError: frames without an examination or a patient.
    """
    level = options.level
    if level == "frame":
        return
    if not all(getattr(frame, level) for frame in manifest.where(split=split).frames):
        raise InvalidConfigError(
            f"--level {level} needs every frame's {level}: {manifest.source} is grouped by "
            f"{manifest.grouping or 'nothing'} (--column case_id={level} says which column it is)"
        )


def _network(place: Model, manifest: Manifest, scoring: Scoring) -> LAG:
    network = (
        place
        if isinstance(place, LAG)
        else create_model(place_of(place), pretrained=True, device=scoring.device)
    )
    lacking = set(manifest.label_names) - set(network.label_names or manifest.label_names)
    if lacking:
        raise DataError(
            f"the labels of {_named(place, False)} are {', '.join(network.label_names or ())}, and {manifest.source} "
            f"has {', '.join(manifest.label_names)}: rename them in the data, or train on yours (lag-zoo train "
            f"finetune DATA --model {_named(place, False)})"
        )
    return network


def place_of(place: str | os.PathLike[str]) -> str:
    """Return a name or a place as it is, and a path as the folder that it is."""
    return place if isinstance(place, str) else f"local-dir:{os.fspath(place)}"


def _named(place: Model, without_crops: bool) -> str:
    name = str(place.pretrained_cfg["architecture"]) if isinstance(place, LAG) else os.fspath(place)
    return f"{name}, without crops" if without_crops else name


def describe_evaluation(
    model: str | None, data: str, split: str | None, options: EvaluationOptions, **more: Any
) -> dict[str, Any]:
    """Describe an evaluation for `report.json`: model, data, options, version and date, and whatever else is given."""
    from lag_zoo import __version__

    return {
        "model": model,
        "data": data,
        "split": split,
        **dataclasses.asdict(options),
        **more,
        "lag_zoo": __version__,
        "date": datetime.date.today().isoformat(),
    }


def _of_network(network: LAG, scoring: Scoring) -> dict[str, Any]:
    """The weights that were evaluated, and the way they were run."""
    origin = network.load_report if is_as_loaded(network) else None
    weights = {} if origin is None else {"weights": origin.source, "weights_sha256": origin.sha256}
    how = {name: getattr(scoring, name) for name in ("skip_unreadable", "precision", "without_crops")}
    return {**weights, **how}
