"""`lag-zoo train exam DATA`: a head that answers for examinations or patients, on a frozen frame network."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.cli.data_commands import opened
from lag_zoo.cli.places import as_place
from lag_zoo.cli.report_options import Level
from lag_zoo.cli.screen import Screen
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import plain_table
from lag_zoo.errors import InvalidConfigError, did_you_mean
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from lag_zoo.specs import Task
    from lag_zoo.training.exam_recipe import ExamRecipe
    from lag_zoo.training.exam_run import Measured

EXAM = "exam"
"""The word in the place of a recipe's name."""


def train_exam_head(
    data: Path,
    output: Path,
    *,
    model: str | None,
    level: Level,
    any_frame: bool,
    changes: Sequence[str],
    skip_unreadable: bool,
    allow_near_copies: bool,
    cache: Path | None,
    device: str,
    quiet: bool,
    columns: list[str] | None,
    labels: str | None,
    task: "Task | None",
) -> None:
    """Train a head and show what it is worth beside the plain rules.

    Raises:
        InvalidConfigError: examinations of one frame, a key that there is not, or a value that it cannot have.
    """
    if level is Level.FRAME:
        raise InvalidConfigError(
            "a head answers for examinations or patients: say --level exam or --level patient"
        )
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.training.exam_run import BEST, train_exam

        recipe = _changed(changes, model)
        manifest = opened(data, columns, labels, task=task)
    _, measured = train_exam(
        manifest,
        output,
        recipe=recipe,
        level="exam" if level is Level.EXAM else "patient",
        any_frame=any_frame,
        device=device,
        cache=cache,
        skip_unreadable=skip_unreadable,
        allow_near_copies=allow_near_copies,
        listener=screen,
    )
    _show(measured)
    echo(f"its network: {output / BEST}. {NOT_A_MEDICAL_DEVICE}")
    echo(
        f"next: {shlex.join(['lag-zoo', 'predict', 'FRAMES.csv', '--by', level, '--model', str(output / BEST)])}"
    )


def _changed(changes: Sequence[str], model: str | None) -> "ExamRecipe":
    """The recipe with the keys of `--set`."""
    from lag_zoo.training.exam_recipe import ExamRecipe
    from lag_zoo.yaml_text import read_yaml

    values: dict[str, Any] = {} if model is None else {"model": as_place(model)}
    known = list(ExamRecipe().to_dict())
    for text in changes:
        key, mark, value = text.partition("=")
        key = key.strip()
        if not mark or key not in known:
            raise InvalidConfigError(
                f"--set {text}: say key=value; keys of the recipe exam are {', '.join(known)}."
                f"{did_you_mean(key, known)}"
            )
        if key in values:
            raise InvalidConfigError(f"--set {key} and --{key} both say it, or it is said twice: say it once")
        values[key] = as_place(value) if key == "model" else read_yaml(value, where=f"--set {text}")
    return ExamRecipe.from_dict(values)


def _show(measured: "Sequence[Measured]") -> None:
    """The table of areas, a row a way to answer; val has chosen the epoch."""
    splits = list(dict.fromkeys(one.split for one in measured))
    several = len({one.label for one in measured}) > 1
    table = plain_table()
    table.add_column("AUROC of", overflow="fold")
    for split in splits:
        table.add_column(split if split != "val" else "val (chose the epoch)", justify="right")
    rows: dict[str, dict[str, str]] = {}
    for one in measured:
        name = f"{one.name}, {in_a_line(one.label)}" if several else one.name
        area = one.auroc
        rows.setdefault(name, {})[one.split] = (
            f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f}; n {area.n})"
        )
    for name, cells in rows.items():
        table.add_row(name, *(cells.get(split, "") for split in splits))
    console().print(table)
