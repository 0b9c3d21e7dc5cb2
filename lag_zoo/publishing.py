"""From a network to a repository that others can trust: saved whole, checked, pushed."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from huggingface_hub import HfApi
from huggingface_hub import errors as hub_errors
from torch import Tensor

import lag_zoo
from lag_zoo.brief import brief
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError, PublishError, WeightsError, WeightsMismatchError
from lag_zoo.factory import create_model
from lag_zoo.files import write_whole_folder
from lag_zoo.nn import LAG
from lag_zoo.specs import DatasetRef, Doubts, Measurement, WeightSpec, data_sets
from lag_zoo.weights.card import card, require_complete
from lag_zoo.weights.digests import digest_of
from lag_zoo.weights.files import read_weights, verify_file, write_weights
from lag_zoo.weights.golden import Golden, answers
from lag_zoo.weights.repository import (
    CARD,
    CONFIG,
    GOLDEN,
    WEIGHTS,
    RepositoryConfig,
    check_backbone,
    config_json,
    read_config,
)

_OURS = {CONFIG, WEIGHTS, GOLDEN, CARD}
_NO_DERIVATIVES = "-nd"


@dataclass(frozen=True, kw_only=True)
class About:
    """Facts that only those who trained a network know; fields as in `WeightSpec`."""

    training_data: tuple[DatasetRef, ...] = ()
    licence: str = ""
    backbone_licence: str = ""
    modality: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    results: tuple[Measurement, ...] = ()
    operating_points: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    doubts: Doubts | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        object.__setattr__(self, "training_data", data_sets(self.training_data, "training_data"))


def save_pretrained(
    model: LAG, directory: str | os.PathLike[str], *, about: About | None = None, tag: str = "own"
) -> Path:
    """Writes a network as a repository: `config.json`, `model.safetensors`, `golden.safetensors`, `README.md`.

    The folder appears whole or not at all; one that `save_pretrained` wrote before is replaced, any other that holds
    something is left alone. Weights that are still the ones loaded keep what was vouched for; what else the network
    was started from is named, with the data sets behind that and its licence.

    Args:
        model: any LAG that its configuration can rebuild.
        directory: the folder to write.
        about: what the card has to say; publishing asks for it.
        tag: a name for these weights.

    Raises:
        InvalidConfigError: the configuration cannot rebuild the network, or the folder holds other files.
        OSError: the folder cannot be written; what was there is untouched.

    >>> import tempfile
    >>> model = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["normal", "IM"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(p.name for p in save_pretrained(model, folder).iterdir())
    ['README.md', 'config.json', 'golden.safetensors', 'model.safetensors']
    """
    target = Path(directory).expanduser().absolute()
    _require_replaceable(target)
    _require_rebuildable(model)
    write_whole_folder(target, lambda folder: _write(model, folder, about, tag, name=target.name))
    return target


def _write(model: LAG, folder: Path, about: About | None, tag: str, *, name: str) -> None:
    state = {key: tensor.cpu() for key, tensor in model.state_dict().items()}
    write_weights(folder / WEIGHTS, state)
    frames = draw_frame((96, 96), seed=0)[None]
    Golden(frames, answers(model, frames)).save(folder / GOLDEN)
    digests = {file: digest_of(folder / file) for file in (WEIGHTS, GOLDEN)}
    config = RepositoryConfig(
        config=model.config,
        weights=_vouched(model, state, about, tag, digests),
        lag_zoo_version=lag_zoo.__version__,
        timm_version=version("timm"),
    )
    (folder / CONFIG).write_text(config_json(config, model.pretrained_cfg), encoding="utf-8")
    (folder / CARD).write_text(card(config, name=name), encoding="utf-8")


def _vouched(
    model: LAG, state: Mapping[str, Tensor], about: About | None, tag: str, digests: Mapping[str, str]
) -> WeightSpec:
    known, report = model.weight_spec, model.load_report
    still = known if known is not None and _as_loaded(model, state) else None
    if still is not None and about is None:
        return dataclasses.replace(still, files=digests, repo=None, revision=None)
    about = about or About()
    if (
        still is not None and not about.operating_points
    ):  # they belong to the weights, whatever is said of them now
        about = dataclasses.replace(
            about, operating_points=still.operating_points, temperature=still.temperature
        )
    if still is not None and about.doubts is None:
        about = dataclasses.replace(about, doubts=still.doubts)
    config = model.config
    return WeightSpec(
        tag=tag,
        files=digests,
        label_names=config.label_names or (),
        task=config.task,
        modality=about.modality,
        global_size=config.global_size or 0,
        mean=config.mean or (),
        std=config.std or (),
        training_data=about.training_data,
        initialised_from=() if report is None else (report.source, *report.initialised_from),
        inherited_data=() if report is None else report.trained_on,
        licence=about.licence,
        backbone_licence=about.backbone_licence or ("" if report is None else ", ".join(report.licences)),
        results=about.results,
        operating_points=about.operating_points,
        temperature=about.temperature,
        doubts=about.doubts,
        intended_use=about.intended_use,
        limits=about.limits,
    )


def _as_loaded(model: LAG, state: Mapping[str, Tensor]) -> bool:
    """Tell whether the weights are the very ones that were loaded, so that their measurements still hold."""
    if model.load_report is None:
        return False
    try:
        source = read_weights(model.load_report.path, model.load_report.sha256)
    except WeightsError:
        return False
    return source.keys() == state.keys() and all(
        torch.equal(tensor.to(state[key].dtype), state[key]) for key, tensor in source.items()
    )


def _require_rebuildable(model: LAG) -> None:
    if not isinstance(model, LAG):
        raise InvalidConfigError(
            f"a LAG is saved, got {type(model).__name__}: of a wrapped or compiled one, take what is inside"
        )
    if model.is_fused:
        raise InvalidConfigError("a fused network cannot be saved: save the one that it was made from")
    if model.config.backbone is None:
        raise InvalidConfigError(
            "a backbone that came ready-made and has no timm name can be built again by nobody else: keep the state "
            "dict, and the code that builds it"
        )
    check_backbone(model.config)
    with torch.device("meta"):
        rebuilt = LAG.from_config(model.config).state_dict()
    own = model.state_dict()
    differing = sorted(
        key
        for key in {*own, *rebuilt}
        if (own[key].shape if key in own else None) != (rebuilt[key].shape if key in rebuilt else None)
    )
    if differing:
        raise InvalidConfigError(
            f"the network's configuration describes another one ({', '.join(differing[:3])} differ): a module that "
            "came ready-made has to be what its timm name and backbone_args build"
        )


def _require_replaceable(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise InvalidConfigError(f"{target} is a file; a folder is written")
    strange = sorted(p.name for p in target.iterdir() if p.name not in _OURS) if target.is_dir() else []
    if strange:
        raise InvalidConfigError(
            f"{target} holds other files ({', '.join(strange[:3])}); name a new folder, or one that was written so"
        )


def verify(name: str) -> float:
    """Compare the logits of the saved example with today's weights, code and libraries: the largest distance.

    Args:
        name: a model of the zoo that has weights, or a place: `hf-hub:org/repo`, `local-dir:path`.

    Raises:
        WeightsError: there are no such weights, they are not the ones vouched for, or they answer otherwise.

    >>> verify("lag_mobilenetv3_small_100_polyp") < 1e-3
    True
    """
    model = create_model(name, pretrained=True)
    report = model.load_report
    spec = model.weight_spec
    if report is None or spec is None:
        raise WeightsMismatchError(f"{name} has no weights to verify")
    golden = report.path.with_name(GOLDEN) if GOLDEN in spec.files else _builtin_golden(report.path)
    verify_file(golden, spec.files.get(golden.name))
    return Golden.read(golden).apart(model)


def _builtin_golden(weights: Path) -> Path:
    return weights.with_name(f"{weights.stem}_golden.safetensors")


def check_directory(directory: str | os.PathLike[str], *, licence_exception: str = "") -> RepositoryConfig:
    """Check that a folder can be published: it loads, its saved example holds, its card leaves nothing out.

    Raises:
        WeightsError: it does not load, or answers otherwise.
        InvalidConfigError: the card is not complete (the empty fields are named), or a licence forbids it.
    """
    folder = Path(directory).expanduser()
    verify(f"local-dir:{folder}")
    config = read_config(folder / CONFIG, source=str(folder))
    require_complete(config)
    if not (folder / CARD).is_file():
        raise InvalidConfigError(f"{folder} has no {CARD}: write it with lag_zoo.save_pretrained")
    if _NO_DERIVATIVES in config.weights.backbone_licence.lower() and not licence_exception:
        raise InvalidConfigError(
            f"the backbone's weights are under {config.weights.backbone_licence}, which forbids derivatives: say "
            "licence_exception='why it may be published' if it may"
        )
    return config


def push_to_hub(
    model: LAG | str | os.PathLike[str],
    repo: str,
    *,
    about: About | None = None,
    private: bool = False,
    revision: str | None = None,
    commit_message: str | None = None,
    licence_exception: str = "",
) -> str:
    """Publishes a network, or a folder of `save_pretrained`, in a repository of the Hub; the address of the commit.

    Args:
        model: a network, which is saved first, or a folder.
        repo: `org/name`; made if it does not exist.
        about: as in `save_pretrained`; only with a network.
        private: whether a new repository is private.
        revision: the branch.
        commit_message: by default says which lag_zoo wrote it.
        licence_exception: why weights may be published that were made from ones under a licence without derivatives.

    Raises:
        InvalidConfigError: the card leaves something out, or a licence forbids it.
        WeightsError: the folder does not load, or its saved example does not hold.
        PublishError: the Hub refuses or cannot be reached; the message says why.
    """
    if isinstance(model, LAG):
        with tempfile.TemporaryDirectory() as scratch:
            folder = save_pretrained(model, Path(scratch) / repo.rpartition("/")[2], about=about)
            return _push(folder, repo, private, revision, commit_message, licence_exception)
    if about is not None:
        raise InvalidConfigError("`about` goes with a network; a folder has its card already")
    return _push(Path(model).expanduser(), repo, private, revision, commit_message, licence_exception)


def _push(
    folder: Path, repo: str, private: bool, revision: str | None, message: str | None, exception: str
) -> str:
    config = check_directory(folder, licence_exception=exception)
    api = HfApi(library_name="lag_zoo", library_version=lag_zoo.__version__)
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo, branch=revision, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            revision=revision,
            allow_patterns=sorted(_OURS),
            commit_message=message or f"Weights saved by lag_zoo {config.lag_zoo_version}",
            commit_description=exception,
        )
    except (hub_errors.HTTPError, OSError, ValueError, RuntimeError) as error:  # type: ignore[attr-defined]
        said = " ".join(f"{error} {error.__cause__ or ''}".split())
        raise PublishError(f"{repo} was not published: {type(error).__name__}: {said}") from error
    return str(done.commit_url)
