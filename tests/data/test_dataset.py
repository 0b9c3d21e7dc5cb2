"""Views made in workers are the views made in the model."""

import copy
import itertools
import multiprocessing
import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lag_zoo.data import ViewDataset
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.factory import create_transform
from lag_zoo.nn import LAG
from lag_zoo.views import Views, ViewTransform

COUNT = 7
SEED = 5


@pytest.fixture(scope="module")
def model() -> LAG:
    return LAG("mobilenetv3_small_050", num_classes=2, num_crops=3, crop_size=32, global_size=64)


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.stack([draw_frame((150, 190), seed=seed) for seed in range(COUNT)])


def two_epochs(
    dataset: ViewDataset, workers: int, start: str | None
) -> list[tuple[int, list[tuple[Views, Tensor]]]]:
    """Epochs and batches, from a process of its own: one with threads, as pytest's is, may hang when it forks."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as clean:
        found = clean.submit(_two_epochs, dataset, workers, start).result()
    return list(pickle.loads(found))


def _two_epochs(dataset: ViewDataset, workers: int, start: str | None) -> bytes:
    loader: DataLoader[tuple[Views, Tensor]] = DataLoader(
        dataset,
        batch_size=3,
        shuffle=True,
        generator=torch.Generator().manual_seed(1),
        num_workers=workers,
        multiprocessing_context=start if workers else None,
        persistent_workers=workers > 0,
    )
    found = []
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        found.append((epoch, list(loader)))
    return pickle.dumps(found)


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, other, strict=True))


WORKERS = [(0, None), (1, "fork"), (3, "fork"), (1, "spawn")]

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes:UserWarning")


@pytest.mark.parametrize(("workers", "start"), WORKERS)
def test_worker_and_model_give_the_same_bits(
    model: LAG, frames: Tensor, workers: int, start: str | None
) -> None:
    transform = ViewTransform(model.sampler(policy="random", seed=SEED))
    dataset = ViewDataset(
        TensorDataset(frames, torch.arange(COUNT)), transform
    )  # a label is the frame's number
    orders = []
    for epoch, batches in two_epochs(dataset, workers, start):
        for views, indices in batches:
            expected = model.sampler(policy="random", seed=SEED)(
                frames[indices], epoch=epoch, index=indices.tolist()
            )
            assert equal(views, expected)
            assert views.crops.dtype == torch.uint8
            orders.append(indices.tolist())
    assert sorted(itertools.chain(*orders[:3])) == list(range(COUNT))
    assert orders[:3] != orders[3:]  # shuffled anew


@pytest.mark.slow
def test_training_draws_do_not_depend_on_the_workers(model: LAG, frames: Tensor) -> None:
    def by_number(workers: int, start: str | None) -> dict[tuple[int, int], Views]:
        transform = create_transform(model, training=True)
        assert isinstance(transform, ViewTransform)
        dataset = ViewDataset(TensorDataset(frames, torch.arange(COUNT)), transform)
        return {
            (epoch, int(number)): Views(*(t[place] for t in views))
            for epoch, batches in two_epochs(dataset, workers, start)
            for views, numbers in batches
            for place, number in enumerate(numbers)
        }

    alone = by_number(0, None)
    for workers, start in WORKERS[1:3]:
        there = by_number(workers, start)
        assert there.keys() == alone.keys()
        assert all(equal(there[key], alone[key]) for key in alone)
    assert not torch.equal(alone[0, 0].boxes, alone[1, 0].boxes)  # another epoch, another draw
    assert not torch.equal(alone[0, 0].boxes, alone[0, 1].boxes)


def test_is_a_sequence_of_views_and_labels(model: LAG, frames: Tensor) -> None:
    images = [(frame, f"label {i}") for i, frame in enumerate(frames)]
    dataset = ViewDataset(images, ViewTransform(model.sampler()))
    assert len(dataset) == COUNT
    views, label = dataset[2]
    assert label == "label 2"
    assert equal(views, model.sampler()(frames[2], index=2))
    assert equal(dataset[-1][0], dataset[COUNT - 1][0])
    with pytest.raises(IndexError):
        dataset[COUNT]


def test_a_copy_has_an_epoch_of_its_own(model: LAG, frames: Tensor) -> None:
    dataset = ViewDataset([(frames[0], 0)], ViewTransform(model.sampler()))
    other = copy.deepcopy(dataset)
    other.set_epoch(4)
    assert (dataset.epoch, other.epoch) == (0, 4)
    with pytest.raises(TypeError):
        dataset.set_epoch(0.5)  # type: ignore[arg-type]


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(())


def test_refuses(model: LAG) -> None:
    with pytest.raises(
        InvalidConfigError, match=r"map-style data set of \(image, label\) is expected; got Stream"
    ):
        ViewDataset(Stream(), ViewTransform(model.sampler()))  # type: ignore[arg-type]
    with pytest.raises(InvalidConfigError, match=r"transform to views is expected.* got FrameTransform"):
        ViewDataset([], create_transform(model, views=False))  # type: ignore[arg-type]
