"""Every timm model name, and LAG on it: the sweep behind docs/models/backbones.md.

`python -m tests.sweep.table` runs it all and writes that page; `make sweep` runs it as tests.
"""

import json
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "models" / "backbones.md"
WORKERS = 2
ALONE = 200_000_000  # parameters from which a model gets the machine's memory to itself
LARGE, SMALLER = 400, 224  # pixels: a view that is larger than the one is trained on as the other


def _attach(name: str) -> dict[str, object]:
    import torch

    from tests.sweep.attach import attach_on_meta

    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return attach_on_meta(name)
        except Exception as error:  # any failure is a row of the table, with its reason
            return {"name": name, "error": f"{type(error).__name__}: {error}"}


def attach_all() -> list[dict[str, object]]:
    """One row a timm name, attached on the meta device: parameters, width and input size, or the error."""
    import timm

    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_attach, timm.list_models(), chunksize=20))


def smallest_of_each_module(rows: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    """timm's module name: the row of its smallest model that attaches."""
    import timm

    good = {row["name"]: row for row in rows if "error" not in row}
    chosen = {}
    for module in timm.list_modules():
        rows_of = [good[name] for name in timm.list_models(module=module) if name in good]
        if rows_of:
            chosen[module] = min(rows_of, key=lambda row: (row["params"], row["size"], row["name"]))
    return chosen


def _exercise(row: dict[str, object], threads: int = 1) -> dict[str, object]:
    name, size = row["name"], row["size"] if row["size"] <= LARGE else SMALLER
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.sweep.attach", name, str(size), str(threads)],
        cwd=PAGE.parents[2],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    if run.returncode:
        return {
            "name": name,
            "error": (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1],
        }
    return dict(json.loads(run.stdout))


def exercise_each(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Each model through a forward, a training step, a load from a file and new heads, in a process of its own."""
    big = [row for row in rows if row["params"] > ALONE]
    small = [row for row in rows if row not in big]
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(_exercise, small))
    return results + [_exercise(row, threads=WORKERS) for row in big]


def page(rows: list[dict[str, object]]) -> str:
    """docs/models/backbones.md."""
    import timm

    chosen = smallest_of_each_module(rows)
    failed = [row for row in rows if "error" in row]
    lines = [
        "# Backbones",
        "",
        "`lag_<any timm name>` is an architecture. This page is written by `python -m tests.sweep.table`, which",
        f"attaches LAG to each of the {len(rows)} model names of timm {timm.__version__}, and held by `make sweep`,",
        f"which also takes the smallest model of each of timm's {len(chosen)} modules through a forward, a training",
        "step, a load from a file and new heads (with views of 224 pixels where its own are larger than 400).",
        "",
        f"{len(rows) - len(failed)} names attach. The other {len(failed)} do not, and say so when asked for:",
        "",
        "| name | reason |",
        "| --- | --- |",
        *(f"| `{row['name']}` | {str(row['error']).split('. ')[0]} |" for row in failed),
        "",
        "googlenet and squeezenet1_1, which timm lacks, are torchvision's.",
        "",
        "## The smallest model of each timm module",
        "",
        "| timm module | model | parameters, millions | features | input, pixels |",
        "| --- | --- | ---: | ---: | ---: |",
        *(
            f"| {module} | `{row['name']}` | {row['params'] / 1e6:.1f} | {row['width']} | {row['size']} |"
            for module, row in sorted(chosen.items())
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    every = attach_all()
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(every))
    bad = [row for row in exercise_each(list(smallest_of_each_module(every).values())) if "error" in row]
    print(
        f"{len(every)} names, {sum('error' in row for row in every)} do not attach; of the smallest, {len(bad)} failed",
        *bad,
        sep="\n",
    )
    sys.exit(bool(bad))
