"""The code in the documents runs as it stands: each document's ```python blocks, in their order, as one program.

Blocks marked ```py are shown only: they need files that a test does not have.
"""

import csv
import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

import lag_zoo
from lag_zoo.data import read_manifest
from lag_zoo.data.phantom import draw_frame
from tests.data.readers import drawn_video, written_dicom
from tests.guides import run_page
from tests.hub_server import HubServer

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    "README.md",
    "docs/quickstart.md",
    "docs/guides/weights.md",
    "docs/guides/offline.md",
    "docs/guides/grades.md",
]


def _blocks(document: Path) -> list[tuple[int, str]]:
    """(line, code) of each python block, dedented by nothing: blocks stand at the margin."""
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)), match.group(1)) for match in found]


@pytest.fixture
def folder_of_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the documents speak of: a lit disc of texture, drawn."""
    y, x = np.mgrid[:480, :640]
    lit = (x - 320) ** 2 + (y - 240) ** 2 < 230**2
    texture = np.random.default_rng(0).integers(-20, 20, (480, 640, 3))
    frame = np.where(lit[..., None], np.array([190, 110, 90]) + texture, 0).astype(np.uint8)
    for name in ("frame.jpg", "a.tif", "b.jpg"):
        Image.fromarray(frame).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the Hub's client's own
@pytest.mark.usefixtures("folder_of_frames")
def test_the_code_runs(document: str, hub: HubServer, tmp_path: Path) -> None:
    built_in = lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True)
    hub.add_folder("someone/my-endoscopy-lag", lag_zoo.save_pretrained(built_in, tmp_path / "published"))
    blocks = _blocks(ROOT / document)
    assert blocks, f"{document} has no python block"
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks:
        # Empty lines put the block where it stands, so that a traceback shows the document's own line.
        exec(compile("\n" * line + code, str(ROOT / document), "exec"), namespace)


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.slow
def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and code of guides that build on one another, in their order, on drawn frames with times in them."""
    monkeypatch.chdir(tmp_path)
    _draw_examinations(tmp_path / "frames")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for guide in ("finetune", "evaluate"):
        run_page(ROOT / f"docs/guides/{guide}.md", namespace=namespace, change=_shorter)


@pytest.mark.slow
def test_the_guide_to_predicting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _draw_examinations(tmp_path / "frames")
    run_page(ROOT / "docs/guides/predict.md", namespace={"__name__": "__main__"})
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 1 + 24


@pytest.mark.slow
def test_the_guide_to_dicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frames = np.stack([draw_frame((120, 150), seed=seed).permute(1, 2, 0).numpy() for seed in range(3)])
    written_dicom.write(tmp_path / "frame.dcm", frames[:1])
    written_dicom.write(tmp_path / "export" / "IM000001", frames[:1], written_dicom.JPEG)
    written_dicom.write(tmp_path / "export" / "IM000002", frames, written_dicom.JPEG_2000_LOSSLESS)
    run_page(ROOT / "docs/guides/dicom.md", namespace={"__name__": "__main__"})
    assert len(read_manifest(tmp_path / "imported" / "manifest.csv")) == 4


@pytest.mark.slow
def test_the_guide_to_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drawn_video.write(tmp_path / "clip.mp4", [number / 25 for number in range(75)])
    (tmp_path / "truth.csv").write_text("start,end,label\n0.5,2,polyp\n")
    run_page(ROOT / "docs/guides/video.md", namespace={"__name__": "__main__"})
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 1 + 15
    assert (tmp_path / "answers.csv").read_text() == (tmp_path / "again.csv").read_text()
    assert (tmp_path / "timeline.png").is_file()


@pytest.mark.slow
def test_the_guide_to_examinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _draw_examinations(tmp_path / "frames")
    listed, labelled = ["image,patient,exam,anatomy"], ["image,patient,exam,anatomy,label,split"]
    for exam in range(12):
        for number, site in enumerate(("antrum", "corpus")):
            row = f"frames/{('IM', 'normal')[exam % 2]}/{exam}_{number}.jpg,p{exam},e{exam},{site}"
            listed.append(row)
            labelled.append(
                f"{row},{('polyp', 'mucosa')[exam % 2]},{('train', 'train', 'val', 'test')[exam // 2 % 4]}"
            )
    (tmp_path / "frames.csv").write_text("\n".join(listed) + "\n")
    (tmp_path / "data.csv").write_text("\n".join(labelled) + "\n")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    said = run_page(ROOT / "docs/guides/exam.md", namespace=namespace)
    assert len((tmp_path / "patients.csv").read_text().splitlines()) == 1 + 12
    assert namespace["found"].pooling == "head"
    assert any("number of frames" in text for text in said.values())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("folder_of_frames")
def test_the_guide_to_exports() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    said = run_page(ROOT / "docs/guides/export.md", namespace={"__name__": "__main__"})
    assert len(said) == 2
    assert all("from the network's" in text for text in said.values())


def test_the_guide_to_any_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lag_zoo.evaluate.pages._pictures", lambda report: {})
    monkeypatch.setattr("lag_zoo.evaluate.saving._figures", lambda *_: None)
    _draw_examinations(tmp_path / "frames")
    _write_tables(tmp_path)
    said = run_page(
        ROOT / "docs/guides/evaluate-any-model.md",
        namespace={"__name__": "__main__"},
        change=lambda line: f"{line} --n-resamples 100",
    )
    assert {path.parent.name for path in tmp_path.glob("*/report.json")} == {
        "report", "timm-report", "compared", "raters",
    }  # fmt: skip
    assert any("Fleiss' kappa" in text for text in said.values())


def test_the_guide_to_patient_scores() -> None:
    """Its examples print what the page says that they print."""
    page = ROOT / "docs/guides/patient-scores.md"
    blocks = re.findall(r"^```pycon\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest("".join(blocks), {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))
    assert len(test.examples) > 20


def _write_tables(folder: Path) -> None:
    """The tables that the guide to any model speaks of: of drawn frames, of two models, of a reader and of raters."""
    rng = np.random.default_rng(0)
    frames = sorted(folder.glob("frames/*/*.jpg"))
    names, truth = ("normal", "IM"), [path.parent.name for path in frames]
    common = {"image": [str(path.relative_to(folder)) for path in frames], "label": truth}
    common["patient"] = [path.stem.split("_")[0] for path in frames]
    chances = [
        [float(f"{rng.beta(*(4, 2) if label == 'IM' else (2, 4)):.3f}") for label in truth] for _ in range(2)
    ]
    called = [[label if rng.uniform() < 0.8 else str(rng.choice(names)) for label in truth] for _ in range(3)]
    tables: dict[str, dict[str, list[object]]] = {
        "frames": {},
        "ours": {"p_IM": [*chances[0]]},
        "theirs": {"p_IM": [*chances[1]]},
        "reader": {"called": [*called[0]]},
        "raters": dict(zip(("ana", "ben", "cem"), map(list, called), strict=True)),
    }
    for name, more in tables.items():
        columns = common | more
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])


def _shorter(line: str) -> str:
    """A command that trains for less than its recipe's thirty epochs, on small views."""
    if not line.startswith(("lag-zoo train", "lag-zoo cv")):
        return line
    line += " --set fields.global_size=64"
    if "stages" not in line and "epochs=" not in line:
        line += " --set stages.0.epochs=1 --set stages.1.epochs=2"
    return line


def _draw_examinations(folder: Path) -> None:
    """Twelve examinations of two frames, a label each, an hour apart."""
    for exam in range(12):
        for number in range(2):
            pixels = draw_frame((120, 150), seed=10 * exam + number).permute(1, 2, 0).numpy()
            exif = Image.Exif()
            exif[ExifTags.Base.DateTime] = f"2026:03:01 {8 + exam:02d}:0{number}:00"
            path = folder / ("IM", "normal")[exam % 2] / f"{exam}_{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, exif=exif)


def test_the_number_in_the_readme_is_the_one_that_was_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    result = lag_zoo.model_info("lag_tf_efficientnet_lite0_polyp").measured_results[0]
    assert (
        f"{result.metric} {result.value:.3f} (95% interval {result.low:.3f} to {result.high:.3f}; "
        f"{result.n} {result.unit}, out of fold, {result.date})"
    ) in text
    assert f"printed at revision {result.revision[:7]}" in text
    every = lag_zoo.model_info("lag_tf_efficientnet_lite0_polyp").measured_results
    left_out = [r.value for r in every if r.metric.startswith("AUROC") and "left out" in r.data]
    assert len(left_out) == 6
    assert f"without one of six hospitals have there {min(left_out):.3f} to {max(left_out):.3f}" in text
    (found,) = (r for r in every if r.metric == "Sensitivity on whole frames of NeoPolyp")
    assert (
        f"In {found.n} whole frames of another hospital the weights find {found.value:.3f} ({found.low:.3f} to "
        f"{found.high:.3f}) of the polyps"
    ) in text
