"""`lag-zoo push`: a folder checked, completed by what only its makers know, and published."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lag_zoo.cli.sink import echo
from lag_zoo.errors import InvalidConfigError
from lag_zoo.files import write_whole

if TYPE_CHECKING:
    from lag_zoo.about import About
    from lag_zoo.specs import WeightSpec


def push(
    folder: Annotated[Path, typer.Argument(help="A folder with a network, such as runs/1/best.")],
    repo: Annotated[
        str | None, typer.Argument(help="The Hub repository, org/name; --dry-run needs none.")
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Of the weights, as CC-BY-4.0.")
    ] = "",
    training_data: Annotated[
        list[str] | None,
        typer.Option(help='"id: how to cite it; its licence", or a JSON object; again for each data set.'),
    ] = None,
    intended_use: Annotated[str, typer.Option(help="Which question, of which frames, for whom.")] = "",
    limits: Annotated[
        list[str] | None, typer.Option(help="A sentence, as 'One centre.'; again for each.")
    ] = None,
    modality: Annotated[str, typer.Option(help="The light of the frames: wli, lci, bli, nbi.")] = "",
    backbone_licence: Annotated[
        str, typer.Option("--backbone-licence", "--backbone-license", help="Of what the backbone began from.")
    ] = "",
    about: Annotated[
        Path | None,
        typer.Option(help="The same in a YAML file, by the options' names; options go before it."),
    ] = None,
    write_about: Annotated[
        Path | None,
        typer.Option(help="Write a file for --about with what is said already, to be filled in; no more."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="A new repository is private.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch.")] = None,
    message: Annotated[str | None, typer.Option(help="The commit message.")] = None,
    licence_exception: Annotated[
        str, typer.Option(help="Why weights may be published whose backbone's licence forbids derivatives.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say all that is missing; write and send nothing.")
    ] = False,
) -> None:
    """Check a folder and publish it on the Hub.

    The folder keeps what it says of its weights, but for what the options say now: that is written into it.
    """
    from lag_zoo.publishing import check_directory, push_to_hub  # here, so that --help loads no torch

    said = _said(
        about,
        licence=licence,
        training_data=training_data or (),
        intended_use=intended_use,
        limits=tuple(limits or ()),
        modality=modality,
        backbone_licence=backbone_licence,
    )
    if write_about is not None:
        _write_about(write_about, folder, said)
        return
    if repo is None and not dry_run:
        raise InvalidConfigError("say the Hub repository, org/name; --dry-run alone needs none")
    _show_replaced(folder, said)
    if repo is None or dry_run:
        weights = check_directory(folder, about=said, licence_exception=licence_exception).weights
        echo(f"{folder} can be published: it loads, its saved example holds, its card is complete")
        _show_welcome(weights)
        return
    address = push_to_hub(
        folder,
        repo,
        about=said if said.said else None,
        private=private,
        revision=revision,
        commit_message=message,
        licence_exception=licence_exception,
    )
    echo(f"published: {address}")


def _said(file: Path | None, *, training_data: Sequence[str], **options: object) -> "About":
    """Put together what a file says and what options say; these go before it."""
    from lag_zoo.about import About
    from lag_zoo.specs import DatasetRef

    named = About(training_data=tuple(map(DatasetRef.from_text, training_data)), **options)  # type: ignore[arg-type]
    return named if file is None else named.over(About.from_yaml(file))


def _write_about(file: Path, folder: Path, said: "About") -> None:
    from lag_zoo.about import About

    if file.exists():
        raise InvalidConfigError(f"{file} is there already, and may hold your words: name another file")
    write_whole(file, About.of(said.onto(_told(folder))).to_yaml())
    echo(f"written: {file}. Fill it in, then: lag-zoo push {folder} REPO --about {file} --dry-run")


def _show_replaced(folder: Path, said: "About") -> None:
    """Say what the folder has said until now and will say no more: a remark on the training may be among it."""
    told = _told(folder)
    for field, value in said.said.items():
        if (there := getattr(told, field)) and there != value:
            before = there if isinstance(there, str) else "; ".join(map(str, there))
            echo(f"{field}: in place of {before!r}")


def _show_welcome(weights: "WeightSpec") -> None:
    from lag_zoo.weights.card import WELCOME, missing

    for line in missing(weights, WELCOME):
        echo(f"not required, but looked for: {line}")


def _told(folder: Path) -> "WeightSpec":
    from lag_zoo.weights.repository import CONFIG, read_config

    return read_config(folder.expanduser() / CONFIG, source=str(folder)).weights
