"""Places of weights: the package, a folder, or a repository of the Hub.

Each gives the same: what its configuration says, what is vouched for, and verified files. A place is always named,
`hf-hub:org/repo[@revision]` or `local-dir:path`; a bare path is never guessed.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from lag_zoo.errors import InvalidConfigError, WeightsError, WeightsIntegrityError, WeightsNotFoundError
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec
from lag_zoo.weights import builtin
from lag_zoo.weights.files import Weights, read_weights
from lag_zoo.weights.hub import LARGEST_TEXT, Place, fetch_text, fetch_weights
from lag_zoo.weights.proportion import require_bounded
from lag_zoo.weights.repository import CONFIG, GOLDEN, WEIGHTS, parse_config, read_config

HUB, FOLDER = "hf-hub:", "local-dir:"
_TRIES = 20  # of a folder that others are writing meanwhile


class Found(NamedTuple):
    """Weights that were found: the network and what is vouched for, the file that holds them, and its tensors."""

    config: LAGConfig
    weights: WeightSpec
    path: Path
    read: Weights
    source: str
    domain: str | None = None
    revision: str | None = None
    golden: Path | None = None


def parse_place(
    text: str, *, revision: str | None, cache_dir: Path | None, local_files_only: bool
) -> Place | Path:
    """A repository, or a folder, from `hf-hub:org/repo[@revision]` or `local-dir:path`.

    Raises:
        InvalidConfigError: neither, or two revisions.
    """
    if text.startswith(FOLDER):
        if revision is not None:
            raise InvalidConfigError(f"a folder has no revision, got revision={revision!r}")
        return Path(text.removeprefix(FOLDER)).expanduser()
    if not text.startswith(HUB):
        raise InvalidConfigError(
            f"{text!r} is no place of weights: say hf-hub:org/repo[@revision] or local-dir:path"
        )
    repo, _, tag = text.removeprefix(HUB).partition("@")
    if tag and revision is not None and tag != revision:
        raise InvalidConfigError(f"two revisions: {text!r} and revision={revision!r}")
    return Place(repo, tag or revision, cache_dir, local_files_only)


def configuration_in(place: Place | Path) -> LAGConfig:
    """The network that a repository or a folder describes, without its weights.

    Raises:
        WeightsNotFoundError: there is none; the message says why.
        WeightsIntegrityError: what is there is no configuration of lag_zoo's, or one out of all proportion.
        InvalidConfigError, BackboneError: no network can be built so.
    """
    if isinstance(place, Path):
        source = f"{FOLDER}{place}"
        config = read_config(place / CONFIG, source=source).config
    else:
        source = str(place)
        config = parse_config(fetch_text(place, CONFIG)[0], source=source).config
    require_bounded(config, source=source)
    return config


def find_builtin(spec: ModelSpec, weights: WeightSpec, *, mapped: bool = False) -> Found:
    """The weights of a model of the zoo that travel inside the package.

    Raises:
        WeightsNotFoundError: the package lacks them.
        WeightsIntegrityError: they are not the ones vouched for.
    """
    folder = Path(str(files(builtin)))
    (name,) = (file for file in weights.files if not file.endswith("_golden.safetensors"))
    (golden,) = (file for file in weights.files if file != name)
    return Found(
        config=spec.config,
        weights=weights,
        path=folder / name,
        read=read_weights(folder / name, weights.files[name], mapped=mapped),
        source=f"the built-in {spec.name}.{weights.tag}",
        domain=spec.domain,
        golden=folder / golden,
    )


def find_in_folder(folder: Path, *, mapped: bool = False) -> Found:
    """The weights in a folder that `lag_zoo.save_pretrained` wrote, all of one network where it is written meanwhile.

    Raises:
        WeightsNotFoundError: no such folder, or it lacks a file.
        WeightsIntegrityError: a file is not what its `config.json` says, or that is not lag_zoo's.
    """
    source = f"{FOLDER}{folder}"
    if not folder.is_dir():
        raise WeightsNotFoundError(f"{source}: no such folder")
    for _ in range(_TRIES):
        repository = read_config(folder / CONFIG, source=source)
        vouched = repository.weights.files
        try:
            return Found(
                config=repository.config,
                weights=repository.weights,
                path=folder / WEIGHTS,
                read=read_weights(folder / WEIGHTS, vouched[WEIGHTS], mapped=mapped),
                source=source,
                domain=repository.domain,
                golden=folder / GOLDEN if GOLDEN in vouched else None,
            )
        except WeightsError:
            # Another process may have put a new folder in its place between the two files.
            if read_config(folder / CONFIG, source=source) == repository:
                raise
    raise WeightsIntegrityError(f"{source} is written anew all the time: load it when that has ended")


def find_catalogued(spec: ModelSpec, weights: WeightSpec, place: Place, *, mapped: bool = False) -> Found:
    """The weights of a model of the zoo that lie on the Hub, at the commit and with the bytes that the zoo names.

    Raises:
        WeightsNotFoundError: they cannot be had; the message says why.
        WeightsIntegrityError: other bytes than were vouched for, twice.
    """
    file = fetch_weights(place, WEIGHTS, weights.files[WEIGHTS])
    golden = _fetch_golden(place, weights.files)
    return Found(
        config=spec.config,
        weights=weights,
        path=file.path,
        read=read_weights(file.path, weights.files[WEIGHTS], mapped=mapped),
        source=str(place),
        domain=spec.domain,
        revision=file.revision,
        golden=golden,
    )


def find_on_hub(place: Place, *, mapped: bool = False) -> Found:
    """The weights in a repository of the Hub, and the saved example beside them.

    Raises:
        WeightsNotFoundError: the repository or a file of it cannot be had; the message says why.
        WeightsIntegrityError: other bytes than were vouched for, twice.
    """
    config, revision = fetch_text(place, CONFIG)
    repository = parse_config(config, source=str(place))
    # All files of one commit, whatever is pushed meanwhile; and no request for what the cache holds of it.
    pinned = place._replace(revision=revision or place.revision)
    vouched = repository.weights.files
    weights = fetch_weights(pinned, WEIGHTS, vouched[WEIGHTS])
    golden = _fetch_golden(pinned, vouched)
    return Found(
        config=repository.config,
        weights=repository.weights,
        path=weights.path,
        read=read_weights(weights.path, vouched[WEIGHTS], mapped=mapped),
        source=str(place),
        domain=repository.domain,
        revision=revision,
        golden=golden,
    )


def _fetch_golden(place: Place, vouched: Mapping[str, str]) -> Path | None:
    """The saved example beside the weights; `None`: they have none."""
    if GOLDEN not in vouched:
        return None
    return fetch_weights(place, GOLDEN, vouched[GOLDEN], most=LARGEST_TEXT).path
