"""Manifests and folders: what is in them is kept, what cannot be right is named by file, line and column."""

import cProfile
import csv
import dataclasses
import tracemalloc
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.data.cells import plain_text, says_nothing
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.data.splits import split
from lag_zoo.data.tables import read_manifest, write_manifest
from lag_zoo.errors import DataError, InvalidConfigError, UnusedColumnWarning
from lag_zoo.tasks import UNKNOWN
from lag_zoo.training import Stage
from lag_zoo.training.stage_frames import stage_frames


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str, name: str = "data.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40)).save(path)


class TestExclusive:
    def test_reads(self, write) -> None:  # type: ignore[no-untyped-def]
        manifest = read_manifest(
            write("image,label,patient,modality\na.jpg,IM,p1,LCI\nb.jpg,normal,p2,wli\n")
        )
        assert (manifest.label_names, manifest.task, manifest.grouping) == (
            ("IM", "normal"),
            "multiclass",
            "patient",
        )
        assert [f.modality for f in manifest.frames] == ["lci", "wli"]
        assert manifest.targets().tolist() == [0, 1]
        assert [f.line for f in manifest.frames] == [2, 3]
        assert manifest.paths()[0] == manifest.root / "a.jpg"

    def test_in_an_order_of_one_s_own(self, write) -> None:  # type: ignore[no-untyped-def]
        path = write("image,label\na.jpg,IM\nb.jpg,normal\n")
        assert read_manifest(path, labels=["normal", "IM"]).targets().tolist() == [1, 0]
        assert read_manifest(path).with_label_names(["normal", "IM"]).targets().tolist() == [1, 0]

    def test_other_columns_are_left_alone_or_renamed(self, write) -> None:  # type: ignore[no-untyped-def]
        path = write("file,label,case,width\na.jpg,IM,7,640\nb.jpg,normal,8,640\n")
        manifest = read_manifest(path, columns={"file": "image", "case": "patient"})
        assert manifest.groups().tolist() == ["7", "8"]

    def test_an_excluded_frame_needs_no_label(self, write) -> None:  # type: ignore[no-untyped-def]
        manifest = read_manifest(write("image,label,excluded\na.jpg,IM,\nb.jpg,normal,\nc.jpg,,blurred\n"))
        assert manifest.frames[2].labels == (UNKNOWN,)
        assert len(manifest.where()) == 2


class TestMasks:
    """A mask's path leads from the manifest's folder, wherever the manifest is written to."""

    def test_reads(self, write) -> None:  # type: ignore[no-untyped-def]
        manifest = read_manifest(write("image,label,mask\na.jpg,IM,masks/a.png\nb.jpg,normal,\n"))
        assert manifest.mask_path(manifest.frames[0]) == manifest.root / "masks" / "a.png"
        assert manifest.mask_path(manifest.frames[1]) is None

    def test_by_another_name_and_beside_labels_of_their_own(self, write) -> None:  # type: ignore[no-untyped-def]
        path = write("image,IM,GA,outline\na.jpg,1,0,a.png\nb.jpg,0,1,\n")
        manifest = read_manifest(path, columns={"outline": "mask"})
        assert manifest.label_names == ("IM", "GA")
        assert manifest.column("mask") == ["a.png", ""]

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_is_written_as_the_image_is(self, write, tmp_path: Path, suffix: str) -> None:  # type: ignore[no-untyped-def]
        decomposed = unicodedata.normalize("NFD", "mäsk.png")
        manifest = read_manifest(write(f"image,label,patient,mask\na.jpg,IM,p,{decomposed}\nb.jpg,n,q,\n"))
        write_manifest(manifest, tmp_path / "deeper" / f"again{suffix}")
        again = read_manifest(tmp_path / "deeper" / f"again{suffix}")
        assert again.mask_path(again.frames[0]) == tmp_path / decomposed, "of files the bytes count"
        assert again.mask_path(again.frames[1]) is None
        write_manifest(manifest, tmp_path / f"beside{suffix}")
        assert read_manifest(tmp_path / f"beside{suffix}").column("mask") == [decomposed, ""]


NO = ["", "0", "0.0", "-0", "0.00", "false", "no", "n", "f", "nan", "none", "null", "NA", "n/a"]
YES = ["1", "1.0", "1.00", "+1", "true", "yes", "y", "t"]


@st.composite
def said(draw: st.DrawFn, words: list[str]) -> str:
    """One of these words, in any case, with spaces around it."""
    word = draw(st.sampled_from(words))
    word = "".join(letter.upper() if draw(st.booleans()) else letter for letter in word)
    return draw(st.sampled_from(["", " ", "  "])) + word + draw(st.sampled_from(["", " "]))


reasons = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12).filter(
    lambda text: text.strip().lower() not in {*map(str.lower, NO), *YES} and text.strip(" +-.0123456789e_")
)


class TestExcluded:
    """What only says yes or no is no reason; whatever else stands there is one."""

    def table(self, folder: Path, column: Sequence[object], suffix: str) -> Path:
        names = [f"{number}.png" for number in range(len(column))]
        labels = ["IM", *["normal"] * (len(column) - 1)]
        path = folder / f"data{suffix}"
        if suffix == ".parquet":
            parquet.write_table(pyarrow.table({"image": names, "label": labels, "excluded": column}), path)
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(
                    [["image", "label", "excluded"], *zip(names, labels, column, strict=True)]
                )
        return path

    @settings(max_examples=40)
    @given(
        cells=st.lists(
            st.one_of(
                said(NO).map(lambda cell: (cell, "")),
                said(YES).map(lambda cell: (cell, "excluded")),
                reasons.map(lambda cell: (cell, plain_text(cell))),
            ),
            min_size=2,
            max_size=12,
        ),
        suffix=st.sampled_from([".csv", ".parquet"]),
    )
    def test_text(
        self, tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], suffix: str
    ) -> None:
        folder = tmp_path_factory.mktemp("excluded")
        manifest = read_manifest(self.table(folder, [cell for cell, _ in cells], suffix))
        assert manifest.column("excluded") == [reason for _, reason in cells]
        write_manifest(manifest, folder / f"again{suffix}")
        assert read_manifest(folder / f"again{suffix}").column("excluded") == manifest.column("excluded")

    @pytest.mark.parametrize(
        ("column", "kind"),
        [
            ([False, True, None, False], pyarrow.bool_()),
            ([0, 1, None, 0], pyarrow.int8()),
            ([0, 1, None, 0], pyarrow.int64()),
            ([0.0, 1.0, float("nan"), -0.0], pyarrow.float32()),
            ([0.0, 1.0, None, 0.0], pyarrow.float64()),
            ([Decimal("0.00"), Decimal("1.00"), None, Decimal("0.00")], pyarrow.decimal128(5, 2)),
            (["no", "Yes", None, "FALSE"], pyarrow.string()),
            (["no", "Yes", None, "no"], pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
        ],
        ids=lambda value: None if isinstance(value, list) else str(value),
    )
    def test_types_of_parquet(self, tmp_path: Path, column: list[object], kind: pyarrow.DataType) -> None:
        typed = pyarrow.array(column, pyarrow.string() if "dictionary" in str(kind) else kind).cast(kind)
        manifest = read_manifest(self.table(tmp_path, typed, ".parquet"))
        assert manifest.column("excluded") == ["", "excluded", "", ""]

    @pytest.mark.parametrize("cells", [[False, True], [0, 1], [0.0, 1.0], [np.False_, np.True_], ["no", "y"]])
    def test_from_python(self, cells: list[object]) -> None:
        frames = tuple(Frame(image=f"{n}", labels=(n,), excluded=cell) for n, cell in enumerate(cells))  # type: ignore[arg-type]
        manifest = Manifest(root=Path(), label_names=("a", "b"), frames=frames)
        assert manifest.column("excluded") == ["", "excluded"]
        again = manifest.with_column("excluded", list(reversed(cells)))  # type: ignore[arg-type]
        assert again.column("excluded") == ["excluded", ""]

    def test_marked_as_not_excluded_needs_a_label(self, write) -> None:  # type: ignore[no-untyped-def]
        text = "image,label,excluded\na,IM,0\nb,normal,0\nc,,False\n"
        with pytest.raises(DataError, match="line 4, column label: is empty, and nothing says why"):
            read_manifest(write(text))

    def test_what_is_left_is_counted_with_what_is_not(self, write) -> None:  # type: ignore[no-untyped-def]
        rows = [f"{n},{'IM' if n % 2 else 'normal'},{'test' if n < 2 else 'train'}" for n in range(8)]
        marks = ["", "", "blurred", "blurred", "1", "dye", "water", "narrow band"]
        lines = [f"{row},{mark}" for row, mark in zip(rows, marks, strict=True)]
        manifest = read_manifest(write("\n".join(["image,label,split,excluded", *lines])))
        reasons = r"2 blurred, 1 without a reason, 1 dye, 2 for other reasons"
        with pytest.raises(
            DataError, match=rf"no frame of the split train is left: all 6 are excluded \({reasons}\)"
        ):
            manifest.where(split="train")
        with pytest.raises(
            DataError, match=rf"no split 'val'; it has test, train; 6 of 8 frames are excluded \({reasons}\)"
        ):
            manifest.where(split="val")
        with pytest.raises(DataError, match=r"none of its 8 frames is left; 6 of 8 frames are excluded"):
            manifest.with_frames([])
        every = manifest.with_column("excluded", ["True"] * 8)
        with pytest.raises(DataError, match=r"no frame is left: all 8 are excluded \(8 without a reason\)"):
            every.where()
        with pytest.raises(DataError, match=r"no frame is left: all 8 are excluded"):
            split(every)
        with pytest.raises(
            DataError, match=r"1 frames, and 3 parts.*; 6 of 8 frames are excluded \(2 blurred"
        ):
            split(manifest)
        with pytest.raises(
            DataError, match=r"no val frames; its splits are test, train; 8 of 8 frames are excl"
        ):
            stage_frames(every, "val", Stage(epochs=1))
        assert len(every.where(excluded=True)) == 8


class TestNotExclusive:
    def test_reads(self, write) -> None:  # type: ignore[no-untyped-def]
        manifest = read_manifest(write("image,IM,GA,exam\na.jpg,1,0,e1\nb.jpg,,1,e2\n"))
        assert (manifest.label_names, manifest.task, manifest.grouping) == (
            ("IM", "GA"),
            "multilabel",
            "exam",
        )
        assert manifest.targets().tolist() == [[1, 0], [UNKNOWN, 1]]

    def test_columns_that_are_no_labels_have_to_be_told(self, write) -> None:  # type: ignore[no-untyped-def]
        path = write("image,IM,width\na.jpg,1,640\n")
        with pytest.raises(DataError, match=r"line 2, column width: '640' is neither 0, 1 nor empty"):
            read_manifest(path)
        assert read_manifest(path, labels=["IM"]).label_names == ("IM",)


BAD = {
    "a duplicated header": ("image,label,label\na,IM,IM\n", "the column 'label' stands there twice"),
    "no image column": ("file,label\na,IM\n", "has no column image; its columns are file, label"),
    "no frames": ("image,label\n", "has a header and no frames"),
    "nothing": ("", "has no column image"),
    "a short row": ("image,label\na,IM\nb\n", "line 3: 1 cells, and the header has 2"),
    "no label": ("image,label\na,IM\nb,normal\nc,\n", r"line 4, column label: is empty"),
    "one label": ("image,label\na,IM\nb,IM\n", "at least 2 are needed"),
    "no labels": ("image,patient\na,1\n", "has no labels"),
    "a label out of range": ("image,IM,GA\na,1,0\nb,2,0\n", "line 3, column IM: '2' is neither 0, 1 nor empty"),
    "an image twice": ("image,label\na,IM\nb,normal\na,IM\n", "a stands on line 2 and again on line 4"),
    "an empty image": ("image,label\na,IM\n,normal\n", "line 3, column image: is empty"),
    "another modality": ("image,label,modality\na,IM,xray\nb,n,wli\n", "line 2, column modality: 'xray' is none"),
    "another reference": ("image,label,reference\na,IM,mother\nb,n,\n", "line 2, column reference"),
    "a patient left out": ("image,label,patient\na,IM,p1\nb,normal,\n", "patient is empty on line 3"),
    "a patient in two splits": (
        "image,label,patient,split\na,IM,p1,train\nb,normal,p2,test\nc,IM,p1,test\n",
        r"1 of 2 groups by patient stand in more than one split: p1 in train \(line 2\) and test \(line 4\)",
    ),
    "a nameless column": ("image,label,\na,IM,\n", "column 3 has no name"),
    "semicolons": ("image;label\na;IM\n", "parted by semicolons; commas are expected"),
    "another name for image": ("filename,label\na,IM\n", "say --column filename=image"),
    "a patient that is no label": ("image,IM,Patient_ID\na,1,p1\n", "--column Patient_ID=patient, if it is that"),
    "an open quote": ('image,label\n"a,IM\n', "no CSV file in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str, write) -> None:  # type: ignore[no-untyped-def]
    text, said = BAD[case]
    with pytest.raises(DataError, match=said):
        read_manifest(write(text))


def test_numbers_as_spreadsheets_write_them(write) -> None:  # type: ignore[no-untyped-def]
    manifest = read_manifest(write("image,IM,GA\na,1.0,0\nb,0.0,1\nc,,1.0\n"))
    assert manifest.targets().tolist() == [[1, 0], [0, 1], [-1, 1]]


def test_splits_by_their_other_names(write) -> None:  # type: ignore[no-untyped-def]
    text = "image,label,split\na,IM,Train\nb,n,Validation\nc,n,TEST\nd,n,fold1\n"
    assert read_manifest(write(text)).column("split") == ["train", "val", "test", "fold1"]


def test_a_column_that_should_perhaps_be_read(write) -> None:  # type: ignore[no-untyped-def]
    path = write("image,label,Patient_ID,age\na,IM,p1,50\nb,n,p2,60\n")
    with pytest.warns(UnusedColumnWarning, match="if it is patient, say --column Patient_ID=patient"):
        read_manifest(path)
    assert read_manifest(path, columns={"Patient_ID": "patient"}).grouping == "patient"


def test_a_column_that_is_perhaps_no_label(write) -> None:  # type: ignore[no-untyped-def]
    path = write("image,IM,Is_Excluded\na,1,0\nb,0,1\n")
    with pytest.warns(
        UnusedColumnWarning, match=r"Is_Excluded is taken for a label.*--column Is_Excluded=excluded"
    ):
        assert read_manifest(path).label_names == ("IM", "Is_Excluded")
    assert len(read_manifest(path, columns={"Is_Excluded": "excluded"}).where()) == 1
    assert read_manifest(path, labels=["IM", "Is_Excluded"]).label_names == ("IM", "Is_Excluded")


def test_what_is_written_can_be_read_by_others(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    manifest = read_manifest(write("image,label\na,IM\nb,n\n"))
    write_manifest(manifest, tmp_path / "new" / "a.csv")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new" / "a.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(InvalidConfigError, match=r"as .csv or .parquet, not as a.xlsx"):
        write_manifest(manifest, tmp_path / "a.xlsx")


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*none.csv"):
        open_data(tmp_path / "none.csv")
    with pytest.raises(DataError, match="neither a folder nor a manifest"):
        open_data(tmp_path / "none.xlsx")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"image,label\n\xff\xfe,IM\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_manifest(tmp_path / "a.csv")
    (tmp_path / "a.parquet").write_bytes(b"image,label\n")
    with pytest.raises(DataError, match="no Parquet file"):
        read_manifest(tmp_path / "a.parquet")


texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8)


@given(
    data=st.data(), suffix=st.sampled_from([".csv", ".parquet", ".CSV", ".Parquet"]), exclusive=st.booleans()
)
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str, exclusive: bool
) -> None:
    names = data.draw(st.lists(st.sampled_from(["IM", "GA", "normal", "ü"]), min_size=2, unique=True))
    images = data.draw(
        st.lists(texts.filter(lambda t: "/" not in t and t.strip(".")), min_size=len(names), unique=True)
    )
    frames = []
    for number, image in enumerate(images):
        labels = (
            (number % len(names),)
            if exclusive
            else tuple(data.draw(st.sampled_from([0, 1, UNKNOWN])) for _ in names)
        )
        # Ids are read in one spelling; paths as they are.
        patient = data.draw(texts.map(plain_text).filter(lambda t: t and not says_nothing(t)))
        frames.append(Frame(image=image, labels=labels, patient=patient, modality="lci"))
    folder = tmp_path_factory.mktemp("manifest")
    manifest = Manifest(
        root=folder,
        label_names=tuple(sorted(names)) if exclusive else tuple(names),
        task="multiclass" if exclusive else "multilabel",
        frames=tuple(frames),
    )
    write_manifest(manifest, folder / f"m{suffix}")
    read = read_manifest(folder / f"m{suffix}")
    assert (read.label_names, read.task) == (manifest.label_names, manifest.task)
    assert (read.targets() == manifest.targets()).all()
    assert [f.image for f in read.frames] == [f.image for f in manifest.frames]
    assert read.groups().tolist() == manifest.groups().tolist()


class TestFolders:
    def test_one_a_label(self, tmp_path: Path) -> None:
        for name in ("IM/a.png", "IM/deep/b.png", "normal/c.jpg"):
            picture(tmp_path / name)
        manifest = open_data(tmp_path)
        assert [(f.image, manifest.label_names[f.labels[0]]) for f in manifest.frames] == [
            ("IM/a.png", "IM"), ("IM/deep/b.png", "IM"), ("normal/c.jpg", "normal"),
        ]  # fmt: skip
        assert open_data(tmp_path, labels=["normal", "IM"]).targets().tolist() == [1, 1, 0]

    def test_one_a_modality_and_label(self, tmp_path: Path) -> None:
        for name in ("WLI_IM/a.png", "LCI_IM/b.png", "LCI_normal/c.jpg"):
            picture(tmp_path / name)
        manifest = open_data(tmp_path)
        assert manifest.label_names == ("IM", "normal")
        assert [f.modality for f in manifest.frames] == ["lci", "lci", "wli"]

    def test_below_folders_of_splits(self, tmp_path: Path) -> None:
        for name in (
            "train/IM/a.png",
            "train/normal/b.png",
            "validation/IM/c.png",
            "validation/normal/d.jpg",
        ):
            picture(tmp_path / name)
        assert open_data(tmp_path).splits == ("train", "val")

    def test_an_empty_class(self, tmp_path: Path) -> None:
        picture(tmp_path / "IM" / "a.png")
        (tmp_path / "normal").mkdir()
        with pytest.raises(DataError, match=r"normal holds no image \(it is empty\)"):
            open_data(tmp_path)
        for name in ("a.mp4", "b.MP4", "c.avi", "IM1"):
            (tmp_path / "normal" / name).touch()
        said = r"normal holds no image \(left out: 2 \.mp4, 1 \.avi, 1 without an ending\)"
        with pytest.raises(DataError, match=said):
            open_data(tmp_path)

    @pytest.mark.parametrize("splits", [False, True])
    def test_what_is_no_frame_is_counted(self, tmp_path: Path, splits: bool) -> None:
        for part in ("train", "val") if splits else (".",):
            for name in ("IM/a.png", "normal/b.jfif"):
                picture(tmp_path / part / name.replace("jfif", "jpg"))
            (tmp_path / part / "IM" / "clip.mp4").touch()
            (tmp_path / part / "notes.txt").touch()
            (tmp_path / part / ".hidden").mkdir()
            (tmp_path / part / "normal" / "up").symlink_to(tmp_path)
        (tmp_path / "README").touch()
        manifest = open_data(tmp_path)
        times = 2 if splits else 1
        expected = {
            ".mp4": times,
            ".txt": times,
            "hidden": times,
            "link to a folder above": times,
            "no ending": 1,
        }
        assert manifest.left_out == expected
        assert len(manifest) == 2 * times
        assert manifest.with_column("device", ["1"] * len(manifest)).where().left_out == expected

    def test_a_linked_folder_of_a_label(self, tmp_path: Path) -> None:
        picture(tmp_path / "frames" / "IM" / "a.png")
        picture(tmp_path / "elsewhere" / "deep" / "b.jpe")
        (tmp_path / "frames" / "normal").symlink_to(tmp_path / "elsewhere")
        assert [f.image for f in open_data(tmp_path / "frames").frames] == ["IM/a.png", "normal/deep/b.jpe"]

    def test_images_without_a_label(self, tmp_path: Path) -> None:
        for name in ("IM/a.png", "normal/b.png", "stray.png"):
            picture(tmp_path / name)
        with pytest.raises(DataError, match=r"stray\.png lies beside the folders of labels"):
            open_data(tmp_path)

    def test_no_labels_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no folders of labels, such as IM/ and normal/: put each"):
            open_data(tmp_path)
        picture(tmp_path / "a.png")
        (tmp_path / "b.mp4").touch()
        said = r"no folders of labels, .* \(left out: 1 \.mp4, 1 images without a label\)"
        with pytest.raises(DataError, match=said):
            open_data(tmp_path)

    def test_the_samples(self, shared: Path) -> None:
        manifest = open_data(shared / "samples")
        assert manifest.label_names == ("GA", "IM", "normal")
        assert len(manifest) == 24
        told = open_data(shared / "samples" / "manifest.csv")
        assert {(f.image, f.labels, f.modality) for f in manifest.frames} == {
            (f.image, f.labels, f.modality) for f in told.frames
        }


class TestGrowth:
    """Four times the rows take about four times the work, counted in calls."""

    def calls(self, work: Callable[[], object]) -> int:
        profile = cProfile.Profile()
        profile.runcall(work)
        return sum(entry.callcount for entry in profile.getstats())

    def table(self, folder: Path, rows: int) -> Path:
        lines = [
            f"{n}.jpg,{'IM' if n % 3 else 'normal'},p{n // 5},{'train' if n // 5 % 4 else 'val'}"
            for n in range(rows)
        ]
        path = folder / f"{rows}.csv"
        path.write_text("\n".join(["image,label,patient,split", *lines]))
        return path

    def test_reading_writing_and_splitting(self, tmp_path: Path) -> None:
        few, many = self.table(tmp_path, 500), self.table(tmp_path, 2000)
        works: dict[str, Callable[[Path], object]] = {
            "read": read_manifest,
            "write": lambda path: write_manifest(read_manifest(path), tmp_path / "written.csv"),
            "split": lambda path: split(read_manifest(path)),
            "check": lambda path: read_manifest(path).where(split="val").groups(),
        }
        for name, work in works.items():
            work(few)  # what is done once only
            assert self.calls(lambda work=work: work(many)) < 5 * self.calls(lambda work=work: work(few)), (
                name
            )

    def test_many_labels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Told(str):
            """A name that counts how often it is compared."""

            compared = 0
            __slots__ = ()
            __hash__ = str.__hash__

            def __eq__(self, other: object) -> bool:
                Told.compared += 1
                return str.__eq__(self, other)

        names = [Told(f"l{n:04}") for n in range(2000)]
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(["image,label", *(f"{n}.jpg,{name}" for n, name in enumerate(names))]))
        manifest = read_manifest(path, labels=names)
        assert manifest.with_label_names(names[::-1]).targets().tolist() == list(range(2000))[::-1]
        assert Told.compared < 40 * len(names)


class TestOneFileUnderTwoPaths:
    def manifest(self, root: Path, *images: str) -> Manifest:
        frames = [Frame(image=image, labels=(n % 2,), line=n + 2) for n, image in enumerate(images)]
        return Manifest(root=root, label_names=("normal", "IM"), frames=tuple(frames))

    @pytest.mark.parametrize("other", ["./a.png", "d/../a.png", "d//../a.png", "d/./../a.png", "absolute"])
    def test_is_refused(self, tmp_path: Path, other: str) -> None:
        (tmp_path / "d").mkdir()
        other = str(tmp_path / "a.png") if other == "absolute" else other
        with pytest.raises(DataError, match=r"stands on line 2 as a\.png and again on line 3"):
            self.manifest(tmp_path, "a.png", other)

    def test_up_from_a_link_leads_elsewhere(self, tmp_path: Path) -> None:
        (tmp_path / "there" / "inner").mkdir(parents=True)
        (tmp_path / "d").symlink_to(tmp_path / "there" / "inner")
        assert len(self.manifest(tmp_path, "a.png", "d/../a.png")) == 2
        with pytest.raises(DataError, match="again on line 3"):
            self.manifest(tmp_path, "there/a.png", "d/../a.png")


@pytest.mark.parametrize(
    ("header", "like"),
    [
        ("PatientAge", "age"),
        ("age_years", "age"),
        ("SEX", "sex"),
        ("Image_ID", None),
        ("stage", None),
        ("sextant", None),
    ],
)
def test_names_like_age_and_sex(write, header: str, like: str | None) -> None:  # type: ignore[no-untyped-def]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_manifest(write(f"image,label,{header}\na.png,IM,1\nb.png,normal,2\n"))
    assert [like is not None and f"if it is {like}," in str(w.message) for w in caught] == [True] * (
        like is not None
    )


def test_memory_grows_by_less_than_a_kilobyte_a_row(tmp_path: Path) -> None:
    """Read, split and written: what Python holds at most; `benchmarks.manifests` measures the process."""
    rows = 20_000
    lines = [f"frames/{n:06}.jpg,{'ab'[n % 2]},patient {n // 5}" for n in range(rows)]
    (tmp_path / "a.csv").write_text("\n".join(["image,label,patient", *lines]) + "\n")
    tracemalloc.start()
    try:
        manifest = read_manifest(tmp_path / "a.csv")
        write_manifest(split(manifest), tmp_path / "b.csv")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most / rows < 1000
    frames = manifest.frames
    assert frames[0].patient is frames[4].patient
    assert frames[0].labels is frames[2].labels


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_held_once_is_the_same_in_each_form(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there are more texts than are held, and more rows than Parquet gets at once."""
    monkeypatch.setattr("lag_zoo.data.rows._MOST", 7)
    monkeypatch.setattr("lag_zoo.data.tables._AT_ONCE", 10)
    frames = [Frame(image=f"{n}.jpg", labels=(n % 3 - 1,), patient=f"p{n // 2}", excluded="" if n % 3 else "blurred")
              for n in range(45)]  # fmt: skip
    manifest = Manifest(root=tmp_path, label_names=("a", "b"), frames=tuple(frames))
    write_manifest(manifest, tmp_path / f"m.{form}")
    again = read_manifest(tmp_path / f"m.{form}")
    assert [dataclasses.replace(frame, line=0) for frame in again.frames] == frames


def test_paths_that_only_hash_alike_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.hash", lambda _: 1)
    frames = tuple(Frame(image=f"{n}.jpg", labels=(n,)) for n in range(2))
    assert len(Manifest(root=Path("."), label_names=("a", "b"), frames=frames)) == 2
    with pytest.raises(DataError, match=r"0\.jpg stands on line"):
        Manifest(
            root=Path("."), label_names=("a", "b"), frames=(*frames, dataclasses.replace(frames[0], line=3))
        )
