"""Ids that may name one patient twice, or two patients once: P01 and p01, 12 and 012, one examination of two patients.

Only a person can tell, so they are named and nothing is joined. A patient under two ids who stands on both sides of a
split would make what is measured too good, and an examination has one patient: these are errors.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable
from typing import NamedTuple

from lag_zoo.data.cells import plain_text
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError, DoubtfulIdsWarning

_SHOWN = 3


class DoubtfulIds(NamedTuple):
    """The findings of `doubtful_ids`.

    Attributes:
        patients: ids that are one but for their spelling, each two or more; `exams` likewise, of one patient.
        shared_exams: examinations that stand under more than one patient, each with those.
        labels: that are one but for their spelling.
        across: ids of patients, else of examinations, whose spellings stand in more than one split.
    """

    patients: list[tuple[str, ...]]
    exams: list[tuple[str, ...]]
    shared_exams: dict[str, tuple[str, ...]]
    labels: list[tuple[str, ...]]
    across: list[tuple[str, ...]]

    def doubts(self) -> list[str]:
        """Say what may be right or wrong, a sentence a kind."""
        kinds = {"ids of patients": self.patients, "ids of examinations": self.exams, "labels": self.labels}
        return [
            f"{len(groups)} {what} differ only in their spelling ({_first(groups)}): write one that is one in one way"
            for what, groups in kinds.items()
            if groups
        ]

    def errors(self) -> list[str]:
        """Say what cannot be right, a sentence a kind."""
        found = []
        if self.shared_exams:
            first = "; ".join(
                f"{exam!r} of {', '.join(map(repr, whose))}"
                for exam, whose in [*self.shared_exams.items()][:_SHOWN]
            )
            found.append(
                f"{len(self.shared_exams)} examinations stand under more than one patient ({first}): one patient under "
                "two ids, or two examinations under one"
            )
        if self.across:
            found.append(
                f"{len(self.across)} ids that differ only in their spelling stand in more than one split "
                f"({_first(self.across)}): if each is one, its frames belong into one split"
            )
        return found


def spelling_of(name: str) -> str:
    """An id without what spellings differ in: case, width, accents composed or not, leading zeros, spaces around it.

    Unicode's compatibility form and case folding (https://www.unicode.org/reports/tr15/).

    >>> {spelling_of(name) for name in ("P01", "p1", "\uff30\uff11", " P001 ")}
    {'p1'}
    """
    folded = plain_text(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()))
    return re.sub(r"(?<![0-9.,])0+(?=[0-9])", "", folded)


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
    patients, exams = _alike((patient,) for patient, _ in pairs), _alike(pairs)
    return DoubtfulIds(
        patients=patients,
        exams=exams,
        shared_exams=shared if 2 * len(shared) <= len(whose) else {},
        labels=_alike((label,) for label in manifest.label_names),
        across=_across(manifest, patients if manifest.grouping == "patient" else exams),
    )


def require_clear_ids(manifest: Manifest) -> None:
    """Warn of ids and labels that `doubtful_ids` finds, with a `DoubtfulIdsWarning`; refuse those that cannot be right.

    Raises:
        DataError: an examination of two patients, or an id whose spellings stand in two splits.
    """
    found = doubtful_ids(manifest)
    if errors := found.errors():
        raise DataError(f"{manifest.source}: {'; '.join(errors)}")
    for sentence in found.doubts():
        warnings.warn(f"{manifest.source}: {sentence}", DoubtfulIdsWarning, stacklevel=3)


def _across(manifest: Manifest, doubtful: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return those of the ids of patients, else examinations, whose spellings stand in more than one split."""
    splits: dict[str, set[str]] = {}
    for frame in manifest.frames:
        if frame.split and not frame.excluded:
            splits.setdefault(frame.patient or frame.exam, set()).add(frame.split)
    return [ids for ids in doubtful if len(set().union(*(splits.get(name, set()) for name in ids))) > 1]


def _alike(ids: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The last parts that differ only in their spelling, among ids whose other parts are the same."""
    spelled: dict[tuple[str, ...], set[str]] = {}
    for *others, name in ids:
        if name:
            spelled.setdefault((*others, spelling_of(name)), set()).add(name)
    return sorted(tuple(sorted(names)) for names in spelled.values() if len(names) > 1)


def _first(groups: list[tuple[str, ...]]) -> str:
    return "; ".join(" = ".join(map(repr, ids)) for ids in groups[:_SHOWN])
