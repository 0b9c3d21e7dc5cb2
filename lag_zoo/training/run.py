"""A run: its stages one after another; each epoch trained, validated and written down.

It runs on accelerate, so on one CPU, one GPU, or many. What a step draws is settled by seed, epoch and step; what torch
draws itself (dropout, drop path) is in the checkpoint. So a run that was killed and resumed ends with the same numbers
as one that was not, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import timm.utils
import torch
from torch.utils.data import DataLoader

from lag_zoo.errors import TrainingError
from lag_zoo.listener import Advance
from lag_zoo.nn import LAG
from lag_zoo.training import display
from lag_zoo.training.batches import Batch
from lag_zoo.training.best_network import save_meanwhile
from lag_zoo.training.checkpoint import Part, Progress, of_this_run, restore, save_checkpoint, seed_process
from lag_zoo.training.display import Display
from lag_zoo.training.groups import set_trainable
from lag_zoo.training.interruption import interruptible
from lag_zoo.training.job import Job
from lag_zoo.training.plan import StagePlan
from lag_zoo.training.selection import Selection, best_row
from lag_zoo.training.step import StageSteps
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.training.validation import validation_loader, validation_logits, validation_measures

CHECKPOINT_STEPS = 200  # steps after which a checkpoint is written, besides after each epoch


class Run:
    """A run of a recipe on a manifest; `go` trains.

    Args:
        model: the network, which is trained in place.
        job: what is to be done with it.
    """

    def __init__(self, model: LAG, job: Job) -> None:
        self.model, self.job = model, job
        # Channels last: a step takes a quarter less time.
        self.network = TrainingModel(model).to(job.device).to(memory_format=torch.channels_last)
        self.average = self._new_average()
        self.progress = Progress()
        self.selection = Selection(job.recipe.select)
        self.display = Display(job)
        self.interrupted: Callable[[], bool] = lambda: False
        self.advance: Advance = lambda count: None

    def go(self, state: Mapping[str, Any] | None = None) -> LAG:
        """Train to the end, and return the network with the weights of the best epoch.

        Args:
            state: a checkpoint to go on from.

        Raises:
            TrainingError: the loss is no number any more.
            InvalidConfigError: the checkpoint is of another version of lag_zoo.
            StateError: it is not of this run.
            KeyboardInterrupt: Ctrl-C; after the step that it came in, and a checkpoint.
        """
        job = self.job
        if state is None:
            seed_process(job)
        else:
            restore(state, job, self._parts())
            with of_this_run(job):
                self.selection.require_of(self.model, frames=len(job.manifest))
            self._save_best()  # the process may have been killed between the checkpoint and this
        total = sum(part.units for part in job.plan)
        with (
            interruptible() as self.interrupted,
            job.listener.task("training", total, done=self._units_done()) as self.advance,
        ):
            for part in job.plan[self.progress.stage :]:
                self._train_stage(part, state)
                state = None
            self.display.draw(self.progress.rows)
        self.selection.put_into(self.model)
        return self.model.eval()

    def _train_stage(self, part: StagePlan, state: Mapping[str, Any] | None) -> None:
        set_trainable(self.model, part.stage)
        if state is None:
            self.progress.stage, self.progress.epoch, self.progress.step = part.number, part.first, 0
            self.average = self._new_average()
        steps = StageSteps(self.network, self.job, part, self.average)
        if state is not None:
            with of_this_run(self.job):
                steps.load_state_dict(state["steps"])
        validation = validation_loader(self.job, self.model, part.stage)
        # The first epoch warms up, and tells little of the others unless it is long.
        warm, announced = self.progress.epoch + bool(self.progress.step), False
        for epoch in range(self.progress.epoch, part.end):
            if self._is_patience_over(part):
                self.advance((part.end - epoch) * part.epoch_units)
                break
            row = self._train_epoch(part, steps, validation)
            if not announced and (epoch > warm or row["seconds"] >= display.LONG):
                announced = True
                self.display.tell_pace(part, row)
            if self._is_stop_asked():
                raise KeyboardInterrupt
        self.progress.stage, self.progress.epoch, self.progress.step = part.number + 1, part.end, 0
        self.selection.put_into(self.model)  # the next stage goes on from the best of this one
        self.job.accelerator.free_memory()

    def _train_epoch(
        self, part: StagePlan, steps: StageSteps, validation: DataLoader[Batch]
    ) -> dict[str, Any]:
        """Train and validate the next epoch, write it down, and return its row."""
        begun, first = time.perf_counter(), self.progress.step
        self._take_steps(steps)
        trained = (self.progress.step - first) * steps.batches.size
        pace = round(trained / (time.perf_counter() - begun), 1) if trained else None
        train_loss = self._finite("loss", steps.mean_loss())
        steps.forget_loss()
        kept = self.model if self.average is None else self.average.module
        crops = part.stage.crops
        logits = validation_logits(kept, validation, self.job, crops=crops, advance=self.advance)
        measures = validation_measures(logits, self.job, crops=crops)
        self._finite("validation loss", measures["val_loss"])
        row = {
            "epoch": self.progress.epoch + 1,
            "epochs": self.job.recipe.epochs,
            "stage": part.stage.name,
            "train_loss": train_loss,
            **measures,
            "learning_rate": steps.learning_rate,
            "frames_per_second": pace,  # none: resumed after the last step
            "seconds": round(time.perf_counter() - begun, 3),
        }
        row["best"] = self.selection.is_best(row, self.progress.rows, first=part.first)
        if row["best"]:
            self.selection.keep(kept, logits)
        self._write_down(row, steps)
        return row

    def _take_steps(self, steps: StageSteps) -> None:
        """Take the steps of the epoch that are left, with a checkpoint now and then."""
        kept = self.progress.step
        for moved in steps.of_epoch(self.progress.epoch, self.progress.step):
            self.progress.step += 1
            self.advance(1)
            stopping = moved and self._is_stop_asked()
            if stopping or (moved and self.progress.step - kept >= CHECKPOINT_STEPS):
                kept = self.progress.step
                self._finite("loss", steps.mean_loss())
                self._save(steps)
            if stopping:
                raise KeyboardInterrupt

    def _write_down(self, row: dict[str, Any], steps: StageSteps) -> None:
        self.progress.rows.append(row)
        self.progress.epoch, self.progress.step = row["epoch"], 0
        if self.job.is_first:
            self.job.folder.log(self.progress.rows)
        self._save(steps)
        if row["best"]:
            self._save_best()
        self.display.show(self.progress.rows)
        self.job.listener.epoch(row)

    def _save(self, steps: StageSteps) -> None:
        save_checkpoint(self.job, {**self._parts(), "steps": steps})

    def _parts(self) -> dict[str, Part]:
        """State that a checkpoint keeps besides a stage's own."""
        parts: dict[str, Part] = {
            "progress": self.progress,
            "model": self.model,
            "selection": self.selection,
        }
        return parts if self.average is None else {**parts, "average": self.average.module}

    def _save_best(self) -> None:
        """Write `best/` as it stands, so that a run that is killed has left a network."""
        best = best_row(self.progress.rows)
        if best is None or self.selection.weights is None or not self.job.is_first:
            return
        stage = max(part.number for part in self.job.plan if part.first < best["epoch"])
        self.job.folder.save_best(
            partial(
                save_meanwhile,
                self.model,
                self.selection.weights,
                recipe=self.job.recipe,
                stage=stage,
                epoch=self.progress.epoch,
            )
        )

    def _is_patience_over(self, part: StagePlan) -> bool:
        best = best_row(self.progress.rows, since=part.first)
        waited = self.progress.epoch - (part.first + 1 if best is None else best["epoch"])
        return 0 < self.job.recipe.patience <= waited

    def _is_stop_asked(self) -> bool:
        """Tell whether Ctrl-C was pressed, in any process: all of them have to ask, and stop after the same step."""
        if self.job.processes == 1:
            return self.interrupted()
        pressed = torch.tensor(float(self.interrupted()), device=self.job.device)
        return bool(self.job.sum_over_processes(pressed) > 0)

    def _finite(self, name: str, value: float | None) -> float | None:
        """Return a loss that is a number; any other stops the run."""
        if value is not None and not math.isfinite(value):
            raise TrainingError(
                f"the {name} is {value} in epoch {self.progress.epoch + 1}, before step {self.progress.step + 1}. The "
                f"run's folder ({self.job.folder.path}) is whole; start a new one with a lower learning_rate, or "
                "without mixed_precision"
            )
        return value

    def _units_done(self) -> int:
        """Count what is done of the run, in the plan's units."""
        plan, progress = self.job.plan, self.progress
        done = sum(part.units for part in plan[: progress.stage])
        if progress.stage < len(plan):
            done += plan[progress.stage].units_before(progress.epoch, progress.step)
        return done

    def _new_average(self) -> timm.utils.ModelEmaV3 | None:
        """An average of the weights from here on; warmed up, so that the beginning of a short stage does not linger."""
        decay = self.job.recipe.average
        return timm.utils.ModelEmaV3(self.model, decay=decay, use_warmup=True) if decay else None
