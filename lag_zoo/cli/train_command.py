"""`lag-zoo train RECIPE DATA`: a network trained on frames of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lag_zoo.cli.data_commands import Columns, Labels, Source, opened
from lag_zoo.cli.progress import steps
from lag_zoo.errors import InvalidConfigError
from lag_zoo.processes import is_first


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe that comes with lag_zoo (finetune, frozen, ...), or a YAML file.")
    ],
    data: Source,
    output: Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="The run's folder.")],
    model: Annotated[str | None, typer.Option(help="In place of the recipe's: a name, or a place.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, for example fields.num_crops=20; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="A folder for decoded frames; each epoch then reads them from there.")
    ] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
    column: Columns = None,
    labels: Labels = None,
) -> None:
    """Train on frames with a split (train, val). What comes out is for research; it is not a medical device.

    On several GPUs or machines, or CPUs with --cpu: accelerate launch --multi_gpu -m lag_zoo.cli train ...
    """
    from lag_zoo.training import finetune, load_recipe

    if model is not None and any(change.partition("=")[0].strip() == "model" for change in set_ or ()):
        raise InvalidConfigError(f"--model {model} and --set model=... both name the model: say one of them")
    chosen = load_recipe(recipe, changes=set_ or ())
    manifest = opened(data, column, labels)
    try:
        with steps("steps") as step:
            finetune(
                model,
                manifest,
                output,
                recipe=chosen,
                resume=resume,
                skip_unreadable=skip_unreadable,
                cpu=cpu,
                cache=cache,
                log=_say,
                step=step,
            )
    except KeyboardInterrupt:
        if is_first():
            typer.echo(f"stopped; {output} is whole, and --resume goes on", err=True)
        raise typer.Exit(130) from None
    if is_first():
        typer.echo(f"the best epoch's network: {output / 'best'}")


def _say(row: Mapping[str, Any]) -> None:
    parts = [f"epoch {row['epoch']}", str(row["stage"]), f"loss {row['train_loss']:.4f}"]
    for key, title in (
        ("val_loss", "val loss"),
        ("val_auroc", "AUROC"),
        ("val_auroc_without_crops", "without crops"),
    ):
        if row[key] is not None:
            parts.append(f"{title} {row[key]:.4f}")
    typer.echo(f"{', '.join(parts)}, {row['frames_per_second']:g} frames/s{', best' if row['best'] else ''}")
