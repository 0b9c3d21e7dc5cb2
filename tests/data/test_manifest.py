"""Manifests and folders: what is in them is kept, what cannot be right is named by file, line and column."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.data.manifest import UNKNOWN, Frame, Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.data.tables import read_manifest, write_manifest
from lag_zoo.errors import DataError, InvalidConfigError, UnusedColumnWarning


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


def test_what_is_written_can_be_read_by_others(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    manifest = read_manifest(write("image,label\na,IM\nb,n\n"))
    write_manifest(manifest, tmp_path / "new" / "a.csv")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new" / "a.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(InvalidConfigError, match=r"as .csv or .parquet, not as a.xlsx"):
        write_manifest(manifest, tmp_path / "a.xlsx")


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no manifest"):
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
        frames.append(Frame(image=image, labels=labels, patient=data.draw(texts), modality="lci"))
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
        with pytest.raises(DataError, match=r"normal holds no TIFF"):
            open_data(tmp_path)

    def test_images_without_a_label(self, tmp_path: Path) -> None:
        for name in ("IM/a.png", "normal/b.png", "stray.png"):
            picture(tmp_path / name)
        with pytest.raises(DataError, match=r"stray\.png lies beside the folders of labels"):
            open_data(tmp_path)

    def test_no_labels_at_all(self, tmp_path: Path) -> None:
        picture(tmp_path / "a.png")
        with pytest.raises(DataError, match="no folders of labels"):
            open_data(tmp_path)

    def test_the_samples(self, shared: Path) -> None:
        manifest = open_data(shared / "samples")
        assert manifest.label_names == ("GA", "IM", "normal")
        assert len(manifest) == 24
        told = open_data(shared / "samples" / "manifest.csv")
        assert {(f.image, f.labels, f.modality) for f in manifest.frames} == {
            (f.image, f.labels, f.modality) for f in told.frames
        }
