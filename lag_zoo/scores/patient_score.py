"""Score of a patient: a value where all that matters was seen, else the bounds of what it could be."""

from dataclasses import dataclass

from lag_zoo.brief import brief
from lag_zoo.scores.definition import Definition, Seen


@dataclass(frozen=True, repr=False)
class PatientScore:
    """A score from grades; `str` puts it in words.

    Attributes:
        definition: the published score.
        low: the lowest that the score could be, as a place among `values`; for EGGIM this is the score itself.
        high: the highest.
        missing: sites that were not seen.
        doubt: words about grades that cannot stand together by the definition; empty where they can.

    >>> from lag_zoo import scores
    >>> found = scores.eggim({"antrum_lesser": 1, "antrum_greater": 1, "incisura": 1, "corpus_lesser": 0})
    >>> print(found)
    EGGIM 3 to 5 of 10, greater curvature of the corpus unseen
    >>> found.low, found.high, found.value, found.at_risk
    (3, 5, None, None)
    """

    definition: Definition
    low: int
    high: int
    missing: tuple[str, ...] = ()
    doubt: str = ""

    __repr__ = brief

    @property
    def values(self) -> tuple[str, ...]:
        """All values of the score, as they are written."""
        return self.definition.values

    @property
    def value(self) -> int | None:
        """The score, as a place among `values`; None where what is missing decides."""
        return self.low if self.low == self.high else None

    @property
    def at_risk(self) -> bool | None:
        """True where the patient is at risk by the publication's cut-off; None where what is missing decides.

        Raises:
            InvalidConfigError: the score has no cut-off (Kimura-Takemoto).
        """
        return self.at_least(self.definition.risk())

    def at_least(self, value: int | str) -> bool | None:
        """Tells whether the score reaches a value (`"III"`, or its place 3); None where what is missing decides.

        Raises:
            InvalidConfigError: no such value.

        >>> from lag_zoo import scores
        >>> scores.olga(3, None).at_least("III"), scores.olga(3, None).at_least("IV")
        (True, None)
        """
        place = self.definition.place(value)
        if self.low >= place:
            return True
        return False if self.high < place else None

    def __str__(self) -> str:
        unseen = f"{self.definition.sites_in_words(self.missing)} unseen" if self.missing else ""
        return ", ".join(filter(None, [self.definition.text(self.low, self.high), unseen, self.doubt]))


def score_of(definition: Definition, seen: Seen) -> PatientScore:
    """The score of grades, of which some may be None."""
    low, high = definition.bounds(seen)
    missing = tuple(site for site, grade in zip(definition.sites, seen, strict=True) if grade is None)
    possible = definition.is_possible(definition.completions(seen)[0])
    return PatientScore(definition, low, high, missing, "" if possible else definition.doubt)
