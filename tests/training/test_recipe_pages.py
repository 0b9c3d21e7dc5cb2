"""docs/recipes.md says what the code says, and leaves out no recipe and no key."""

from pathlib import Path

import pytest

from lag_zoo.training import Recipe, Stage, list_recipes, load_recipe
from lag_zoo.training.keys import keys_of
from lag_zoo.training.recipe_words import default_lines, own_keys_of_stages, own_settings
from tools.recipe_pages import page


def test_the_page_is_up_to_date(root: Path) -> None:
    written = (root / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert written == page(), "to mend: python -m tools.recipe_pages"


def test_the_page_holds_every_key_with_its_meaning() -> None:
    text = page()
    for kind in (Recipe, Stage):
        for line in default_lines(kind):
            assert f"| `{line.key}` | " in text
            assert line.meaning in text
        assert [line.key for line in default_lines(kind)] == list(keys_of(kind))


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_is_its_own_settings_over_the_defaults(name: str) -> None:
    recipe, text = load_recipe(name), page()
    assert f"### {name}\n\n{recipe.about}\n" in text
    assert recipe.about.startswith("For "), "the first words say for whom it is"
    own = {key: getattr(recipe, key) for key in ("name", "about", *own_settings(recipe))}
    stages = [{key: getattr(stage, key) for key in own_keys_of_stages(recipe)} for stage in recipe.stages]
    assert Recipe.from_dict({**own, "stages": stages}) == recipe
