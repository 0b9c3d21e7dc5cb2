"""What a polyp model says of a stomach: how many frames of the LAG authors' video it doubts, and calls a polyp.

python -m benchmarks.video_stomach --every 0.5

The video shows stomachs, in three parts with labels burnt in by its authors; no polyp model knows a stomach, so each
answer should be doubted.
"""

import argparse
import os
from pathlib import Path

import lag_zoo
from lag_zoo.predict import Prediction

PARTS = {  # seconds; the cuts between them are left out
    "LCI, atrophy (GA)": (0.0, 11.0),
    "WLI, without a label": (12.0, 21.0),
    "LCI, metaplasia (IM)": (22.0, 32.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, default=0.5, help="seconds from frame to frame")
    parser.add_argument("--model", default="lag_tf_efficientnet_lite0_polyp")
    options = parser.parse_args()
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or "../shared")
    predictor = lag_zoo.Predictor(options.model)
    answers = [
        (one.time, one.answer)
        for one in predictor.video(shared / "video" / "lag_video_results.mp4", every=options.every)
        if isinstance(one.answer, Prediction)
    ]
    print("| part | frames | doubted | called polyp | called polyp, not doubted |")
    print("| --- | --- | --- | --- | --- |")
    for name, (start, end) in PARTS.items():
        print(row(name, [answer for time, answer in answers if start <= time < end]))
    print(row("all", [answer for _, answer in answers]))


def row(name: str, answers: list[Prediction]) -> str:
    doubted = sum(bool(answer.warnings) for answer in answers)
    called = [answer for answer in answers if answer.label == "polyp"]
    undoubted = sum(not answer.warnings for answer in called)
    return f"| {name} | {len(answers)} | {doubted} | {len(called)} | {undoubted} |"


if __name__ == "__main__":
    main()
