"""From a network to a repository that others can trust: saved whole, checked, pushed."""

import dataclasses
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import torch
from huggingface_hub import HfApi
from huggingface_hub import errors as hub_errors

import lag_zoo
from lag_zoo.about import About
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError, PublishError, WeightsError, WeightsMismatchError
from lag_zoo.factory import create_exam_model, create_model
from lag_zoo.files import write_whole_folder
from lag_zoo.nn import LAG
from lag_zoo.nn.exam_network import ExamNetwork
from lag_zoo.specs import Measurement, WeightSpec
from lag_zoo.weights.card import card, missing
from lag_zoo.weights.digests import digest_of
from lag_zoo.weights.exam_files import EXAM, EXAM_WEIGHTS, write_exam
from lag_zoo.weights.files import read_weights, write_weights
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
from lag_zoo.weights.rewriting import rewrite
from lag_zoo.weights.skeleton import without_memory

_OURS = {CONFIG, WEIGHTS, GOLDEN, CARD, EXAM, EXAM_WEIGHTS}
_NO_DERIVATIVES = "-nd"
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")


def save_pretrained(
    model: LAG | ExamNetwork,
    directory: str | os.PathLike[str],
    *,
    about: About | None = None,
    tag: str = "own",
) -> Path:
    """Writes a network as a repository: `config.json`, `model.safetensors`, `golden.safetensors`, `README.md`.

    The folder appears whole or not at all; one that `save_pretrained` wrote before is replaced, any other that holds
    something is left alone. Weights that are still the ones loaded keep what was vouched for, but for what `about` now
    says; what else the network was started from is named, with the data sets behind that and its licence.

    Args:
        model: any LAG that its configuration can rebuild; or the network of examinations, of which `exam.json` and
            `exam.safetensors` are written too.
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
    if (target / EXAM).exists() and not isinstance(model, ExamNetwork):
        raise InvalidConfigError(
            f"{target} holds an examination network, whose head would be lost: name another folder, or remove it"
        )
    frame = model.frame if isinstance(model, ExamNetwork) else model
    _require_rebuildable(frame)
    exam = model if isinstance(model, ExamNetwork) else None
    write_whole_folder(target, lambda folder: _write(frame, folder, about, tag, name=target.name, exam=exam))
    return target


def _write(
    model: LAG, folder: Path, about: About | None, tag: str, *, name: str, exam: ExamNetwork | None
) -> None:
    state = {key: tensor.cpu() for key, tensor in model.state_dict().items()}
    write_weights(folder / WEIGHTS, state)
    frames = draw_frame((96, 96), seed=0)[None]
    Golden(frames, answers(model, frames)).save(folder / GOLDEN)
    digests = {file: digest_of(folder / file) for file in (WEIGHTS, GOLDEN)}
    config = RepositoryConfig(
        config=model.config,
        weights=_vouched(model, about, tag, digests),
        lag_zoo_version=lag_zoo.__version__,
        timm_version=version("timm"),
    )
    (folder / CONFIG).write_text(config_json(config, model.pretrained_cfg), encoding="utf-8")
    spec = None if exam is None else write_exam(folder, exam.head, exam.config, exam.exam_spec)
    (folder / CARD).write_text(card(config, name=name, exam=spec), encoding="utf-8")


def _vouched(model: LAG, about: About | None, tag: str, digests: Mapping[str, str]) -> WeightSpec:
    known, report, about = model.weight_spec, model.load_report, about or About()
    if known is not None and is_as_loaded(model):
        return dataclasses.replace(about.onto(known), files=digests, repo=None, revision=None)
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
        initialised_from=() if report is None else (report.public_source, *report.initialised_from),
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


def is_as_loaded(model: LAG) -> bool:
    """Tell whether the weights are the very ones that were loaded, so that their measurements still hold."""
    if model.load_report is None:
        return False
    try:
        source = read_weights(model.load_report.path, model.load_report.sha256, mapped=True).tensors
    except WeightsError:
        return False
    state = model.state_dict()
    return source.keys() == state.keys() and all(
        torch.equal(tensor.to(state[key].dtype), state[key].cpu()) for key, tensor in source.items()
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
    with without_memory():
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

    >>> verify("lag_tf_efficientnet_lite0_polyp") < 1e-3
    True
    """
    model = create_model(name, pretrained=True)
    report = model.load_report
    spec = model.weight_spec
    if report is None or spec is None:
        raise WeightsMismatchError(f"{name} has no weights to verify")
    if report.path.with_name(EXAM).is_file():
        create_exam_model(name)  # its head is what is vouched for, or this raises
    golden = report.path.with_name(GOLDEN) if GOLDEN in spec.files else _builtin_golden(report.path)
    return Golden.read(golden, spec.files[golden.name]).apart(model)


def _builtin_golden(weights: Path) -> Path:
    return weights.with_name(f"{weights.stem}_golden.safetensors")


def check_directory(
    directory: str | os.PathLike[str], *, about: About | None = None, licence_exception: str = ""
) -> RepositoryConfig:
    """Check that a folder can be published: it loads, its saved example holds, its card leaves nothing out.

    Args:
        directory: as `save_pretrained` wrote it.
        about: what is to be said beside what the folder says; nothing is written.
        licence_exception: as in `push_to_hub`.

    Returns:
        the configuration, with what is to be said.

    Raises:
        WeightsError: it does not load, or answers otherwise.
        InvalidConfigError: the card is not complete, or a licence forbids it: all that is missing, and how to say it.
    """
    folder = Path(directory).expanduser()
    verify(f"local-dir:{folder}")
    config = read_config(folder / CONFIG, source=str(folder))
    weights = (about or About()).onto(config.weights)
    if lacking := [*missing(weights), *_objections(folder, weights, licence_exception)]:
        raise InvalidConfigError(
            "\n  ".join(["this cannot be published yet:", *lacking])
            + "\nAll of it in one file: lag-zoo push FOLDER --write-about about.yaml, then --about about.yaml. In "
            "Python: about=lag_zoo.About(...)"
        )
    return dataclasses.replace(config, weights=weights)


def _objections(folder: Path, weights: WeightSpec, exception: str) -> Iterable[str]:
    """Say why a card that is complete would be refused all the same."""
    if weights.licence and not _SPDX.fullmatch(weights.licence):
        yield f"licence is {weights.licence!r}: the Hub takes SPDX names alone, such as CC-BY-4.0 or Apache-2.0"
    if _NO_DERIVATIVES in weights.backbone_licence.lower() and not exception:
        yield (
            f"the backbone's weights are under {weights.backbone_licence}, which forbids derivatives: say "
            '--licence-exception "why it may be published" if it may'
        )
    if not (folder / CARD).is_file():
        yield f"{folder} has no {CARD}: write it with lag_zoo.save_pretrained"


def add_results(
    directory: str | os.PathLike[str], results: Iterable[Measurement], *, weights_sha256: str
) -> RepositoryConfig:
    """Write measurements into the card and the configuration of a folder, whole or not at all.

    One of the same metric, unit and data takes the place of the earlier one. The weights' bytes stay as they are.

    Args:
        directory: as `save_pretrained` wrote it.
        results: new ones.
        weights_sha256: of the weights that were measured.

    Raises:
        InvalidConfigError: the folder holds other weights.
        WeightsError: no such folder, or it holds no network.
        OSError: the folder cannot be written; what was there is untouched.
    """

    def with_results(weights: WeightSpec) -> WeightSpec:
        if weights.files[WEIGHTS] != weights_sha256:
            raise InvalidConfigError(
                f"the weights in {directory} are not the ones that were measured (their SHA-256 is "
                f"{weights.files[WEIGHTS][:12]}..., and {weights_sha256[:12]}... were measured): nothing was written"
            )
        joined = {(r.metric, r.unit, r.data): r for r in (*weights.results, *results)}
        return dataclasses.replace(weights, results=tuple(joined.values()))

    return rewrite(Path(directory).expanduser(), with_results)


def push_to_hub(
    model: LAG | ExamNetwork | str | os.PathLike[str],
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
        about: as in `save_pretrained`. Into a folder it is written, in place of what is said there; what it leaves out
            stays.
        private: whether a new repository is private.
        revision: the branch.
        commit_message: by default says which lag_zoo wrote it.
        licence_exception: why weights may be published that were made from ones under a licence without derivatives.

    Raises:
        InvalidConfigError: the card leaves something out, or a licence forbids it; nothing is written then.
        WeightsError: the folder does not load, or its saved example does not hold.
        PublishError: the Hub refuses or cannot be reached; the message says why.
    """
    if isinstance(model, LAG | ExamNetwork):
        with tempfile.TemporaryDirectory() as scratch:
            return push_to_hub(
                save_pretrained(model, Path(scratch) / repo.rpartition("/")[2], about=about),
                repo,
                private=private,
                revision=revision,
                commit_message=commit_message,
                licence_exception=licence_exception,
            )
    folder = Path(model).expanduser()
    config = check_directory(folder, about=about, licence_exception=licence_exception)
    if about is not None:
        rewrite(folder, about.onto, name=repo.rpartition("/")[2])
    message = commit_message or f"Weights saved by lag_zoo {config.lag_zoo_version}"
    return _upload(folder, repo, private, revision, message, licence_exception)


def _upload(
    folder: Path, repo: str, private: bool, revision: str | None, message: str, description: str
) -> str:
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
            commit_message=message,
            commit_description=description,
        )
    except (hub_errors.HTTPError, OSError, ValueError, RuntimeError) as error:  # type: ignore[attr-defined]
        said = " ".join(f"{error} {error.__cause__ or ''}".split())
        raise PublishError(f"{repo} was not published: {type(error).__name__}: {said}") from error
    return str(done.commit_url)
