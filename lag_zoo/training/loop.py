"""The loop: stages, epochs, steps; on accelerate, so on one CPU, one GPU, or many.

What a step draws is settled by seed, epoch and step. What torch itself draws (dropout, drop path) is part of the
checkpoint. So a run that was killed and resumed ends with the same numbers as one that was not, bit for bit on a CPU.
"""

import contextlib
import dataclasses
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm.scheduler
import timm.utils
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lag_zoo.data.manifest import MODALITIES, Manifest
from lag_zoo.data.workers import as_raised
from lag_zoo.errors import LagZooWarning, TrainingError
from lag_zoo.listener import Listener, spoken
from lag_zoo.nn import LAG
from lag_zoo.training.batches import (
    Batch,
    Drawn,
    Source,
    drawing_weights,
    in_order,
    kept_crops,
    make_loader,
    stage_frames,
    training_set,
)
from lag_zoo.training.groups import freeze_norms, make_optimizer, set_trainable
from lag_zoo.training.interruption import interruptible
from lag_zoo.training.left import save_meanwhile
from lag_zoo.training.losses import Summed, alignment_loss, label_loss, label_weights
from lag_zoo.training.plan import planned
from lag_zoo.training.recipe import Recipe, Stage
from lag_zoo.training.run_folder import RunFolder
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.training.verdict import Answers, mean_auroc
from lag_zoo.views import Views, ViewSampler, ViewTransform

CHECKPOINT_STEPS = 200  # steps after which a checkpoint is written, besides after each epoch
_REDRAWN = 10.0  # seconds between two pictures of the curves; the last one shows all
_WORTH_SAYING = 20.0  # seconds that the rest of a stage takes, from which on they are told
_LONG = 60.0  # seconds of an epoch beside which starting does not count


@dataclasses.dataclass
class Progress:
    """Where a run is: all that is in a checkpoint besides tensors of network and optimiser."""

    stage: int = 0
    epoch: int = 0  # of all stages
    step: int = 0  # of the epoch
    best: float = -math.inf
    best_epoch: int = -1
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)


class Run:
    """A run of a recipe on a manifest."""

    def __init__(
        self,
        model: LAG,
        manifest: Manifest,
        recipe: Recipe,
        folder: RunFolder,
        source: Source,
        *,
        accelerator: Accelerator,
        listener: Listener,
    ) -> None:
        self.recipe, self.manifest, self.folder, self.source = recipe, manifest, folder, source
        self.listener = listener
        self.accelerator = accelerator
        self.plan = planned(recipe, manifest, processes=accelerator.num_processes)
        self.device = accelerator.device
        self.trainee = (
            TrainingModel(model).to(self.device).to(memory_format=torch.channels_last)
        )  # a quarter faster
        self.average = self._new_average()
        self.at = Progress()
        self.seen = (torch.zeros((), device=self.device), torch.zeros((), device=self.device))
        self.best_state: dict[str, Tensor] | None = None
        self.answers: Answers | None = None  # of the network that was validated last
        self.best_answers: Answers | None = None
        self.targets = torch.from_numpy(manifest.targets()).to(self.device)
        told = [MODALITIES.index(m) if m else -1 for m in manifest.column("modality")]
        self.modalities = torch.tensor(told, device=self.device)
        self.optimizer: Any = None

    @property
    def model(self) -> LAG:
        """The network in training."""
        return self.trainee.lag

    def go(self, state: Mapping[str, Any] | None = None) -> LAG:
        """Trains to the end, from a checkpoint if one is given; the network with the best epoch's weights.

        Raises:
            TrainingError: the loss is no number any more.
            KeyboardInterrupt: Ctrl-C; after the step that it came in, and a checkpoint.
        """
        if state is not None:
            self._restore(state)
            self._save_best()  # the process may have been killed between the checkpoint and this
        begun = self.at.stage if state is not None else -1
        total, done = sum(part.units for part in self.plan), self._done()
        self.drawn = time.perf_counter()
        with (
            interruptible() as self.interrupted,
            self.listener.task("training", total, done=done) as self.advance,
        ):
            for number, stage in enumerate(self.recipe.stages):
                if number >= self.at.stage:
                    self._stage(number, stage, state if number == begun else None)
            self._draw()
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
        return self.model.eval()

    # -- stages, epochs, steps ----------------------------------------------------------------------------------------

    def _stage(self, number: int, stage: Stage, state: Mapping[str, Any] | None) -> None:
        first = sum(s.epochs for s in self.recipe.stages[:number])
        self.validation_loader = self._make_validation_loader(stage)
        set_trainable(self.model, stage)
        self.optimizer = make_optimizer(self.model, self.recipe, stage)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        else:
            self.at.stage, self.at.epoch, self.at.step = number, first, 0
            self.average = self._new_average()
        frames = stage_frames(self.manifest, "train", stage)
        batches = Drawn(
            frames,
            size=self.recipe.batch_size,
            seed=self.recipe.seed,
            weights=drawing_weights(self.manifest, frames, self.recipe),
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        sampler = ViewSampler.from_config(
            self.model.config,
            policy="random",
            seed=self.recipe.seed,
            with_crops=stage.crops,
            with_coverage=False,
        )
        transform = ViewTransform(sampler, training=True)
        dataset = training_set(self.source, transform, self.recipe)
        loader = make_loader(dataset, batches, self.recipe.workers)
        network, optimizer = self.accelerator.prepare(self.trainee, self.optimizer)
        updates = math.ceil(batches.steps / self.recipe.accumulate)
        schedule = timm.scheduler.CosineLRScheduler(
            self.optimizer,
            t_initial=stage.epochs * updates,
            warmup_t=round(self.recipe.warmup * stage.epochs * updates),
            warmup_prefix=False,
            t_in_epochs=False,
        )
        weights = self._label_weights(frames)
        begun, told = self.at.epoch if not self.at.step else self.at.epoch + 1, False
        for epoch in range(self.at.epoch, first + stage.epochs):
            if self.recipe.patience and epoch - max(self.at.best_epoch, first) > self.recipe.patience:
                self.advance((first + stage.epochs - epoch) * self.plan[number].epoch_units)
                break
            dataset.set_epoch(epoch)  # type: ignore[attr-defined]
            batches.epoch, batches.start = epoch, self.at.step
            self._epoch(
                network, optimizer, schedule, loader, stage, (epoch - first) * updates, batches, weights
            )
            self._end_of_epoch(stage, epoch)
            # The first epoch warms up, and tells little of the others unless it is long.
            if not told and (epoch > begun or self.at.rows[-1]["seconds"] >= _LONG):
                told = True
                self._tell_pace(stage, first + stage.epochs - epoch - 1)
            self._stop_if_interrupted()
        self.at.stage, self.at.epoch, self.at.step = number + 1, first + stage.epochs, 0
        # The next stage goes on from what this one found best.
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
        self.accelerator.free_memory()

    def _epoch(
        self,
        network: nn.Module,
        optimizer: Any,
        schedule: Any,
        loader: DataLoader[Batch],
        stage: Stage,
        updates_before: int,
        batches: Drawn,
        weights: Tensor | None,
    ) -> None:
        network.train()
        if self.recipe.freeze_norm or stage.train == "head":
            freeze_norms(self.model)
        begun, first = time.perf_counter(), self.at.step
        self.epoch_begun = begun
        kept, last = first, batches.steps - 1
        for step, (views, numbers) in enumerate(as_raised(loader), start=first):
            updates = updates_before + step // self.recipe.accumulate
            schedule.step_update(updates)
            # An epoch's last steps move the weights however few they are: no gradient outlives a checkpoint.
            moves = (step + 1) % self.recipe.accumulate == 0 or step == last
            with contextlib.nullcontext() if moves else self.accelerator.no_sync(network):
                self.accelerator.backward(self._loss(network, views, numbers, stage, weights))
            if moves:
                self.accelerator.clip_grad_norm_(network.parameters(), self.recipe.clip)
                optimizer.step()
                optimizer.zero_grad()
                if self.average is not None:
                    self.average.update(self.model, step=updates + 1)  # timm counts from 1
            self.at.step = step + 1
            self.advance(1)
            if moves and (self.at.step - kept >= CHECKPOINT_STEPS or self.interrupted()):
                kept = self.at.step
                self._require_finite()
                self.save()
                self._stop_if_interrupted()
        self._require_finite()
        self.pace = (self.at.step - first) * batches.size / (time.perf_counter() - begun)

    def _loss(
        self,
        network: nn.Module,
        views: Views,
        numbers: Tensor,
        stage: Stage,
        weights: Tensor | None,
    ) -> Tensor:
        recipe = self.recipe
        views, targets = views.to(self.device), self.targets[numbers.to(self.device)]
        kept = kept_crops(len(numbers), recipe.crop_drop).to(self.device) if stage.crops else None
        with self.accelerator.autocast():
            answers = network(views, kept)
        loss = self._over_all(self._labels(answers.logits, targets, weights))
        if stage.crops and recipe.global_loss:
            loss = loss + recipe.global_loss * self._over_all(self._labels(answers.alone, targets, weights))
        if stage.alignment:
            loss = loss + stage.alignment * alignment_loss(
                answers.features, self.modalities[numbers.to(self.device)]
            )
        self.seen = (self.seen[0] + loss.detach(), self.seen[1] + 1)
        return loss

    def _labels(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Summed:
        return label_loss(
            logits,
            targets,
            task=self.manifest.task,
            weights=weights,
            smoothing=self.recipe.label_smoothing if self.manifest.task == "multiclass" else 0.0,
        )

    def _over_all(self, loss: Summed) -> Tensor:
        """The loss of the batch over all processes; their gradients are averaged afterwards."""
        weight = self.accelerator.reduce(loss.weight.detach(), "sum")
        return loss.total * float(self.accelerator.num_processes) / torch.where(weight > 0, weight, 1.0)

    def _label_weights(self, frames: np.ndarray) -> Tensor | None:
        if self.recipe.balance != "weights":
            return None
        chosen = self.targets[torch.from_numpy(frames).to(self.device)]
        return label_weights(chosen, labels=len(self.manifest.label_names), task=self.manifest.task).to(
            self.device
        )

    def _stop_if_interrupted(self) -> None:
        if self.interrupted():
            raise KeyboardInterrupt

    def _require_finite(self) -> None:
        self._refuse_if_not_finite("loss", float(self.accelerator.reduce(self.seen[0], "sum")))

    def _refuse_if_not_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"the {what} is {value} in epoch {self.at.epoch + 1}, before step {self.at.step + 1}. The run's folder "
                f"({self.folder.path}) is whole; start a new one with a lower learning_rate, or without mixed_precision"
            )

    # -- what an epoch leaves -----------------------------------------------------------------------------------------

    def _end_of_epoch(self, stage: Stage, epoch: int) -> None:
        losses, steps = self.seen
        train_loss = float(self.accelerator.reduce(losses, "sum") / self.accelerator.reduce(steps, "sum"))
        self.seen = (torch.zeros_like(losses), torch.zeros_like(steps))
        kept = self.model if self.average is None else self.average.module
        row = {
            "epoch": epoch + 1,
            "epochs": self.recipe.epochs,
            "stage": stage.name,
            "train_loss": train_loss,
            **self._validate(kept, crops=stage.crops),
            "learning_rate": max(group["lr"] for group in self.optimizer.param_groups),
            "frames_per_second": round(self.pace, 1)
            if self.pace
            else None,  # none: resumed after the last step
            "seconds": round(time.perf_counter() - self.epoch_begun, 3),
        }
        score = row["val_auroc"] if self.recipe.select == "auroc" else -row["val_loss"]
        # What an epoch without crops was worth says nothing of the network with them: each stage begins anew.
        if self.at.best_epoch < epoch - self._epoch_in_stage(epoch):
            self.at.best = -math.inf
        row["best"] = bool(score is not None and score > self.at.best)
        if row["best"]:
            self.at.best, self.at.best_epoch = float(score), epoch
            self.best_state = {key: t.detach().clone() for key, t in kept.state_dict().items()}
            self.best_answers = self.answers
        self.at.rows.append(row)
        self.at.epoch, self.at.step = epoch + 1, 0
        if self.accelerator.is_main_process:
            self.folder.log(self.at.rows)
        self.save()
        if row["best"]:
            self._save_best()
        self._decorate(row)
        self.listener.epoch(row)

    def _save_best(self) -> None:
        """Writes `best/` as it stands, so that a run that is killed has left a network."""
        if self.best_state is None or not self.accelerator.is_main_process:
            return
        found_in = max(number for number, part in enumerate(self.plan) if part.first <= self.at.best_epoch)
        where: dict[str, Any] = {"recipe": self.recipe, "stage": found_in, "epoch": self.at.epoch}
        self.folder.save_best(partial(save_meanwhile, self.model, self.best_state, **where))

    def _decorate(self, row: Mapping[str, Any]) -> None:
        """Draws the curves and tells the tracker. What is worth keeping is on disk: nothing here stops a run."""
        if time.perf_counter() - self.drawn >= _REDRAWN:
            self._draw()
        with _not_stopping(f"the tracker {self.recipe.tracker} could not be told"):
            told = {key: value for key, value in row.items() if isinstance(value, float)}
            self.accelerator.log(told, step=row["epoch"])

    def _draw(self) -> None:
        if self.accelerator.is_main_process and self.at.rows:
            with _not_stopping("the learning curves could not be drawn"):
                self.folder.draw_curves(self.at.rows, self.plan, title=self._title())
        self.drawn = time.perf_counter()

    def _title(self) -> str:
        called = f", recipe {self.recipe.name}" if self.recipe.name else ""
        return f"{self.recipe.model} on {Path(self.manifest.source).name}{called}"

    def _tell_pace(self, stage: Stage, left: int) -> None:
        """Says how long the rest of a stage takes, as its last epoch went."""
        seconds = self.at.rows[-1]["seconds"] * left
        if left and seconds >= _WORTH_SAYING:
            which = "" if len(self.recipe.stages) == 1 else f" of the stage {stage.name}"
            self.listener.say(f"about {spoken(seconds)} more for {left} epochs{which}, on this machine")

    def _done(self) -> int:
        """The part of the run that is done, in the plan's units."""
        done = sum(part.units for part in self.plan[: self.at.stage])
        if self.at.stage < len(self.plan):
            done += self.plan[self.at.stage].done(self.at.epoch, self.at.step)
        return done

    def _epoch_in_stage(self, epoch: int) -> int:
        return epoch - sum(s.epochs for s in self.recipe.stages[: self.at.stage])

    @torch.no_grad()
    def _validate(self, model: LAG, *, crops: bool) -> dict[str, float | None]:
        trainee = TrainingModel(model).eval()
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for views, numbers in as_raised(self.validation_loader):
            kept = torch.arange(len(numbers), device=self.device) if crops else None
            answers = trainee(views.to(self.device), kept)
            found.append((answers.logits.float().cpu(), answers.alone.float().cpu(), numbers))
            self.advance(1)
        gathered: list[Any] = self._gathered(found)
        logits, alone, numbers = (torch.cat(parts) for parts in zip(*gathered, strict=True))
        self.answers = Answers(logits, alone, numbers)
        targets = self.targets.cpu()[numbers]
        loss = label_loss(logits, targets, task=self.manifest.task)
        self._refuse_if_not_finite("validation loss", float(loss.total))
        return {
            "val_loss": float(loss.total / loss.weight.clamp(min=1)),
            "val_auroc": self._auroc(logits, targets),
            "val_auroc_without_crops": self._auroc(alone, targets) if crops else None,
        }

    def _auroc(self, logits: Tensor, targets: Tensor) -> float | None:
        found = mean_auroc(logits.double().numpy(), targets.numpy(), task=self.manifest.task)
        return found if math.isfinite(found) else None

    def _make_validation_loader(self, stage: Stage) -> DataLoader[Batch]:
        """A stage's validation frames of this process, in their order, seen as when the network predicts."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        sampler = ViewSampler.from_config(self.model.config, with_crops=stage.crops, with_coverage=False)
        transform = ViewTransform(sampler)
        frames = stage_frames(self.manifest, "val", stage)
        batches = in_order(frames, self.recipe.batch_size, rank=rank, world=world)
        return make_loader(self.source(transform), batches, min(self.recipe.workers, 1))

    def _gathered(self, found: list[Any]) -> list[Any]:
        if self.accelerator.num_processes == 1:
            return found
        from accelerate.utils import gather_object

        return list(gather_object(found))

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Writes a checkpoint, once over all processes."""
        if not self.accelerator.is_main_process:
            return
        self.folder.save(
            {
                "progress": dataclasses.asdict(self.at),
                "seen": [float(t) for t in self.seen],
                "model": self.model.state_dict(),
                "average": None if self.average is None else self.average.module.state_dict(),
                "best": self.best_state,
                "best_answers": None if self.best_answers is None else list(self.best_answers),
                "optimizer": self.optimizer.state_dict(),
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            }
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.at = Progress(**state["progress"])
        self.seen = tuple(torch.tensor(value, device=self.device) for value in state["seen"])  # type: ignore[assignment]
        self.model.load_state_dict(state["model"])
        self.best_state = state["best"]
        self.best_answers = None if state["best_answers"] is None else Answers(*state["best_answers"])
        if self.average is not None and state["average"] is not None:
            self.average.module.load_state_dict(state["average"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"])

    def _new_average(self) -> Any:
        if not self.recipe.average:
            return None
        # Warmed up: the weights of a short stage's beginning do not linger in its average.
        return timm.utils.ModelEmaV3(self.model, decay=self.recipe.average, use_warmup=True)


@contextlib.contextmanager
def _not_stopping(what: str) -> Iterator[None]:
    """Around what decorates a run: where it fails, whatever the reason, the run goes on, and says so."""
    try:
        yield
    except Exception as error:
        warnings.warn(
            f"{what}, and the run goes on: {type(error).__name__}: {error}", LagZooWarning, stacklevel=2
        )
