"""docs/performance.md: one section can be measured anew, and the goals follow."""

import datetime

from benchmarks.__main__ import PAGE, with_section
from benchmarks.timing import Row, row

TITLE = "From a file to a network"


def rows(ratio: float) -> list[Row]:
    return [row("LAG on resnet50 from a file, built / timm", [ratio] * 3, [1.0] * 3, goal="at most 0.35")]


def test_a_section_is_measured_anew() -> None:
    before = PAGE.read_text(encoding="utf-8")
    good, bad = (
        with_section(before, TITLE, rows(ratio), date=datetime.date(2026, 1, 2)) for ratio in (0.2, 0.5)
    )
    for text in (good, bad):
        assert "timm's `local-dir:` of the plain backbone." in text
        assert "Measured anew on 2026-01-02." in text
        assert [line for line in text.splitlines() if line.startswith("## ")] == [
            line for line in before.splitlines() if line.startswith("## ")
        ]
        assert text.count("LAG on resnet50 from a file") == (1 if text is good else 2)
    assert "- LAG on resnet50 from a file, built / timm: 0.50, goal at most 0.35" in bad
    again = with_section(bad, TITLE, rows(0.2), date=datetime.date(2026, 1, 2))
    assert again == good
