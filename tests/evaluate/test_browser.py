"""The report in a real browser: it needs nothing else, shows its pictures and its numbers, and fits the window."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.beside import with_others
from lag_zoo.evaluate.mistakes import Mistake
from lag_zoo.evaluate.pages import html, number
from lag_zoo.evaluate.report import Report
from tests.evaluate.test_beside import drawn

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium to open the report with (apt-get install chromium)"
)

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# What the page is once it has loaded, put where `--dump-dom` shows it.
PROBE = """<script>
const wrong = [];
window.addEventListener("error", event => wrong.push(String(event.message)), true);
window.addEventListener("load", () => {
  const found = {
    wrong,
    pictures: [...document.images].map(image => image.naturalWidth),
    fetched: [...document.querySelectorAll("[src], [href]")].map(e => e.src || e.href).filter(x => !/^data:/.test(x)),
    cells: [...document.querySelectorAll("td")].map(cell => cell.innerText),
    headings: [...document.querySelectorAll("h1, h2, h3")].map(heading => heading.innerText),
    wide: document.documentElement.scrollWidth - window.innerWidth,
    hidden: [...document.querySelectorAll("table")].filter(table => table.getBoundingClientRect().height < 10).length,
  };
  document.body.innerHTML = "<pre id='probe'></pre>";
  document.getElementById("probe").textContent = JSON.stringify(found);
});
</script>"""


@pytest.fixture(scope="module")
def report() -> Report:
    good, poor = drawn(2.0), drawn(0.5, seed=1)
    return with_others(evaluate(good, draws=100), good, {"another <network>": poor}, draws=100)


def opened(page: str, folder: Path, *, width: int) -> dict[str, Any]:
    """What a browser of this width, without a network, makes of the page."""
    file = folder / "report.html"
    file.write_text(page.replace("<head>", "<head>" + PROBE), encoding="utf-8")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    told = re.search(r'<pre id="probe">(.*)</pre>', done.stdout, flags=re.DOTALL)
    assert told is not None, done.stdout[-500:]
    return dict(json.loads(unescape(told[1])))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 500])  # a headless window is no narrower
def test_the_report_in_a_browser(report: Report, tmp_path: Path, width: int) -> None:
    mistakes = [Mistake("IM", "frame <1>.png", 0.9, 0.5, False, DOT)]
    found = opened(html(report, title="A report", mistakes=mistakes), tmp_path, width=width)
    assert found["wrong"] == []
    assert found["fetched"] == []
    assert len(found["pictures"]) == 3 + 3 + 1, "three labels, three pairs, one mistake"
    assert min(found["pictures"]) > 0
    assert found["wide"] <= 0, "tables scroll inside themselves, the page does not"
    assert found["hidden"] == 0
    assert {"A report", "Frames", "Results", "Calibration", "The worst mistakes"} <= set(found["headings"])
    for row in report.rows:
        for interval in row.measures.values():
            cell = f"{number(interval.value)} ({number(interval.low)} to {number(interval.high)})"
            assert cell in found["cells"]
    assert found["cells"].count("another <network>") == 3


@pytest.mark.slow
def test_the_probe_sees_what_is_wrong(report: Report, tmp_path: Path) -> None:
    page = html(report, title="t").replace(
        "</body>", '<img src="gone.png"><div style="width: 3000px">x</div></body>'
    )
    found = opened(page, tmp_path, width=1280)
    assert 0 in found["pictures"]
    assert found["fetched"] != []
    assert found["wide"] > 0
