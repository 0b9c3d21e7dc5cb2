"""The weights that travel inside the package."""

from importlib.resources import as_file, files

from torch import Tensor

from lag_zoo.specs import WeightSpec
from lag_zoo.weights.files import read_weights


def read_builtin(name: str, spec: WeightSpec) -> dict[str, Tensor]:
    """The tensors of a built-in file that the weights name, verified.

    Raises:
        WeightsNotFoundError: the package lacks it.
        WeightsIntegrityError: its bytes are not the ones that `spec` vouches for.
    """
    with as_file(files(__name__) / name) as path:
        return read_weights(path, spec.files[name])
