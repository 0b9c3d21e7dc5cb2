"""The labels that a network answers with."""

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.tasks import rules_of


def labels_with_evidence(network: LAG) -> tuple[str, ...]:
    """Return the labels that something in a frame can speak for: all but the background, or the lowest grade."""
    labels = enumerate(labels_of(network))
    return tuple(label for number, label in labels if number != network.background_index)


def labels_of(network: LAG) -> tuple[str, ...]:
    """Return a name for each output: the network's own, or numbers.

    Raises:
        InvalidConfigError: a network without a classifier, or with a single class that excludes all others.
    """
    name = network.pretrained_cfg["architecture"]
    if not network.num_classes:
        raise InvalidConfigError(f"{name} has no classifier (num_classes=0), so nothing to predict")
    if network.num_classes == 1 and rules_of(network.config.task).exclusive:
        raise InvalidConfigError(
            f"{name} has one class that excludes all others, so it can only be certain of it. A single output "
            'of yes or no is task="multilabel"'
        )
    return network.label_names or tuple(map(str, range(network.num_classes)))
