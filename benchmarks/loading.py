"""A network from a local file: until it is built, until its first answer, and the memory that takes.

Each case is a fresh process that has imported everything before the clock starts; the peer is timm's `local-dir:` of
the plain backbone. The file's SHA-256 was verified before, by the first load of each, which does not count; `anew`
forgets that, and `mapped` takes the file's own pages.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import peak
from benchmarks.timing import Row, row

GOALS = {
    "resnet50": {"built": "at most 0.35", "first answer": "", "memory": "at most 0.75"},
    "vit_large_patch16_224": {
        "built": "at most 0.10",
        "first answer": "at most 0.50",
        "memory": "at most 0.60",
    },
}


def rows(*, rounds: int = 5) -> list[Row]:
    """Five rows a backbone."""
    found = []
    for name, goals in GOALS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _child("save", name, folder)
            times: dict[str, list[dict[str, float]]] = {"ours": [], "peer": [], "anew": [], "mapped": []}
            for number in range(rounds + 1):
                for side, measured in times.items():
                    answer = _child(side, name, folder)
                    if number:  # the first of each fills the caches, and verifies
                        measured.append(answer)
        found += [
            row(
                f"LAG on {name} from a file, {what} / timm `local-dir:`",
                [measured[what] for measured in times["ours"]],
                [measured[what] for measured in times["peer"]],
                goal=goal,
                unit="MB" if what == "memory" else "ms",
            )
            for what, goal in goals.items()
        ]
        found.append(
            row(
                f"LAG on {name} from a file, built, a copy in memory / the same, mapped (`mmap=True`)",
                [measured["built"] for measured in times["ours"]],
                [measured["built"] for measured in times["mapped"]],
            )
        )
        found.append(
            row(
                f"LAG on {name} from a file, built, its SHA-256 taken anew / the same, remembered",
                [measured["built"] for measured in times["anew"]],
                [measured["built"] for measured in times["ours"]],
            )
        )
    return found


def _child(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.loading", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as empty:
        forgetful = {"LAG_ZOO_CACHE": empty} if arguments[0] == "anew" else {}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **forgetful}
        )
    return dict(json.loads(done.stdout))


def save(name: str, folder: Path) -> dict[str, float]:
    """Writes the plain backbone as timm does, and LAG on it as lag_zoo does."""
    import timm
    from timm.models import save_for_hf

    import lag_zoo

    save_for_hf(timm.create_model(name, num_classes=3), str(folder / "peer"), safe_serialization=True)
    model = lag_zoo.create_model(f"lag_{name}", num_classes=3)
    lag_zoo.save_pretrained(model, folder / "ours")
    return {}


def load(side: str, folder: Path) -> dict[str, float]:
    """Seconds until built and until the first answer, and the MB that the process grew by at its peak."""
    import time

    import timm
    import torch

    import lag_zoo
    from lag_zoo.views import Views

    image = torch.rand(1, 3, 224, 224)
    crops, boxes = torch.rand(1, 10, 3, 64, 64), torch.zeros(1, 10, 4, dtype=torch.int64)
    views = Views(image, crops, boxes, torch.ones(1, 10, dtype=torch.bool), torch.ones(1))
    lag_zoo.create_model("lag_resnet10t", num_classes=2)  # what is imported or registered on first use
    timm.create_model("resnet10t")
    before, begun = peak(), time.perf_counter()
    with torch.inference_mode():
        if side != "peer":
            place = f"local-dir:{folder / 'ours'}"
            model = lag_zoo.create_model(place, pretrained=True, mmap=side == "mapped").eval()
            built = time.perf_counter() - begun
            model(views)
        else:
            plain = timm.create_model(f"local-dir:{folder / 'peer'}", pretrained=True).eval()
            built = time.perf_counter() - begun
            plain(image)
    first = time.perf_counter() - begun
    return {"built": built, "first answer": first, "memory": peak() - before}


if __name__ == "__main__":
    side, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    print(json.dumps(save(name, folder) if side == "save" else load(side, folder)))
