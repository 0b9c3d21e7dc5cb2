# ruff: noqa: E501 - the page is prose
"""docs/results.md, from the result tables alone; runs that are not there are named."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lag_zoo.metrics.intervals import Difference, Interval
from recipes.results import plan
from recipes.results.comparing import Measured, difference, folds_of, measure, winners
from recipes.results.plan import LOW_PASS, RANDOM, WITHOUT, Task, in_words
from recipes.results.tables import COSTS, FOLDER, READOUTS, RUNS, Table, read_rows, read_table

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
FLOORS = ("colours", "metadata")
INTRODUCTION = """# Results

When does looking twice pay? Measured on three tasks: a larger input, LAG's crops at native resolution, and top-k pooling, against
the plain backbone. All are EfficientNet-Lite0 from ImageNet weights, fine-tuned as a whole, at equal training. **Nothing here is a
medical device, and nothing here is about metaplasia or atrophy in white light or LCI.** What the paper reports of LAG is
[elsewhere](models/reported.md), and has not been reproduced.

Five folds by group; the fold after the one that is tested on chooses the epoch. AUROC is the mean over folds and seeds; frames are ranked within
their fold. Intervals are 95%, by group; differences are paired, on the same frames. They do not show what another seed would change: the
AUROC of each seed does. No correction is made for many comparisons.

Every number here comes from `recipes/results/tables/`, which has the logit of every frame by every network, and a row a run. `python -m
recipes.results report` makes this page from them; `python -m recipes.results run SHARED OUT` makes the runs. What the networks have in
common is in `recipes/results/together.yaml`, what differs in `recipes/results/plan.py`."""


def write(folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Write the page."""
    page.write_text(text(folder), encoding="utf-8")
    print(f"written: {page}")


def text(folder: Path = FOLDER) -> str:
    """Make the page from the tables of a folder."""
    tables = {task: read_table(task.name, folder) for task in plan.TASKS}
    there = {task: table for task, table in tables.items() if table is not None}
    parts = [INTRODUCTION, "## What comes out", *_findings(there, folder)]
    for task, table in tables.items():
        parts.append(f"## {task.title}")
        parts += (
            [f"Not run yet: all of it. {task.caveat}".strip()]
            if table is None
            else _task(task, table, folder)
        )
    parts += ["## Heads on frozen features", *_readouts(folder), "## How it was measured", *_how(folder)]
    return "\n\n".join(parts) + "\n"


# -- What comes out -------------------------------------------------------------------------------------------------


def _findings(tables: Mapping[Task, Table], folder: Path) -> Iterator[str]:
    if not tables:
        yield "Nothing yet."
        return
    yield "\n".join(line for claim in _CLAIMS for line in _finding(*claim, tables))
    if ratios := _ratios(folder):
        yield f"In multiply-accumulates, against the plain backbone at the small size: {ratios}."


_CLAIMS = (
    ("A larger input", "plain{1}", "plain{0}"),
    ("The paper's crops", "lag{0}", "plain{0}"),
    ("The paper's crops, against the same network without them", "lag{0}", "lag{0}" + WITHOUT),
    ("Training beside the paper's crops, without them at prediction", "lag{0}" + WITHOUT, "plain{0}"),
    ("The paper's crops, against a larger input", "lag{0}", "plain{1}"),
    ("Crops with attention", "attention{0}", "plain{0}"),
    ("Top-k pooling", "topk{0}", "plain{0}"),
    ("Top-k pooling of a larger input, against its average", "topk{1}", "plain{1}"),
    ("Crops beside top-k pooling", "topk_crops{0}", "topk{0}"),
    (
        "Top-k pooling with crops, against the same network without them",
        "topk_crops{0}",
        "topk_crops{0}" + WITHOUT,
    ),
)
"""What is claimed or not, of which network less which other, with the sizes of the task."""


def _finding(words: str, one: str, other: str, tables: Mapping[Task, Table]) -> Iterator[str]:
    """A line a claim: the difference on each task, and what it comes to."""
    found = {
        task: less
        for task, table in tables.items()
        if (less := difference(table, one.format(*task.sizes), other.format(*task.sizes))) is not None
    }
    if found:
        told = "; ".join(f"{task.name} {signed(less)}" for task, less in found.items())
        yield f"- **{words}: {_verdict(found.values())}.** {told}."


def _ratios(folder: Path) -> str:
    """Say how many times the multiply-accumulates of the plain backbone each contender takes, on the first task."""
    task = plan.TASKS[0]
    macs = {
        row["contender"]: int(row["macs"]) for row in read_rows(COSTS, folder) if row["task"] == task.name
    }
    plain, *others = plan.contenders(task)
    return ", ".join(
        f"{in_words(name)} {macs[name] / macs[plain]:.1f} times" for name in others if name in macs
    )


def _verdict(found: Iterable[Difference]) -> str:
    """Sum up differences: better or worse by their intervals, or not to be told."""
    words = [_word(less) for less in found]
    counts = {word: words.count(word) for word in ("better", "worse", "not to be told")}
    if len(words) == 1:
        return words[0]
    return ", ".join(f"{word} on {count} of {len(words)} tasks" for word, count in counts.items() if count)


def _word(less: Difference) -> str:
    if less.low > 0:
        return "better"
    return "worse" if less.high < 0 else "not to be told"


# -- A task ---------------------------------------------------------------------------------------------------------


def _task(task: Task, table: Table, folder: Path) -> Iterator[str]:
    yield (
        f"{len(table.images)} {task.units} of {len(np.unique(table.groups))} groups, {int(table.truth.sum())} {task.labels[1]}; {task.epochs} epochs{_some(task)}. "
        f"Data: {task.source}. {task.caveat}".strip()
    )
    yield _networks(task, table, folder)
    yield from _controls(task, table)
    if missing := _missing(task, table):
        yield f"Not run yet: {'; '.join(missing)}."


def _some(task: Task) -> str:
    return "" if task.every == 1 else f" on one in {task.every} groups of the training folds"


def _networks(task: Task, table: Table, folder: Path) -> str:
    small, large = plan.plain(task)
    lines = [
        f"| network | AUROC | by seed | less {in_words(small)} | less {in_words(large)} | its crops add | GMACs | ms a frame | training, CPU s a fold |",
        "| --- | --- | --- | --- | --- | --- | ---: | ---: | ---: |",
    ]
    for name in (*plan.contenders(task), *FLOORS):
        found = measure(table, name)
        if found is not None:
            own = [
                signed(difference(table, name, other)) if name != other else "" for other in (small, large)
            ]
            crops = signed(difference(table, name, name + WITHOUT))
            seeds = ", ".join(f"{value:.3f}" for value in found.by_seed) if len(found.by_seed) > 1 else ""
            cells = [in_words(name), _auroc(found), seeds, *own, crops, *_cost(task, name, folder)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _auroc(found: Measured) -> str:
    some = "" if len(found.folds) == plan.FOLDS else f", folds {', '.join(map(str, found.folds))} only"
    return shown(found.auroc) + some


def _cost(task: Task, name: str, folder: Path) -> list[str]:
    """GMACs, milliseconds a frame, and the median of the CPU seconds of a fold's training."""
    rows = [row for row in read_rows(COSTS, folder) if (row["task"], row["contender"]) == (task.name, name)]
    at_inference = [f"{int(rows[0]['macs']) / 1e9:.2f}", rows[0]["cpu_ms"]] if rows else ["", ""]
    taken = [
        float(row["cpu_seconds"])
        for row in read_rows(RUNS, folder)
        if (row["task"], row["contender"]) == (task.name, name) and row["cpu_seconds"]
    ]
    return [*at_inference, f"{statistics.median(taken):.0f}" if taken else ""]


def _controls(task: Task, table: Table) -> Iterator[str]:
    """What stays of a gain on frames without detail beyond the small input, and with crops elsewhere."""
    plain = plan.plain(task)[0]
    lines = []
    for name in winners(table, task):
        blurred = difference(table, name + LOW_PASS, plain)
        if blurred is not None:
            lines.append(
                f"- {_capital(in_words(name + LOW_PASS))}, less {in_words(plain)}: {signed(blurred)}. {_stays(blurred)}"
            )
        elsewhere = difference(table, name, name + RANDOM)
        if elsewhere is not None:
            lines.append(
                f"- {_capital(in_words(name))}, less itself with crops at random places: {signed(elsewhere)}."
            )
    if lines:
        yield "\n".join(
            [
                f"Control of the gains, on frames shrunk to {task.sizes[0]} pixels on a side and enlarged again:",
                "",
                *lines,
            ]
        )


def _stays(less: Difference) -> str:
    if less.low > 0:
        return "The gain stays without detail: it is not one of resolution alone."
    return "Without detail no gain can be told: it was one of resolution, as far as this shows."


def _missing(task: Task, table: Table) -> list[str]:
    """Name the runs that the plan has and the table has not."""
    found = []
    for name in (*plan.contenders(task), *FLOORS):
        lacking = plan.FOLDS - len(folds_of(table, name))
        if lacking:
            found.append(f"{in_words(name)} ({'all' if lacking == plan.FOLDS else lacking} folds)")
    for name in plan.plain(task):
        if folds_of(table, name) and len(table.seeds(name)) < plan.SEEDS:
            found.append(f"{in_words(name)} ({plan.SEEDS - len(table.seeds(name))} more seeds)")
    for name in winners(table, task):
        found += [in_words(control) for control in plan.controls(task, name) if not folds_of(table, control)]
    return found


# -- Frozen features, and how ---------------------------------------------------------------------------------------


def _readouts(folder: Path) -> Iterator[str]:
    """What a linear head makes of features that nothing has trained, by the way that it reads them."""
    tables = {task: read_table(READOUTS.format(task.name), folder) for task in plan.TASKS}
    there = {task: table for task, table in tables.items() if table is not None}
    if not there:
        yield "Not run yet."
        return
    yield (
        "ImageNet features of whole frames, nothing trained but a linear score of each position (`recipes/results/readouts.py`). A score per label "
        "is how exclusive labels are told; one score is how a label is told from its absence (`LAGConfig.background`). What a head gains here, a "
        "network that is trained as a whole may not need."
    )
    heads = list(dict.fromkeys(head for table in there.values() for head in table.contenders()))
    lines = [
        f"| features and head |{''.join(f' {task.name} | less the first |' for task in there)}",
        f"| --- |{' --- | --- |' * len(there)}",
    ]
    for head in heads:
        cells = [head]
        for table in there.values():
            found = measure(table, head)
            cells.append("" if found is None else shown(found.auroc))
            cells.append("" if head == heads[0] else signed(difference(table, head, heads[0])))
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield "\n".join(line for claim in _OF_HEADS for line in _finding(*claim, there))


_OF_HEADS = (
    ("Top-k of one score, against the average", "448, top-k of one score", "448, average"),
    (
        "Top-k of a score per label, against one score",
        "448, top-k of a score per label",
        "448, top-k of one score",
    ),
    ("A larger view, with top-k of one score", "448, top-k of one score", "224, top-k of one score"),
    (
        "Native crops in the same ranking",
        "224 and native crops in one ranking, top-k of one score",
        "224, top-k of one score",
    ),
    ("Native crops beside top-k", "224, top-k of one score, native crops beside", "224, top-k of one score"),
    ("Native crops beside the average", "224, average, native crops beside", "224, average"),
)


def _how(folder: Path) -> Iterator[str]:
    runs = read_rows(RUNS, folder)
    if not runs:
        yield "No runs yet."
        return
    dates = sorted({row["date"] for row in runs})
    spent = sum(float(row["cpu_seconds"]) for row in runs if row["cpu_seconds"])
    yield (
        f"{len(runs)} runs from {dates[0]} to {dates[-1]}, {spent / 3600:.1f} CPU hours, on {_all(runs, 'machine')} with {_all(runs, 'threads')} thread each; "
        f"{_all(runs, 'versions')}; revisions {_all(runs, 'revision')}. Times at inference: one core, float32, fused, from decoded pixels to logits."
    )


def _all(runs: Sequence[Mapping[str, str]], column: str) -> str:
    return " and ".join(sorted({row[column] for row in runs}))


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def shown(found: Interval) -> str:
    """Show a value with its interval."""
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def signed(less: Difference | None) -> str:
    """Show a difference with its sign and interval; nothing of none."""
    return "" if less is None else f"{less.value:+.3f} ({less.low:+.3f} to {less.high:+.3f})"
