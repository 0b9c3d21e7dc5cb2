"""Splits by group: no patient (else examination) on both sides, each label on each side in like shares.

scikit-learn's `StratifiedGroupKFold` deals the groups into small piles; a split is some of these piles. The same seed
gives the same split of the same manifest.
"""

import warnings
from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError, InvalidConfigError, UnevenSplitWarning, UngroupedDataWarning, extra

_PILES = 20  # a split's share is a multiple of one in so many, where the groups suffice
_DEALS = 50
_OTHERS = 5  # deals that are tried for shares that come closer
_EVEN, _UNEVEN = 0.02, 0.1  # off the shares asked for: so near is near enough; of so far a user is told


def split(manifest: Manifest, *, val: float = 0.15, test: float = 0.15, seed: int = 0) -> Manifest:
    """The manifest with `split` train, val or test, by group, the labels in like shares; excluded frames have none.

    Args:
        val: share of the frames, as nearly as whole groups permit; 0: no such split. Where it comes out ten points
            off or more, an `UnevenSplitWarning` says so.
        test: likewise.

    Raises:
        DataError: fewer groups of a label than splits.
        InvalidConfigError: shares that leave nothing to train on.
        MissingExtraError: scikit-learn is not installed.

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
    _warn_if_ungrouped(manifest)
    parts = into_parts(manifest, shares, seed=seed)
    if _distance(parts, shares) >= _UNEVEN:
        told = ", ".join(
            f"{name} {_share(parts, name):.0%}, not {share:.0%}" for name, share in shares.items()
        )
        warnings.warn(
            f"{manifest.source}: {told}: whole groups, of which some label has few, permit no closer split",
            UnevenSplitWarning,
            stacklevel=2,
        )
    return parts


def into_parts(manifest: Manifest, shares: Mapping[str, float], *, seed: int) -> Manifest:
    """The manifest with `split` one of these parts, of such shares of the frames, or train; nothing is warned of.

    Raises:
        DataError: fewer groups of a label than parts.
    """
    of_rarest = _most(manifest, at_least=1 + len(shares))
    groups = len(set(manifest.where().groups()))
    # Small piles come closest to the shares. Where a label has few groups, they may not reach every part: then larger.
    counts = sorted({min(_PILES, groups), min(_PILES, of_rarest)}, reverse=True)
    deals = (deal for count in counts for deal in _deals(manifest, _named(shares, count), seed))
    best = next(deals, None)
    if best is None:
        raise _no_deal(manifest)
    for deal in islice(deals, _OTHERS):
        if _distance(best, shares) <= max(_EVEN, 1 / groups):
            break
        best = min(best, deal, key=lambda parts: _distance(parts, shares))
    return best


def _named(shares: Mapping[str, float], count: int) -> list[str]:
    """The names of so many piles; at least one is of train."""
    names = [name for name, share in shares.items() for _ in range(max(1, round(share * count)))]
    names = names[: count - 1]
    return names + ["train"] * (count - len(names))


def _share(parts: Manifest, name: str) -> float:
    return len(parts.where(split=name)) / len(parts.where())


def _distance(parts: Manifest, shares: Mapping[str, float]) -> float:
    """How far the parts are from the shares that were asked for, at most."""
    return max((abs(_share(parts, name) - share) for name, share in shares.items()), default=0.0)


def folds(manifest: Manifest, count: int, *, seed: int = 0) -> Manifest:
    """The manifest with `split` fold1 ... fold<count>, by group, the labels in like shares; excluded frames have none.

    Raises:
        DataError: fewer groups of a label than folds.
        InvalidConfigError: fewer than 2 folds.
        MissingExtraError: scikit-learn is not installed.
    """
    if count < 2:
        raise InvalidConfigError(f"at least 2 folds are needed, got {count}")
    _most(manifest, at_least=count)
    _warn_if_ungrouped(manifest)
    parts = next(_deals(manifest, [f"fold{number + 1}" for number in range(count)], seed), None)
    if parts is None:
        raise _no_deal(manifest)
    return parts


def _warn_if_ungrouped(manifest: Manifest) -> None:
    if manifest.grouping is None:
        warnings.warn(
            f"{manifest.source} names neither patients nor examinations: each frame is dealt by itself, so frames of "
            "one patient may stand on both sides of a split, and what is measured on them will be too good",
            UngroupedDataWarning,
            stacklevel=3,
        )


def _deals(manifest: Manifest, names: list[str], seed: int) -> Iterator[Manifest]:
    """Deals of the groups into piles of these names: those that give each part each label."""
    for deal in range(_DEALS):
        piles = _piles(manifest, len(names), seed * _DEALS + deal)
        parts = manifest.with_column("split", ["" if pile < 0 else names[pile] for pile in piles])
        if all(_has_each_label(parts.where(split=name)) for name in set(names)):
            yield parts


def _no_deal(manifest: Manifest) -> DataError:
    return DataError(
        f"{manifest.source}: in {_DEALS} deals of whole groups some part had no frame of some label; fewer parts, "
        "larger ones, or more groups are needed"
    )


def _has_each_label(part: Manifest) -> bool:
    targets = part.targets()
    return all(
        (targets == n).any() if targets.ndim == 1 else (targets[:, n] == 1).any()
        for n in range(len(part.label_names))
    )


def _piles(manifest: Manifest, count: int, seed: int) -> np.ndarray:
    """The pile of each frame (n,), 0 to count - 1; -1 of excluded frames."""
    with extra("data"):
        from sklearn.model_selection import StratifiedGroupKFold
    used = np.flatnonzero([not frame.excluded for frame in manifest.frames])
    strata, groups = _strata(manifest)[used], manifest.groups()[used]
    pile = np.full(len(manifest), -1)
    dealer = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(dealer.split(used, _large_enough(strata, count), groups)):
        pile[used[held_out]] = number
    return pile


def _strata(manifest: Manifest) -> np.ndarray:
    """What is kept in like shares (n,): the label, or of labels that are not exclusive their combination."""
    targets = manifest.targets()
    if targets.ndim == 1:
        return targets
    return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)


def _large_enough(strata: np.ndarray, count: int) -> np.ndarray:
    """Combinations rarer than the piles are many are dealt as one."""
    values, sizes = np.unique(strata, return_counts=True)
    rare = np.isin(strata, values[sizes < count])
    if not rare.any() or rare.sum() < count:
        return np.where(rare, values[sizes.argmax()], strata)
    return np.where(rare, -1, strata)


def _most(manifest: Manifest, *, at_least: int) -> int:
    """Into how many piles the groups can be dealt so that each has each label."""
    groups, targets = manifest.groups(), manifest.targets()
    used = np.array([not frame.excluded for frame in manifest.frames])
    holds = [
        used & ((targets == number) if targets.ndim == 1 else (targets[:, number] == 1))
        for number in range(len(manifest.label_names))
    ]
    counts = {name: len(set(groups[mask])) for name, mask in zip(manifest.label_names, holds, strict=True)}
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < at_least:
        what = {"patient": "patients", "exam": "examinations", None: "frames"}[manifest.grouping]
        raise DataError(
            f"{manifest.source}: {rarest} has {counts[rarest]} {what}, and {at_least} parts need at least one each"
        )
    return counts[rarest]
