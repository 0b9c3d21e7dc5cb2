"""Training on data of one's own: recipes, the loop, and the folder that a run leaves. Needs the extra `train`."""

from lag_zoo.errors import extra

with extra("train"):
    from lag_zoo.training.cross_validation import cross_validate
    from lag_zoo.training.finetuning import finetune
    from lag_zoo.training.recipe import Recipe, Stage, list_recipes, load_recipe

__all__ = ["Recipe", "Stage", "cross_validate", "finetune", "list_recipes", "load_recipe"]
