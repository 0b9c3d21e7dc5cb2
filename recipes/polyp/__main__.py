"""The built-in polyp weights in one command: `python -m recipes.polyp DATA`, DATA being Kvasir-SEG with manifest.csv.

Five grouped folds, then the weights that ship, then the report. Each part is kept in OUT once it is done and not done
again, one that was stopped goes on, and `--only` runs some, so that processes can share the work. A part is what
`lag-zoo train recipes/polyp/polyp.yaml OUT/fold1.csv -o OUT/runs/fold1 --cache OUT/cache --device cpu` does.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from lag_zoo.listener import Listener
from lag_zoo.training import finetune, load_recipe
from lag_zoo.training.cross_validation import fold_scores
from lag_zoo.training.run_folder import RECIPE, VALIDATION
from recipes.polyp.files import MANIFESTS, opened, write_windows

RECIPE_FILE = Path(__file__).with_name("polyp.yaml")
REPORT = "report"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--out", type=Path, default=cache / "lag_zoo" / "polyp")
    parser.add_argument("--only", choices=[*MANIFESTS, REPORT], action="append")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.out / f"{MANIFESTS[-1]}.csv").is_file():
        write_windows(arguments.data, arguments.out)
    for part in arguments.only or [*MANIFESTS, REPORT]:
        if part == REPORT:
            from recipes.polyp.publish import publish

            publish(arguments.data, arguments.out)
        else:
            train(part, arguments.out)


def train(part: str, out: Path) -> None:
    """Trains a fold and scores its windows; or trains on all of them."""
    folder, begun = out / "runs" / part, time.process_time()
    if (folder / VALIDATION).is_file() and (part == "all" or (folder / "scores.csv").is_file()):
        return
    recipe, manifest, cache = load_recipe(RECIPE_FILE), opened(out, part), out / "cache"

    class Told(Listener):
        def epoch(self, row):  # type: ignore[no-untyped-def]
            print(f"{part}: {dict(row)}, {time.process_time() - begun:.0f} CPU seconds", flush=True)

    if part == "all":
        resume = (folder / RECIPE).is_file()
        finetune(
            None, manifest, folder, recipe=recipe, resume=resume, device="cpu", cache=cache, listener=Told()
        )
    else:
        fold_scores(manifest, folder, recipe, name=part, device="cpu", cache=cache, listener=Told())


if __name__ == "__main__":
    main()
