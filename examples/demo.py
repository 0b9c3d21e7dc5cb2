"""The built-in model at work: `make demo`.

It answers on four real frames that its weights have not seen, says of each what it truly shows, right or wrong, and
draws all four into one picture, demo.png, with the evidence for a polyp over them. LAG_ZOO_SAMPLES=FOLDER takes frames
of your own.
"""

import os
import sys
from pathlib import Path

import lag_zoo
from lag_zoo.cli.prediction_table import as_table
from lag_zoo.cli.sink import console
from lag_zoo.data import find_images
from lag_zoo.drawing import side_by_side
from lag_zoo.predict import Failure

MODEL = "lag_tf_efficientnet_lite0_polyp"
FRAMES = Path(__file__).with_name("frames")
SHOWN = {"polyp.jpg": "polyp", "polyp_hd.jpg": "polyp", "mucosa.jpg": "mucosa", "mucosa_hd.jpg": "mucosa"}
"""What the frames of `examples/frames` truly show."""
MOST = 4  # frames in the picture
WIDTH = 640


def main(picture: Path) -> None:
    own = os.environ.get("LAG_ZOO_SAMPLES")
    folder, truth = (Path(own), {}) if own else (FRAMES, SHOWN)
    if own:
        print(f"Frames: those in {folder} (LAG_ZOO_SAMPLES).")
        paths = list(find_images([folder]))
    else:
        print(
            "Frames: four of Kvasir-SEG, CC BY 4.0 (examples/frames), that the weights were not trained on."
        )
        paths = [folder / name for name in truth]
    predictor = lag_zoo.Predictor(MODEL, evidence=["polyp"])
    answers = list(predictor.iter(paths))
    if not answers:
        raise SystemExit(f"no image found in {folder}")
    rows = [{**answer.to_dict(), "path": str(answer.path.relative_to(folder))} for answer in answers]
    console().print(as_table(rows, MODEL, predictor.operating_points))
    seen = [answer for answer in answers if not isinstance(answer, Failure)]
    if not seen:
        raise SystemExit("none of the files could be read")
    if truth:
        say_what_they_show(seen, truth)
    drawn = [answer.draw(truth=truth.get(answer.path.name), width=WIDTH) for answer in seen[:MOST]]
    side_by_side(drawn).save(picture, quality=88)
    print(f"Picture: {picture.resolve()}")


def say_what_they_show(answers: list[lag_zoo.Prediction], truth: dict[str, str]) -> None:
    right = [answer for answer in answers if answer.label == truth[answer.path.name]]
    print(f"\n{len(right)} of {len(answers)} are right.")
    for answer in answers:
        shown, said = truth[answer.path.name], answer.probabilities
        verdict = "right" if answer.label == shown else f"WRONG: it is called {answer.label}"
        print(f"  {answer.path.name} shows {shown}: {verdict} (polyp {said['polyp']:.2f})")
    print("Four frames measure nothing; what was measured is in docs/models.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo.png"))
