"""How the recipes were chosen, and how `finetune` stands against a plain timm loop:

    python -m recipes.tuning run SHARED OUT [PART ...]   runs what OUT lacks (processes share the parts)
    python -m recipes.tuning tables OUT                  puts what OUT has into recipes/tuning/tables
    python -m recipes.tuning report                      makes docs/tuning.md from these tables

SHARED and OUT are as in `recipes.results`; OUT may be the same folder. Parts are candidates_TASK and peers_TASK, by
default all.
"""

from functools import partial
from pathlib import Path

from recipes.commands import Parts, main
from recipes.results.plan import TASKS
from recipes.results.tables import frame_rows, write_rows
from recipes.tuning.report import CANDIDATE_TABLE, FOLDER, PEER_TABLE, write
from recipes.tuning.runs import candidate_scores, meet_timm, peer_scores, try_candidates

PARTS: Parts = {
    **{CANDIDATE_TABLE.format(task.name): partial(try_candidates, task) for task in TASKS},
    **{PEER_TABLE.format(task.name): partial(meet_timm, task) for task in TASKS},
}


def collect(out: Path, folder: Path = FOLDER) -> None:
    """Write the tables of what is in OUT; those of which nothing is there stay as they are."""
    for task in TASKS:
        tried = [(f"{name}/0", scores) for name, scores in candidate_scores(task, out).items()]
        for name, found in ((CANDIDATE_TABLE, tried), (PEER_TABLE, peer_scores(task, out))):
            if found:
                write_rows(name.format(task.name), frame_rows(found), folder)


if __name__ == "__main__":
    main(__doc__.splitlines()[0], PARTS, collect, write)
