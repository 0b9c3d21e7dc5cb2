"""What ships: the weights in half precision, their saved example, their specification, and the list of their frames."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import lag_zoo.catalogue
import lag_zoo.weights.builtin
from lag_zoo.catalogue.backbones import BACKBONES
from lag_zoo.catalogue.polyp import LABELS, NAME, Trained
from lag_zoo.data.phantom import draw_frame
from lag_zoo.files import write_whole
from lag_zoo.nn import LAG
from lag_zoo.provenance import KnownFrames, frame_digest
from lag_zoo.specs import DatasetRef, Measurement, WeightSpec
from lag_zoo.weights.digests import digest_of
from lag_zoo.weights.files import write_weights
from lag_zoo.weights.golden import Golden, answers
from recipes.polyp.windows import Frame
from tools.builtin_backbone import in_half_precision

TAG = "kvasir_polypgen"
BUILTIN = Path(lag_zoo.weights.builtin.__file__).parent
CATALOGUE = Path(lag_zoo.catalogue.__file__).parent
LICENCE = "CC-BY-4.0"
DATA = (
    DatasetRef(
        "kvasir-seg",
        "Kvasir-SEG (Jha et al., Kvasir-SEG: A Segmented Polyp Dataset, MMM 2020, "
        "doi:10.1007/978-3-030-37734-2_37), the segmented images of HyperKvasir (Borgli et al., Scientific Data 7, "
        "283, 2020, doi:10.1038/s41597-020-00622-y): 798 frames",
        "CC-BY-4.0",
    ),
    DatasetRef(
        "polypgen",
        "PolypGen (Ali et al., A multi-centre polyp detection and segmentation dataset for generalisability "
        "assessment, Scientific Data 10, 75, 2023, doi:10.1038/s41597-023-01981-y): 168 frames, 28 from each of six "
        "hospitals",
        "CC-BY-4.0",
    ),
)
INTENDED_USE = "To try the library with, and to start from on other endoscopy data."
LIMITS = (
    "A demonstration on colonoscopy, by a plain backbone: the crops of LAG take no part. Not a medical device, and not "
    "for use on patients. It says nothing about intestinal metaplasia or gastric atrophy.",
    "It misses most small polyps: what takes less than 2% of the image was no positive in training.",
    "Trained and tested on windows cut from frames that all hold a polyp: no frame is free of polyps, so specificity "
    "on whole frames is unknown.",
    "White light, still frames chosen for their polyps, 28 of each of six hospitals and 798 of one more source. "
    "Patients are not known, so one may stand on both sides of a fold: numbers may be too good, and intervals too "
    "narrow. Near-copies, by the data's own groups and by hash, are kept together.",
)


def ship(model: LAG, results: Sequence[Measurement], frames: Sequence[Frame]) -> Trained:
    """Write weights, saved example, specification and list of frames into the package.

    Args:
        model: with the specification that its run left.
        results: what was measured, of networks that were trained as this one was.
        frames: all that the weights were trained on or chosen by.
    """
    shipped, files = _save(model.eval())
    known = KnownFrames({frame_digest(frame.pixels): frame.hashes[0] for frame in frames})
    write_whole(CATALOGUE / f"{NAME}_frames.txt", known.to_text())
    pinned = BACKBONES["tf_efficientnet_lite0"].pinned
    config = dataclasses.replace(shipped.config, backbone=pinned)
    trained = Trained(config=config, weights=_specification(model, files, results))
    write_whole(CATALOGUE / f"{NAME}.json", trained.to_json())
    return trained


def _save(model: LAG) -> tuple[LAG, dict[str, str]]:
    """The network as a user has it, from files written, and their SHA-256."""
    state = in_half_precision(model.state_dict())
    shipped = LAG.from_config(model.config).eval()
    shipped.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in state.items()})
    frame = draw_frame((96, 96), seed=0)[None]
    weights, example = BUILTIN / f"{NAME}.safetensors", BUILTIN / f"{NAME}_golden.safetensors"
    write_weights(weights, state)
    Golden(frame, answers(shipped, frame)).save(example)
    for path in (weights, example):
        path.chmod(0o644)
    return shipped, {path.name: digest_of(path) for path in (weights, example)}


def _specification(model: LAG, files: dict[str, str], results: Sequence[Measurement]) -> WeightSpec:
    run = model.weight_spec
    if run is None:
        raise ValueError("the run left no specification of its weights: train the part `all` to its end")
    return dataclasses.replace(
        run,
        tag=TAG,
        repo=None,
        revision=None,
        files=files,
        label_names=LABELS,
        modality="wli",
        training_data=DATA,
        licence=LICENCE,
        results=tuple(results),
        operating_points={name: round(value, 4) for name, value in run.operating_points.items()},
        temperature=round(run.temperature, 4),
        intended_use=INTENDED_USE,
        limits=(*LIMITS, *run.limits),
    )
