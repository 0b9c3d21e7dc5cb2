"""Pictures of answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import lag_zoo
from lag_zoo.data.phantom import draw_frame
from lag_zoo.drawing import _VIRIDIS, CROPS, FIELD, INK, OUTSIDE, captioned, outlined, side_by_side
from lag_zoo.errors import InvalidConfigError
from lag_zoo.predict.prediction import RIGHT, WRONG

FRAME = draw_frame((300, 400))


def has(picture: Image.Image, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(picture) == colour).all(-1).any())


def prediction(**changes: object) -> lag_zoo.Prediction:
    known = {
        "path": None,
        "model": "a_model",
        "probabilities": {"normal": 0.3, "IM": 0.7},
        "label": "IM",
        "boxes": ((100, 100, 164, 164),),
        "crop_weights": None,
        "coverage": 0.1,
    }
    return lag_zoo.Prediction(**{**known, **changes})  # type: ignore[arg-type]


class TestOutlined:
    def test_what_lies_outside_the_field_is_blanked(self) -> None:
        frame = Image.fromarray(draw_frame((480, 640)).permute(1, 2, 0).numpy())
        ImageDraw.Draw(frame).text((4, 4), "DOE JANE", (230, 230, 230))
        assert np.asarray(frame)[:20, :70].max() > 200
        array = np.asarray(outlined(frame))
        assert (array[:20, :70] == OUTSIDE).all(), "a name in the corner is gone"

    def test_boxes_lie_where_the_crops_did(self) -> None:
        array = np.asarray(outlined(FRAME, [(100, 120, 164, 184)]))
        for y, x in ((120, 130), (183, 130), (150, 100), (150, 163)):
            assert tuple(array[y, x]) == CROPS
        assert tuple(array[150, 130]) == tuple(FRAME[:, 150, 130].tolist()), (
            "inside a box the frame is as it was"
        )

    @given(width=st.integers(16, 900), kind=st.sampled_from(("uint8", "float", "grey", "pil")))
    def test_any_width_and_kind(self, width: int, kind: str) -> None:
        image: object = {
            "uint8": FRAME,
            "float": FRAME.float() / 255,
            "grey": FRAME[:1],
            "pil": Image.fromarray(FRAME.permute(1, 2, 0).numpy()),
        }[kind]
        picture = outlined(image, [(100, 100, 164, 164)], width=width)  # type: ignore[arg-type]
        assert picture.width == width
        assert abs(picture.height - 300 * width / 400) <= 1
        assert has(picture, CROPS)
        assert has(picture, FIELD)

    def test_a_dark_frame_has_no_outline_and_no_warning(self) -> None:
        picture = outlined(torch.zeros(3, 60, 80, dtype=torch.uint8))
        assert not has(picture, FIELD)

    def test_evidence_colours_the_frame_where_it_is(self) -> None:
        plain = np.asarray(outlined(FRAME)).astype(int)
        drawn = np.asarray(outlined(FRAME, evidence=[[-30.0] * 8] * 4 + [[30.0] * 8] * 4)).astype(int)
        inside = (plain != OUTSIDE).any(-1) & (plain != FIELD).any(-1)
        assert (drawn[~inside] == plain[~inside]).all(), "outside the field nothing is coloured"
        upper, lower = np.copy(inside), np.copy(inside)
        upper[120:], lower[:180] = False, False
        assert (drawn[upper] == plain[upper]).all(), "without evidence the frame is as it was"
        expected = 0.55 * plain[lower] + 0.45 * np.array(_VIRIDIS[-1])
        assert abs(drawn[lower] - expected).max() <= 1

    def test_boxes_on_evidence_are_of_another_colour_than_it(self) -> None:
        picture = outlined(FRAME, [(100, 120, 164, 184)], evidence=[[0.0]])
        assert not has(picture, CROPS)
        assert tuple(np.asarray(picture)[120, 130]) == INK

    def test_the_colours_are_viridis(self) -> None:
        viridis = pytest.importorskip("matplotlib").colormaps["viridis"]
        steps = np.linspace(0, 1, len(_VIRIDIS))
        assert np.abs(np.array(viridis(steps))[:, :3] * 255 - _VIRIDIS).max() <= 0.5

    def test_no_width(self) -> None:
        with pytest.raises(InvalidConfigError, match="width=0"):
            outlined(FRAME, width=0)


@example(text="two\nlines", width=300)
@given(text=st.text(max_size=400), width=st.integers(40, 700))
def test_no_text_is_cut(text: str, width: int) -> None:
    empty = Image.new("RGB", (width, 30), (9, 9, 9))
    array = np.asarray(captioned(empty, ["x"], [text]))
    assert array.shape[1] == width
    assert (array[:30] == 9).all(), "the picture stays as it was"
    assert (array[30:, -1] == 0).all(), "letters end before the edge"


def test_rows_are_as_high_as_their_highest() -> None:
    pictures = [Image.new("RGB", (60, height), INK) for height in (40, 90, 20)]
    assert side_by_side(pictures, columns=2, gap=4).size == (124, 90 + 4 + 20)


class TestAPrediction:
    def test_of_a_file(self, tmp_path: Path) -> None:
        Image.fromarray(FRAME.permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
        model = lag_zoo.LAG("mobilenetv3_small_050", label_names=("mucosa", "polyp"), global_size=64)
        (answer,) = lag_zoo.Predictor(model)(tmp_path / "a.png")
        picture = answer.draw()
        assert picture.width == 400
        assert picture.height > 300
        assert has(picture, CROPS)
        assert picture.tobytes() == answer.draw(FRAME).tobytes(), "the file, or the frame itself"

    def test_of_an_image_in_memory(self) -> None:
        with pytest.raises(InvalidConfigError, match="wants it again"):
            prediction().draw()
        assert prediction().draw(FRAME, width=200).width == 200

    @pytest.mark.parametrize(
        ("label", "truth", "colour"),
        [
            ("IM", None, FIELD),
            ("IM", "IM", RIGHT),
            ("IM", "normal", WRONG),
            (("GA", "IM"), ("GA", "IM"), RIGHT),
            ((), ("IM",), WRONG),
        ],
    )
    def test_right_and_wrong_show(self, label: object, truth: object, colour: tuple[int, int, int]) -> None:
        beneath = np.asarray(prediction(label=label).draw(FRAME, truth=truth))[300:]  # type: ignore[arg-type]
        found = {c for c in (FIELD, RIGHT, WRONG) if (beneath == c).all(-1).any()}
        assert found == {colour}

    def test_of_the_label_called_the_evidence_shows(self) -> None:
        """Or of the likeliest that has some, where none is of the label called."""
        none, some = [[-30.0]], [[30.0]]
        maps = {"normal": none, "IM": some}
        called = prediction(evidence=maps).draw(FRAME, width=300)
        other = prediction(label="normal", evidence=maps).draw(FRAME, width=300)
        left = prediction(label="normal", evidence={"IM": some}).draw(FRAME, width=300)
        plain = prediction().draw(FRAME, width=300)
        field = slice(30, 190), slice(120, 180)
        pixels = {
            name: np.asarray(picture)[field].astype(int)
            for name, picture in {"called": called, "other": other, "left": left, "plain": plain}.items()
        }
        assert np.abs(pixels["called"] - pixels["plain"]).mean() > 20
        assert (pixels["left"] == pixels["called"]).all()
        boxes = (np.asarray(plain)[field] == CROPS).all(-1)
        assert (pixels["other"][~boxes] == pixels["plain"][~boxes]).all()
        several = prediction(label=("normal", "IM"), evidence=maps).draw(FRAME, width=300)
        assert (np.asarray(several)[field] == pixels["called"]).all()

    def test_doubts_make_the_picture_higher(self) -> None:
        doubted = prediction(warnings=("dark: the field's mean is 9 of 255",), in_training_data=True)
        assert doubted.draw(FRAME).height > prediction().draw(FRAME).height
