"""Contrasts: a label against the rest or another label, or at least a grade against below; and the units of each."""

from typing import NamedTuple

import numpy as np

from lag_zoo.evaluate.units import Units


class Contrast(NamedTuple):
    """A label against others, or at least a grade against those below it.

    Attributes:
        label: its name, or its claim, as `at least II`; `against`: another label, `rest`, or `below`.
        number: of the label; `other`: number of the other label, `None` against the rest.
        places: (m,) bool, the units that the contrast is about: those of which it is known.
        probabilities: (k,) of the label in these units; `truth`: (k,) bool.
    """

    label: str
    against: str
    number: int
    other: int | None
    places: np.ndarray
    probabilities: np.ndarray
    truth: np.ndarray


def contrasts_of(units: Units, *, pairs: bool | None) -> list[Contrast]:
    """Return the contrasts of some units: each label against the rest, then label against label where asked for.

    Of two exclusive labels one is reported, the positive one: the other's numbers would be its
    mirror image.
    """
    found = []
    for number, other in units.rules.contrasts(len(units.label_names)):
        if other is None:
            if units.positive in (None, number):
                found.append(_against_rest(units, number))
        elif with_pairs(units, pairs):
            found.append(_against_other(units, number, other))
    return found


MANY_LABELS = 6
"""Of more labels, pairs are left out unless they are asked for: 23 labels have 253."""


def with_pairs(units: Units, asked: bool | None) -> bool:
    """Tell whether label against label is reported: by default of three to six exclusive labels."""
    count = len(units.label_names)
    paired = len(units.rules.contrasts(count)) > len(units.rules.numbers(count))
    return paired and (count <= MANY_LABELS if asked is None else asked)


def _against_rest(units: Units, number: int) -> Contrast:
    places = units.known[:, number]
    against = units.rules.rest
    if units.positive is not None:
        against = units.label_names[1 - number]
    return Contrast(
        label=units.rules.claim(units.label_names[number]),
        against=against,
        number=number,
        other=None,
        places=places,
        probabilities=units.probabilities[places, number],
        truth=units.truth[places, number],
    )


def _against_other(units: Units, number: int, other: int) -> Contrast:
    """The units that have one of the two labels; the probability is the part of the first in both."""
    places = units.truth[:, number] ^ units.truth[:, other]
    first, second = units.probabilities[places, number], units.probabilities[places, other]
    return Contrast(
        label=units.label_names[number],
        against=units.label_names[other],
        number=number,
        other=other,
        places=places,
        probabilities=first / (first + second).clip(1e-300),
        truth=units.truth[places, number],
    )
