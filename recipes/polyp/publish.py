"""From the runs to what ships: the kept scores, the results, the weights with all that travels with them, the card."""

import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lag_zoo import create_model
from lag_zoo.data.phantom import draw_frame
from lag_zoo.files import write_whole
from lag_zoo.nn import LAG
from lag_zoo.predict import Predictor
from lag_zoo.predict.doubts import fit_doubts
from lag_zoo.specs import Measurement, WeightSpec
from lag_zoo.training import load_recipe
from lag_zoo.training.run_folder import BEST, RECIPE
from recipes.polyp.card import Cost, card
from recipes.polyp.files import ALL, frame_of, listed_frames, opened
from recipes.polyp.measures import Occasion, floors, measured
from recipes.polyp.runs import folder_of, hours_spent
from recipes.polyp.shipping import NAME, ship
from recipes.polyp.tables import keep, kept
from recipes.polyp.windows import load_frames
from tools.backbone import count_macs

CARD = Path(__file__).parents[2] / "docs" / "models" / f"{NAME}.md"
RESULTS = Path(__file__).with_name("results.json")
EVIDENCE, ELSEWHERE = (Path(__file__).with_name(f"{name}.json") for name in ("evidence", "elsewhere"))
"""Measurements of the evidence map on polyp masks, and of NeoPolyp's frames, where they have been made."""
TIMED = (1080, 1350)


def publish(folders: Mapping[str, Path], out: Path) -> None:
    """Write all that ships, from the runs in `out`."""
    keep(out)
    tables, occasion, frames = kept(), Occasion.now(), load_frames(folders)
    assert [f"{f.source}/{Path(f.name).stem}" for f in frames] == [f.frame for f in listed_frames(out)]
    results = [*measured(tables, occasion), *floors(tables, frames, occasion)]
    folder, evidence, elsewhere = folder_of(ALL, out), _measured(EVIDENCE), _measured(ELSEWHERE)
    model = create_model(f"local-dir:{folder / BEST}", pretrained=True)
    model.weight_spec = _doubting(model, folders, out)
    trained = ship(model, [*results, *elsewhere, *evidence], frames)
    recipe, hours, cost = load_recipe(folder / RECIPE), hours_spent(out), cost_of(model)
    scored = (tables.windows, tables.left_out_windows)
    thresholds = {
        part: limit
        for table in scored
        for part, limit in zip(table.parts.tolist(), table.thresholds.tolist(), strict=True)
    }
    sides = (tables.windows.boxes[:, 2:] - tables.windows.boxes[:, :2]).min(axis=1)
    kept_results: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "hours": round(hours, 2),
        "cost": cost._asdict(),
        "results": [result.to_dict() for result in results],
    }
    write_whole(RESULTS, json.dumps(kept_results, indent=1) + "\n")
    shown = np.percentile(sides, [0, 50, 100]).tolist()
    write_whole(
        CARD, card(trained, evidence, elsewhere, thresholds, cost, recipe, opened(out, ALL), hours, shown)
    )
    print(f"written: {CARD} and what it speaks of")


def _doubting(model: LAG, folders: Mapping[str, Path], out: Path) -> WeightSpec:
    """The specification of the run, with doubts that know whole frames as well as windows: users have frames."""
    run = model.weight_spec
    if run is None:
        raise ValueError("the run left no specification of its weights: train the part `all` to its end")
    windows = [row.image for row in opened(out, ALL).where(split="val").frames]
    files = {one.frame: folders[one.source] / one.image for one in listed_frames(out)}
    frames = dict.fromkeys(files[frame_of(window)] for window in windows)
    return dataclasses.replace(
        run, doubts=fit_doubts(model, [*(out / window for window in windows), *frames])
    )


def _measured(file: Path) -> list[Measurement]:
    if not file.is_file():
        return []
    return [Measurement.from_dict(one) for one in json.loads(file.read_text(encoding="utf-8"))]


def cost_of(model: LAG, *, rounds: int = 20) -> Cost:
    """What an answer costs, in time of the processor, which other work on the machine does not lengthen: the median."""
    predictor, frame = Predictor(model, workers=0), draw_frame(TIMED, seed=0)
    times = []
    for _ in range(rounds + 2):
        begun = time.process_time()
        predictor(frame)
        times.append(time.process_time() - begun)
    config = model.config
    with torch.device("meta"):
        bare = LAG.from_config(config).backbone
    machine = f"{_processor()}, {torch.get_num_threads()} thread"
    return Cost(
        macs=count_macs(bare, config.global_size or 0),
        milliseconds=round(1e3 * statistics.median(times[2:]), 1),
        size=TIMED,
        machine=machine,
    )


def _processor() -> str:
    """The processor's own name where Linux says it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
