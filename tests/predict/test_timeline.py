"""Timelines: the rules of smoothing, events and false alarms, on answers that are made up."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import DataError
from lag_zoo.predict.timeline import Stretch, Timeline, compare, read_truth, timeline_of


def timeline(values: list[float | None], every: float = 0.5) -> Timeline:
    """One of a label, polyp: a value a moment, `None` where there is no answer."""
    rows = [
        {"time": place * every, "error": "damaged"}
        if value is None
        else {"time": place * every, "probabilities": {"polyp": value, "mucosa": 1 - value}, "warnings": []}
        for place, value in enumerate(values)
    ]
    return timeline_of(rows, every)


class TestSmoothed:
    @given(
        values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
        seconds=st.sampled_from([0.0, 0.7, 1.0, 4.0]),
    )
    def test_is_the_median_of_the_window_around(self, values: list[float], seconds: float) -> None:
        times = 0.5 * np.arange(len(values))
        for place, found in enumerate(timeline(list(values)).smoothed("polyp", seconds)):
            around = np.array(values)[np.abs(times - times[place]) <= seconds / 2 + 1e-6]
            assert found == np.median(around)

    def test_frames_that_come_late_count_as_if_they_came_on_time(self) -> None:
        rows = [
            {"time": 0.5 * n + 0.03 * (n % 2), "probabilities": {"polyp": float(n % 2)}} for n in range(9)
        ]
        smoothed = timeline_of(rows, 0.5).smoothed("polyp", 1.0)
        assert smoothed[1:-1].tolist() == [float(n % 2 == 0) for n in range(1, 8)]

    def test_one_frame_alone_makes_no_event(self) -> None:
        values = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
        found = timeline([*values]).events("polyp", 0.5, smooth=1.0, at_least=0.5)
        assert [(event.start, event.end) for event in found] == [(2.5, 4.5)]


class TestEvents:
    def events(self, values: list[float | None], at_least: float = 1.0) -> list[tuple[float, float]]:
        found = timeline(values).events("polyp", 0.5, smooth=0.0, at_least=at_least)
        return [(event.start, event.end) for event in found]

    def test_lasts_from_its_first_moment_to_the_first_below(self) -> None:
        assert self.events([0, 0.5, 0.9, 0.4, 1, 0]) == [(0.5, 1.5)]
        assert self.events([0, 0.5, 0.9, 0.4, 1, 0], 0.5) == [(0.5, 1.5), (2.0, 2.5)]

    def test_at_the_end_its_last_moment_holds_as_long_as_the_others(self) -> None:
        assert self.events([0, 1, 1]) == [(0.5, 1.5)]

    def test_a_moment_without_an_answer_ends_it(self) -> None:
        assert self.events([1, 1, None, 1, 1]) == [(0.0, 1.0), (1.5, 2.5)]
        assert timeline([1, 1, None, 1, 1]).gaps == ((1.0, 1.5),)
        assert timeline([1, 1, None, 1, 1]).watched == 2.0

    def test_its_peak_is_smoothed(self) -> None:
        (event,) = timeline([0, 0.6, 0.7, 0.9, 0]).events("polyp", 0.5, smooth=0.0, at_least=1.0)
        assert event.peak == 0.9

    def test_without_any_answer(self) -> None:
        with pytest.raises(DataError, match="no moment"):
            timeline([None, None])


class TestAgainstATruth:
    def test_found_late_missed_and_false(self) -> None:
        values: list[float | None] = [0.0] * 240
        values[20:30] = [1.0] * 10  # 10 to 15 s
        values[100:110] = [1.0] * 10  # 50 to 55 s
        line = timeline(values)
        events = line.events("polyp", 0.5, smooth=0.0)
        truth = [Stretch("polyp", 8.0, 14.0), Stretch("polyp", 80.0, 90.0), Stretch("mucosa", 0.0, 120.0)]
        found = compare(line, events, truth, "polyp").to_dict()
        assert (found["findings"], found["found"], found["false_alarms"], found["delays"]) == (2, 1, 1, [2.0])
        assert found["minutes"] == pytest.approx((120 - 6 - 10) / 60)
        assert found["false_alarms_a_minute"] == pytest.approx(60 / 104)

    def test_an_event_that_began_before_has_no_delay(self) -> None:
        line = timeline([1.0] * 20)
        found = compare(line, line.events("polyp", 0.5), [Stretch("polyp", 4.0, 6.0)], "polyp")
        assert (found.delays, found.false_alarms) == ((0.0,), 0)

    def test_findings_that_overlap_count_their_time_once(self) -> None:
        line = timeline([0.0] * 120)
        truth = [Stretch("polyp", 10.0, 30.0), Stretch("polyp", 20.0, 40.0)]
        assert compare(line, [], truth, "polyp").minutes == pytest.approx(0.5)


class TestTruth:
    def test_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("label,start,end,by\npolyp,9,11.5,me\npolyp,1,2,me\n")
        assert read_truth(tmp_path / "t.csv", ["mucosa", "polyp"]) == [
            Stretch("polyp", 1.0, 2.0),
            Stretch("polyp", 9.0, 11.5),
        ]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("start,end\n1,2\n", "columns start, end, label"),
            ("start,end,label\n2,1,polyp\n", "line 2: start and end are seconds"),
            ("start,end,label\n1,nan,polyp\n", "line 2: start and end are seconds"),
            ("start,end,label\n1,2,polyp\n1,2,IM\n", "line 3: the label 'IM' is none of mucosa, polyp"),
        ],
    )
    def test_what_cannot_be_right(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "t.csv").write_text(text)
        with pytest.raises(DataError, match=said):
            read_truth(tmp_path / "t.csv", ["mucosa", "polyp"])

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            read_truth(tmp_path / "none.csv", ["polyp"])


def test_the_event_of_a_grade_is_of_at_least_this_grade() -> None:
    rows = [
        {"time": float(n), "probabilities": {"none": 0.02, "mild": 0.1, "severe": 0.88}} for n in range(5)
    ]
    timeline = timeline_of(rows, 1.0, task="ordinal")
    assert [event.label for event in timeline.events("mild", 0.5)] == ["mild"]
    assert not timeline_of(rows, 1.0).events("mild", 0.5)
