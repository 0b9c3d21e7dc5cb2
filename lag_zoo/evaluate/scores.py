"""Scores: the logits of n frames, beside the frames' truth, the network's calibration, and the flow of frames."""

import csv
import dataclasses
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate.units import Grouping, Level, Units, frames_as_units, pooled_units
from lag_zoo.files import csv_writer, write_whole
from lag_zoo.inert import from_spreadsheet
from lag_zoo.metrics.pooling import Pooling
from lag_zoo.specs import Task
from lag_zoo.tasks import TaskRules, rules_of, thresholds_of

SUBGROUPS = ("anatomy", "device", "modality", "centre", "sex", "age_band", "fold")
"""Columns whose values make subgroups."""

IN_TRAINING_DATA = "in_training_data"
"""A column: `yes` where the weights, or those that they were made from, were trained on the frame or chosen by it."""

COLUMNS = (*SUBGROUPS, "exam", IN_TRAINING_DATA)
_ABOUT = ".json"
_TABLE = "table_sha256"


@dataclass(frozen=True, kw_only=True)
class FrameTable:
    """n frames and their truth.

    Attributes:
        images: names of the frames, as their manifest has them.
        targets: (n,) numbers of exclusive labels, or (n, C) of 0, 1 and -1 (unknown); see `lag_zoo.tasks`.
        groups: (n,) the patient or examination of each frame; without a `grouping` each frame is its own.
        grouping: patient or exam; `None`: not known, and frames are taken as independent.
        columns: values (n,) of anatomy, device, modality, centre, sex, age_band and exam, where the data have them; and
            of `in_training_data`.
        fold: (n,) the split or fold of each frame.
    """

    images: tuple[str, ...]
    targets: np.ndarray
    groups: np.ndarray
    grouping: Grouping | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fold: tuple[str, ...] = ()

    __repr__ = brief

    def __post_init__(self) -> None:
        n = len(self.images)
        lengths = {"targets": len(self.targets), "groups": len(self.groups)}
        lengths |= {name: len(values) for name, values in self.columns.items()}
        if self.fold:
            lengths["fold"] = len(self.fold)
        wrong = {name: length for name, length in lengths.items() if length != n}
        if wrong:
            raise InvalidConfigError(f"{n} images need a value each; got {wrong}")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, places: np.ndarray) -> "FrameTable":
        """Return some of these frames, by their places (k,), in this order."""
        return FrameTable(
            images=tuple(self.images[i] for i in places),
            targets=self.targets[places],
            groups=self.groups[places],
            grouping=self.grouping,
            columns={name: tuple(values[i] for i in places) for name, values in self.columns.items()},
            fold=tuple(self.fold[i] for i in places) if self.fold else (),
        )

    def join(self, others: Sequence["FrameTable"]) -> "FrameTable":
        """Return these frames and others as one table.

        Raises:
            InvalidConfigError: a frame stands in two of them, or they are grouped by different things.
        """
        every = [self, *others]
        images = tuple(image for table in every for image in table.images)
        if len(set(images)) < len(images):
            raise InvalidConfigError("a frame is scored twice: only scores of different frames can be joined")
        groupings = {table.grouping for table in every}
        if len(groupings) > 1:
            raise InvalidConfigError(
                f"the scores are grouped by {' and '.join(sorted(map(str, groupings)))}: join those that are grouped "
                "alike"
            )
        names = dict.fromkeys(name for table in every for name in table.columns)
        return FrameTable(
            images=images,
            targets=np.concatenate([table.targets for table in every]),
            groups=np.concatenate([table.groups for table in every]),
            grouping=self.grouping,
            columns={
                name: tuple(v for t in every for v in t.columns.get(name, ("",) * len(t))) for name in names
            },
            fold=tuple(part for t in every for part in (t.fold or ("",) * len(t)))
            if any(t.fold for t in every)
            else (),
        )

    def units(self, level: Level) -> np.ndarray:
        """Return the name of each frame's examination or patient (n,); an examination is one within its patient.

        Raises:
            InvalidConfigError: the data do not name them.
        """
        if level == "frame":
            return np.arange(len(self))
        if level == self.grouping:
            return self.groups
        exams = np.array(self.columns.get("exam", ()))
        if level == "patient" or not exams.size or not (exams != "").all():
            raise InvalidConfigError(
                f"the data do not name every frame's {level}; they are grouped by {self.grouping or 'nothing'}"
            )
        return np.array([f"{patient}\0{exam}" for patient, exam in zip(self.groups, exams, strict=True)])


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The temperature and the operating points that come with a network, from other data than the frames scored.

    Attributes:
        temperature: by which logits are divided.
        operating_points: the threshold of each label that has one.
        thresholds: (n, C) operating points that differ from frame to frame, those of the fold that a frame was scored
            in; NaN where a label has none. They go before `operating_points`.
    """

    temperature: float = 1.0
    operating_points: Mapping[str, float] = field(default_factory=dict)
    thresholds: np.ndarray | None = None

    __repr__ = brief


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The way of the frames into the analysis: found, excluded, unreadable.

    Attributes:
        found: frames in the split; `found_groups`: patients or examinations among them, `None` where not known.
        excluded: frames that were left out, also before there was a split; `reasons`: why, with counts.
        references: the reference standards of the labels, with counts.
        skipped: frames that could not be read, with their truth.
    """

    found: int = 0
    found_groups: int | None = None
    excluded: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, int] = field(default_factory=dict)
    skipped: FrameTable | None = None

    __repr__ = brief

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The names of the frames that could not be read."""
        return () if self.skipped is None else self.skipped.images

    def join(self, others: Sequence["Flow"]) -> "Flow":
        """Return the flows of different frames as one."""
        every = [self, *others]
        groups = [flow.found_groups for flow in every if flow.found_groups is not None]
        lost = [flow.skipped for flow in every if flow.skipped is not None]
        return Flow(
            found=sum(flow.found for flow in every),
            found_groups=sum(groups) if len(groups) == len(every) else None,
            excluded=sum(flow.excluded for flow in every),
            reasons=dict(sum((Counter(flow.reasons) for flow in every), Counter())),
            references=dict(sum((Counter(flow.references) for flow in every), Counter())),
            skipped=lost[0].join(lost[1:]) if lost else None,
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Logits of n frames.

    Attributes:
        label_names: of the C outputs.
        task: the meaning of the outputs, see `lag_zoo.tasks`.
        logits: (n, C) float64.
        frames: the frame table: names, truth, groups.
        calibration: temperature and operating points of the network.
        flow: how many frames were found, excluded and unreadable.
        calls_only: the logits stand for calls (a reader's, or those of a system without probabilities): there is
            nothing to rank or calibrate.
        given: (n, C) probabilities that came without logits, which are kept as they are: logits made of them would part
            equal ones by rounding. `None`: those of the logits.

    >>> scores = Scores.from_arrays([[2.0, 0.0], [0.0, 1.0]], [0, 1], label_names=["normal", "IM"])
    >>> scores.probabilities.round(2).tolist()
    [[0.88, 0.12], [0.27, 0.73]]
    """

    label_names: tuple[str, ...]
    task: Task
    logits: np.ndarray
    frames: FrameTable
    calibration: Calibration = Calibration()
    flow: Flow = Flow()
    calls_only: bool = False
    given: np.ndarray | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        expected = (len(self.frames), len(self.label_names))
        arrays = {"logits": self.logits, "thresholds": self.calibration.thresholds, "given": self.given}
        shapes = {name: array.shape for name, array in arrays.items() if array is not None}
        if set(shapes.values()) != {expected}:
            raise InvalidConfigError(
                f"{expected[0]} frames and {expected[1]} labels need arrays of that shape; got {shapes}"
            )
        rules_of(self.task)

    @classmethod
    def from_arrays(
        cls,
        logits: Any,
        targets: Any,
        *,
        label_names: Sequence[str],
        task: Task = "multiclass",
        images: Sequence[str] | None = None,
        groups: Sequence[Any] | np.ndarray | None = None,
        grouping: Grouping | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        fold: Sequence[str] = (),
        calibration: Calibration = Calibration(),
        flow: Flow | None = None,
    ) -> "Scores":
        """Make scores of plain arrays.

        Args:
            logits: (n, C).
            targets: (n,) numbers of exclusive labels, or (n, C) of 0, 1 and -1 (unknown).
            label_names: of the C outputs.
            task: the meaning of the outputs.
            images: names of the frames; by default their numbers.
            groups: (n,) the patient or examination of each frame, and `grouping` which of them; `None`: not known.
            columns: values (n,) by name, see `FrameTable`.
            fold: (n,) split or fold of each frame.
            calibration: temperature and operating points.
            flow: by default all frames were found.

        Raises:
            InvalidConfigError: arrays that do not fit each other.
        """
        logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
        n = len(logits)
        grouping = (grouping or "patient") if groups is not None else None
        frames = FrameTable(
            images=tuple(map(str, range(n))) if images is None else tuple(images),
            targets=targets,
            groups=np.arange(n).astype(str) if groups is None else np.asarray(groups).astype(str),
            grouping=grouping,
            columns={name: tuple(values) for name, values in (columns or {}).items()},
            fold=tuple(fold),
        )
        count = len(np.unique(frames.groups)) if grouping else None
        return cls(
            label_names=tuple(label_names),
            task=task,
            logits=logits,
            frames=frames,
            calibration=calibration,
            flow=Flow(found=n, found_groups=count) if flow is None else flow,
        )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def rules(self) -> TaskRules:
        """The rules of the task."""
        return rules_of(self.task)

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (n, C): those that were given, else those of the logits at the network's temperature."""
        if self.given is not None:
            return self.given
        return self.rules.probabilities(self.logits / self.calibration.temperature)

    def at(self, level: Level, pooling: Pooling = "maximum", *, positive: str | None = None) -> Units:
        """Return these scores by frame, examination or patient: what every later step counts.

        Args:
            level: frame, exam or patient.
            pooling: how the probabilities of the frames become one; frames are not pooled.
            positive: of two exclusive labels the one that an examination has if any frame has it; `None`: as in
                `EvaluationOptions`.

        Raises:
            InvalidConfigError: a level that the data do not name, a pooling that there is not, or a positive label that
                is none.
        """
        if level == "frame":
            return frames_as_units(self, positive)
        return pooled_units(self, level, pooling, positive)

    def take(self, places: np.ndarray) -> "Scores":
        """Return the scores of some frames, by their places (k,), in this order."""
        limits = self.calibration.thresholds
        return dataclasses.replace(
            self,
            logits=self.logits[places],
            given=None if self.given is None else self.given[places],
            frames=self.frames.take(places),
            calibration=dataclasses.replace(
                self.calibration, thresholds=None if limits is None else limits[places]
            ),
        )

    def with_label_order(self, label_names: Sequence[str]) -> "Scores":
        """Return the same scores with the labels in another order.

        Raises:
            InvalidConfigError: other labels, or another order of grades.
        """
        if self.rules.ordered and tuple(label_names) != self.label_names:
            raise InvalidConfigError(
                f"the grades are {', '.join(self.label_names)}, from the lowest on, and {', '.join(label_names)} are "
                "asked for: say one order for all (--labels)"
            )
        if set(label_names) != set(self.label_names):
            raise InvalidConfigError(
                f"the scores are of {', '.join(self.label_names)}; {', '.join(label_names)} are asked for"
            )
        places = [self.label_names.index(name) for name in label_names]
        limits = self.calibration.thresholds
        return dataclasses.replace(
            self,
            label_names=tuple(label_names),
            logits=self.logits[:, places],
            given=None if self.given is None else self.given[:, places],
            frames=dataclasses.replace(
                self.frames, targets=self.rules.reordered(self.frames.targets, places)
            ),
            calibration=dataclasses.replace(
                self.calibration, thresholds=None if limits is None else limits[:, places]
            ),
        )

    def join(self, others: Sequence["Scores"]) -> "Scores":
        """Return these scores and those of other frames as one: the folds of a cross-validation.

        Where temperatures or operating points differ, logits are divided by their own temperature, and each frame keeps
        its own operating points: every probability and every call stays as it is.

        Raises:
            InvalidConfigError: a frame is scored twice, or the scores are of other labels or another task.
        """
        every = [self, *others]
        if any(
            (s.label_names, s.task, s.calls_only) != (self.label_names, self.task, self.calls_only)
            for s in every
        ):
            raise InvalidConfigError("the scores are of different labels, or of different tasks")
        same = all(_alike(s.calibration, self.calibration) for s in others)
        calibration = self.calibration if same else Calibration(thresholds=_each_own_limits(every))
        return dataclasses.replace(
            self,
            logits=np.concatenate(
                [s.logits if same else s.logits / s.calibration.temperature for s in every]
            ),
            given=None
            if all(s.given is None for s in every)
            else np.concatenate([s.probabilities for s in every]),
            frames=self.frames.join([s.frames for s in others]),
            calibration=calibration,
            flow=self.flow.join([s.flow for s in others]),
        )

    def write(self, path: str | os.PathLike[str], *, seed: int | None = None) -> None:
        """Write a CSV file, one line a frame, and beside it FILE.json with the rest and the table's SHA-256.

        Each is written whole or not at all, and `read` refuses a table with the rest of another one.

        The table has image, group, fold, seed, the columns, targets, thresholds, logits, and probabilities that were
        given.
        """
        path = Path(path)
        frames, limits = self.frames, self.calibration.thresholds
        targets = frames.targets.reshape(len(self), -1)
        header = ["image", frames.grouping or "frame", "fold", "seed", *_own_columns(frames)]
        header += self.rules.target_columns(self.label_names)
        header += [] if limits is None else [f"threshold:{name}" for name in self.label_names]
        header += [f"logit:{name}" for name in self.label_names]
        header += [] if self.given is None else [f"probability:{name}" for name in self.label_names]
        text = io.StringIO(newline="")
        writer = csv_writer(text)
        writer.writerow(header)
        for i, image in enumerate(frames.images):
            own = [] if limits is None else limits[i]
            given = [] if self.given is None else self.given[i]
            numbers = (repr(float(x)) for x in (*own, *self.logits[i], *given))
            known = [
                image,
                frames.groups[i],
                frames.fold[i] if frames.fold else "",
                "" if seed is None else seed,
            ]
            cells = (frames.columns[name][i] for name in _own_columns(frames))
            writer.writerow([*known, *cells, *targets[i], *numbers])
        # The table comes last: where it is there, so is the rest. Its digest tells whether the two are of one writing.
        about = {_TABLE: hashlib.sha256(text.getvalue().encode()).hexdigest(), **self._about()}
        write_whole(path.with_name(path.name + _ABOUT), json.dumps(about, indent=2) + "\n")
        write_whole(path, text.getvalue())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Scores":
        """Return the scores that `write` wrote.

        Raises:
            DataError: no such files, or others.
        """
        path = Path(path)
        try:
            about = json.loads(path.with_name(path.name + _ABOUT).read_text(encoding="utf-8"))
            table = path.read_bytes()
            if about.get(_TABLE) not in (
                None,
                hashlib.sha256(table).hexdigest(),
            ):  # `None`: of an older lag_zoo
                raise ValueError("the two are not of one writing, or the table was changed")
            lines = csv.reader(io.StringIO(table.decode("utf-8"), newline=""))
            header, *rows = [list(map(from_spreadsheet, row)) for row in lines]
            names = tuple(about["label_names"])
            rules = rules_of(about["task"])

            def numbers(columns: Sequence[str]) -> np.ndarray:
                places = [header.index(name) for name in columns]
                return np.array([[float(row[i]) for i in places] for row in rows]).reshape(
                    len(rows), len(places)
                )

            targets = numbers(rules.target_columns(names)).astype(int)
            limited, given = (f"{what}:{names[0]}" in header for what in ("threshold", "probability"))
            own = [*about["columns"]] + ([about["grouping"]] if about["grouping"] == "exam" else [])
            frames = FrameTable(
                images=tuple(row[0] for row in rows),
                targets=rules.of_manifest(targets),
                groups=np.array([row[1] for row in rows]),
                grouping=about["grouping"],
                columns={name: tuple(row[header.index(name)] for row in rows) for name in own},
                fold=tuple(row[2] for row in rows) if any(row[2] for row in rows) else (),
            )
            return cls(
                label_names=names,
                task=about["task"],
                logits=numbers([f"logit:{name}" for name in names]),
                frames=frames,
                calibration=Calibration(
                    temperature=about["temperature"],
                    operating_points=about["operating_points"],
                    thresholds=numbers([f"threshold:{name}" for name in names]) if limited else None,
                ),
                flow=_flow_from(about["flow"]),
                calls_only=about["calls_only"],
                given=numbers([f"probability:{name}" for name in names]) if given else None,
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} and {path.name}{_ABOUT} hold no scores that this lag_zoo wrote ({error}); keep the two files "
                "together"
            ) from error

    def _about(self) -> dict[str, Any]:
        flow = dataclasses.asdict(dataclasses.replace(self.flow, skipped=None))
        return {
            "label_names": list(self.label_names),
            "task": self.task,
            "grouping": self.frames.grouping,
            "columns": _own_columns(self.frames),
            "temperature": self.calibration.temperature,
            "operating_points": dict(self.calibration.operating_points),
            "calls_only": self.calls_only,
            "flow": {**flow, "skipped": None if self.flow.skipped is None else _plain(self.flow.skipped)},
        }


def counted(values: Iterable[str]) -> dict[str, int]:
    """Count each value, the most frequent first; empty ones do not count.

    >>> counted(["blurred", "", "no consent", "blurred"])
    {'blurred': 2, 'no consent': 1}
    """
    return dict(Counter(value for value in values if value).most_common())


def _own_columns(frames: FrameTable) -> list[str]:
    """The columns that are written, but for the one that the groups are."""
    return [name for name in frames.columns if name != frames.grouping]


def _alike(one: Calibration, other: Calibration) -> bool:
    same = (one.temperature, dict(one.operating_points)) == (other.temperature, dict(other.operating_points))
    return same and one.thresholds is None and other.thresholds is None


def _each_own_limits(every: Sequence[Scores]) -> np.ndarray | None:
    """The thresholds of every frame (n, C); `None` where no network has any."""
    limits = [
        np.tile(thresholds_of(s.calibration.operating_points, s.label_names), (len(s), 1))
        if s.calibration.thresholds is None
        else s.calibration.thresholds
        for s in every
    ]
    found = np.concatenate(limits)
    return None if np.isnan(found).all() else found


def _plain(table: FrameTable) -> dict[str, Any]:
    return {
        "images": list(table.images),
        "targets": table.targets.tolist(),
        "groups": table.groups.tolist(),
        "grouping": table.grouping,
        "columns": {name: list(values) for name, values in table.columns.items()},
        "fold": list(table.fold),
    }


def _flow_from(about: Mapping[str, Any]) -> Flow:
    skipped = about["skipped"]
    if skipped is not None:
        skipped = FrameTable(
            images=tuple(skipped["images"]),
            targets=np.array(skipped["targets"], dtype=int),
            groups=np.array(skipped["groups"], dtype=str),
            grouping=skipped["grouping"],
            columns={name: tuple(values) for name, values in skipped["columns"].items()},
            fold=tuple(skipped["fold"]),
        )
    return Flow(**{**about, "skipped": skipped})
