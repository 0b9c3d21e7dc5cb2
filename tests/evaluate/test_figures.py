"""Figures of a report: what is drawn of which shape, the same bytes each time, with fonts that embed."""

import dataclasses
import itertools

import matplotlib
import numpy as np
import pytest

from lag_zoo.evaluate.curves import BAND_RESAMPLES, curves_of
from lag_zoo.evaluate.figure import vector
from lag_zoo.evaluate.figures import confusion_figure, contrast_figure, count_figures, figures
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.metrics.calibration_curve import smooth_curve
from tests.evaluate.report_shapes import SHAPES, report


@pytest.mark.parametrize("shape", SHAPES)
def test_which_are_drawn(shape: str) -> None:
    found = report(shape)
    with_curves = [row for row in found.rows if row.curves is not None]
    matrix = found.called is not None and found.called.confusion is not None
    assert count_figures(found) == len(with_curves) + matrix
    if shape != "many labels":  # takes long
        assert len([name for name, _ in figures(found)]) == count_figures(found)
    assert (not with_curves) is (shape in ("calls", "one class"))


def test_the_same_numbers_give_the_same_bytes() -> None:
    row = report("two labels").rows[0]
    assert row.curves is not None
    one, again = (contrast_figure(row, row.curves) for _ in range(2))
    for form in ("svg", "pdf"):
        assert vector(one, form) == vector(again, form)


def test_fonts_embed() -> None:
    called = report("two labels").called
    assert called is not None
    figure = confusion_figure(called)
    pdf, svg = vector(figure, "pdf"), vector(figure, "svg")
    assert b"/Type3" not in pdf.replace(b" ", b"")
    assert b"/FontFile2" in pdf, "TrueType, inside the file"
    assert b"<text" not in svg, "outlines look alike everywhere"
    assert matplotlib.rcParams["pdf.fonttype"] == 3, "the settings of others stay as they were"


def test_names_with_dollar_signs_are_no_mathematics() -> None:
    found = report("special")
    for name, figure in figures(found):
        assert vector(figure, "svg"), name


class TestConfusion:
    def test_counts_and_shares(self) -> None:
        called = report("two labels").called
        assert called is not None
        texts = [text.get_text() for text in confusion_figure(called).axes[0].texts]
        expected = [
            f"{count}\n{share:.0%}"
            for counts, shares in zip(called.confusion or (), called.shares, strict=True)
            for count, share in zip(counts, shares, strict=True)
        ]
        assert texts == expected

    def test_many_labels_are_legible(self) -> None:
        """Texts stay in their cells, names stand upright beside each other, and zeros do not hide what there is."""
        called = report("many labels").called
        assert called is not None
        figure = confusion_figure(called)
        (axes,) = figure.axes
        figure.draw_without_rendering()
        cell = axes.transData.transform([(0, 0), (1, -1)])
        wide, high = (cell[1] - cell[0]).tolist()
        for text in axes.texts:
            box = text.get_window_extent()
            assert box.width < wide
            assert box.height < high
        names = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(names))
        assert len(axes.texts) == np.count_nonzero(called.confusion)
        assert min(text.get_fontsize() for text in axes.texts) >= 7

    def test_a_label_that_no_frame_has(self) -> None:
        called = report("one class").called
        assert called is not None
        texts = [text.get_text() for text in confusion_figure(called).axes[0].texts]
        assert texts[2:] == ["0", "0"]


class TestCurves:
    def test_the_smooth_curve_is_that_of_the_metrics(self) -> None:
        found = report("two labels")
        row, scores = found.rows[0], found.scores
        assert row.curves is not None
        assert scores is not None
        expected = smooth_curve(
            scores.probabilities[:, 1], scores.frames.targets == 1, groups=scores.frames.groups
        )
        np.testing.assert_array_equal(row.curves.calibration, expected[:4])
        assert row.curves.no_calibration == expected.reason == ""

    def test_why_there_is_none_is_said(self) -> None:
        row = report("few patients").rows[0]
        assert row.curves is not None
        assert row.curves.calibration == ((), (), (), ())
        assert row.curves.no_calibration == "3 groups with the label and 3 without: a curve needs 10 of both"
        said = " ".join(
            text.get_text() for axes in contrast_figure(row, row.curves).axes for text in axes.texts
        )
        assert f"no smooth curve: {row.curves.no_calibration}" in " ".join(said.split())

    def test_bands_surround_their_curves(self) -> None:
        rng = np.random.default_rng(0)
        truth = np.arange(200) % 2 == 0
        probabilities = np.clip(0.5 + 0.2 * (truth - 0.5) + rng.normal(0, 0.15, 200), 0.01, 0.99)
        groups, options = np.arange(200) // 4, EvaluationOptions(n_resamples=BAND_RESAMPLES)
        curves = curves_of(probabilities, probabilities - 0.5, truth, groups, options)
        for band, (at, value) in (
            (curves.decision_band, curves.decision[:2]),
            (curves.referral_band, curves.referral[:2]),
        ):
            assert band[0] == at
            inside = [
                low - 1e-9 <= v <= high + 1e-9 for low, v, high in zip(band[1], value, band[2], strict=True)
            ]
            assert np.mean(inside) > 0.95
        along, low, high = map(np.asarray, curves.roc_band)
        sensitivity = np.interp(along, *curves.roc)
        assert np.mean((low - 1e-9 <= sensitivity) & (sensitivity <= high + 1e-9)) > 0.9

    def test_a_pair_is_drawn_where_it_is_asked_for(self) -> None:
        row = report("special").pairs[0]
        assert row.curves is not None
        figure = contrast_figure(dataclasses.replace(row, label="$x"), row.curves)
        assert len(figure.axes) == 6
        assert vector(figure, "svg")
