"""Ids that may name one patient twice, or two patients once: P01 and p01, 12 and 012, one examination of two patients.

Only a person can tell, so they are named and nothing is joined. A patient under two ids may stand on both sides of a
split, and what is measured is then too good.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable
from typing import NamedTuple

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DoubtfulIdsWarning

_SHOWN = 3


class DoubtfulIds(NamedTuple):
    """The findings of `doubtful_ids`.

    Attributes:
        patients: ids that are one but for their spelling, each two or more; `exams` likewise, of one patient.
        shared_exams: examinations that stand under more than one patient, each with those.
    """

    patients: list[tuple[str, ...]]
    exams: list[tuple[str, ...]]
    shared_exams: dict[str, tuple[str, ...]]

    def sentences(self) -> list[str]:
        """One for each kind that was found."""
        found = []
        for what, groups in (("patients", self.patients), ("examinations", self.exams)):
            if groups:
                first = "; ".join(" = ".join(map(repr, ids)) for ids in groups[:_SHOWN])
                found.append(
                    f"{len(groups)} ids of {what} differ only in their spelling ({first}): write one that is one in "
                    "one way"
                )
        if self.shared_exams:
            first = "; ".join(
                f"{exam!r} of {', '.join(map(repr, whose))}" for exam, whose in _first(self.shared_exams)
            )
            found.append(
                f"{len(self.shared_exams)} examinations stand under more than one patient ({first}): one patient under "
                "two ids, or two examinations under one"
            )
        return found


def spelling_of(name: str) -> str:
    """An id without what spellings differ in: case, width, accents composed or not, leading zeros, spaces around it.

    Unicode's compatibility form and case folding (https://www.unicode.org/reports/tr15/).

    >>> {spelling_of(name) for name in ("P01", "p1", "\uff30\uff11", " P001 ")}
    {'p1'}
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", folded)


def doubtful_ids(manifest: Manifest) -> DoubtfulIds:
    """Find ids that may name one patient or examination twice, and examinations of more than one patient.

    Where most examinations stand under several patients, they are numbered anew for each, and none is doubtful.

    >>> from lag_zoo.data.manifest import Frame
    >>> frames = [Frame(image=f"{n}.png", labels=(n % 2,), patient=("P01", "p01", "p2")[n]) for n in range(3)]
    >>> doubtful_ids(Manifest(root=".", label_names=("normal", "IM"), frames=tuple(frames))).patients
    [('P01', 'p01')]
    """
    pairs = {(frame.patient, frame.exam) for frame in manifest.frames}
    whose: dict[str, set[str]] = {}
    for patient, exam in pairs:
        if exam and patient:
            whose.setdefault(exam, set()).add(patient)
    shared = {exam: tuple(sorted(whose[exam])) for exam in sorted(whose) if len(whose[exam]) > 1}
    return DoubtfulIds(
        patients=_alike((patient,) for patient, _ in pairs),
        exams=_alike(pairs),
        shared_exams=shared if 2 * len(shared) <= len(whose) else {},
    )


def warn_of_doubtful_ids(manifest: Manifest) -> None:
    """Warn of what `doubtful_ids` finds, with a `DoubtfulIdsWarning`."""
    for sentence in doubtful_ids(manifest).sentences():
        warnings.warn(f"{manifest.source}: {sentence}", DoubtfulIdsWarning, stacklevel=3)


def _alike(ids: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The last parts that differ only in their spelling, among ids whose other parts are the same."""
    spelled: dict[tuple[str, ...], set[str]] = {}
    for *others, name in ids:
        if name:
            spelled.setdefault((*others, spelling_of(name)), set()).add(name)
    return sorted(tuple(sorted(names)) for names in spelled.values() if len(names) > 1)


def _first(shared: dict[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    return list(shared.items())[:_SHOWN]
