"""The built-in polyp weights in one command: `python -m recipes.polyp KVASIR POLYPGEN`.

KVASIR and POLYPGEN are folders with manifest.csv, images/ and masks/. Parts are the five grouped folds, the six
hospitals each left out once, the weights that ship (`all`), and the report, which writes all that ships. Each is kept
in OUT once it is done and not done again, and one that was stopped goes on. Processes started side by side share the
parts; `--only` runs some. A part is what
`lag-zoo train recipes/polyp/polyp.yaml OUT/fold1.csv -o OUT/runs/fold1 --cache OUT/cache --device cpu` does.
"""

import argparse
import os
from pathlib import Path

import torch

import lag_zoo
from recipes.locks import mine
from recipes.polyp.files import (
    ALL,
    CENTRE_MANIFESTS,
    FOLD_MANIFESTS,
    MANIFESTS,
    SOURCES,
    write_windows,
)
from recipes.polyp.publish import publish
from recipes.polyp.runs import train

REPORT = "report"
PARTS = {"folds": FOLD_MANIFESTS, "centres": CENTRE_MANIFESTS, **{name: (name,) for name in MANIFESTS}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for source in SOURCES:
        parser.add_argument(source, type=Path)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--out", type=Path, default=cache / "lag_zoo" / "polyp")
    parser.add_argument("--only", choices=[*PARTS, REPORT], action="append")
    arguments = parser.parse_args()
    folders = {source: getattr(arguments, source) for source in SOURCES}
    torch.set_num_threads(1)
    lag_zoo.keep_freed_memory()
    with mine("windows", arguments.out) as free:
        if not free:
            parser.error("another process is cutting the windows: start this one when it is done")
        if not (arguments.out / f"{ALL}.csv").is_file():
            write_windows(folders, arguments.out)
    for part in arguments.only or ["folds", "centres", ALL, REPORT]:
        if part == REPORT:
            publish(folders, arguments.out)
            continue
        for name in PARTS[part]:
            train(name, folders, arguments.out)


if __name__ == "__main__":
    main()
