"""Scores that are drawn, for tests of reports: patients whose frames are like each other."""

import dataclasses

import numpy as np

from lag_zoo.evaluate import Scores

NAMES = ("normal", "GA", "IM")


def drawn(
    n: int = 240,
    *,
    grouping: str | None = "patient",
    task: str = "multiclass",
    seed: int = 0,
    **fields: object,
) -> Scores:
    """Scores of patients of four frames each; of labels that exclude no other a fifth is unknown."""
    rng = np.random.default_rng(seed)
    patients = np.arange(n) // 4
    own = rng.integers(0, 3, n)[patients]
    if task == "multiclass":
        targets, marks = own, np.eye(3)[own]
    else:
        marks = (rng.uniform(size=(n, 3)) < 0.4).astype(int)[patients]
        targets = np.where(rng.uniform(size=(n, 3)) < 0.2, -1, marks)
    logits = 1.5 * marks + rng.normal(size=(n, 3))[patients] + rng.normal(0, 0.5, (n, 3))
    return Scores.from_arrays(
        logits,
        targets,
        label_names=NAMES,
        task=task,  # type: ignore[arg-type]
        images=[f"{seed}_{i}.png" for i in range(n)],
        groups=[f"p{p}" for p in patients] if grouping else None,
        grouping=grouping,  # type: ignore[arg-type]
        **fields,  # type: ignore[arg-type]
    )


def of_skill(
    skill: float,
    *,
    names: tuple[str, ...] = NAMES,
    seed: int = 0,
    grouping: str | None = "patient",
    **fields: object,
) -> Scores:
    """Scores of 40 patients of three frames each, the same frames for every seed and skill."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(40) % len(names), 3)
    logits = skill * np.eye(len(names))[targets] + rng.normal(size=(120, len(names)))
    return Scores.from_arrays(
        logits,
        targets,
        label_names=names,
        images=[f"{i}.png" for i in range(120)],
        groups=[f"p{i // 3}" for i in range(120)] if grouping else None,
        **fields,  # type: ignore[arg-type]
    )


def with_frames(scores: Scores, **fields: object) -> Scores:
    """The scores with other values in their frame table."""
    return dataclasses.replace(scores, frames=dataclasses.replace(scores.frames, **fields))  # type: ignore[arg-type]
