"""The recipe in one command: `python -m recipes.polyp DATA`, DATA being a Kvasir-SEG folder with manifest.csv.

Five grouped folds, then the weights that ship, then the report: each part is kept in OUT as soon as it is done, and not
done again. `--only` runs one part, so that two processes can share the work.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from sklearn.model_selection import GroupKFold

from recipes.polyp import publish, train
from recipes.polyp.windows import Frame, Window, crossed_quads, load_frames, matched_pairs, mirrored_pairs

FOLDS, SEED = 5, 2026
PARTS = [*(f"fold{k}" for k in range(FOLDS)), "all", "report"]
BUDGET = train.Budget()

Pairs = list[tuple[Window, Window]]


def folds(frames: list[Frame]) -> list[set[int]]:
    """The frames of each test fold; near-duplicates stay together."""
    groups = [frame.group for frame in frames]
    return [
        set(test.tolist())
        for _, test in GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(groups, groups=groups)
    ]


def training_pairs(frames: list[Frame], allowed: set[int]) -> Pairs:
    """The pool that epochs draw from: every frame, at the price that some give more windows of one label."""
    pairs = mirrored_pairs(frames, pairs=12, seed=SEED)
    chosen = sorted(allowed)
    matched = matched_pairs(
        [frames[i] for i in chosen], smallest=0.33, shapes=1200, per_shape=3, lean=6, seed=SEED + 1
    )
    pairs = [pair for pair in pairs if pair[0].frame in allowed]
    return pairs + [tuple(w._replace(frame=chosen[w.frame]) for w in pair) for pair in matched]  # type: ignore[misc]


def test_windows(frames: list[Frame], fold: set[int]) -> list[Window]:
    """The windows that a fold is scored on."""
    chosen = sorted(fold)
    windows = crossed_quads([frames[i] for i in chosen], shapes=3000, quads=2, seed=SEED + 3)
    return [w._replace(frame=chosen[w.frame]) for w in windows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--out", type=Path, default=cache / "lag_zoo" / "polyp")
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    frames = load_frames(arguments.data)
    for part in arguments.only or PARTS:
        if part == "report":
            tests = [test_windows(frames, fold) for fold in folds(frames)]
            publish.publish(frames, tests, arguments.out, BUDGET)
        elif not (arguments.out / f"{part}.pt").exists():
            train_part(frames, part, arguments.out)


def train_part(frames: list[Frame], part: str, out: Path) -> None:
    """Trains on all frames but those of a fold (`fold0`, ...), or on `all`; weights and cost stay in `out`."""
    held_out = set() if part == "all" else folds(frames)[int(part.removeprefix("fold"))]
    pairs = training_pairs(frames, set(range(len(frames))) - held_out)
    begun = time.process_time()
    with (out / f"{part}.log").open("w", buffering=1) as file:
        print(f"{part}: {len(pairs)} pairs of {len({w.frame for p in pairs for w in p})} frames", file=file)
        trained = train.train(
            frames,
            pairs,
            budget=BUDGET,
            seed=SEED,
            log=lambda line: print(line, file=file),
            checkpoint=out / f"{part}_backbone.pt",
            plain=bool(held_out),
        )
    torch.save({name: t.state_dict() for name, t in trained.items()}, out / f"{part}.pt")
    (out / f"{part}.json").write_text(json.dumps({"cpu_seconds": round(time.process_time() - begun)}))


if __name__ == "__main__":
    main()
