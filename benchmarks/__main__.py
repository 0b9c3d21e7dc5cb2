"""Every figure of docs/performance.md, and the page itself: `python -m benchmarks`, on an otherwise idle machine.

`--rounds N` runs each case N times, to try the bench itself; `--out FILE` writes elsewhere; `--section TITLE` measures
one section anew and leaves the others of the page as they are.
"""

import argparse
import datetime
import os
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import (
    field_of_view,
    file_to_probability,
    forward,
    frame_cache,
    growth,
    imports,
    kept_memory,
    loading,
    manifests,
    stages,
    training_step,
)
from benchmarks.timing import Row, markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
SECTIONS: dict[str, tuple[str, Callable[..., list[Row]]]] = {
    "Import and light commands": (
        "Whole fresh processes, the interpreter's start included; `import timm` is the peer.",
        imports.rows,
    ),
    "From a file to a network": (
        "Fresh processes, everything imported before; memory is what the process grew by, at its peak, up to the first "
        "answer. The peer is timm's `local-dir:` of the plain backbone. The SHA-256 was verified by an earlier load.",
        loading.rows,
    ),
    "Field of view": (
        "Frames of 1280 x 1024, uint8, one thread; milliseconds a frame. The peer is torchvision's resize to 224.",
        field_of_view.rows,
    ),
    "Forward from full frames": (
        "Frames of 1280 x 1024, uint8, field of view and views included. The peers are the plain backbone on a ready "
        "224 tensor, and LAG written plainly, as a loop over `RandomCrop`, without a field of view.",
        forward.rows,
    ),
    "File to probability": (
        "A drawn frame of 1280 x 1024 as JPEG and as uncompressed TIFF, one file at a time. The peer reads it by PIL, "
        "resizes it as a uint8 tensor by torchvision and runs the plain backbone.",
        file_to_probability.rows,
    ),
    "Frame cache": (
        "Views for training of drawn 1280 x 1024 JPEG frames, each pipeline with two workers that stay; milliseconds a "
        "frame, so 0.25 is four times the images a second. Files and cache were read before and lie in memory.",
        frame_cache.rows,
    ),
    "Training": (
        "One step of the recipe `finetune`, a batch of 8 evaluated, both a frame, and the peak of memory of a "
        "step; views lie ready. The peer is the same network in the stage without crops: the plain backbone.",
        training_step.rows,
    ),
    "Memory that is kept": (
        "Frames of 600 x 480 to probabilities, and a step of training, 32 at a time, in fresh processes of one thread: "
        "ours called `lag_zoo.keep_freed_memory()` first, as the commands of `lag-zoo` do, and the peer did not. "
        "Processor time a frame, and the peak of memory. The other figures of this page are without it.",
        kept_memory.rows,
    ),
    "Manifests": (
        "Rows with a label, a patient of five frames and a split, in CSV, in fresh processes: what the process's peak "
        "of memory grew by up to the end of the step, and processor time. The peer reads the file alone, and checks "
        "nothing.",
        manifests.rows,
    ),
}


def machine() -> str:
    """Processor, what its vectors are, cores, accelerator."""
    processor = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = re.findall(r"^model name\s*: (.*)$", info.read_text(encoding="utf-8"), flags=re.MULTILINE)
        processor = names[0] if names else processor
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = f"{torch.cuda.get_device_name()} (not used)" if torch.cuda.is_available() else "none"
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{processor} ({vectors}), {cores} cores, {torch.get_num_threads()} threads; accelerator: {device}"


def reached(row: Row) -> bool | None:
    """Whether the row keeps its goal, a ratio (`at most 1.08`) or a time (`at most 0.5 ms`); `None` without a goal."""
    if not row.goal:
        return None
    found = re.fullmatch(r"at most ([\d.]+)( ms)?", row.goal)
    if found is None:
        raise ValueError(f"a goal reads 'at most 1.08' or 'at most 0.5 ms'; got {row.goal!r}")
    return (row.ours * 1e3 if found[2] else row.ratio) <= float(found[1])


def missed(rows: list[Row]) -> list[str]:
    """A line for each row that does not keep its goal."""
    return [
        f"{row.what}: {f'{row.ours * 1e3:.2f} ms' if row.goal.endswith('ms') else f'{row.ratio:.2f}'}, goal {row.goal}"
        for row in rows
        if reached(row) is False
    ]


def page(tables: dict[str, list[Row]], more: str, *, date: datetime.date) -> str:
    """docs/performance.md; `more` is what has no peer."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm", "pillow"))
    every = [row for rows in tables.values() for row in rows]
    lines = [
        "# Performance",
        "",
        "Written by `make bench`. Ours and the peer take turns in one process; each figure is the median over the "
        "rounds, and *spread* the interquartile range of the ratio. Ratios hold better than times.",
        "",
        f"- Date: {date.isoformat()}",
        f"- Machine: {machine()}",
        f"- Versions: Python {platform.python_version()}, {versions}",
        "",
    ]
    lines += [section(title, rows) for title, rows in tables.items()]
    lines.append(more)
    lines.append(of_goals(sum(reached(row) is not None for row in every), missed(every)))
    return "\n".join(lines)


def of_goals(count: int, short: list[str]) -> str:
    """The last section of the page: how many goals there are, and a line for each that is not reached."""
    lines = ["## Goals", "", f"{count - len(short)} of {count} figures with a goal reach it."]
    if short:
        lines += ["", "Not reached:", "", *(f"- {line}" for line in short)]
    return "\n".join(lines) + "\n"


def section(title: str, rows: list[Row], *, date: datetime.date | None = None) -> str:
    """A section of the page; `date`: of one that was measured apart."""
    heading, _, table = markdown(title, rows).partition("\n\n")
    apart = f" Measured anew on {date.isoformat()}." if date else ""
    return "\n".join([heading, "", SECTIONS[title][0] + apart, "", table])


def with_section(text: str, title: str, rows: list[Row], *, date: datetime.date) -> str:
    """The page with one section measured anew or for the first time, and what that makes of the goals."""
    if f"## {title}\n" in text:
        begin = text.index(f"## {title}\n")
        end = text.index("\n## ", begin) + 1
    else:  # it is new
        begin = end = text.index("## Goals\n")
    text = text[:begin] + section(title, rows, date=date) + "\n" + text[end:]
    before, _, _ = text.partition("## Goals\n")
    goals, short = 0, []
    for line in before.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and (found := re.fullmatch(r"at most ([\d.]+)( ms)?", cells[5])):
            goals += 1
            told = cells[1] if found[2] else cells[3]
            if float(told.removesuffix(" ms")) > float(found[1]):
                short.append(f"{cells[0]}: {told}, goal {cells[5]}")
    return before + of_goals(goals, short)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, help="runs of each case, at least 2 (default: each bench's own)"
    )
    parser.add_argument(
        "--out", type=Path, default=PAGE, help="the page to write (default: docs/performance.md)"
    )
    parser.add_argument("--section", choices=SECTIONS, help="measure this one alone, anew")
    arguments = parser.parse_args()
    options = {} if arguments.rounds is None else {"rounds": max(2, arguments.rounds)}
    if (title := arguments.section) is not None:
        found = SECTIONS[title][1](**options)
        print(markdown(title, found), flush=True)
        text = with_section(PAGE.read_text(encoding="utf-8"), title, found, date=datetime.date.today())
        arguments.out.write_text(text, encoding="utf-8")
        return
    tables = {}
    for title, (_, rows) in SECTIONS.items():
        tables[title] = rows(**options)
        print(markdown(title, tables[title]), flush=True)
    parts = stages.section(stages.measure(**options))
    print(parts, flush=True)
    found = growth.measure()
    growth.draw(found, arguments.out.with_name(growth.PICTURE.name))
    text = page(tables, f"{parts}\n{growth.section(found)}", date=datetime.date.today())
    arguments.out.write_text(text, encoding="utf-8")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
