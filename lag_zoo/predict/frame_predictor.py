"""The part that all predictors share: images become views, and logits of views predictions, in constant memory.

`Predictor` runs a torch network; others run what it was exported to.
"""

import contextlib
import dataclasses
import os
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lag_zoo.data.encoded import Encoded, Held, held
from lag_zoo.data.images import describe_left_out, find_images, read_image
from lag_zoo.data.readers.video import EVERY, Gap, VideoFrame, iter_video
from lag_zoo.errors import InvalidConfigError, InvalidImageError, UnreadableImageError
from lag_zoo.metrics.pooling import Pooling
from lag_zoo.predict.engine import NetworkOutput
from lag_zoo.predict.exam import ExamPrediction, ExamRule, FrameAnswer, PlainRule
from lag_zoo.predict.exam_head_rule import HEAD
from lag_zoo.predict.prediction import EvidenceMap, Failure, Prediction
from lag_zoo.predict.prefetch import ahead, prefetch
from lag_zoo.predict.video_answer import VideoAnswer
from lag_zoo.provenance import KnownFrames
from lag_zoo.specs import Doubts, Policy
from lag_zoo.tasks import TaskRules, decide, thresholds_of
from lag_zoo.views import Views, ViewSampler, to_pixels
from lag_zoo.views.pixels import ImageLike, not_pixels
from lag_zoo.views.quality import frame_doubts

Input = str | os.PathLike[str] | Held | ImageLike
"""An image, by its path, as the bytes of a file, as a file open in binary mode, or as pixels; or a folder of images."""

_THREADS = 4  # more than one network's worth of decoding


def threads(workers: int | None) -> int:
    """Return the number of threads that read ahead; by default one a core, at most 4.

    Raises:
        InvalidConfigError: a number below 0.
    """
    if workers is not None and workers < 0:
        raise InvalidConfigError(f"workers must be at least 0, got {workers}")
    return min(_THREADS, os.cpu_count() or 1) if workers is None else workers


class _Seen(NamedTuple):
    """A frame as the network sees it: `views` of all its looks, batched, and what was noticed on the way."""

    path: Path | None
    views: Views
    coverage: float | None
    warnings: tuple[str, ...]
    in_training_data: bool


_Image = Path | Encoded | ImageLike | Failure  # on its way to the network
_Answer = tuple[Prediction | Failure, tuple[float, ...] | None]


class FramePredictor(ABC):
    """Answers of whatever runs a network: how images become views, and logits become predictions.

    Attributes:
        name: of the model.
        label_names: one a probability.
        operating_points: probability from which a label is called; may be set.
        batch_size: views that pass through the network at once.
        workers: threads that read the next images meanwhile.
    """

    name: str
    label_names: tuple[str, ...]
    operating_points: Mapping[str, float]
    temperature: float
    modality: str | None
    doubts: Doubts | None
    batch_size: int
    workers: int
    _pooling: Pooling = "maximum"
    _rules: TaskRules
    _known: KnownFrames

    @abstractmethod
    def _sampler(self, *, policy: Policy | None = None, seed: int = 0) -> ViewSampler:
        """The maker of views, without coverage; `policy` in place of its own."""

    @abstractmethod
    def _run(self, views: Views) -> NetworkOutput:
        """Logits, and what else there is, of batched views."""

    def _doubts_of(self, output: NetworkOutput) -> tuple[str, ...]:
        """Doubts by what the network saw in all looks at a frame."""
        return ()

    def _evidence_of(self, output: NetworkOutput) -> dict[str, EvidenceMap] | None:
        """The evidence in all looks at a frame, where it is asked for."""
        return None

    def __call__(self, inputs: Input | Iterable[Input], tta: int = 0) -> list[Prediction]:
        """One prediction an image, in order; folders are walked.

        Args:
            inputs: one image, or several of any kinds, or a batch (B, 3, H, W). An open file is read from its
                beginning, when its turn comes.
            tta: look so often, each time with crops at random (seeds 0 to `tta` - 1; for a frame alone the same as
                among others), and give mean and spread. 0: once, with the model's own crops.

        Raises:
            UnreadableImageError: a file that cannot be read, or no image file in a folder; what is there is counted.
            InvalidImageError: something in memory that is not an image.
            BackboneError: evidence is asked for, and the backbone has no map.
        """
        predictions, left_out = [], Counter[str]()
        for answer in self.iter(inputs, tta, left_out=left_out):
            if isinstance(answer, Failure):
                raise answer.error
            predictions.append(answer)
        if not predictions:
            beside = f" ({describe_left_out(left_out)})" if left_out else ""
            raise UnreadableImageError(f"no image: no file given, and none found in the folders{beside}")
        return predictions

    def iter(
        self, inputs: Input | Iterable[Input], tta: int = 0, *, left_out: Counter[str] | None = None
    ) -> Iterator[Prediction | Failure]:
        """The same, one by one, in constant memory; what cannot be read gives a `Failure`, and the rest go on.

        Args:
            left_out: counts what is left out in folders, as `lag_zoo.data.find_images` does.
        """
        return (answer for answer, _ in self.iter_with_features(inputs, tta, left_out=left_out))

    def iter_with_features(
        self, inputs: Input | Iterable[Input], tta: int = 0, *, left_out: Counter[str] | None = None
    ) -> Iterator[tuple[Prediction | Failure, tuple[float, ...] | None]]:
        """The same, each with what the head of an examination reads of it; `None`: there is no head, or a failure."""
        self._require_possible(tta)
        return self._iterate(_each(inputs, left_out), tta)

    def _require_possible(self, tta: int) -> None:
        if tta < 0 or tta == 1:
            raise InvalidConfigError(f"tta is 0, or at least 2 for a spread; got {tta}")
        if tta and not self._sampler().makes_crops:
            raise InvalidConfigError(
                f"{self.name} has no crops, so every look is the same: leave tta={tta} out"
            )

    def video(
        self,
        path: str | os.PathLike[str],
        *,
        every: float = EVERY,
        start: float = 0.0,
        end: float | None = None,
        tta: int = 0,
        first: int = 0,
    ) -> Iterator[VideoAnswer]:
        """One answer to each of the times `start`, `start + every`, ... of a video, in constant memory.

        The frame of a time is the first from it on; `VideoAnswer.time` is the frame's own. A thread decodes ahead of
        the network. Where the video is damaged, or ends before its header says, there is one `Failure` for the whole
        stretch.

        Args:
            path: a video, or a DICOM file with a video in it; see `lag_zoo.data.readers.video`.
            start: seconds from the beginning of the video.
            end: likewise, exclusive; `None`: to the end.
            tta: as of `__call__`.
            first: number of the first of these times that is wanted.

        Raises:
            UnreadableImageError: no such file, or no video; or the extra `video` is missing.
            InvalidConfigError: times that cannot be right.
        """
        self._require_possible(tta)
        path = Path(path)
        waiting: deque[VideoFrame | Gap] = deque()
        found = iter_video(path, every=every, start=start, end=end, first=first)
        depth = self.images_a_batch(tta) + self.workers

        def images(frames: Iterable[VideoFrame | Gap]) -> Iterator[_Image]:
            for frame in frames:
                waiting.append(frame)
                yield frame.pixels if isinstance(frame, VideoFrame) else _failed(path, frame)

        with contextlib.closing(ahead(found, depth=depth)) as frames:
            for answer, _ in self._iterate(images(frames), tta):
                frame = waiting.popleft()
                yield VideoAnswer(frame.number, frame.time, dataclasses.replace(answer, path=path))

    def exam_rule(self, pooling: Pooling = "maximum") -> ExamRule:
        """Return the rule by which this predictor's answers for frames become one for an examination.

        Raises:
            InvalidConfigError: a pooling that there is not, or `head`, and the model has none.
        """
        if pooling == HEAD:
            raise InvalidConfigError(
                f"{self.name} has no head for examinations: Predictor(lag_zoo.create_exam_model(place)), or pool by "
                "maximum, mean, top3 or noisy-or"
            )
        return PlainRule(self.name, pooling, self.label_names, self._rules, self.operating_points)

    def exam(
        self,
        frames: Input | Iterable[Input],
        *,
        sites: Sequence[str] | None = None,
        pooling: Pooling | None = None,
        expected_sites: Iterable[str] = (),
        tta: int = 0,
    ) -> ExamPrediction:
        """One answer for all frames of an examination, or of a patient; frames that cannot be read are listed in it.

        Args:
            frames: as `__call__` takes images; their order says nothing.
            sites: of each frame the site, such as `"antrum"`; "" where nobody named it.
            pooling: `maximum`, `mean`, `top3` (or another number) or `noisy-or`, see `lag_zoo.metrics.pooling`; `head`:
                that of an examination network. By default `head` of such a network, else `maximum`.
            expected_sites: sites that the examination should have frames of; those without are said.
            tta: as in `__call__`.

        Raises:
            InvalidConfigError: a pooling that there is not, or another number of sites than of frames.
            UnreadableImageError: no frame, or none that could be read.

        >>> from lag_zoo import LAG, Predictor
        >>> from lag_zoo.data.phantom import draw_frame
        >>> predictor = Predictor(LAG("mobilenetv3_small_050", label_names=["mucosa", "polyp"]))
        >>> found = predictor.exam([draw_frame((96, 120), seed=n) for n in (0, 1)], sites=["antrum", "corpus"])
        >>> found.frames, found.sites
        (2, {'antrum': 1, 'corpus': 1})
        """
        rule = self.exam_rule(pooling or self._pooling)
        answers = list(self.iter_with_features(frames, tta))
        named = [""] * len(answers) if sites is None else list(sites)
        if len(named) != len(answers):
            raise InvalidConfigError(
                f"{len(named)} sites for {len(answers)} frames: one for each is expected"
            )
        given = [
            FrameAnswer.of(answer, site, features)
            for (answer, features), site in zip(answers, named, strict=True)
        ]
        return rule(given, sites=expected_sites)

    def images_a_batch(self, tta: int = 0) -> int:
        """Number of images that pass the network together."""
        return max(1, self.batch_size // max(1, tta))

    def _iterate(self, images: Iterable[_Image], tta: int) -> Iterator[_Answer]:
        # A batch is so many images, whatever becomes of them: an answer then never depends on what failed before it.
        size = self.images_a_batch(tta)
        look = partial(self._look, tta=tta)
        looks = prefetch(look, images, workers=self.workers, depth=size + self.workers)
        while pending := list(islice(looks, size)):
            yield from self._answers(pending)

    def _look(self, image: _Image, tta: int) -> _Seen | Failure:
        if isinstance(image, Failure):
            return image
        path = image if isinstance(image, Path) else image.path if isinstance(image, Encoded) else None
        try:
            pixels = read_image(image) if isinstance(image, Path | Encoded) else to_pixels(image).cpu()
        except (UnreadableImageError, InvalidImageError) as error:
            return Failure(path, error)
        # Coverage is counted once, over all looks.
        samplers = [self._sampler(policy="random", seed=seed) for seed in range(tta)] or [self._sampler()]
        # Every frame has the index 0, so that an answer does not depend on which frames came before it.
        field = samplers[0].field(pixels[None])
        each = [sampler.of_frames(pixels[None], indices=[0], field=field) for sampler in samplers]
        views = Views(*(torch.cat(parts) for parts in zip(*each, strict=True)))
        coverage = float(field.coverage(views.boxes.flatten(0, 1)[None])) if views.boxes.shape[1] else None
        in_training_data = self._known.holds(pixels, field=field)
        doubts = tuple(frame_doubts(pixels, field, views, self.modality, self.doubts))
        return _Seen(path, views, coverage, doubts, in_training_data)

    def _answers(self, pending: Sequence[_Seen | Failure]) -> Iterator[_Answer]:
        seen = [item for item in pending if not isinstance(item, Failure)]
        outputs = iter(self._outputs([item.views for item in seen]))
        for item in pending:
            if isinstance(item, Failure):
                yield item, None
                continue
            output = next(outputs)
            features = None if output.features is None else tuple(output.features.mean(0).tolist())
            yield self._prediction(item, output), features

    def _outputs(self, views: Sequence[Views]) -> list[NetworkOutput]:
        """Of each frame the output for all its looks."""
        outputs: list[NetworkOutput] = []
        for same in _runs_of_one_dtype(views):
            joined = Views(*(torch.cat(parts) for parts in zip(*same, strict=True)))
            outputs.extend(self._run(joined).split([len(v.crops) for v in same]))
        return outputs

    def _prediction(self, seen: _Seen, output: NetworkOutput) -> Prediction:
        chances = torch.from_numpy(self._rules.probabilities((output.logits / self.temperature).numpy()))
        mean, weights = chances.mean(0), output.weights
        points = thresholds_of(self.operating_points, self.label_names)  # now, for they may be set
        call = decide(self._rules.claims(mean[None].numpy()), points, self._rules.name)[0]
        expected = self._rules.expected(mean[None].numpy())
        return Prediction(
            path=seen.path,
            model=self.name,
            probabilities=self._named(mean),
            label=self._rules.as_called(call, self.label_names),
            boxes=tuple(tuple(box) for box in seen.views.boxes.flatten(0, 1).tolist()),
            crop_weights=None if weights is None else tuple((weights / len(weights)).flatten().tolist()),
            coverage=seen.coverage,
            spread=self._named(chances.std(0)) if len(chances) > 1 else None,
            warnings=(*seen.warnings, *self._doubts_of(output)),
            in_training_data=seen.in_training_data,
            evidence=self._evidence_of(output),
            expected_grade=None if expected is None else float(expected[0]),
        )

    def _named(self, values: Tensor) -> dict[str, float]:
        return dict(zip(self.label_names, values.tolist(), strict=True))


def _each(inputs: Input | Iterable[Input], left_out: Counter[str] | None) -> Iterator[_Image]:
    """The images one by one: files as paths, folders walked, what is open read now, everything else as it is."""
    single = isinstance(inputs, str | os.PathLike | Held | Image.Image | np.ndarray)
    single = single or (isinstance(inputs, Tensor) and inputs.ndim != 4)
    if not (single or isinstance(inputs, Iterable)):
        raise not_pixels(inputs, "images, paths, bytes of a file, or a folder are expected")
    for item in cast(Iterable[Input], [inputs] if single else inputs):
        if isinstance(item, str | os.PathLike):
            yield from find_images([item], left_out)
        elif isinstance(item, Held):
            # Now, and not in a thread ahead: the one who gives it may close it, or give it again.
            yield _taken(item)
        else:
            yield item


def _failed(path: Path, gap: Gap) -> Failure:
    until = f", until {gap.until:.2f} s" if gap.until > gap.time else ""
    return Failure(path, UnreadableImageError(f"{path}: {gap.reason}{until}"))


def _taken(file: Held) -> Encoded | Failure:
    try:
        return held(file)
    except UnreadableImageError as error:
        return Failure(None, error)


def _runs_of_one_dtype(views: Sequence[Views]) -> Iterator[Sequence[Views]]:
    """uint8 and float pixels have different scales, so they pass through the network apart."""
    start = 0
    for end in range(1, len(views) + 1):
        if end == len(views) or views[end].crops.dtype != views[start].crops.dtype:
            yield views[start:end]
            start = end
