"""`lag-zoo export NAME|PLACE --to onnx|torch -o DIR`: a network for another runtime."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lag_zoo.cli.places import as_place
from lag_zoo.cli.sink import echo


class To(StrEnum):
    """The runtime."""

    ONNX = "onnx"
    TORCH = "torch"


def export(
    model: Annotated[
        str,
        typer.Argument(help="A name whose weights exist, a folder such as runs/1/best, or hf-hub:org/repo."),
    ],
    to: Annotated[To, typer.Option(help="onnx: for ONNX Runtime; torch: an exported program.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", file_okay=False, help="A new folder, or one of an earlier export."),
    ],
    opset: Annotated[int, typer.Option(help="Of ONNX, 18 or newer.")] = 18,
) -> None:
    """Write a network for another runtime, from views to probabilities; refused if it answers otherwise.

    OUTPUT is replaced only when the export was run on drawn frames and is within 1e-4 of the network.
    """
    from lag_zoo.export import export_model  # here, so that --help loads no torch
    from lag_zoo.export.layout import MODELS, read_spec

    folder = export_model(as_place(model), output, to=to.value, opset=opset)
    spec = read_spec(folder, to.value)
    echo(
        f"written: {output} ({MODELS[to.value]}); on drawn frames its logits are at most {spec.apart['logits']:.1e} "
        f"and its probabilities at most {spec.apart['probabilities']:.1e} from the network's"
    )
