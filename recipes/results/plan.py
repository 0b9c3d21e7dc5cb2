"""Which networks are trained on which task: what differs, and nothing else does.

All contenders of a task start from the same ImageNet weights of the backbone and see the same frames equally often, in
one stage. Those with crops keep what guards the backbone: a loss of the global path, and crops dropped of half the
frames. The crop branch starts at random weights, hence at a higher rate (`together.yaml`).
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.training import Recipe, Stage, load_recipe

TOGETHER = Path(__file__).with_name("together.yaml")
FOLDS, SEEDS = 5, 3
FINALISTS = 2  # contenders besides the plain ones that get more seeds
LOW_PASS, RANDOM, WITHOUT = "-lowpass", "-random", "-without"


class Task(NamedTuple):
    """A question of frames, the sizes that they are shown at, and for how long each network learns it."""

    name: str
    title: str
    labels: tuple[str, str]  # the second is the positive one
    units: str
    sizes: tuple[int, int]  # pixels on a side of the global view: small and large
    epochs: int
    frame: tuple[int, int]  # height and width of a typical frame, to time the networks on
    source: str
    caveat: str = ""
    every: int = (
        1  # of the training frames each so many-th group is learnt from; all are validated and tested on
    )


class Contender(NamedTuple):
    """A recipe, and the pixels on a side to which frames are shrunk and enlarged again before it sees them (0: not)."""

    name: str
    recipe: Recipe
    low_pass: int = 0

    @property
    def with_crops(self) -> bool:
        """Whether crops take part."""
        return any(stage.crops for stage in self.recipe.stages)


TASKS = (
    Task(
        name="neopolyp",
        title="Neoplastic polyp or not, frames of 1280 x 1000",
        labels=("non-neoplastic", "neoplastic"),
        units="frames",
        sizes=(224, 448),
        epochs=10,
        frame=(995, 1280),
        source="BKAI-IGH NeoPolyp-Small (Ngoc Lan et al., ISVC 2021, doi:10.1007/978-3-030-90436-4_2); groups are days",
    ),
    Task(
        name="chgastro",
        title="Metaplasia or normal, dyed stomach",
        labels=("normal", "metaplasia"),
        units="images",
        sizes=(224, 448),
        epochs=6,
        frame=(481, 518),
        source="AIDA-E 2016, third part; groups are near-copies",
        caveat="One hospital, one dye, no patient ids: other images of a patient may stand in training. So these "
        "numbers are too good by an unknown amount, and say nothing of undyed mucosa.",
    ),
    Task(
        name="windows",
        title="Polyp in view or only mucosa, windows of native pixels",
        labels=("mucosa", "polyp"),
        units="windows",
        sizes=(96, 192),
        epochs=3,
        frame=(300, 300),
        source="Kvasir-SEG (Jha et al., MMM 2020, doi:10.1007/978-3-030-37734-2_37) and PolypGen (Ali et al., "
        "Scientific Data 2023, doi:10.1038/s41597-023-01981-y); groups are near-copies of frames",
        caveat="A window has 192 native pixels on a side or more: 96 shows half of its detail at most.",
        every=4,
    ),
)


def task_of(name: str) -> Task:
    """Return the task of this name."""
    return next(task for task in TASKS if task.name == name)


def contenders(task: Task) -> dict[str, Contender]:
    """Return the contenders of a task, by name: the plain backbone at its small size first."""
    small, large = task.sizes
    topk: dict[str, Any] = {"pooling": "topk", "background": task.labels[0]}
    found = [
        _contender(f"plain{small}", task, small),
        _contender(f"plain{large}", task, large),
        _contender(f"lag{small}", task, small, crops=True),
        _contender(f"attention{small}", task, small, crops=True, fusion="attention"),
        _contender(f"topk{small}", task, small, **topk),
        _contender(f"topk{large}", task, large, **topk),
        _contender(f"topk_crops{small}", task, small, crops=True, **topk),
    ]
    return {one.name: one for one in found}


def plain(task: Task) -> tuple[str, str]:
    """Return the names of the plain backbones: at the small size, and at the large one."""
    small, large = task.sizes
    return f"plain{small}", f"plain{large}"


def controls(task: Task, name: str) -> dict[str, Contender]:
    """Return the controls of a contender: frames without detail beyond the small input; crops at random places."""
    one = contenders(task)[name]
    found = [one._replace(name=name + LOW_PASS, low_pass=task.sizes[0])]
    if one.with_crops:
        fields = {**one.recipe.fields, "policy": "random"}
        found.append(Contender(name + RANDOM, dataclasses.replace(one.recipe, fields=fields)))
    return {control.name: control for control in found}


def with_controls(task: Task) -> dict[str, Contender]:
    """Return the contenders of a task and the controls of each, by name."""
    found = contenders(task)
    return found | {key: control for name in found for key, control in controls(task, name).items()}


def in_words(name: str) -> str:
    """Say what a contender is.

    >>> in_words("plain224"), in_words("topk_crops96-lowpass")
    ('plain backbone at 224', 'top-k with crops at 96, on low-passed frames')
    """
    for ending, words in ENDINGS.items():
        if name.endswith(ending):
            return in_words(name.removesuffix(ending)) + words
    kind = name.rstrip("0123456789")
    size = name.removeprefix(kind)
    return f"{WORDS[kind]} at {size}" if size else WORDS.get(kind, kind)


WORDS = {
    "plain": "plain backbone",
    "lag": "LAG of the paper (10 crops, concat)",
    "attention": "LAG, attention",
    "topk": "top-k",
    "topk_crops": "top-k with crops",
    "colours": "colour statistics, no network",
    "metadata": "metadata of the file, no network",
}
ENDINGS = {
    LOW_PASS: ", on low-passed frames",
    RANDOM: ", crops at random places",
    WITHOUT: ", without its crops",
}


def _contender(name: str, task: Task, size: int, *, crops: bool = False, **fields: Any) -> Contender:
    stage = Stage(name="all", epochs=task.epochs, crops=crops)
    none = {} if crops else {"num_crops": 0}
    return Contender(name, _recipe({"global_size": size, **none, **fields}, stage))


def _recipe(fields: Mapping[str, Any], stage: Stage) -> Recipe:
    return dataclasses.replace(load_recipe(TOGETHER), fields=dict(fields), stages=(stage,))
