"""`Predictor`: images of every kind go in, answers come out, in order and in constant memory."""

from collections.abc import Mapping, Sequence

import torch

from lag_zoo.brief import shown
from lag_zoo.errors import InvalidConfigError
from lag_zoo.factory import create_model
from lag_zoo.metrics.pooling import Pooling
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import AUTO
from lag_zoo.nn.exam_network import ExamNetwork
from lag_zoo.predict.doubts import feature_doubts, require_fitting
from lag_zoo.predict.engine import Engine, NetworkOutput, Precision
from lag_zoo.predict.evidence_maps import log_odds
from lag_zoo.predict.exam import ExamRule
from lag_zoo.predict.exam_head_rule import HEAD, HeadRule
from lag_zoo.predict.frame_predictor import FramePredictor, threads
from lag_zoo.predict.labels import labels_of, labels_with_evidence
from lag_zoo.predict.prediction import EvidenceMap
from lag_zoo.provenance import KnownFrames, frames_behind
from lag_zoo.specs import Policy, as_tuple
from lag_zoo.tasks import rules_of
from lag_zoo.views import Views, ViewSampler


class Predictor(FramePredictor):
    """Answers for images: paths, folders, files as bytes or open in binary mode, PIL images, arrays (H, W, 3) or
    tensors (3, H, W).

    Args:
        model: a name of the zoo, whose weights are loaded; or a network, whose weights are shared: a twin of it runs in
            evaluation mode, whatever mode it is put into. Operating points, temperature, doubts and the light it was
            trained on are those of its `weight_spec`, which `create_model` sets: if you train on, set that to `None`.
            Of the network of examinations the frame network inside answers for frames, and its head for `exam`.
        device: where the network runs; `"auto"`: a name on the GPU where there is one, a network where it is. A
            network that is elsewhere is copied there.
        batch_size: views that pass through the network at once. Memory depends on it, and not on the number of images.
        fuse: predict with `LAG.fuse()`'s copy, which is faster, its logits equal to 1e-5; by default that of a name,
            and not that of a network, which may go on to be trained.
        compile: by `torch.compile`: slow at the first batch, faster after it. No warning then comes from the features.
        precision: of weights and features: `fp32`, `bf16` (GPUs, and CPUs that have it) or `fp16` (GPUs).
        workers: threads that read the next images meanwhile; by default one a core, at most 4; 0: none.
        evidence: also give `Prediction.evidence`, from the same pass: for all labels but the background, or for
            those in a list.

    Raises:
        WeightsNotFoundError: a name without weights.
        InvalidConfigError: a network without a classifier, a batch size below 1, a precision that the device lacks, or
            evidence for a label that there is not.

    >>> from lag_zoo.data.phantom import draw_frame
    >>> model = LAG("mobilenetv3_small_050", label_names=["mucosa", "polyp"])
    >>> (prediction,) = Predictor(model)(draw_frame((300, 400)))
    >>> sorted(prediction.probabilities), len(prediction.boxes)
    (['mucosa', 'polyp'], 10)
    """

    def __init__(
        self,
        model: LAG | ExamNetwork | str,
        *,
        device: torch.device | str = AUTO,
        batch_size: int = 8,
        fuse: bool | None = None,
        compile: bool = False,
        precision: Precision = "fp32",
        workers: int | None = None,
        evidence: bool | Sequence[str] = False,
    ) -> None:
        if not isinstance(model, str | LAG | ExamNetwork):
            raise InvalidConfigError(f"a model is a name or a LAG; got {type(model).__name__}")
        self._exam = model if isinstance(model, ExamNetwork) else None
        self._pooling = "maximum" if self._exam is None else HEAD
        model = model.frame if isinstance(model, ExamNetwork) else model
        if batch_size < 1:
            raise InvalidConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.precision = precision
        self.compile = compile
        self.workers = threads(workers)
        self.name = _name_of(model, self._exam)
        network = create_model(model, pretrained=True).eval() if isinstance(model, str) else model
        weights = network.weight_spec
        self.operating_points: Mapping[str, float] = {} if weights is None else weights.operating_points
        self.temperature = 1.0 if weights is None else weights.temperature
        self.modality = None if weights is None else weights.modality or None
        self.doubts = None if weights is None else weights.doubts
        if self.doubts is not None:
            require_fitting(self.doubts, network)
        origin = network.load_report
        self._known = KnownFrames() if origin is None else frames_behind(origin.trained_on, origin.path)
        self.label_names = labels_of(network)
        self.evidence = _asked_for(evidence, network)
        self._rules = rules_of(network.config.task)
        self._engine = Engine(
            network,
            batch_size=batch_size,
            device=None if device == AUTO and isinstance(model, LAG) else device,
            fuse=isinstance(model, str) if fuse is None else fuse,
            compile=compile,
            precision=precision,
            with_scores=bool(self.evidence),
            with_features=self._exam is not None,
            watch=None if self.doubts is None or self.doubts.features is None else self.doubts.features.layer,
        )
        self.model = self._engine.model
        self.device = self.model.pixel_mean.device

    def __repr__(self) -> str:
        labels = shown(self.label_names)
        return f"Predictor({self.name!r}, labels={labels}, device={self.device}, {self.precision})"

    def exam_rule(self, pooling: Pooling = "maximum") -> ExamRule:
        """Return the rule by which this predictor's answers for frames become one for an examination.

        Raises:
            InvalidConfigError: a pooling that there is not, or `head`, and the model has none.
        """
        if pooling == HEAD and self._exam is not None:
            return HeadRule(self.name, self._exam)
        return super().exam_rule(pooling)

    def _sampler(self, *, policy: Policy | None = None, seed: int = 0) -> ViewSampler:
        return self.model.sampler(policy=policy, seed=seed, with_coverage=False)

    def _run(self, views: Views) -> NetworkOutput:
        return self._engine(views)

    def _doubts_of(self, output: NetworkOutput) -> tuple[str, ...]:
        """Doubts by the means of the watched channels in all looks (tta, K), which all have the same global view."""
        means = output.means
        if means is None or self.doubts is None or self.doubts.features is None:
            return ()
        return feature_doubts(means.mean(0).numpy(), self.doubts.features)

    def _evidence_of(self, output: NetworkOutput) -> dict[str, EvidenceMap] | None:
        """The evidence in the scores of all looks (tta, C, h, w): their mean."""
        if output.scores is None:
            return None
        found = log_odds(output.scores, task=self._rules.name, temperature=self.temperature).mean(0).tolist()
        maps = dict(zip(self.label_names, found, strict=True))
        return {label: tuple(map(tuple, maps[label])) for label in self.evidence}


def _name_of(model: LAG | str, exam: ExamNetwork | None) -> str:
    """The name of a network: as it was asked for, of an examination network where it was loaded from, else its kind."""
    if isinstance(model, str):
        return model
    if exam is not None and model.load_report is not None:
        return model.load_report.source
    return str(model.pretrained_cfg["architecture"])


def _asked_for(asked: bool | Sequence[str], network: LAG) -> tuple[str, ...]:
    """The labels that evidence is asked for: all that can have some, none, or those of a list."""
    if isinstance(asked, bool):
        return labels_with_evidence(network) if asked else ()
    labels: tuple[str, ...] = as_tuple(asked, "evidence")
    label_names = labels_of(network)
    if unknown := [label for label in labels if label not in label_names]:
        raise InvalidConfigError(
            f"evidence for {shown(unknown)}: it is of a label, and the labels are {', '.join(label_names)}"
        )
    return labels
