"""`lag-zoo data`: what a data set is, whose frames they are, who sees which, read once, taken from DICOM."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from lag_zoo.cli.import_command import import_
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import complain, console, echo
from lag_zoo.cli.tables import plain_table
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lag_zoo.data.checks import DataReport
    from lag_zoo.data.manifest import Column, Manifest
    from lag_zoo.sketches import Sketch
    from lag_zoo.specs import Task

data = typer.Typer(
    help="Look through frames, group them by examination, split them by group.", no_args_is_help=True
)

Source = Annotated[
    Path, typer.Argument(help="A folder with one folder a label, or a manifest (.csv, .parquet).")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Which column is which, as case_id=patient; may be given again."),
]
Labels = Annotated[
    str | None, typer.Option(help="The labels, by commas: their order, or which columns they are.")
]
AllowNearCopies = Annotated[
    bool,
    typer.Option("--allow-near-copies", help="Only warn of near-copies in more than one part."),
]
TaskOption = Annotated[
    Literal["ordinal"] | None,
    typer.Option("--task", help="ordinal: the labels are grades, by --labels from the lowest on."),
]
Output = Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The manifest to write.")]
_SHOWN = 5


class By(StrEnum):
    """The file property that separates examinations."""

    TIME = "exif-time"
    PATTERN = "regex"
    COLUMN = "column"


data.command("import")(import_)


@data.command()
def check(
    source: Source,
    column: Columns = None,
    labels: Labels = None,
    task: TaskOption = None,
    json_: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Write the whole report to this file.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Read every image once and say what there is. Exit code 1: something must be mended before training."""
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.data.checks import check_data
    manifest = _announced(screen, source, column, labels, cohort=True, task=task)
    with screen.task("images", len(manifest)) as advance:
        report = check_data(manifest, progress=lambda: advance(1))
    _show(report)  # first: reading took long, and the disk may be full
    if json_ is not None:
        json_.parent.mkdir(parents=True, exist_ok=True)
        write_whole(json_, json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n")
    if report.errors:
        raise typer.Exit(1)


@data.command()
def group(
    source: Source,
    output: Output,
    by: Annotated[
        By, typer.Option(help="EXIF times split at a gap, a pattern in the path, or a column.")
    ] = By.TIME,
    gap: Annotated[
        float, typer.Option(min=0.1, help="Minutes without a frame that end an examination.")
    ] = 30.0,
    pattern: Annotated[
        str | None,
        typer.Option(help="A regular expression; its group (or the one named exam) tells them apart."),
    ] = None,
    column: Columns = None,
    labels: Labels = None,
    quiet: Quiet = False,
) -> None:
    """Infer examinations and write a manifest with the column exam."""
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.data.exams import exams_by_pattern, exams_by_time
        from lag_zoo.data.tables import write_manifest
    manifest = _announced(screen, source, column, labels)
    if by is By.COLUMN:
        if manifest.grouping is None:
            raise InvalidConfigError(f"{source} names no exam: say which column it is, --column case_id=exam")
        names = list(manifest.groups())
    elif by is By.PATTERN:
        if pattern is None:
            raise InvalidConfigError("--by regex needs --pattern, for example --pattern '(case[0-9]+)'")
        names = exams_by_pattern(manifest.paths(), pattern)
    else:
        with screen.task("times in the files"):
            names = exams_by_time(manifest.paths(), gap_minutes=gap)
    write_manifest(manifest.with_column("exam", names), output)
    echo(f"{output}: {len(manifest)} frames of {len(set(names))} examinations")


@data.command()
def split(
    source: Source,
    output: Output,
    val: Annotated[float, typer.Option(help="The share of frames to validate on.")] = 0.15,
    test: Annotated[float, typer.Option(help="The share of frames to test on.")] = 0.15,
    folds: Annotated[int, typer.Option(min=0, help="So many folds instead of train, val and test.")] = 0,
    by: Annotated[
        Literal["centre"] | None, typer.Option("--by", help="centre: a part for each hospital instead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another split.")] = 0,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Read every frame, to keep near-copies together.")
    ] = True,
    allow_near_copies: AllowNearCopies = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another split that is in the output already.")
    ] = False,
    column: Columns = None,
    labels: Labels = None,
    task: TaskOption = None,
    quiet: Quiet = False,
) -> None:
    """Split by patient, else examination, near-copies kept together, and write a manifest with the column split."""
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.data import splits
        from lag_zoo.data.near_copies import near_copies, require_no_copies_across, sketch_frames
        from lag_zoo.data.tables import write_manifest
    manifest = _announced(screen, source, column, labels, task=task)
    copies: list[tuple[int, ...]] = []
    if look:
        with screen.task("looking for near-copies", len(manifest)) as advance:
            sketches = sketch_frames(manifest, progress=lambda: advance(1))
            copies = near_copies(sketches)
        _tell_copies(manifest, sketches, copies, together=by is None)
    with screen.task("dealing the groups"):
        parts = (
            splits.by_column(manifest, by)
            if by
            else splits.folds(manifest, folds, seed=seed, together=copies)
            if folds
            else splits.split(manifest, val=val, test=test, seed=seed, together=copies)
        )
    require_no_copies_across(parts, copies, allow=allow_near_copies)
    if not overwrite:
        _require_same_split(parts, output)
    write_manifest(parts, output)
    table = plain_table()
    for name in ("split", "frames", parts.grouping or "frame", *parts.label_names):
        table.add_column(name, justify="left" if name == "split" else "right")
    for name in parts.splits:
        part = parts.where(split=name)
        counts = part.label_counts().values()
        table.add_row(name, str(len(part)), str(len(set(part.groups()))), *map(str, counts))
    console().print(table)
    echo(f"written: {output}")


@data.command()
def cache(
    source: Source,
    folder: Annotated[Path, typer.Argument(help="The cache: a new folder, or one to go on with.")],
    global_size: Annotated[int, typer.Option(min=16, help="Pixels on a side of the network's view.")] = 224,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Count frames that cannot be read, and leave them out.")
    ] = False,
    column: Columns = None,
    labels: Labels = None,
    quiet: Quiet = False,
) -> None:
    """Decode every frame once, for `lag-zoo train --cache FOLDER`; stopped, it goes on. Guard it like the frames."""
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.data.cache import build_cache
    manifest = _announced(screen, source, column, labels).where()
    with screen.task("frames", len(manifest)) as advance:
        built = build_cache(
            manifest.paths(),
            folder,
            global_size=global_size,
            skip_unreadable=skip_unreadable,
            progress=lambda: advance(1),
        )
    echo(f"{folder}: {len(built)} frames, {len(built.skipped)} unreadable")


def _tell_copies(
    manifest: "Manifest",
    sketches: "Sequence[Sketch | None]",
    copies: "Sequence[tuple[int, ...]]",
    *,
    together: bool,
) -> None:
    """Says on standard error what near-copies join, and how many frames could not be looked at."""
    groups = manifest.groups()
    joining = [places for places in copies if len({groups[place] for place in places}) > 1]
    if joining and together:
        first = " = ".join(manifest.frames[place].image for place in joining[0])
        complain(
            f"{len(joining)} groups of near-copies join {manifest.grouping or 'frame'}s, which stay together; "
            f"the first: {first}"
        )
    used = sum(not frame.excluded for frame in manifest.frames)
    if unread := used - sum(found is not None for found in sketches):
        complain(f"{unread} of {used} frames cannot be read, and were not compared (lag-zoo data check)")


def opened(
    source: Path,
    columns: list[str] | None,
    labels: str | None,
    *,
    cohort: bool = False,
    task: "Task | None" = None,
) -> "Manifest":
    """The data behind a command's arguments; `cohort` and `task` as in `open_data`."""
    from lag_zoo.data.sources import open_data

    return open_data(source, columns=renamed(columns), labels=named(labels), cohort=cohort, task=task)


def renamed(columns: list[str] | None) -> dict[str, "Column"]:
    """Read the texts of `--column`: the meaning of each named column."""
    from lag_zoo.data.manifest import Column

    found: dict[str, Column] = {}
    for text in columns or ():
        old, mark, new = text.partition("=")
        if not mark or new not in (*get_args(Column), "image", "label"):
            raise InvalidConfigError(
                f"--column {text}: say which column is which, as case_id=patient; a manifest's columns are image, "
                f"label, {', '.join(get_args(Column))}"
            )
        found[old] = cast("Column", new)
    return found


def named(names: str | None) -> list[str] | None:
    """The names that stand in a text by commas."""
    return [name.strip() for name in names.split(",")] if names else None


def _require_same_split(parts: "Manifest", output: Path) -> None:
    """Refuses to replace another split: runs may have been trained on it, and their test frames would change."""
    if not output.exists():
        return
    from lag_zoo.data.tables import read_manifest

    dealt = {parts.path(frame).resolve(): frame.split for frame in parts.frames}
    try:
        before = read_manifest(output)
        there = {before.path(frame).resolve(): frame.split for frame in before.frames}
        # The manifest itself, not split yet, may be its own output.
        same = {path: name or dealt.get(path) for path, name in there.items()} == dealt
    except DataError:
        same = False
    if not same:
        raise InvalidConfigError(
            f"{output} is there already and is another split, or no split: a run may have been trained on it. Name "
            "another file, or say --overwrite"
        )


def _announced(
    screen: Screen,
    source: Path,
    column: list[str] | None,
    labels: str | None,
    *,
    cohort: bool = False,
    task: "Task | None" = None,
) -> "Manifest":
    """The data behind a command's arguments, with a header of what there is; the rest as in `open_data`."""
    from lag_zoo.data.facts import data_facts

    with screen.task(f"reading {source}"):
        manifest = opened(source, column, labels, cohort=cohort, task=task)
    screen.begin(data_facts(manifest))
    return manifest


def _show(report: "DataReport") -> None:
    out = console()
    grouping = report.grouping or (
        "none: no column patient or exam, so a split may put frames of one patient on both sides, and what is measured "
        "will be too good (--column case_id=patient says which column it is; lag-zoo data group infers examinations)"
    )
    out.print(f"{report.source}: {report.frames} frames, {report.excluded} excluded; grouping: {grouping}\n")
    table = plain_table()
    splits = list(report.labels[0].splits)
    unknown = any(row.unknown for row in report.labels)
    groups = ["groups"] if report.grouping else []
    for name in ("label", "frames", *(["unknown"] if unknown else []), *groups, *splits):
        table.add_column(name, justify="left" if name == "label" else "right")
    for row in report.labels:
        counts = (
            row.frames,
            *([row.unknown] if unknown else []),
            *([row.groups] if groups else []),
            *(row.splits[s] for s in splits),
        )
        table.add_row(row.label, *map(str, counts))
    out.print(table)
    sizes = [f"{size} ({count})" for size, count in report.sizes.items()]
    out.print()
    _list("sizes", sizes)
    _list("near-copies", [" = ".join(images) for images in (*report.same, *report.alike)])
    _list("near-copies with labels that differ", [" = ".join(images) for images in report.contradictory])
    if report.grouping:
        _list(
            f"near-copies of more than one {report.grouping}", [" = ".join(images) for images in report.torn]
        )
    _list("ids that differ only in their spelling", [" = ".join(ids) for ids in report.ids])
    _list(
        "examinations of more than one patient",
        [f"{exam}: {', '.join(whose)}" for exam, whose in report.shared_exams.items()],
    )
    _list(
        "frames that look like LCI and are named another light",
        [f"{i}: {t}, looks {s}" for i, _, t, s in report.modality],
    )
    if report.field:
        low, middle, high = report.field
        out.print(f"field of view: {low:.0%} to {high:.0%} of the frame, median {middle:.0%}")
    _list("no lit area", list(report.no_field))
    if report.masks:
        out.print("masks: " + ", ".join(f"{label} {count}" for label, count in report.masks.items()))
        _list("masks that say nothing (nothing is marked, or no label holds)", list(report.idle_masks))
    _list("errors", report.errors)


def _list(title: str, items: list[str]) -> None:
    shown = "; ".join(items[:_SHOWN]) if items else "none"
    more = f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    console().print(f"{title}: {len(items)}{f': {shown}{more}' if items else ''}")
