"""Places of weights: the package, a folder, or a repository of the Hub.

Each gives the same: what its configuration says, what is vouched for, and verified files. A place is always named,
`hf-hub:org/repo[@revision]` or `local-dir:path`; a bare path is never guessed.
"""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from lag_zoo.errors import InvalidConfigError, WeightsNotFoundError
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec
from lag_zoo.weights import builtin
from lag_zoo.weights.assembly import require_bounded
from lag_zoo.weights.files import verify_file
from lag_zoo.weights.hub import Place, fetch_verified
from lag_zoo.weights.repository import CONFIG, GOLDEN, WEIGHTS, read_config

HUB, FOLDER = "hf-hub:", "local-dir:"


class Found(NamedTuple):
    """Weights that were found: the network and what is vouched for, and the verified file that holds them."""

    config: LAGConfig
    weights: WeightSpec
    path: Path
    sha256: str
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
        source, path = f"{FOLDER}{place}", place / CONFIG
    else:
        source, path = str(place), fetch_verified(place, CONFIG).path
    config = read_config(path, source=source).config
    require_bounded(config, source=source)
    return config


def find_builtin(spec: ModelSpec, weights: WeightSpec) -> Found:
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
        sha256=verify_file(folder / name, weights.files[name]),
        source=f"the built-in {spec.name}.{weights.tag}",
        domain=spec.domain,
        golden=folder / golden,
    )


def find_in_folder(folder: Path) -> Found:
    """The weights in a folder that `lag_zoo.save_pretrained` wrote.

    Raises:
        WeightsNotFoundError: no such folder, or it lacks a file.
        WeightsIntegrityError: a file is not what its `config.json` says, or that is not lag_zoo's.
    """
    source = f"{FOLDER}{folder}"
    if not folder.is_dir():
        raise WeightsNotFoundError(f"{source}: no such folder")
    repository = read_config(folder / CONFIG, source=source)
    vouched = repository.weights.files
    return Found(
        config=repository.config,
        weights=repository.weights,
        path=folder / WEIGHTS,
        sha256=verify_file(folder / WEIGHTS, vouched[WEIGHTS]),
        source=source,
        domain=repository.domain,
        golden=folder / GOLDEN if GOLDEN in vouched else None,
    )


def find_catalogued(spec: ModelSpec, weights: WeightSpec, place: Place) -> Found:
    """The weights of a model of the zoo that lie on the Hub, at the commit and with the bytes that the zoo names.

    Raises:
        WeightsNotFoundError: they cannot be had; the message says why.
        WeightsIntegrityError: other bytes than were vouched for, twice.
    """
    file = fetch_verified(place, WEIGHTS, weights.files[WEIGHTS])
    golden = fetch_verified(place, GOLDEN, weights.files[GOLDEN]).path if GOLDEN in weights.files else None
    return Found(
        config=spec.config,
        weights=weights,
        path=file.path,
        sha256=weights.files[WEIGHTS],
        source=str(place),
        domain=spec.domain,
        revision=file.revision,
        golden=golden,
    )


def find_on_hub(place: Place) -> Found:
    """The weights in a repository of the Hub, and the saved example beside them.

    Raises:
        WeightsNotFoundError: the repository or a file of it cannot be had; the message says why.
        WeightsIntegrityError: other bytes than were vouched for, twice.
    """
    config = fetch_verified(place, CONFIG)
    repository = read_config(config.path, source=str(place))
    # All files of one commit, whatever is pushed meanwhile; and no request for what the cache holds of it.
    pinned = place._replace(revision=config.revision or place.revision)
    vouched = repository.weights.files
    weights = fetch_verified(pinned, WEIGHTS, vouched[WEIGHTS])
    golden = fetch_verified(pinned, GOLDEN, vouched[GOLDEN]).path if GOLDEN in vouched else None
    return Found(
        config=repository.config,
        weights=repository.weights,
        path=weights.path,
        sha256=vouched[WEIGHTS],
        source=str(place),
        domain=repository.domain,
        revision=config.revision,
        golden=golden,
    )
