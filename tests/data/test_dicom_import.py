"""Frames from DICOM: what is written, in whose name, and what is not."""

import json
import stat
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data import read_image, read_manifest
from lag_zoo.data.burnt_in import text_suspected
from lag_zoo.data.dicom_hashes import hashed
from lag_zoo.data.dicom_import import TEXT, beside, import_dicom, kept_salt, read_salt
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, InvalidConfigError, MissingExtraError
from lag_zoo.views import find_field_of_view
from tests.data.readers import written_dicom as written

SALT = b"0123456789abcdef"


def drawn(count: int = 1, seed: int = 0) -> np.ndarray:
    each = [draw_frame((240, 320), seed=seed + number) for number in range(count)]
    return np.stack([frame.permute(1, 2, 0).numpy() for frame in each])


def with_text(frame: np.ndarray, at: tuple[int, int], said: str = "DOE JANE 24/12/1963") -> np.ndarray:
    picture = Image.fromarray(frame)
    ImageDraw.Draw(picture).text(at, said, "white", font=ImageFont.load_default(14))
    return np.asarray(picture)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """As a DICOMDIR's folder: two patients, three examinations, names without an ending, and other files."""
    folder = tmp_path / "DOE_JANE"
    for number, time in enumerate(("104700", "104600")):  # the second was taken before the first
        written.write(folder / f"IM{number}", drawn(seed=number), ContentDate="20240229", ContentTime=time)
    written.write(
        folder / "more/IM2", drawn(3, seed=5), written.JPEG_2000_LOSSLESS, StudyInstanceUID="1.2.3.4"
    )
    written.write(
        folder / "other/1.2.840.99.1",
        drawn(seed=9),
        written.JPEG,
        PatientID="MRN-2",
        StudyInstanceUID="1.2.3.5",
    )
    (folder / "README.txt").write_text("no DICOM")
    return folder


def all_that_was_written(folder: Path) -> bytes:
    return b"\n".join(
        path.read_bytes() + path.name.encode() for path in sorted(folder.rglob("*")) if path.is_file()
    )


class TestWritten:
    def test_frames_of_whom_in_which_order(self, export: Path, tmp_path: Path) -> None:
        report = import_dicom(export, tmp_path / "out", salt=SALT, labels=["polyp"])
        assert (report["files"], report["frames"], report["patients"], report["exams"]) == (4, 6, 2, 3)
        assert report["not_dicom"] == {".txt": 1}
        assert report["files_refused"] == report["frames_refused"] == {}
        manifest = read_manifest(tmp_path / "out" / "manifest.csv")
        assert (len(manifest), manifest.grouping, manifest.label_names) == (6, "patient", ("polyp",))
        assert set(manifest.column("patient")) == {
            hashed(SALT, "patient", i) for i in (b"MRN-4711", b"MRN-2")
        }
        assert set(manifest.column("device")) == {hashed(SALT, "device", b"CV-290", b"SN-2208")}
        exam = hashed(SALT, "exam", b"1.2.826.0.1.3680043.8.498.77")
        first, second = (frame for frame in manifest.frames if frame.exam == exam)
        for frame, seed in ((first, 1), (second, 0)):  # by their times
            assert np.array_equal(
                read_image(manifest.path(frame)).permute(1, 2, 0).numpy(), inside(drawn(seed=seed)[0])
            )

    def test_what_lies_outside_the_field_is_gone(self, tmp_path: Path) -> None:
        plain, named = drawn()[0], with_text(drawn()[0], (2, 2), "DOE")
        assert not np.array_equal(plain, named)
        written.write(tmp_path / "in" / "a", named[None])
        import_dicom(tmp_path / "in", tmp_path / "out", salt=SALT)
        (image,) = (tmp_path / "out").rglob("*.png")
        assert np.array_equal(read_image(image).permute(1, 2, 0).numpy(), inside(named))
        with Image.open(image) as opened:
            assert not opened.info

    def test_nothing_of_the_header_and_no_name_of_the_source(self, export: Path, tmp_path: Path) -> None:
        ran = CliRunner().invoke(app, ["data", "import", str(export), "-o", str(tmp_path / "out")])
        assert ran.exit_code == 0, ran.output
        said = all_that_was_written(tmp_path / "out") + ran.output.replace(str(tmp_path), "").encode()
        uids = [pydicom.dcmread(path).SOPInstanceUID for path in export.rglob("IM*")]
        for secret in (
            *written.SECRETS.values(),
            *uids,
            "1.2.3.4",
            "1.2.840.99.1",
            "DOE_JANE",
            "104700",
            "20240229",
        ):
            assert str(secret).encode() not in said, secret
        assert "no de-identification" in " ".join(ran.output.split())

    def test_the_report_counts_each_attribute(self, export: Path, tmp_path: Path) -> None:
        made = pydicom.dcmread(export / "IM0")
        made.add_new(0x00090010, "LO", "ACME")
        made.add_new(0x00091001, "LO", "Doe^Jane")
        made.save_as(export / "IM0")
        import_dicom(export, tmp_path / "out", salt=SALT)
        report = json.loads((tmp_path / "out" / "import.json").read_text())
        dropped = report["attributes_dropped"]
        assert dropped["PatientName"] == dropped["StudyDate"] == dropped["InstitutionName"] == 4
        assert dropped["private (0009,1001)"] == 1
        assert report["attributes_hashed"]["PatientID"] == 4
        every = {name for key, names in report.items() if key.startswith("attributes_") for name in names}
        assert {
            element.keyword for element in pydicom.dcmread(export / "IM1") if element.keyword != "PixelData"
        } <= every
        markdown = (tmp_path / "out" / "import.md").read_text()
        assert "- PatientName: 4" in markdown
        assert "no de-identification" in markdown

    def test_whose_source_an_object_is_stands_beside_for_its_owner_alone(
        self, export: Path, tmp_path: Path
    ) -> None:
        import_dicom(export, tmp_path / "out", salt=SALT)
        sources = beside(tmp_path / "out", ".sources.csv")
        assert stat.S_IMODE(sources.stat().st_mode) == 0o600
        assert "more/IM2," in sources.read_text()


def inside(frame: np.ndarray) -> np.ndarray:
    """A frame as it is written."""
    pixels = torch.from_numpy(frame.copy()).permute(2, 0, 1)
    field = find_field_of_view(pixels[None])
    left, top, right, bottom = field.bounds()[0].tolist()
    return (pixels * field.mask()[0])[:, top:bottom, left:right].permute(1, 2, 0).numpy()


class TestText:
    def test_inside_the_field_is_suspected_and_the_frame_left_out(self, tmp_path: Path) -> None:
        written.write(tmp_path / "in" / "a", with_text(drawn()[0], (100, 120))[None])
        written.write(tmp_path / "in" / "b", drawn())
        report = import_dicom(tmp_path / "in", tmp_path / "out", salt=SALT, labels=["polyp"])
        manifest = read_manifest(tmp_path / "out" / "manifest.csv")
        assert [frame.image for frame in manifest.frames if frame.excluded == TEXT] == report[
            "text_suspected"
        ]
        assert len(report["text_suspected"]) == 1

    def test_in_real_frames(self, shared: Path) -> None:
        """Four frames of Kvasir-SEG have a date in the field, as anybody can see; the samples have none."""
        dated = sorted((shared / "kvasir_seg/images").glob("*.jpg"))[:640:160]
        clean = sorted((shared / "samples").glob("*/*.TIF"))[:6:2]
        assert [suspected(path) for path in dated] == [True] * 4
        assert [suspected(path) for path in clean] == [False] * 3


def suspected(path: Path) -> bool:
    pixels = read_image(path)
    return text_suspected(pixels, find_field_of_view(pixels[None]).mask()[0])


class TestBadFiles:
    def test_each_is_counted_by_its_reason_and_the_rest_done(self, export: Path, tmp_path: Path) -> None:
        wide = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
        written.write(export / "wide", drawn(), pixels=bytes(2 * drawn().size), **wide)
        (export / "odd").write_bytes(bytes(128) + b"DICM")
        frames = drawn(3)
        each = [written.encoded(frame, written.JPEG_2000_LOSSLESS) for frame in frames]
        each[1] = each[1][:80]
        whole = written.write(
            export / "torn", frames, written.JPEG_2000_LOSSLESS, pixels=pydicom.encaps.encapsulate(each)
        )
        dark = written.write(export / "dark", np.zeros_like(drawn()))
        assert whole != dark
        ran = CliRunner().invoke(app, ["data", "import", str(export), "-o", str(tmp_path / "out")])
        assert ran.exit_code == 1
        report = json.loads((tmp_path / "out" / "import.json").read_text())
        assert report["frames"] == 6 + 2
        assert sum(report["files_refused"].values()) == 2
        assert any("16 bits" in reason for reason in report["files_refused"])
        assert report["frames_refused"]["no lit field of view"] == 1
        assert sum(report["frames_refused"].values()) == 2
        assert "DOE_JANE" not in ran.stderr.replace(str(export), "")

    def test_the_same_object_twice(self, export: Path, tmp_path: Path) -> None:
        (export / "copy").write_bytes((export / "IM0").read_bytes())
        report = import_dicom(export, tmp_path / "out", salt=SALT)
        assert report["frames"] == 6
        assert report["files_refused"] == {"the same object as in another file": 1}

    def test_other_pixels_under_one_id_are_not_taken_for_it(self, tmp_path: Path) -> None:
        """A second export of an object, with a name drawn into the frame, does not stand in the place of the first."""
        clean, named = drawn(), np.stack([with_text(frame, (100, 120)) for frame in drawn(2)])
        written.write(tmp_path / "in" / "a", clean, SOPInstanceUID="1.2.3.9")
        written.write(tmp_path / "in" / "b", named, SOPInstanceUID="1.2.3.9")
        report = import_dicom(tmp_path / "in", tmp_path / "out", salt=SALT)
        assert report["files_refused"] == {"the same object as in another file": 1}
        (image,) = (tmp_path / "out" / "frames").rglob("*.png")
        assert np.array_equal(np.asarray(Image.open(image)), inside(clean[0]))

    def test_without_ids_each_examination_is_a_patient(self, tmp_path: Path) -> None:
        for name in ("a/1", "a/2", "b/1"):
            written.write(tmp_path / "in" / name, drawn(), PatientID="", StudyInstanceUID="")
        report = import_dicom(tmp_path / "in", tmp_path / "out", salt=SALT)
        assert (report["patients"], report["exams"]) == (2, 2)

    def test_no_dicom_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").touch()
        with pytest.raises(DataError, match="1 files are none"):
            import_dicom(tmp_path, tmp_path / "out", salt=SALT)
        with pytest.raises(DataError, match="no such file or folder"):
            import_dicom(tmp_path / "nowhere", tmp_path / "out", salt=SALT)

    def test_without_the_extra(self, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
        with pytest.raises(MissingExtraError, match=r"lag_zoo\[dicom\]"):
            import_dicom(export, tmp_path / "out", salt=SALT)


class TestGoesOn:
    def test_where_it_was_stopped_and_writes_the_same(self, export: Path, tmp_path: Path) -> None:
        def stop(done: int, of: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_dicom(export, tmp_path / "out", salt=SALT, progress=stop)
        written_first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
        assert len(written_first) == 2
        assert b"20240229" not in all_that_was_written(tmp_path / "out")
        with pytest.raises(InvalidConfigError, match="another salt"):
            import_dicom(export, tmp_path / "out", salt=SALT + b"x")
        import_dicom(export, tmp_path / "out", salt=SALT)
        import_dicom(export, tmp_path / "whole", salt=SALT)
        assert all(path.stat().st_mtime_ns == time for path, time in written_first.items())
        assert all_that_was_written(tmp_path / "out") == all_that_was_written(tmp_path / "whole")

    def test_a_finished_one_is_not_written_over(self, export: Path, tmp_path: Path) -> None:
        import_dicom(export, tmp_path / "out", salt=SALT)
        with pytest.raises(InvalidConfigError, match="finished"):
            import_dicom(export, tmp_path / "out", salt=SALT)
        with pytest.raises(InvalidConfigError, match="name an empty folder"):
            import_dicom(export, export, salt=SALT)


class TestSalt:
    def test_is_made_once_and_kept_for_its_owner(self, tmp_path: Path) -> None:
        salt, path = kept_salt(tmp_path / "out")
        assert path == tmp_path / "out.salt"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert kept_salt(tmp_path / "out") == (salt, path)
        assert len(salt) == 32

    def test_one_that_is_too_short_or_missing(self, tmp_path: Path) -> None:
        (tmp_path / "salt").write_bytes(b"short")
        for name, said in (("salt", "at least 16 bytes, and this one 5"), ("none", "cannot be read")):
            with pytest.raises(InvalidConfigError, match=said):
                read_salt(tmp_path / name)

    def test_another_gives_other_names(self) -> None:
        assert (
            hashed(SALT, "patient", b"1")
            != hashed(SALT + b"x", "patient", b"1")
            != hashed(SALT, "exam", b"1")
        )
