"""Does the evidence lie on the polyp? `python -m recipes.polyp.evidence WEIGHTS --shared SHARED [--folds OUT]`.

Maps of frames with polyp masks, by several methods, are compared with the masks on a grid over the frame, inside the
field of view: pointing game (is the maximum on the polyp; Zhang et al., Top-down Neural Attention by Excitation
Backprop, ECCV 2016; without tolerance), the part of the map's highest tenth that is on the polyp, and the AUROC of the
map over the points of a frame. By chance the first two are the part of the field that the polyp takes; of a polyp that
takes a twentieth, half of the highest tenth at most.

WEIGHTS are tried on NeoPolyp, which no weights of ours are trained on. OUT is the scratch folder of `recipes.polyp`: on
Kvasir-SEG and PolypGen, whole frames and the windows that are scored, each network is tried on its own test fold.
Everywhere there is a polyp in view: the maps are not tried on mucosa.
"""

import argparse
import csv
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo import LAG, Views, create_model
from lag_zoo.cli.places import as_place
from lag_zoo.data import read_image
from lag_zoo.data.masks import read_mask
from lag_zoo.files import write_whole
from lag_zoo.metrics.clustered import group_difference, group_interval
from lag_zoo.metrics.influence import Influence, ratio
from lag_zoo.metrics.intervals import Difference, Interval
from lag_zoo.metrics.ranking import auroc
from lag_zoo.predict.evidence_maps import log_odds
from lag_zoo.specs import Measurement
from lag_zoo.views import find_field_of_view
from lag_zoo.views.extract import over_frame
from recipes.polyp.measures import Occasion
from recipes.polyp.windows import mask_file

LABEL = "polyp"
GRID = 128  # points a side
TOP = 0.1  # of the map
SEED = 2026
EVIDENCE, GRAD_CAM = "evidence", "Grad-CAM"
MEASURES = ("pointing game", "highest tenth on the polyp", "AUROC of points")
DATA = "NeoPolyp by the weights that ship, Kvasir-SEG and PolypGen out of fold"
COMMAND = "python -m recipes.polyp.evidence WEIGHTS --shared ../shared --folds OUT"


class Case(NamedTuple):
    """An image with a polyp in view, its mask, its group, and weights that have not seen it."""

    data: str
    weights: str
    image: Path
    mask: Path
    group: str


class Agreement(NamedTuple):
    """How a map and a mask agree, each 0 to 1."""

    pointing: float
    top_tenth: float
    auroc: float


class Tried(NamedTuple):
    """A case, the part of its field that the polyp takes, and agreement and CPU seconds by method."""

    case: Case
    taken: float
    agreements: Mapping[str, Agreement]
    seconds: Mapping[str, float]


# -- maps -----------------------------------------------------------------------------------------------------------


def evidence_map(network: LAG, views: Views, label: int) -> Tensor:
    """The evidence for a label in views of one frame, (h, w)."""
    with torch.inference_mode():
        scores = network.position_scores(views)
    return log_odds(scores.float(), task=network.config.task)[0, label]


def grad_cam(network: LAG, views: Views, label: int) -> Tensor:
    """Grad-CAM of a label in views of one frame, (h, w), on the last map of a convolutional backbone.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, https://arxiv.org/abs/1610.02391.
    """
    last: list[Tensor] = []
    forward = network.backbone.forward_features

    def kept(pixels: Tensor) -> Tensor:
        last.append(forward(pixels).detach().requires_grad_())  # type: ignore[operator]
        return last[-1]

    with mock.patch.object(network.backbone, "forward_features", kept):
        logits = network(views)
    (slopes,) = torch.autograd.grad(logits[0, label], last)
    return (slopes.mean((2, 3), keepdim=True) * last[0]).sum(1)[0].relu().detach()


def untrained(network: LAG) -> LAG:
    """A network of the same architecture with random weights."""
    torch.manual_seed(SEED)
    return LAG.from_config(network.config).eval().requires_grad_(False)


def nearness(views: Views) -> Tensor:
    """A map (GRID, GRID) that knows nothing but the middle of the frame, near which polyps are photographed."""
    axis = torch.linspace(-1, 1, GRID)
    return -(axis[:, None] ** 2 + axis[None] ** 2)


def methods(network: LAG) -> dict[str, Callable[[Views], Tensor]]:
    """The maps that are compared, by name: functions of the views of one frame."""
    random, label = untrained(network), (network.label_names or ()).index(LABEL)
    return {
        EVIDENCE: lambda views: evidence_map(network, views, label),
        GRAD_CAM: lambda views: grad_cam(network, views, label),
        "evidence, random weights": lambda views: evidence_map(random, views, label),
        "nearness to the middle": nearness,
    }


# -- agreement ------------------------------------------------------------------------------------------------------


def agreement(values: np.ndarray, on_polyp: np.ndarray) -> Agreement:
    """The agreement of a map and a mask at the points of a field, both (k,); of equal values the mean is taken.

    >>> agreement(np.array([0.0, 1.0, 2.0, 2.0]), np.array([False, False, True, False])).pointing
    0.5
    """
    count = max(1, round(TOP * len(values)))
    limit = np.partition(values, -count)[-count]
    above, at = values > limit, values == limit
    top = (on_polyp[above].sum() + (count - above.sum()) * on_polyp[at].mean()) / count
    return Agreement(
        pointing=float(on_polyp[values == values.max()].mean()),
        top_tenth=float(top),
        auroc=auroc(values, on_polyp),
    )


def on_grid(maps: Tensor) -> Tensor:
    """Maps (h, w) over a frame -> (GRID, GRID)."""
    return over_frame(maps[None].float(), (GRID, GRID))[0]


def tried(case: Case, network: LAG, maps: Mapping[str, Callable[[Views], Tensor]]) -> Tried | None:
    """A case with all its maps; `None`: the grid has no point of the polyp in the field, or no other."""
    pixels = read_image(case.image)
    lit = find_field_of_view(pixels[None]).mask((GRID, GRID))[0]
    covered = F.adaptive_avg_pool2d(read_mask(case.mask)[None, None].float(), GRID)[0, 0]
    on_polyp = (covered > 0.5)[lit].numpy()
    if on_polyp.all() or not on_polyp.any():
        return None
    views, agreements, seconds = network.views(pixels), {}, {}
    for name, method in maps.items():
        begun = time.thread_time()
        found = method(views)
        seconds[name] = time.thread_time() - begun
        agreements[name] = agreement(on_grid(found)[lit].double().numpy(), on_polyp)
    return Tried(case, float(on_polyp.mean()), agreements, seconds)


def run(cases: Sequence[Case]) -> Iterator[Tried]:
    """Try all cases, those of the same weights together."""
    for weights, same in itertools.groupby(sorted(cases, key=lambda c: c.weights), lambda c: c.weights):
        network = create_model(weights, pretrained=True).eval().requires_grad_(False)
        maps = methods(network)
        for case in same:
            if (found := tried(case, network, maps)) is not None:
                yield found


# -- cases ----------------------------------------------------------------------------------------------------------


def frames_of(root: Path, name: str, weights: Mapping[str, str] | str) -> list[Case]:
    """Whole frames of a data set with manifest.csv, images and masks; weights for all, or by the image's path."""
    return [
        Case(
            data=f"{name}, frames",
            weights=weights if isinstance(weights, str) else weights[row["image"]],
            image=root / row["image"],
            mask=mask_file(root, row["image"]),
            group=f"{root.name}/{row['group']}",
        )
        for row in _rows(root / "manifest.csv")
    ]


def frames_by_fold(shared: Path, out: Path) -> list[Case]:
    """The frames of Kvasir-SEG and PolypGen, each for the network that did not see its fold."""
    cases = []
    for source, name in (("kvasir_seg", "Kvasir-SEG"), ("polypgen", "PolypGen")):
        rows = [row for row in _rows(out / "frames.csv") if row["frame"].startswith(f"{source}/")]
        found = frames_of(
            shared / source, name, {row["image"]: _best(out / "runs" / row["fold"]) for row in rows}
        )
        groups = {row["image"]: row["group"] for row in rows}  # near-copies by hash joined
        cases += [case._replace(group=groups[str(case.image.relative_to(shared / source))]) for case in found]
    return cases


def windows_by_fold(out: Path) -> list[Case]:
    """The scored windows with a polyp in view, each for the network that did not see its fold."""
    return [
        Case(
            data=f"{'PolypGen' if 'polypgen' in row['image'] else 'Kvasir-SEG'}, windows",
            weights=_best(out / "runs" / manifest.stem),
            image=out / row["image"],
            mask=out / row["mask"],
            group=row["exam"],
        )
        for manifest in sorted(out.glob("fold*.csv"))
        for row in _rows(manifest)
        if row["split"] == "test" and row["mask"]
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _best(run: Path) -> str:
    return as_place(str(run / "best"))


# -- numbers --------------------------------------------------------------------------------------------------------


def table(all_tried: Sequence[Tried]) -> str:
    """A Markdown table of one data set: a row a method, and by chance."""
    first, groups = all_tried[0], _groups(all_tried)
    lines = [
        f"**{first.case.data}**: {len(all_tried)} of {len(set(groups))} groups",
        "",
        f"| map | {' | '.join(MEASURES)} | ms |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for method in first.agreements:
        found = [group_interval(each, groups, len(groups)) for each in _means(all_tried, method)]
        milliseconds = 1000 * float(np.median([each.seconds[method] for each in all_tried]))
        lines.append(f"| {method} | {_cells(found)} | {milliseconds:.0f} |")
    taken = _taken(all_tried)
    lines.append(f"| chance: the polyp's part of the field | {taken:.3f} | {taken:.3f} | 0.5 | |")
    differences = [
        group_difference(one, other, groups, len(groups))
        for one, other in zip(_means(all_tried, EVIDENCE), _means(all_tried, GRAD_CAM), strict=True)
    ]
    lines.append(f"| evidence less Grad-CAM | {_cells(differences)} | |")
    return "\n".join(lines)


def measurements(all_tried: Sequence[Tried], occasion: Occasion) -> list[Measurement]:
    """The agreement of the evidence with the masks of one data set, for the card; a note says that of other maps."""
    data, groups = all_tried[0].case.data, _groups(all_tried)
    values = {
        method: [each.value for each in _means(all_tried, method)] for method in all_tried[0].agreements
    }
    chances = (_taken(all_tried), _taken(all_tried), 0.5)
    kept = []
    for place, measure in enumerate(MEASURES):
        found = group_interval(_means(all_tried, EVIDENCE)[place], groups, len(groups))
        others = [f"{method} {of[place]:.3f}" for method, of in values.items() if method != EVIDENCE]
        kept.append(
            occasion.record(
                f"{data}: {measure}",
                found,
                n=found.n,
                unit=data.rpartition(", ")[2],
                data=DATA,
                command=COMMAND,
                note="; ".join([f"chance {chances[place]:.3f}", *others]),
            )
        )
    return kept


def _groups(all_tried: Sequence[Tried]) -> np.ndarray:
    return np.array([each.case.group for each in all_tried])


def _taken(all_tried: Sequence[Tried]) -> float:
    return float(np.mean([each.taken for each in all_tried]))


def _means(all_tried: Sequence[Tried], method: str) -> list[Influence]:
    """The means of the three measures over the cases."""
    values = np.array([each.agreements[method] for each in all_tried])
    return [ratio(column, np.ones(len(column)))._replace(alike=True) for column in values.T]


def _cells(found: Sequence[Interval | Difference]) -> str:
    return " | ".join(f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})" for each in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "weights", help="a name of the zoo, or a folder such as runs/1/best: tried on NeoPolyp"
    )
    parser.add_argument("--shared", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument(
        "--folds", type=Path, help="OUT of recipes.polyp: its networks, each on its test fold"
    )
    parser.add_argument("--most", type=int, help="so many cases of each data set, drawn")
    parser.add_argument("--json", type=Path, help="also write the measurements here, for the card")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = frames_of(arguments.shared / "neopolyp", "NeoPolyp", as_place(arguments.weights))
    if arguments.folds is not None:
        cases += frames_by_fold(arguments.shared, arguments.folds) + windows_by_fold(arguments.folds)
    print("95% intervals by group; ms: median CPU time of a frame whose views are made, one thread.")
    occasion, kept = Occasion.now(), []
    for data in dict.fromkeys(case.data for case in cases):
        own = [case for case in cases if case.data == data]
        if arguments.most is not None and arguments.most < len(own):
            drawn = np.random.default_rng(SEED).choice(len(own), arguments.most, replace=False)
            own = [own[number] for number in drawn]
        found = list(run(own))
        print(f"\n{table(found)}", flush=True)
        kept += [each.to_dict() for each in measurements(found, occasion)]
    if arguments.json is not None:
        write_whole(arguments.json, json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
