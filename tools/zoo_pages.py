"""Writes docs/models/: the table of the zoo and the paper's tables, from the catalogue itself.

    python -m tools.zoo_pages

A test holds the pages up to date.
"""

from collections.abc import Sequence
from pathlib import Path

import lag_zoo
from lag_zoo.catalogue import NO_GASTRIC_WEIGHTS, NOT_A_MEDICAL_DEVICE
from lag_zoo.catalogue.builtin_backbones import BUILTIN_BACKBONES, backbone_weights_state
from lag_zoo.catalogue.reported import ReportedResult
from lag_zoo.cli.tables import engineering
from lag_zoo.specs import ModelSpec

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "models"
_METRICS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")


def pages() -> dict[str, str]:
    """The text of each page by its file's name."""
    return {"index.md": _zoo(), "reported.md": _reported()}


def _zoo() -> str:
    specs = [lag_zoo.model_info(name) for name in lag_zoo.list_models()]
    trained = [spec for spec in specs if spec.weights]
    untrained = [spec for spec in specs if not spec.weights]
    inside = "; ".join(f"`{row.pinned}` ({row.licence}; {row.origin})" for row in BUILTIN_BACKBONES.values())
    answers = "\n".join(f"- {_name(spec)}, {spec.weights_state}: {spec.description}" for spec in trained)
    return f"""# The zoo

{len(specs)} models, as `lag-zoo list` shows them; `lag-zoo info NAME` shows one in full. `lag_` and any timm name is an
architecture for your own labels, too: [backbones](backbones.md).

{NOT_A_MEDICAL_DEVICE}

## With trained weights

{answers}

{_models(trained)}
## Architectures to train

{NO_GASTRIC_WEIGHTS} The `_wli` and `_lci` entries are there to be trained by those who have the data.

{_models(untrained)}
## The columns

*Input* is the side of the backbone's global view in pixels. *Parameters* are of the whole network. *MACs* are
multiply-accumulates for one image: of the backbone on its global view, and of the crop branch on all crops. The
*licence* is of the backbone's published pretrained weights, as their publisher names it. *Backbone weights* says where
`pretrained="backbone"` takes them: those that are built in travel in the package and need no network; on the Hub they
are timm's; torchvision's two come from a file, which `lag-zoo convert` makes.

Built in: {inside}.

What the paper reports is on [a page of its own](reported.md).
"""


def _models(specs: list[ModelSpec]) -> str:
    columns = [
        "name",
        "labels",
        "input",
        "parameters",
        "backbone MACs",
        "crop MACs",
        "backbone weights",
        "licence",
    ]
    return _table(columns, [_row(spec) for spec in specs], numbers=columns[2:6])


def _row(spec: ModelSpec) -> list[str]:
    return [
        f"`{spec.name}`",
        ",&nbsp;".join(spec.label_names or ()),
        str(spec.config.global_size),
        engineering(spec.params),
        engineering(spec.backbone_macs),
        engineering(spec.crop_macs),
        backbone_weights_state(spec.config.backbone),
        spec.backbone_licence,
    ]


def _name(spec: ModelSpec) -> str:
    card = f"{spec.name}.md"
    return f"[`{spec.name}`]({card})" if (FOLDER / card).is_file() else f"`{spec.name}`"


def _reported() -> str:
    reported = lag_zoo.reported_results()
    sections = "\n".join(
        f"## {task.upper()} in {modality.upper()}\n\n"
        + _results([r for r in reported.rows if (r.task, r.modality) == (task, modality)])
        for task in ("im", "ga")
        for modality in ("wli", "lci")
    )
    caveats = "\n".join(f"- {caveat}" for caveat in reported.caveats)
    return f"""# What the paper reports

Reported, not measured: {reported.unit}.

The baselines are plain networks and the row `lag` names no backbone, so **no row belongs to an entry of the zoo**. The
same numbers as data: `lag_zoo.reported_results()`.

Source: {reported.source}

## Caveats

{caveats}

{sections}
## With dual transfer learning

{reported.dual_transfer_note}

{_results(reported.dual_transfer, by_task=True)}"""


def _results(rows: list[ReportedResult] | tuple[ReportedResult, ...], *, by_task: bool = False) -> str:
    first = "task" if by_task else "model, as printed"
    body = [
        [row.task.upper() if by_task else row.model, *(f"{getattr(row, m):.2f}" for m in _METRICS)]
        for row in rows
    ]
    metrics = [m.upper() if m in ("ppv", "npv") else m for m in _METRICS]
    return _table([first, *metrics], body, numbers=metrics)


def _table(columns: list[str], rows: list[list[str]], *, numbers: Sequence[str] = ()) -> str:
    rule = ["---:" if column in numbers else "---" for column in columns]
    lines = [columns, rule, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Writes the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
