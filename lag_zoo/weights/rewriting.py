"""Other words about saved weights: `config.json` and `README.md` of their folder, anew; the bytes stay as they are.

A card that somebody has edited keeps what was edited: only the sections, and the keys of its header, that the change
alters are written.
"""

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import RepoCard

from lag_zoo.errors import InvalidConfigError
from lag_zoo.files import write_whole_folder
from lag_zoo.specs import WeightSpec
from lag_zoo.weights.card import card
from lag_zoo.weights.exam_files import EXAM, read_exam_spec
from lag_zoo.weights.repository import CARD, CONFIG, RepositoryConfig, config_json_again, read_config


def rewrite(
    folder: Path, change: Callable[[WeightSpec], WeightSpec], *, name: str | None = None
) -> RepositoryConfig:
    """Change what a folder of `lag_zoo.save_pretrained` says of its weights; whole or not at all.

    Args:
        folder: other files in it stay as they are.
        change: gives the new specification for the one that is there.
        name: the card's title, in place of one that is but the folder's name.

    Raises:
        WeightsError: no such folder, or it holds no network.
        InvalidConfigError: a card whose header cannot be read. What `change` raises passes through.
        OSError: the folder cannot be written; what was there is untouched.
    """
    folder = folder.resolve()  # a link goes on pointing to its folder
    before = read_config(folder / CONFIG, source=str(folder))
    after = dataclasses.replace(before, weights=change(before.weights))
    text = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else ""
    told = _title(_read(text).text) if text else folder.name
    title = name if name is not None and told == folder.name else told
    exam = read_exam_spec(folder, source=str(folder)) if (folder / EXAM).is_file() else None
    config = config_json_again((folder / CONFIG).read_text(encoding="utf-8"), after)
    readme = card(after, name=title, exam=exam)
    if text:
        readme = changed_card(text, card(before, name=told, exam=exam), readme)

    def write(fresh: Path) -> None:
        _copy(folder, fresh)
        (fresh / CONFIG).write_text(config, encoding="utf-8")
        (fresh / CARD).write_text(readme, encoding="utf-8")

    write_whole_folder(folder, write)
    return after


def _copy(folder: Path, fresh: Path) -> None:
    """Copy what a folder holds; `shutil.copytree` would lose the reason for which it cannot."""
    for entry in folder.iterdir():
        if entry.is_dir():
            (fresh / entry.name).mkdir()
            _copy(entry, fresh / entry.name)
        else:
            shutil.copyfile(entry, fresh / entry.name)


def changed_card(text: str, before: str, after: str) -> str:
    """Bring a card up to date: what differs between two cards that lag_zoo wrote, put into one that may be edited.

    Raises:
        InvalidConfigError: its header cannot be read.

    >>> before, after = (f"---\\na: {n}\\n---\\n# x\\n## One\\n{n}\\n## Two\\nours\\n" for n in (1, 2))
    >>> print(changed_card(before.replace("ours", "edited"), before, after))
    ---
    a: 2
    ---
    # x
    ## One
    2
    ## Two
    edited
    <BLANKLINE>
    """
    there, old, new = _read(text), _read(before), _read(after)
    were, are = vars(old.data), vars(new.data)
    for key in were.keys() - are.keys():
        there.data.pop(key)
    for key, value in are.items():
        if were.get(key) != value:
            there.data[key] = value
    stood = {_heading(part): part for part in _parts(old.text)}
    changed = {_heading(part): part for part in _parts(new.text) if stood.get(_heading(part)) != part}
    kept = [changed.pop(_heading(part), part) for part in _parts(there.text)]
    there.text = "".join(kept)
    if changed:  # sections that somebody took out come back at the end
        there.text = "\n\n".join([there.text.rstrip(), *changed.values()])
    return str(there)


def _read(text: str) -> RepoCard:
    try:
        return RepoCard(text)
    except Exception as error:  # the Hub's client passes on whatever YAML it met
        raise InvalidConfigError(
            f"the header of {CARD}, between its lines ---, cannot be read: {error}"
        ) from error


def _parts(text: str) -> list[str]:
    """The beginning of a card, and its sections."""
    return re.split(r"^(?=## )", text, flags=re.MULTILINE)


def _heading(part: str) -> str:
    """The first line of a section; empty: of the beginning."""
    return part.partition("\n")[0] if part.startswith("## ") else ""


def _title(text: str) -> str:
    found = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return "" if found is None else found[1].strip()
