"""Importing DICOM: frames as PNG files without what surrounds the field of view, and a manifest with hashes for names.

A header names patients, doctors and days; the margin of a picture does too. Of both nothing is kept but salted hashes
(`lag_zoo.data.dicom_hashes`), which tell whose frames belong together, and the order of the frames of an examination.
This lowers the risk that somebody is recognised. It is no de-identification: text may be burnt into the field itself
(`lag_zoo.data.burnt_in` suspects some of it), and a picture may be known to whoever took it.

What is written on the way can be gone on with: each file of the source is a line in `import.parts`.
"""

import contextlib
import io
import json
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, BinaryIO, cast

from PIL import Image

from lag_zoo.data.burnt_in import text_suspected
from lag_zoo.data.dicom_hashes import (
    DESCRIBING,
    HASHED,
    ORDERED,
    SHORTEST_SALT,
    Identity,
    hashed,
    identity_of,
)
from lag_zoo.data.images import kind_of
from lag_zoo.data.readers.dicom import DicomFile
from lag_zoo.data.readers.dicom_header import START, is_dicom
from lag_zoo.errors import (
    DataError,
    FieldOfViewWarning,
    InvalidConfigError,
    MissingExtraError,
    UnreadableImageError,
    extra,
)
from lag_zoo.files import csv_writer, write_whole
from lag_zoo.opening import UnfitFileError, open_regular, read_regular
from lag_zoo.state import read_state, state_line, state_lines, write_state
from lag_zoo.views import find_field_of_view

TEXT = "text inside the field of view is suspected"
"""The reason in the manifest's column `excluded` of frames that somebody has to look at first."""

_PARTS, _RUN, _FRAMES = "import.parts", "import.run", "frames"
_MANIFEST, _JSON, _MARKDOWN = "manifest.csv", "import.json", "import.md"
_MOST_SALT = 1 << 16
_DIRECTORY = "a DICOMDIR, which lists other files"
_NO_PROMISE = (
    "This is no de-identification. Names may be burnt into the field itself, and a picture may be known to whoever "
    "took it: look through the frames before anybody else does. Keep the salt and the list of sources apart from them."
)

Row = dict[str, Any]


def read_salt(path: Path) -> bytes:
    """The salt in a file, all of its bytes.

    Raises:
        InvalidConfigError: no such file, or one of fewer than 16 bytes.
    """
    try:
        salt = read_regular(path, most=_MOST_SALT)
    except OSError as error:
        raise InvalidConfigError(f"{path}: the salt cannot be read ({error.strerror or error})") from error
    if len(salt) < SHORTEST_SALT:
        raise InvalidConfigError(
            f"{path}: a salt has at least {SHORTEST_SALT} bytes, and this one {len(salt)}; "
            "head -c 32 /dev/urandom > FILE makes one"
        )
    return salt


def kept_salt(folder: Path) -> tuple[bytes, Path]:
    """The salt of an import into a folder, and its file beside it (`FOLDER.salt`), made where there is none.

    Only its owner can read the file.
    """
    path = beside(folder, ".salt")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, secrets.token_bytes(32), mode=0o600)
    return read_salt(path), path


def beside(folder: Path, ending: str) -> Path:
    """The file that is kept beside the folder of an import, and not in it."""
    folder = folder.resolve()
    return folder.with_name(folder.name + ending)


def import_dicom(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    salt: bytes,
    labels: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Write the frames of all DICOM files below a folder, a manifest of them, and a report of what was left out.

    Into `folder` go `frames/EXAM/OBJECT_0000.png` (bounding box of the field of view, what lies outside it blanked),
    `manifest.csv` with the hashes of patient, examination and device, in the order of the examination, and the report
    as `import.json` and `import.md`. Beside it goes `FOLDER.sources.csv`, which says whose source each object is: its
    names may name patients, and only its owner can read it. DICOM files are known by their content, whatever their
    names. Stopped, it goes on where it was.

    Args:
        source: a folder, such as one with a DICOMDIR, or a file.
        salt: of the hashes; another gives other names.
        labels: columns of the manifest, empty, for whoever labels the frames.
        progress: called after each file, with how many are done and how many there are.

    Returns:
        The report, as it stands in `import.json`: no value of a header, and no name of a source.

    Raises:
        DataError: no DICOM file below the source, or frames of none.
        InvalidConfigError: the folder holds an import that is finished, or one of other files or another salt.
        MissingExtraError: the extra `dicom` is not installed.
    """
    with extra("dicom"):
        import pydicom  # noqa: F401
    source, folder = Path(source), Path(folder)
    left_out: Counter[str] = Counter()
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    files = list(_dicom_files(source, left_out))
    if not files:
        raise DataError(
            f"no DICOM file below the source: {left_out.total()} files are none, by their content"
        )
    done = _begin(folder, files, source, salt)
    before: set[str] = set()
    with (folder / _PARTS).open("a", encoding="utf-8") as parts:
        for number, path in enumerate(files):
            if number not in done:
                done[number] = _imported(path, path.relative_to(source), folder, salt, before)
                parts.write(state_line([number, done[number]]))
                parts.flush()
            if done[number]["frames"]:
                before.add(done[number]["object"])
            progress(number + 1, len(files))
    return _finish(folder, [done[number] for number in range(len(files))], left_out, labels, files, source)


def _dicom_files(source: Path, left_out: Counter[str]) -> Iterator[Path]:
    """DICOM files by their content, in the order of their names; the others are counted by kind."""
    walked = sorted(source.rglob("*")) if source.is_dir() else [source]
    for path in walked:
        if path.is_dir():
            continue
        try:
            with open_regular(path) as file:
                start = file.read(START)
        except OSError:
            left_out["cannot be read"] += 1
            continue
        if is_dicom(start):
            yield path
        else:
            left_out[kind_of(path.name)] += 1


def _begin(folder: Path, files: Sequence[Path], source: Path, salt: bytes) -> dict[int, Row]:
    """Make the folder, or take up what is done already: rows by the number of their file."""
    if (folder / _JSON).exists():
        raise InvalidConfigError(
            f"{folder} holds an import that is finished: name another folder, or remove it"
        )
    names = hashed(salt, "files", *(os.fsencode(path.relative_to(source)) for path in files))
    about = {"files": len(files), "names": names}
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / _RUN
    if not run.exists():
        if any(folder.iterdir()):
            raise InvalidConfigError(
                f"{folder} holds files, and no import that was stopped: name an empty folder"
            )
        write_state(run, about)
    elif read_state(run) != about:
        raise InvalidConfigError(
            f"{folder} holds the import of other files, or with another salt, that was stopped: remove it, or name "
            "another folder"
        )
    parts = folder / _PARTS
    return dict(state_lines(parts)) if parts.exists() else {}


def _imported(path: Path, relative: Path, folder: Path, salt: bytes, before: AbstractSet[str]) -> Row:
    """Write the frames of a file; the row says what became of each.

    Args:
        before: objects of which frames are written already: their files are named by them, and stay as they are.
    """
    row: Row = {"frames": [], "attributes": [], "refused": "", "gaps": {}}
    try:
        with io.BufferedReader(open_regular(path)) as buffered:
            file = cast(BinaryIO, buffered)
            identity = _identity(file, salt, relative)
            row |= {name: value for name, value in identity._asdict().items() if name != "when"}
            if "DirectoryRecordSequence" in identity.attributes:
                row["refused"] = _DIRECTORY
                return row
            if identity.object in before:
                row["refused"] = "the same object as in another file"
                return row
            opened = DicomFile(file, "")
            if opened.pixels.moving:
                row["refused"] = "a video; lag_zoo.data.readers.video reads its frames"
                return row
            for index in range(len(opened)):
                _write_frame(opened, index, identity, folder, row)
            if opened.missing:
                row["gaps"]["the file ends before it"] = opened.missing
    except MissingExtraError:
        raise
    except UnreadableImageError as error:
        row["refused"] = str(error).removeprefix(": ")
    except UnfitFileError as error:
        row["refused"] = str(error.strerror)
    return row


def _identity(file: BinaryIO, salt: bytes, relative: Path) -> Identity:
    """The hashes of a file; what its header does not say is made of where it lies, so that nobody is mistaken."""
    try:
        found = identity_of(file, salt)
    except MissingExtraError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged header leads it to, with its values
        raise UnreadableImageError(f": its header is damaged ({type(error).__name__})") from None
    here = os.fsencode(relative)
    exam = found.exam or hashed(salt, "exam", os.fsencode(relative.parent))
    return found._replace(
        object=found.object or hashed(salt, "object", here),
        exam=exam,
        patient=found.patient or hashed(salt, "patient of exam", exam.encode()),
    )


def _write_frame(opened: DicomFile, index: int, identity: Identity, folder: Path, row: Row) -> None:
    try:
        pixels = opened.read(index)
    except UnreadableImageError as error:
        reason = str(error).removeprefix(": ").removeprefix(f"frame {index}: ")
        row["gaps"][reason] = row["gaps"].get(reason, 0) + 1
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FieldOfViewWarning)  # it is told in the report
        field = find_field_of_view(pixels[None])
    if bool(field.empty[0]):
        reason = "no lit field of view"
        row["gaps"][reason] = row["gaps"].get(reason, 0) + 1
        return
    lit = field.mask()[0]
    left, top, right, bottom = field.bounds()[0].tolist()
    inside = (pixels * lit)[:, top:bottom, left:right]
    image = f"{_FRAMES}/{identity.exam}/{identity.object}_{index:04d}.png"
    file = io.BytesIO()
    Image.fromarray(inside.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
    (folder / image).parent.mkdir(parents=True, exist_ok=True)
    write_whole(folder / image, file.getvalue())
    row["frames"].append({"image": image, "text": text_suspected(pixels, lit), "whole": bool(lit.all())})


def _finish(
    folder: Path,
    rows: Sequence[Row],
    left_out: Mapping[str, int],
    labels: Sequence[str],
    files: Sequence[Path],
    source: Path,
) -> dict[str, Any]:
    kept = _in_order(rows, files)
    report = _report(rows, left_out)
    sources = io.StringIO(newline="")
    writer = csv_writer(sources)
    writer.writerow(["source", "object", "frames", "refused"])
    for path, row in zip(files, rows, strict=True):
        name = os.fsencode(path.relative_to(source)).decode("utf-8", "backslashreplace")
        writer.writerow([name, row.get("object", ""), len(row["frames"]), row["refused"]])
    write_whole(beside(folder, ".sources.csv"), sources.getvalue(), mode=0o600)
    if kept:
        write_whole(folder / _MANIFEST, _manifest(kept, labels))
    write_whole(folder / _MARKDOWN, _as_markdown(report))
    write_whole(folder / _JSON, json.dumps(report, indent=2) + "\n")
    for name in (_PARTS, _RUN):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
    return report


def _in_order(rows: Sequence[Row], files: Sequence[Path]) -> list[Row]:
    """The rows with frames, examination by examination (in the order of their hashes), in the order of each.

    Times are read once more, so that they are never written anywhere.
    """
    keyed = []
    for row, path in zip(rows, files, strict=True):
        if row["frames"]:
            with io.BufferedReader(open_regular(path)) as file:
                when = identity_of(cast(BinaryIO, file), b"").when
            keyed.append(((row["exam"], when, row["object"]), row))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def _manifest(rows: Sequence[Row], labels: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    writer = csv_writer(text)
    writer.writerow(["image", *labels, "patient", "exam", "device", "excluded"])
    for row in rows:
        for frame in row["frames"]:
            excluded = TEXT if frame["text"] else ""
            writer.writerow(
                [frame["image"], *("" for _ in labels), row["patient"], row["exam"], row["device"], excluded]
            )
    return text.getvalue()


def _report(rows: Sequence[Row], left_out: Mapping[str, int]) -> dict[str, Any]:
    attributes = Counter(name for row in rows for name in set(row["attributes"]))
    frames = [frame for row in rows for frame in row["frames"]]
    gaps: Counter[str] = Counter()
    for row in rows:
        gaps.update(row["gaps"])
    refused = Counter(row["refused"] for row in rows if row["refused"])
    left_out = {**left_out, **({"DICOMDIR": refused.pop(_DIRECTORY)} if _DIRECTORY in refused else {})}

    def counted(names: Mapping[str, int]) -> dict[str, int]:
        return dict(sorted(names.items()))

    return {
        "note": _NO_PROMISE,
        "files": len(rows),
        "frames": len(frames),
        "patients": len({row["patient"] for row in rows if row["frames"]}),
        "exams": len({row["exam"] for row in rows if row["frames"]}),
        "files_refused": counted(refused),
        "frames_refused": counted(gaps),
        "not_dicom": counted(left_out),
        "text_suspected": [frame["image"] for frame in frames if frame["text"]],
        "nothing_blanked": [frame["image"] for frame in frames if frame["whole"]],
        "attributes_hashed": counted({n: c for n, c in attributes.items() if n in HASHED}),
        "attributes_as_order": counted({n: c for n, c in attributes.items() if n in ORDERED}),
        "attributes_of_pixels": counted({n: c for n, c in attributes.items() if n in DESCRIBING}),
        "attributes_dropped": counted(
            {n: c for n, c in attributes.items() if n not in DESCRIBING and n not in (*HASHED, *ORDERED)}
        ),
    }


def _as_markdown(report: Mapping[str, Any]) -> str:
    lines = ["# Import from DICOM", "", f"**{report['note']}**", ""]
    lines += [f"- {name}: {report[name]}" for name in ("files", "frames", "patients", "exams")]
    titles = {
        "files_refused": "Files without a frame, by reason",
        "frames_refused": "Frames that are missing, by reason",
        "not_dicom": "Files that are no DICOM, or only list others, by kind",
        "text_suspected": "Frames in whose field text is suspected (excluded in the manifest until somebody looks)",
        "nothing_blanked": "Frames whose field fills them, so that nothing was blanked",
        "attributes_hashed": "Attributes of which salted hashes are kept (in so many files)",
        "attributes_as_order": "Attributes of which the order within an examination is kept",
        "attributes_of_pixels": "Attributes that describe the pixels, used and dropped",
        "attributes_dropped": "Attributes dropped, sequences with all in them",
    }
    for name, title in titles.items():
        found = report[name]
        lines += ["", f"## {title}", ""]
        lines += (
            [f"- {key}: {count}" for key, count in found.items()]
            if isinstance(found, dict)
            else [f"- {image}" for image in found]
        )
        lines += [] if found else ["none"]
    return "\n".join(lines) + "\n"
