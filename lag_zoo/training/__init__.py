"""Training on data of one's own: recipes, runs, and the folder of a run. Needs the extra `train`."""

import importlib
import typing

_HOMES = {
    "ExamRecipe": "exam_recipe",
    "Recipe": "recipe",
    "Stage": "recipe",
    "cross_validate": "cross_validation",
    "finetune": "finetuning",
    "list_recipes": "recipe_file",
    "load_recipe": "recipe_file",
    "train_exam": "exam_run",
}

__all__ = [
    "ExamRecipe",
    "Recipe",
    "Stage",
    "cross_validate",
    "finetune",
    "list_recipes",
    "load_recipe",
    "train_exam",
]

if typing.TYPE_CHECKING:
    from lag_zoo.training.cross_validation import cross_validate
    from lag_zoo.training.exam_recipe import ExamRecipe
    from lag_zoo.training.exam_run import train_exam
    from lag_zoo.training.finetuning import finetune
    from lag_zoo.training.recipe import Recipe, Stage
    from lag_zoo.training.recipe_file import list_recipes, load_recipe


# A name loads when it is first used: a list of recipes needs no torch.
def __getattr__(name: str) -> object:
    from lag_zoo.errors import extra

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extra("train"):
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
