"""The selection of a run: the weights of its best epoch, by what they are worth on the validation frames."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from lag_zoo.nn import LAG
from lag_zoo.training.recipe import Select
from lag_zoo.training.validation import ValidationLogits
from lag_zoo.weights.files import compare

Row = Mapping[str, Any]
"""An epoch's row, as in `metrics.jsonl`."""


def _by_auroc(row: Row) -> tuple[float, ...] | None:
    """By AUROC; of epochs that rank the frames equally well, as at 1.0, by loss."""
    return None if row["val_auroc"] is None else (row["val_auroc"], -row["val_loss"])


def _by_loss(row: Row) -> tuple[float, ...] | None:
    return (-row["val_loss"],)


def _last(row: Row) -> tuple[float, ...] | None:
    return (row["epoch"],)


SCORES: Mapping[Select, Callable[[Row], tuple[float, ...] | None]] = {
    "auroc": _by_auroc,
    "loss": _by_loss,
    "last": _last,
}
"""The score of an epoch by what a recipe selects, higher is better; `None`: it cannot be the best."""


def best_row(rows: Sequence[Row], *, since: int = 0) -> Row | None:
    """Return the row of the best of the epochs after the first `since`; `None`: there is none.

    >>> best_row([{"epoch": 1, "best": True}, {"epoch": 2, "best": False}])
    {'epoch': 1, 'best': True}
    """
    return next((row for row in reversed(rows) if row["best"] and row["epoch"] > since), None)


class Selection:
    """Tells which epoch is best, and keeps its weights."""

    def __init__(self, select: Select) -> None:
        self.score = SCORES[select]
        self.weights: dict[str, Tensor] | None = None
        self.logits: ValidationLogits | None = None  # of the network with these weights

    def is_best(self, row: Row, rows: Sequence[Row], *, first: int) -> bool:
        """Tell whether an epoch is better than the others of its stage so far.

        Each stage begins anew: the score of an epoch without crops says nothing of the network with them.

        Args:
            rows: of the epochs before.
            first: the epochs before the stage.
        """
        own, before = self.score(row), best_row(rows, since=first)
        if own is None:
            return False
        best = None if before is None else self.score(before)
        return best is None or own > best

    def keep(self, model: LAG, logits: ValidationLogits) -> None:
        """Keep the weights of the network, and what it says of the validation frames."""
        self.weights = {key: tensor.detach().clone() for key, tensor in model.state_dict().items()}
        self.logits = logits

    def put_into(self, model: LAG) -> None:
        """Give a network the weights that are kept, if there are any."""
        if self.weights is not None:
            model.load_state_dict(self.weights)

    def require_of(self, model: LAG, *, frames: int) -> None:
        """Refuse what was kept of another network, or of more frames.

        Raises:
            WeightsMismatchError: the weights are of another network.
            ValueError: the logits are not of these frames.
        """
        if self.weights is not None:
            compare(model.state_dict(), self.weights, source="the best epoch")
        if self.logits is not None:
            logits, of_global, numbers = self.logits
            fits = logits.shape == of_global.shape == (len(numbers), model.num_classes)
            if not fits or not all(0 <= number < frames for number in numbers.tolist()):
                raise ValueError("the logits are not of these frames")

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"weights": self.weights, "logits": None if self.logits is None else list(self.logits)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept; see `require_of`."""
        self.weights = state["weights"]
        self.logits = None if state["logits"] is None else ValidationLogits(*state["logits"])
