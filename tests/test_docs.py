"""The code in the documents runs as it stands: each document's ```python blocks, in their order, as one program."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lag_zoo
from tests.hub_server import HubServer

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    "README.md",
    "docs/quickstart.md",
    "docs/guides/weights.md",
    "docs/guides/offline.md",
    "docs/guides/publish.md",
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
    built_in = lag_zoo.create_model("lag_mobilenetv3_small_100_polyp", pretrained=True)
    hub.add_folder("someone/my-endoscopy-lag", lag_zoo.save_pretrained(built_in, tmp_path / "published"))
    blocks = _blocks(ROOT / document)
    assert blocks, f"{document} has no python block"
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, code in blocks:
        # Empty lines put the block where it stands, so that a traceback shows the document's own line.
        exec(compile("\n" * line + code, str(ROOT / document), "exec"), namespace)


def test_the_number_in_the_readme_is_the_one_that_was_measured() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    result = lag_zoo.model_info("lag_mobilenetv3_small_100_polyp").measured_results[0]
    assert (
        f"{result.metric} {result.value:.3f} (95% interval {result.low:.3f} to {result.high:.3f}; "
        f"{result.n} {result.unit}, out of fold, {result.date})"
    ) in text
