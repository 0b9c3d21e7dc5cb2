"""Splits by group: no patient (else examination) on both sides, each label on each side in like shares.

The groups are dealt into small piles (`lag_zoo.data.dealing`); a split is some of these piles, bettered by exchanges of
groups (`lag_zoo.data.refining`). Modalities and hospitals are kept in like shares too, where they are named. The same
seed gives the same split of the same manifest.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from lag_zoo.data.dealing import Numbers, deal
from lag_zoo.data.manifest import Column, Manifest
from lag_zoo.data.refining import Groups, cost, refine
from lag_zoo.errors import DataError, InvalidConfigError, UnevenSplitWarning, UngroupedDataWarning
from lag_zoo.tasks import rules_of

_PILES = 20  # a split's share is a multiple of one in so many, where the groups suffice
_DEALS = 50
_TRIED = 6  # deals, each of which is bettered
_NEAR = 1e-6  # cost of a deal from which on no other is tried
_UNEVEN = 0.1  # off the shares asked for, of which a user is warned
_MOST_VALUES = 30  # of modality or hospital: more cannot be kept in like shares
_BESIDE_LABELS = 0.2  # weight of a modality or a hospital

Together = Sequence[Sequence[int]]


def split(
    manifest: Manifest, *, val: float = 0.15, test: float = 0.15, seed: int = 0, together: Together = ()
) -> Manifest:
    """The manifest with `split` train, val or test, by group, the labels in like shares; excluded frames have none.

    Args:
        val: share of the frames, as nearly as whole groups permit; 0: no such split. Where it comes out ten points
            off or more, an `UnevenSplitWarning` says so.
        test: likewise.
        together: groups of places in the manifest, as `near_copies` finds them; what one joins stays together.

    Raises:
        DataError: fewer groups of a label than splits.
        InvalidConfigError: shares that leave nothing to train on.

    >>> from lag_zoo.data.manifest import Frame
    >>> frames = tuple(Frame(image=f"{n}.png", labels=(n % 2,), exam=f"{n // 4}") for n in range(160))
    >>> parts = split(Manifest(root=".", label_names=("normal", "IM"), frames=frames))
    >>> {name: len(parts.where(split=name)) for name in parts.splits}
    {'test': 24, 'train': 112, 'val': 24}
    """
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise InvalidConfigError(
            f"val and test are shares of the frames, together below 1; got {val} and {test}"
        )
    shares = {name: share for name, share in (("test", test), ("val", val)) if share}
    parts = into_parts(manifest, shares, seed=seed, together=together)
    _warn_if_ungrouped(manifest)
    dealt = np.array([frame.split for frame in parts.frames if not frame.excluded])
    if _distance(dealt, shares) >= _UNEVEN:
        found = ", ".join(
            f"{name} {_share(dealt, name):.0%}, not {share:.0%}" for name, share in shares.items()
        )
        warnings.warn(
            f"{manifest.source}: {found}: whole groups, of which some label has few, permit no closer split",
            UnevenSplitWarning,
            stacklevel=2,
        )
    return parts


def into_parts(
    manifest: Manifest, shares: Mapping[str, float], *, seed: int, together: Together = ()
) -> Manifest:
    """The manifest with `split` one of these parts, of such shares of the frames, or train; nothing is warned of.

    Raises:
        DataError: fewer groups of a label than parts.
    """
    hand = _Hand.of(manifest, together)
    of_rarest = hand.groups_of_rarest(at_least=1 + len(shares))
    groups = len(np.unique(hand.groups))
    # Small piles come closest to the shares. Where a label has few groups, they may not reach every part: then larger.
    counts = sorted({min(_PILES, groups), min(_PILES, of_rarest)}, reverse=True)
    deals = (parts for count in counts for parts in hand.deals(_named(shares, count), seed))
    wanted = {**shares, "train": 1 - sum(shares.values())}
    best = hand.best(islice(deals, _TRIED), wanted)
    if best is None:
        raise hand.no_deal()
    return hand.into_manifest(best)


def _named(shares: Mapping[str, float], count: int) -> list[str]:
    """The names of so many piles; at least one is of train."""
    names = [name for name, share in shares.items() for _ in range(max(1, round(share * count)))]
    names = names[: count - 1]
    return names + ["train"] * (count - len(names))


def _share(parts: np.ndarray, name: str) -> float:
    return float((parts == name).mean())


def _distance(parts: np.ndarray, shares: Mapping[str, float]) -> float:
    """Largest distance of the parts from the shares that were asked for."""
    return max((abs(_share(parts, name) - share) for name, share in shares.items()), default=0.0)


def folds(manifest: Manifest, count: int, *, seed: int = 0, together: Together = ()) -> Manifest:
    """The manifest with `split` fold1 ... fold<count>, by group, the labels in like shares; excluded frames have none.

    Args:
        together: as in `split`.

    Raises:
        DataError: fewer groups of a label than folds.
        InvalidConfigError: fewer than 2 folds.
    """
    if count < 2:
        raise InvalidConfigError(f"at least 2 folds are needed, got {count}")
    hand = _Hand.of(manifest, together)
    hand.groups_of_rarest(at_least=count)
    _warn_if_ungrouped(manifest)
    names = [f"fold{number + 1}" for number in range(count)]
    parts = hand.best(islice(hand.deals(names, seed), _TRIED), dict.fromkeys(names, 1 / count))
    if parts is None:
        raise hand.no_deal()
    return hand.into_manifest(parts)


def by_column(manifest: Manifest, column: Column = "centre") -> Manifest:
    """The manifest with `split` one part for each value of a column, such as each hospital: `centre_C1` and so on.

    Tested on one part and trained on the others, a network is tested in a hospital that it has not seen.

    Raises:
        DataError: fewer than 2 values, frames without one, or a patient (else an examination) under two.

    >>> from lag_zoo.data.manifest import Frame
    >>> frames = tuple(Frame(image=f"{n}.png", labels=(n % 2,), centre="AB"[n // 4]) for n in range(8))
    >>> by_column(Manifest(root=".", label_names=("normal", "IM"), frames=frames)).splits
    ('centre_A', 'centre_B')
    """
    values = dict.fromkeys(manifest.where().column(column))
    if "" in values:
        lines = [frame.line for frame in manifest.where().frames if not getattr(frame, column)]
        raise DataError(
            f"{manifest.source}: {column} is empty on line {lines[0]} (and {len(lines) - 1} more), so nobody knows the "
            "part of these frames: fill it, or exclude them"
        )
    if len(values) < 2:
        raise DataError(
            f"{manifest.source}: parts by {column} need at least 2 of them; it has {', '.join(values) or 'none'}"
        )
    names = {value: f"{column}_{re.sub('[^A-Za-z0-9.-]+', '-', value).strip('-.')}" for value in values}
    # Folders are called so, and some disks take A and a for one.
    if len({name.casefold() for name in names.values()}) < len(names) or f"{column}_" in names.values():
        names = {value: f"{column}_{number}" for number, value in enumerate(sorted(values), start=1)}
    dealt = ["" if frame.excluded else names[getattr(frame, column)] for frame in manifest.frames]
    return manifest.with_column("split", dealt)


def joined(groups: np.ndarray, together: Together) -> np.ndarray:
    """The group of each frame (n,), those that are joined by some frames under one name.

    >>> joined(np.array(["p1", "p1", "p2", "p3"]), [(1, 2)]).tolist()
    ['p1', 'p1', 'p1', 'p3']
    """
    if not together:
        return groups
    name = {str(group): str(group) for group in groups}
    for places in together:
        names = {name[str(groups[place])] for place in places}
        if len(names) > 1:
            name = {group: min(names) if now in names else now for group, now in name.items()}
    return np.array([name[str(group)] for group in groups])


def _warn_if_ungrouped(manifest: Manifest) -> None:
    if manifest.grouping is None:
        warnings.warn(
            f"{manifest.source} names neither patients nor examinations: each frame is dealt by itself, so frames of "
            "one patient may stand on both sides of a split, and what is measured on them will be too good",
            UngroupedDataWarning,
            stacklevel=3,
        )


class _Hand(NamedTuple):
    """The frames of a manifest that are dealt, n of them: those that are not excluded.

    Attributes:
        used: (n,) their places in the manifest.
        groups, strata: (n,) what stays together, and what is kept in like shares.
        marked, marks: frames and their labels, pair by pair; a frame may have several, or none that is known.
    """

    manifest: Manifest
    used: Numbers
    groups: np.ndarray
    strata: Numbers
    marked: Numbers
    marks: Numbers

    @classmethod
    def of(cls, manifest: Manifest, together: Together) -> "_Hand":
        used, chosen = np.flatnonzero([not frame.excluded for frame in manifest.frames]), manifest.where()
        strata = rules_of(chosen.task).strata(chosen.targets())
        groups = joined(manifest.groups(), together)[used]
        return cls(manifest, used, groups, strata, *chosen.marks())

    def groups_of_rarest(self, *, at_least: int) -> int:
        """Count the groups of the rarest label: in so many parts each may have each label.

        Raises:
            DataError: fewer than `at_least`.
        """
        group = np.unique(self.groups, return_inverse=True)[1].reshape(-1)
        names = self.manifest.label_names
        pairs = np.unique(group[self.marked] * len(names) + self.marks)
        counts = np.bincount(pairs % len(names), minlength=len(names))
        rarest = int(counts.argmin())
        if counts[rarest] < at_least:
            what = {"patient": "patients", "exam": "examinations", None: "frames"}[self.manifest.grouping]
            raise DataError(
                f"{self.manifest.source}: {names[rarest]} has {counts[rarest]} {what}, and {at_least} parts need at "
                f"least one each{self.manifest.describe_excluded()}"
            )
        return int(counts[rarest])

    def deals(self, names: Sequence[str], seed: int) -> Iterator[np.ndarray]:
        """The part of each frame (n,), deal by deal into piles of these names: where each part has each label."""
        strata, named = _large_enough(self.strata, len(names)), np.array(names)
        for number in range(_DEALS):
            parts = named[deal(strata, self.groups, len(names), seed=seed * _DEALS + number)]
            if self._each_has_each_label(parts, len(set(names))):
                yield parts

    def best(self, deals: Iterable[np.ndarray], wanted: Mapping[str, float]) -> np.ndarray | None:
        """Of some deals, bettered, the one that comes closest to the shares that are wanted; `None`: there is none."""
        names = [*wanted]
        _, first, group = np.unique(self.groups, return_index=True, return_inverse=True)
        group = group.reshape(-1)
        groups, shares = self._to_refine(group), np.array([*wanted.values()])
        found: list[tuple[float, np.ndarray]] = []
        for parts in deals:
            dealt = np.array([names.index(name) for name in parts[first]])
            bettered = refine(dealt, groups, shares)
            found.append((cost(bettered, groups, shares), bettered))
            if found[-1][0] < _NEAR:
                break
        if not found:
            return None
        _, best = min(found, key=lambda each: each[0])
        chosen: np.ndarray = np.array(names)[best][group]
        return chosen

    def _to_refine(self, group: Numbers) -> Groups:
        """The groups with what is kept in like shares: labels, and modality and hospital where they are named."""
        count = int(group.max()) + 1
        labels = np.zeros((count, len(self.manifest.label_names)))
        np.add.at(labels, (group[self.marked], self.marks), 1)
        tables, weights = [labels], [1.0]
        for column in ("modality", "centre"):
            values = np.array(self.manifest.column(column))[self.used]
            names, value = np.unique(values, return_inverse=True)
            if 1 < len(names) <= _MOST_VALUES:
                tables.append(np.zeros((count, len(names))))
                np.add.at(tables[-1], (group, value.reshape(-1)), 1)
                weights.append(_BESIDE_LABELS)
        return Groups(
            frames=np.bincount(group, minlength=count).astype(float),
            counts=np.concatenate(tables, axis=1),
            weights=np.repeat(weights, [table.shape[1] for table in tables]),
            needed=np.arange(sum(table.shape[1] for table in tables)) < labels.shape[1],
        )

    def _each_has_each_label(self, parts: np.ndarray, count: int) -> bool:
        labels = len(self.manifest.label_names)
        part = np.unique(parts, return_inverse=True)[1].reshape(-1)
        return len(np.unique(part[self.marked] * labels + self.marks)) == count * labels

    def into_manifest(self, parts: np.ndarray) -> Manifest:
        """The manifest with `split` the part of each frame; excluded frames have none."""
        column = np.full(len(self.manifest), "", dtype=parts.dtype)
        column[self.used] = parts
        names, number = np.unique(column, return_inverse=True)
        texts = names.tolist()  # each name once, and no text a frame
        return self.manifest.with_column("split", [texts[place] for place in number.reshape(-1).tolist()])

    def no_deal(self) -> DataError:
        return DataError(
            f"{self.manifest.source}: in {_DEALS} deals of whole groups some part had no frame of some label; fewer "
            "parts, larger ones, or more groups are needed"
        )


def _large_enough(strata: Numbers, count: int) -> Numbers:
    """Combinations rarer than the piles are many are dealt as one."""
    values, sizes = np.unique(strata, return_counts=True)
    rare = np.isin(strata, values[sizes < count])
    if not rare.any() or rare.sum() < count:
        return np.where(rare, values[sizes.argmax()], strata)
    return np.where(rare, -1, strata)
