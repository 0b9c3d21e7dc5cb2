"""Splits: by group, in like shares, the same for the same seed."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.data.splits import by_column, folds, split
from lag_zoo.errors import DataError, InvalidConfigError, UnevenSplitWarning, UngroupedDataWarning


def made(patients: int, each: int = 3, labels: int = 2, **fields: object) -> Manifest:
    frames = [
        Frame(image=f"{p}_{n}.png", labels=((p + n * (p % 5 == 0)) % labels,), patient=f"p{p}", **fields)  # type: ignore[arg-type]
        for p in range(patients)
        for n in range(each)
    ]
    return Manifest(root=Path(), label_names=tuple("abcd"[:labels]), frames=tuple(frames))


@pytest.mark.filterwarnings("ignore::lag_zoo.errors.UnevenSplitWarning")
@settings(max_examples=15)
@given(
    patients=st.integers(24, 80), each=st.integers(1, 5), labels=st.integers(2, 3), seed=st.integers(0, 999)
)
def test_no_group_is_torn_and_no_frame_lost(patients: int, each: int, labels: int, seed: int) -> None:
    manifest = made(patients, each, labels)
    parts = split(manifest, seed=seed)
    assert parts.splits == ("test", "train", "val")
    sides = [set(parts.where(split=name).groups()) for name in parts.splits]
    assert sum(map(len, sides)) == len(set(manifest.groups()))
    assert sum(len(parts.where(split=name)) for name in parts.splits) == len(manifest)
    assert parts == split(manifest, seed=seed)


def uneven(*, grouped: bool, exclusive: bool, labels: int) -> Manifest:
    """400 frames of 49 patients, or of nobody, some excluded."""
    frames = []
    for n in range(400):
        p = n * n % 97 if grouped else n
        marks: tuple[int, ...] = ((7 * p + n) % 11 % labels,)
        if not exclusive:
            holds = [(p + n * (k + 1)) % (3 + k) == 0 for k in range(labels)]
            marks = tuple(1 if held else -(n % 13 == 5) for held in holds)
        patient, excluded = f"p{p}" if grouped else "", "blurred" if n % 17 == 3 else ""
        frames.append(Frame(image=f"{n}.png", labels=marks, patient=patient, excluded=excluded))
    names = tuple(f"l{k}" for k in range(labels))
    return Manifest(
        root=Path(),
        label_names=names,
        task="multiclass" if exclusive else "multilabel",
        frames=tuple(frames),
    )


@pytest.mark.filterwarnings(
    "ignore::lag_zoo.errors.UngroupedDataWarning", "ignore::lag_zoo.errors.UnevenSplitWarning"
)
@pytest.mark.parametrize(
    ("grouped", "exclusive", "labels", "digests"),
    [
        (True, True, 2, "dc7129f548f8 a55ae9fa39a7 3329dcec104e"),
        (True, True, 3, "1f568dedb08b 31d061566c4a 31df38c2cf1a"),
        (True, False, 2, "2196ddceb964 f1862caf0c7c 99be5c8786ff"),
        (True, False, 3, "5186f1e22f35 0805c38ed37c d75b00ded0da"),
        (False, True, 2, "780aaa785560 c11e5ff5fad4 c682ab009e14"),
        (False, True, 3, "c94cfd50d582 75ab2984dd7d 1191b891531b"),
        (False, False, 2, "5bf9ca1f83ba 2e269f596662 5a5cb4c16f67"),
        (False, False, 3, "5b672b9c931a e7549675a4e7 d567504c8d7a"),
    ],
)
def test_a_seed_is_the_same_split_in_every_version(
    grouped: bool, exclusive: bool, labels: int, digests: str
) -> None:
    manifest = uneven(grouped=grouped, exclusive=exclusive, labels=labels)
    made = [split(manifest, seed=3), split(manifest, val=0.3, test=0.1, seed=0), folds(manifest, 4, seed=7)]
    columns = [",".join(parts.column("split")) for parts in made]
    assert [hashlib.sha256(column.encode()).hexdigest()[:12] for column in columns] == digests.split()


def test_shares() -> None:
    parts = split(made(400), val=0.1, test=0.2)
    shares = {name: len(parts.where(split=name)) / len(parts) for name in parts.splits}
    assert shares == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.02)
    rates = [parts.where(split=name).targets().mean() for name in parts.splits]
    assert max(rates) - min(rates) < 0.06


def test_a_rare_label_does_not_coarsen_the_shares() -> None:
    every = made(43)
    frames = [dataclasses.replace(f, labels=(int(n >= 120),)) for n, f in enumerate(every.frames)]
    parts = split(every.with_frames(frames))
    shares = {name: len(parts.where(split=name)) / len(parts) for name in parts.splits}
    assert shares == pytest.approx({"train": 0.7, "val": 0.15, "test": 0.15}, abs=0.07)
    assert all((parts.where(split=name).targets() == 1).any() for name in parts.splits)


def test_shares_that_whole_groups_do_not_permit_are_told() -> None:
    with pytest.warns(UnevenSplitWarning, match=r"test \d\d%, not 5%, val \d\d%, not 5%.*permit no closer"):
        split(made(6), val=0.05, test=0.05)


def test_another_seed_is_another_split() -> None:
    assert split(made(60), seed=0) != split(made(60), seed=1)


def test_folds() -> None:
    parts = folds(made(60), 5)
    assert parts.splits == ("fold1", "fold2", "fold3", "fold4", "fold5")
    assert {len(set(parts.where(split=name).groups())) for name in parts.splits} == {12}


def test_excluded_frames_are_in_no_split() -> None:
    manifest = made(40)
    manifest = manifest.with_column("excluded", ["blurred"] * 3 + [""] * (len(manifest) - 3))
    assert split(manifest).column("split")[:4].count("") == 3


def test_not_exclusive_labels() -> None:
    frames = tuple(
        Frame(image=f"{n}", labels=(n % 2, int(n % 3 == 0), -1 + 2 * (n % 7 == 0)), exam=f"{n}")
        for n in range(200)
    )
    parts = split(Manifest(root=Path(), label_names=("IM", "GA", "Hp"), task="multilabel", frames=frames))
    assert all((parts.where(split=name).targets() == 1).any(axis=0).all() for name in parts.splits)


def test_without_groups_it_says_so() -> None:
    frames = tuple(Frame(image=f"{n}", labels=(n % 2,)) for n in range(60))
    with pytest.warns(UngroupedDataWarning, match="frames of one patient may stand on both sides"):
        split(Manifest(root=Path(), label_names=("a", "b"), frames=frames))


def test_too_few() -> None:
    with pytest.raises(DataError, match="has 1 patients, and 3 parts need at least one each"):
        split(made(2))
    with pytest.raises(DataError, match="b has 2 patients, and 5 parts"):
        folds(made(5, each=1), 5)


def test_what_no_deal_can_do() -> None:
    """Three labels, three patients, each label in two of them: two folds cannot both have all."""
    marks = [(1, 0, 1), (1, 1, 0), (0, 1, 1)]
    frames = tuple(Frame(image=f"{n}", labels=marks[n % 3], patient=f"p{n % 3}") for n in range(30))
    with pytest.raises(DataError, match="in 50 deals of whole groups some part had no frame"):
        folds(Manifest(root=Path(), label_names=("IM", "GA", "Hp"), task="multilabel", frames=frames), 2)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.2, 1.0), (float("nan"), 0.1)])
def test_shares_that_cannot_be(val: float, test: float) -> None:
    with pytest.raises(InvalidConfigError, match="shares of the frames"):
        split(made(40), val=val, test=test)
    with pytest.raises(InvalidConfigError, match="at least 2 folds"):
        folds(made(40), 1)


def test_kvasir(shared: Path) -> None:
    manifest = open_data(shared / "kvasir_seg" / "manifest.csv", columns={"group": "exam"})
    parts = folds(manifest, 5)
    assert sum(len(set(parts.where(split=name).groups())) for name in parts.splits) == len(
        set(manifest.groups())
    )


def hospitals(*names: str) -> Manifest:
    frames = [
        Frame(image=f"{n}.png", labels=(n % 2,), patient=f"p{n // 4}", centre=names[n // 4 % len(names)])
        for n in range(48)
    ]
    return Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(frames))


def test_a_part_for_each_hospital() -> None:
    parts = by_column(hospitals("Z\u00fcrich (USZ)", "B/2"))
    assert parts.splits == ("centre_B-2", "centre_Z-rich-USZ")
    assert by_column(hospitals("a b", "a-b")).splits == ("centre_1", "centre_2")
    with pytest.raises(DataError, match="at least 2 of them; it has A"):
        by_column(hospitals("A"))
    with pytest.raises(DataError, match="centre is empty on line 0"):
        by_column(hospitals("A", ""))


def test_a_patient_of_two_hospitals_is_refused() -> None:
    manifest = hospitals("A", "B").with_column("patient", ["p"] * 48)
    with pytest.raises(DataError, match="stand in more than one split"):
        by_column(manifest)
