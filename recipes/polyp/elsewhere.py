"""How many polyps the weights find in whole frames of a hospital that none of our weights is trained on, by their size.

    python -m recipes.polyp.elsewhere WEIGHTS --shared SHARED [--json recipes/polyp/elsewhere.json]

WEIGHTS are a name of the zoo, or a folder such as OUT/runs/all/best; they call a polyp at their own threshold. The
frames are NeoPolyp's, all of which hold one. A polyp's size is the part of the frame that its mask takes.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import lag_zoo
from lag_zoo.cli.places import as_place
from lag_zoo.data import open_data, read_image
from lag_zoo.data.masks import read_mask
from lag_zoo.files import write_whole
from lag_zoo.metrics.clustered import share_interval
from lag_zoo.predict import Prediction
from lag_zoo.specs import Measurement
from recipes.polyp.measures import NO_SPECIFICITY, Occasion
from recipes.polyp.windows import mask_file

BANDS = {
    "below 2%": (0.0, 0.02),
    "2 to 5%": (0.02, 0.05),
    "5 to 10%": (0.05, 0.1),
    "10% and more": (0.1, 1.01),
}
"""Of the frame, by the part that the polyp takes."""
DATA = "NeoPolyp, by the weights that ship"
COMMAND = "python -m recipes.polyp.elsewhere WEIGHTS --shared ../shared"


def found_and_sizes(predictor: lag_zoo.Predictor, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether a polyp is called in each frame, the part of it that the polyp takes, and its group; (n,) each."""
    data = open_data(folder / "manifest.csv", columns={"group": "exam"})
    paths = [Path(data.path(frame)) for frame in data.frames]
    called = []
    for answer in predictor.iter(map(read_image, paths)):
        assert isinstance(answer, Prediction), answer
        called.append(answer.label == "polyp")
    sizes = [float(read_mask(mask_file(folder, path.name)).float().mean()) for path in paths]
    return np.array(called), np.array(sizes), np.array([frame.exam for frame in data.frames])


def measurements(
    called: np.ndarray, sizes: np.ndarray, groups: np.ndarray, occasion: Occasion
) -> list[Measurement]:
    """The sensitivity, of all and by size."""
    every = {"": np.ones(len(called), dtype=bool)}
    every |= {
        f", polyps of {words} of the frame": (low <= sizes) & (sizes < high)
        for words, (low, high) in BANDS.items()
    }
    found = []
    for words, chosen in every.items():
        interval = share_interval(called[chosen], np.ones(chosen.sum(), dtype=bool), groups[chosen])
        found.append(
            occasion.record(
                f"Sensitivity on whole frames of NeoPolyp{words}",
                interval,
                n=int(chosen.sum()),
                unit="frames",
                data=DATA,
                command=COMMAND,
                note="" if words else NO_SPECIFICITY,
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--shared", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--json", type=Path, help="also write the measurements here, for the card")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lag_zoo.keep_freed_memory()
    predictor = lag_zoo.Predictor(as_place(arguments.weights), workers=0)
    found = measurements(*found_and_sizes(predictor, arguments.shared / "neopolyp"), Occasion.now())
    for one in found:
        print(f"{one.metric}: {one.value:.3f} ({one.low:.3f} to {one.high:.3f}), {one.n} {one.unit}")
    if arguments.json is not None:
        write_whole(arguments.json, json.dumps([one.to_dict() for one in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
