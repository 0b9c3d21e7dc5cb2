"""`lag-zoo verify`, `download` and `convert`: weights, from the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lag_zoo.cli.sink import echo
from lag_zoo.errors import InvalidConfigError


def verify(
    name: Annotated[str, typer.Argument(help="A model of the zoo, hf-hub:org/repo or local-dir:path.")],
) -> None:
    """Check a model's weights: their SHA-256, and the answer to the saved example."""
    from lag_zoo.publishing import verify as check  # here, so that --help loads no torch

    apart = check(name)
    echo(f"{name}: the weights are the ones vouched for; at most {apart:.2g} from the saved example's logits")


def download(
    name: Annotated[str, typer.Argument(help="A model of the zoo, hf-hub:org/repo or local-dir:path.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write.")],
) -> None:
    """Copy a model with its weights into a folder, for a machine without a network: there, local-dir:DIR."""
    from lag_zoo.factory import create_model
    from lag_zoo.publishing import save_pretrained

    folder = save_pretrained(create_model(name, pretrained=True), to)
    echo(f"{name} is in {folder}; load it with lag_zoo.create_model('local-dir:{to}', pretrained=True)")


def convert(
    old: Annotated[Path, typer.Argument(help="A PyTorch checkpoint; no code in it is run.")],
    new: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
    map_: Annotated[
        Path | None, typer.Option("--map", help="A JSON object: beginnings of keys, and what replaces each.")
    ] = None,
) -> None:
    """Bring an old checkpoint over to safetensors."""
    from lag_zoo.weights.convert import convert as bring_over

    keys = bring_over(old, new, None if map_ is None else _key_map(map_))
    echo(f"{new}: {len(keys)} tensors, the first {', '.join(keys[:3])}")


def _key_map(path: Path) -> dict[str, str]:
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfigError(f"{path} is no JSON file that can be read: {error}") from error
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise InvalidConfigError(
            f'{path} must be a JSON object of strings, such as {{"teacher.backbone.": ""}}'
        )
    return keys
