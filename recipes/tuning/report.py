# ruff: noqa: E501 - the page is prose
"""docs/tuning.md, from the tables alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from recipes.results.comparing import difference, measure
from recipes.results.plan import TASKS
from recipes.results.report import shown, signed
from recipes.results.tables import Table, read_table
from recipes.tuning.plan import CANDIDATES, CHOSEN, EPOCHS, INNER_FOLDS, key_of
from recipes.tuning.runs import FINETUNE, TIMM

PAGE = Path(__file__).parents[2] / "docs" / "tuning.md"
FOLDER = Path(__file__).with_name("tables")
CANDIDATE_TABLE, PEER_TABLE = "candidates_{}", "peers_{}"

INTRODUCTION = f"""# How the recipes were chosen

The learning rate, its decay over the layers and the epochs of the recipes, tried on three tasks; and the recipe `finetune` against a plain
timm loop. The tasks are those of the [results](results.md), whose AUROC this is: the mean over folds, with a 95% interval by group, differences
paired. What wins by less than its interval is not told from chance.

Every number comes from `recipes/tuning/tables`, a row a frame. `python -m recipes.tuning report` makes this page,
`python -m recipes.tuning run SHARED OUT` the runs.

## Candidates

Changes of the recipe `plain` with a layer decay of 0.75 and a rate of 5e-4, by `lag_zoo.training.cross_validate` with {INNER_FOLDS} grouped folds inside the
training and validation frames of the first fold of the results; its test frames took no part. Epochs: {", ".join(f"{name} {count}" for name, count in EPOCHS.items())}."""

PEER = """## Against a plain timm loop

The recipe `finetune` as it ships, both its stages, and the loop of `recipes/tuning/timm_loop.py`: timm's network, transforms, AdamW at 5e-4 and cosine schedule, from
the same weights, on the same frames, for as many epochs as both stages together; both keep the epoch that is best on the validation frames. Five grouped folds, one seed."""


def write(folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(text(folder), encoding="utf-8")
    print(f"written: {page}")


def text(folder: Path = FOLDER) -> str:
    """Make the page from the tables of a folder."""
    return (
        "\n\n".join([INTRODUCTION, *_candidates(folder), PEER, "\n".join(_peers(folder)), *_missing(folder)])
        + "\n"
    )


def _candidates(folder: Path) -> Iterator[str]:
    there = {
        task.name: table for task in TASKS if (table := read_table(CANDIDATE_TABLE.format(task.name), folder))
    }
    if not there:
        return
    first, *_ = CANDIDATES
    yield "; ".join(f"{name}: {_counted(table)}" for name, table in there.items()) + "."
    lines = [
        f"| recipe |{''.join(f' {name} | less the first |' for name in there)}",
        f"| --- |{' --- | --- |' * len(there)}",
    ]
    for words in CANDIDATES:
        cells = [words]
        for table in there.values():
            found, less = measure(table, key_of(words)), difference(table, key_of(words), key_of(first))
            cells += [shown(found.auroc) if found else "", "" if words == first else signed(less)]
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield _chosen(there)


def _chosen(tables: Mapping[str, Table]) -> str:
    """Say what was chosen, and what stands behind it on each task."""
    first, *_ = CANDIDATES
    found = []
    for name, table in tables.items():
        less = difference(table, key_of(CHOSEN), key_of(first))
        if less is None:
            found.append(f"on {name} it has not been tried")
        else:
            word = "better" if less.low > 0 else "worse" if less.high < 0 else "not told from the first"
            found.append(f"on {name} it is {word}")
    return f"`plain` and `finetune` are now **{CHOSEN}**: {'; '.join(found)}."


def _peers(folder: Path) -> Iterator[str]:
    yield "| task | frames | folds | `finetune` | timm | difference |"
    yield "| --- | --- | ---: | --- | --- | --- |"
    for task in TASKS:
        table = read_table(PEER_TABLE.format(task.name), folder)
        if table is not None:
            ours, theirs = measure(table, FINETUNE), measure(table, TIMM)
            if ours and theirs:
                yield (
                    f"| {task.title} | {_counted(table)} | {len(ours.folds)} | {shown(ours.auroc)} | {shown(theirs.auroc)} "
                    f"| {signed(difference(table, FINETUNE, TIMM))} |"
                )


def _missing(folder: Path) -> Iterator[str]:
    names = {"candidates": CANDIDATE_TABLE, "timm": PEER_TABLE}
    lacking = [
        f"{words} on {task.name}"
        for words, table in names.items()
        for task in TASKS
        if read_table(table.format(task.name), folder) is None
    ]
    if lacking:
        yield f"Not run yet: {', '.join(lacking)}."


def _counted(table: Table) -> str:
    return f"{len(table.images)} of {len(np.unique(table.groups))} groups"
