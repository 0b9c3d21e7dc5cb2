"""Models as the commands take them: by a name, or by where they are."""

import os
import warnings
from pathlib import Path

from lag_zoo.errors import InvalidConfigError, LagZooWarning, UnknownModelError
from lag_zoo.registry import resolve

_FOLDER = "local-dir:"
_PLACES = ("hf-hub:", _FOLDER)
_CONFIG = "config.json"


def as_place(text: str) -> str:
    """A folder that holds a network as `local-dir:folder`; any other text as it is.

    The library never guesses a path; a shell completes it, so that the commands take it as it stands. A name of the zoo
    goes before a folder that is called like it, with a warning.

    Raises:
        InvalidConfigError: a path that leads to no network.

    >>> as_place("lag_resnet50_lci"), as_place("hf-hub:someone/lag")
    ('lag_resnet50_lci', 'hf-hub:someone/lag')
    """
    if text.startswith(_PLACES):
        return text
    if not (Path(text) / _CONFIG).is_file():
        if "/" in text or os.sep in text:
            found = "holds no network" if Path(text).is_dir() else "is not there"
            raise InvalidConfigError(
                f"the folder {text} {found} (no {_CONFIG} in it). A repository of the Hub is hf-hub:org/name"
            )
        return text
    try:
        resolve(text)
    except UnknownModelError:
        return f"{_FOLDER}{text}"
    warnings.warn(
        f"{text} is a name of the zoo and a folder here: the name is taken; the folder is local-dir:{text}",
        LagZooWarning,
        stacklevel=2,
    )
    return text


def card_folder(place: str) -> Path:
    """Return the folder behind a place, as one whose card can be written.

    Raises:
        InvalidConfigError: a place that is no folder, or one that cannot be written.
    """
    if not place.startswith(_FOLDER):
        raise InvalidConfigError(
            f"--into-card writes into the card of a network in a folder, and {place} is no folder: lag-zoo download "
            f"{place} --to FOLDER makes one; then evaluate FOLDER"
        )
    folder = Path(place.removeprefix(_FOLDER)).expanduser()
    if folder.is_dir() and not os.access(folder.resolve().parent, os.W_OK):
        raise InvalidConfigError(f"--into-card cannot write {folder}: the folder around it is read-only")
    return folder
