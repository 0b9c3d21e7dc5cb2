"""The report in a real browser: it needs nothing else, shows its pictures and its numbers, and fits the window."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import lag_zoo
from lag_zoo.evaluate import Analysis, EvaluationOptions, evaluate
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.mistakes import Mistake, worst_mistakes
from lag_zoo.evaluate.pages import html
from lag_zoo.evaluate.report import Report, report_of
from lag_zoo.evaluate.tables import name_of, number, p_value
from lag_zoo.metrics.intervals import Difference, Interval
from tests.evaluate.browser import NEEDED, Tab, browser
from tests.evaluate.drawn_scores import of_skill
from tests.evaluate.test_mistakes import said
from tests.training.drawn_data import write_frames

pytestmark = [NEEDED, pytest.mark.slow]

TITLE = f"local-dir:{'a_long_place_' * 12}best on <data>"
OTHER = "another <network>"
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"
PICTURES = "[...document.images].map(image => image.naturalWidth)"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report() -> Report:
    options = EvaluationOptions(n_resamples=100, prevalence=0.1)
    good, poor = (Analysis(scores, options) for scores in (of_skill(2.0), of_skill(0.5, seed=1)))
    report = with_comparisons(report_of(good), good, {OTHER: poor})
    return dataclasses.replace(report, title=TITLE)


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory: pytest.TempPathFactory) -> list[Mistake]:
    data = write_frames(tmp_path_factory.mktemp("frames"))
    torch.manual_seed(0)
    model = lag_zoo.LAG(
        "mobilenetv3_small_050", label_names=["normal", "IM"], global_size=224, num_crops=10, crop_size=64
    ).eval()
    scores = said(model, data)
    return worst_mistakes(model, data, scores, evaluate(scores, n_resamples=100), count=1)


@pytest.fixture(scope="module")
def page(report: Report, mistakes: list[Mistake], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(html(report, mistakes=mistakes), encoding="utf-8")
    return file


def cell(value: Interval | Difference) -> str:
    return f"{number(value.value)} ({number(value.low)} to {number(value.high)})"


@pytest.mark.parametrize(("width", "phone"), [(1280, False), (400, False), (400, True)])
def test_it_fits_and_needs_nothing_else(
    tab: Tab, page: Path, mistakes: list[Mistake], width: int, phone: bool
) -> None:
    tab.open(page, width=width, phone=phone)
    assert tab.complaints() == []
    assert tab.fetched() == []
    assert tab.ask("document.querySelectorAll('script, link, iframe').length") == 0
    pictures = tab.ask(PICTURES)
    drawn = 1 + 3  # the called label, labels
    assert len(pictures) == drawn + len(mistakes)
    assert min(pictures) > 0
    assert tab.ask("window.innerWidth") == width, "a phone does not shrink the page"
    assert tab.ask(SIDEWAYS) <= 0, "tables scroll inside themselves, the page does not"
    assert tab.ask("Math.min(...[...document.querySelectorAll('table')].map(t => t.clientHeight))") > 20
    widest = "Math.max(...[...document.querySelectorAll('table')].map(t => t.scrollWidth - t.clientWidth))"
    assert (tab.ask(widest) > 0) is (width == 400), "on a desk no column hides"


def test_it_shows_the_numbers(tab: Tab, page: Path, report: Report, mistakes: list[Mistake]) -> None:
    tab.open(page, width=1280)
    assert tab.ask("document.title") == TITLE
    rows = [tuple(row) for row in tab.ask(
        "[...document.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )]  # fmt: skip
    for row in (*report.rows, *report.pairs):
        measures = tuple(cell(interval) for interval in row.measures.values())
        begun = [r for r in rows if r[0] == name_of(row)]
        assert any(r[-len(measures) :] == measures for r in begun)
        assert any(r[1:5] == tuple(str(count) for count in row.confusion) for r in begun)
    (other,) = report.comparisons
    for row, differences in zip(other.rows, other.differences, strict=True):
        shown = {text for r in rows if r[:2] == (row.label, OTHER) for text in r}
        assert {cell(row.measures["auroc"]), cell(row.measures["specificity"])} <= shown
        assert {f"{cell(d)}, p {p_value(d.p)}" for d in differences} <= shown
    captions = tab.ask("[...document.querySelectorAll('figcaption')].map(caption => caption.innerText)")
    assert len(captions) == len(mistakes)
    for mistake in mistakes:
        told = f"{mistake.image}: probability of {mistake.label} {number(mistake.probability)}"
        assert any(caption.startswith(told) for caption in captions)


def test_crops_are_shown_pixel_for_pixel(tab: Tab, page: Path) -> None:
    tab.open(page, width=400)
    shown = tab.ask("[...document.querySelectorAll('figure img')].map(i => [i.naturalWidth, i.clientWidth])")
    assert shown
    assert all(natural == wide for natural, wide in shown)


def test_a_browser_sees_what_is_wrong(tab: Tab, report: Report, tmp_path: Path) -> None:
    wrong = (
        '<img src="gone.png"><script>console.error("oh")</script><div style="width: 3000px">x</div></body>'
    )
    file = tmp_path / "report.html"
    one = dataclasses.replace(report, rows=report.rows[:1], pairs=())
    file.write_text(html(one).replace("</body>", wrong), encoding="utf-8")
    tab.open(file, width=1280)
    assert 0 in tab.ask(PICTURES)
    assert [url.rsplit("/")[-1] for url in tab.fetched()] == ["gone.png"]
    assert any("oh" in complaint for complaint in tab.complaints())
    assert tab.ask(SIDEWAYS) > 0
