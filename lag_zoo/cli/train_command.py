"""`lag-zoo train RECIPE DATA`: a network trained on frames of one's own."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lag_zoo.cli.data_commands import AllowNearCopies, Columns, Labels, Source, TaskOption, opened
from lag_zoo.cli.exam_command import EXAM, train_exam_head
from lag_zoo.cli.places import as_place
from lag_zoo.cli.report_options import Level
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import DeviceOption, plain_table
from lag_zoo.distributed import is_first
from lag_zoo.errors import InvalidConfigError

if TYPE_CHECKING:
    from lag_zoo.training.finetuning import RecipeFields

BackboneWeights = Annotated[
    str | None,
    typer.Option(
        help="Weights of the backbone from elsewhere: a safetensors file, or hf-hub:org/repo[:file].",
    ),
]
_NOT_A_RESULT = (
    "These frames chose the epoch and the thresholds: the numbers help to choose, and are no test result."
)


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe that comes with lag_zoo (lag-zoo recipes), or a YAML file; `exam`: a head for examinations."
        ),
    ],
    data: Source,
    output: Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="The run's folder.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="In place of the recipe's: a name, a folder, hf-hub:org/repo. Own weights are kept."
        ),
    ] = None,
    backbone_weights: BackboneWeights = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, as epochs=10 or fields.num_crops=20; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    allow_near_copies: AllowNearCopies = False,
    cache: Annotated[
        Path | None, typer.Option(help="A folder for decoded frames; each epoch then reads them from there.")
    ] = None,
    device: DeviceOption = "auto",
    level: Annotated[
        Level | None, typer.Option(help="Of the recipe exam: what is answered for, exam or patient.")
    ] = None,
    any_frame: Annotated[
        bool,
        typer.Option(
            "--any-frame",
            help="Of the recipe exam: labels are of single frames, and an examination has one if any of them has.",
        ),
    ] = False,
    quiet: Quiet = False,
    column: Columns = None,
    labels: Labels = None,
    task: TaskOption = None,
) -> None:
    """Train on frames with a split (train, val). What comes out is for research; it is not a medical device.

    On several GPUs or machines, or CPUs with --device cpu: accelerate launch --multi_gpu -m lag_zoo.cli train ...
    """
    if recipe == EXAM:
        if resume or backbone_weights is not None:
            raise InvalidConfigError(
                "the recipe exam trains no backbone, and takes minutes: leave --resume and --backbone-weights out "
                "(--cache keeps the features of the frames)"
            )
        train_exam_head(
            data,
            output,
            model=model,
            level=level or Level.EXAM,
            any_frame=any_frame,
            changes=set_ or (),
            skip_unreadable=skip_unreadable,
            allow_near_copies=allow_near_copies,
            cache=cache,
            device=device,
            quiet=quiet,
            columns=column,
            labels=labels,
            task=task,
        )
        return
    if level is not None or any_frame:
        raise InvalidConfigError(f"--level and --any-frame go with the recipe {EXAM}, not with {recipe}")
    said = changed_keys(set_ or (), model=model, backbone_weights=backbone_weights)
    screen = Screen(quiet=quiet or not is_first())
    with screen.task("starting"):
        from lag_zoo.training import finetune, load_recipe

        chosen = load_recipe(recipe, changes=set_ or ())
        manifest = opened(data, column, labels, task=task)
    # Said in so many words, it holds for a model with weights of its own too.
    pinned: RecipeFields = {"pretrained": chosen.pretrained} if "pretrained" in said else {}
    if backbone_weights is not None:
        pinned["backbone_weights"] = backbone_weights
    try:
        finetune(
            None if model is None else as_place(model),
            manifest,
            output,
            recipe=chosen,
            resume=resume,
            skip_unreadable=skip_unreadable,
            allow_near_copies=allow_near_copies,
            device=device,
            cache=cache,
            listener=screen,
            **pinned,
        )
    except KeyboardInterrupt:
        if is_first():
            echo(f"stopped; {output} is whole, and --resume goes on", err=True)
        raise typer.Exit(130) from None
    if is_first():
        _show(output)
        echo(_next(output / "best", data, column, labels, tested="test" in manifest.splits))


def changed_keys(changes: Sequence[str], **options: str | None) -> set[str]:
    """Return the keys that `--set` changes.

    Raises:
        InvalidConfigError: one of them has an option of its own, which is given too.
    """
    keys = {change.partition("=")[0].strip() for change in changes}
    for key, value in options.items():
        if value is not None and key in keys:
            option, words = key.replace("_", "-"), key.replace("_", " ")
            raise InvalidConfigError(
                f"--{option} {value} and --set {key}=... both name the {words}: say one of them"
            )
    return keys


def _show(output: Path) -> None:
    """The table of results."""
    from lag_zoo.state import read_state
    from lag_zoo.training.run_folder import BEST, VALIDATION

    found = read_state(output / VALIDATION)
    table = plain_table(header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(found):
        table.add_row(name, text)
    table.add_row("its network", str(output / BEST))
    console().print(table)
    echo(_NOT_A_RESULT)


def _next(best: Path, data: Path, columns: list[str] | None, labels: str | None, *, tested: bool) -> str:
    """The command that comes next."""
    if not tested:
        return (
            f"next, on frames of other patients: lag-zoo evaluate {shlex.quote(str(best))} DATA --split all"
        )
    renamed = [part for column in columns or () for part in ("--column", column)]
    named = [] if labels is None else ["--labels", labels]
    rest = ["--operating-point", "stored", "-o", str(best.with_name("test"))]
    return f"next: {shlex.join(['lag-zoo', 'evaluate', str(best), str(data), *renamed, *named, *rest])}"


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    named = {"patient": "patients", "exam": "examinations"}.get(found["grouping"], "")
    groups = f" of {found['groups']} {named}" if found["groups"] is not None else ""
    yield "validated on", f"{found['frames']} frames{groups}"
    if found["epoch"] is None:
        yield "kept epoch", "none: no label has frames with and without it"
    else:
        yield "kept epoch", f"{found['epoch']} (stage {found['stage']})"
    for key, name in (
        ("val_auroc", "validation AUROC"),
        ("val_auroc_without_crops", "without crops"),
        ("val_loss", "validation loss"),
        ("temperature", "temperature"),
    ):
        if found[key] is not None:
            yield name, f"{found[key]:.3f}"
    difference = found["crops_less_none"]
    if difference is not None and difference["low"] is not None:
        value, low, high = (f"{difference[key]:+.3f}" for key in ("value", "low", "high"))
        yield "with crops less without", f"{value} (95% interval {low} to {high}; {difference['method']})"
    for label, threshold in found["operating_points"].items():
        yield f"operating point, {label}", f"{threshold:.3f}"
