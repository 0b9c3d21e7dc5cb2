"""Try each kind of attack many times, and print what came of it as a table:

    python -m tests.attack [--size small|large] [--seed N] [KIND ...]

Small takes about a minute, large hours of one core.
"""

import argparse
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.attack import files, kills
from tests.attack.outcome import HEADER, Attack

ATTACKS: dict[str, tuple[Attack, int, int]] = {
    "heads": (files.heads, 300, 100_000),
    "configurations": (files.configurations, 60, 100_000),
    "manifests": (files.manifests, 200, 10_000),
    "states": (files.states, 200, 20_000),
    "pth": (files.checkpoints_of_others, 60, 5_000),
    "pictures": (files.pictures, 100, 10_000),
    "saving": (kills.saving, 2, 150),
    "caching": (kills.caching, 2, 150),
    "predicting": (kills.predicting, 2, 150),
    "loading": (kills.loading_while_saved, 20, 1_000),
}
"""Each with its tries: of a small run and of a large one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", choices=["small", "large"], default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(ATTACKS))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    outcomes = []
    for name in given.kinds or ATTACKS:
        attack, small, large = ATTACKS[name]
        begun = time.monotonic()
        outcomes.append(attack(small if given.size == "small" else large, random.Random(given.seed)))
        print(f"{name}: {time.monotonic() - begun:.0f} seconds", file=sys.stderr)
    print(
        "\n".join(
            f"| {' | '.join(row)} |" for row in [HEADER, ["---"] * len(HEADER), *(o.row() for o in outcomes)]
        )
    )
    for outcome in outcomes:
        for failure in outcome.failures[:5]:
            print(f"{outcome.kind}: {failure}", file=sys.stderr)
    sys.exit(not all(outcome.holds for outcome in outcomes))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        import os

        os.environ["LAG_ZOO_CACHE"] = str(Path(scratch) / "cache")
        main()
