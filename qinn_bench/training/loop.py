"""The one training loop and its one budget, for quantum and classical models alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from qinn_bench.contracts import Generator
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Budget, Status, Training


@dataclass(frozen=True)
class Fit:
    """How a training went: its outcome, the loss curves by step, the seconds of each step, and the CPU seconds until
    the weights that were kept."""

    status: Status
    reason: str
    training: Training
    steps: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    cpu_to_best_s: float | None = None


def fit(
    model: Generator,
    train: Tensor,
    valid: Tensor,
    budget: Budget,
    names: tuple[str | int, ...],
    on_step: Callable[[int], None] = lambda _: None,
) -> Fit:
    """Minimise ``model.loss`` on training rows ``(n, dim)`` and leave the best-validation weights in the model.

    The order of the rows depends on `names` alone, so that models compared under the same names see the same batches.
    A loss or gradient that is not finite ends the training with status ``diverged``; it never raises.
    """
    if not any(p.requires_grad for p in model.parameters()):
        return Fit("ok", "", Training(steps=0, best_step=0, best_loss=None, stopped="nothing to train"))
    return _Loop(model, train, valid[: budget.check_rows], budget, names).run(on_step)


class _Loop:
    """The state of one training; it lives for one call of `fit`."""

    def __init__(
        self, model: Generator, train: Tensor, valid: Tensor, budget: Budget, names: tuple[str | int, ...]
    ) -> None:
        self.model, self.valid, self.budget, self.names = model, valid, budget, names
        self.batches = _batches(train, budget.batch, torch_rng("batches", *names))
        self.rng = torch_rng("loss", *names)
        self.optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], budget.learning_rate)
        self.schedule = _schedule(self.optimiser, budget)
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_loss = 0, math.inf
        self.started, self.cpu_to_best = time.process_time(), 0.0
        self.steps: list[int] = []
        self.train_loss: list[float] = []
        self.valid_loss: list[float] = []
        self.seconds: list[float] = []

    def run(self, on_step: Callable[[int], None]) -> Fit:
        status: Status = "ok"
        stopped, recent = "budget used up", []
        self._check(0, math.nan)
        for step in range(1, self.budget.steps + 1):
            loss = self._step(step)
            recent.append(loss)
            if not math.isfinite(loss):
                status, stopped = "diverged", f"the loss or its gradient is not finite at step {step}"
                break
            on_step(step)
            if step % self.budget.check_every == 0 or step == self.budget.steps:
                self._check(step, sum(recent) / len(recent))
                recent = []
                if self._out_of_patience(step):
                    stopped = f"no improvement in {self.budget.patience} checks"
                    break
        if self.best:
            self.model.load_state_dict(self.best)
        elif status == "ok":
            status, stopped = "diverged", "the validation loss was never finite"
        return self._fit(status, stopped, step)

    def _step(self, step: int) -> float:
        start = time.perf_counter()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.model.loss(next(self.batches), step / self.budget.steps, self.rng)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.budget.clip)
        if not (torch.isfinite(norm) and torch.isfinite(loss)):
            return math.nan
        self.optimiser.step()
        self.schedule.step()
        self.seconds.append(time.perf_counter() - start)
        return float(loss.detach())

    def _check(self, step: int, train_loss: float) -> None:
        with torch.no_grad():
            loss = float(self.model.loss(self.valid, 1.0, torch_rng("check", *self.names)))
        self.steps.append(step)
        self.train_loss.append(train_loss)
        self.valid_loss.append(loss)
        if math.isfinite(loss) and loss < self.best_loss:
            self.best_step, self.best_loss = step, loss
            self.cpu_to_best = time.process_time() - self.started
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _out_of_patience(self, step: int) -> bool:
        waited = (step - self.best_step) // self.budget.check_every
        return 0 < self.budget.patience <= waited

    def _fit(self, status: Status, stopped: str, steps: int) -> Fit:
        best = self.best_loss if math.isfinite(self.best_loss) else None
        training = Training(steps=steps, best_step=self.best_step, best_loss=best, stopped=stopped)
        reason = stopped if status != "ok" else ""
        curves = self.steps, self.train_loss, self.valid_loss, self.seconds
        return Fit(status, reason, training, *curves, cpu_to_best_s=self.cpu_to_best if self.best else None)


def _batches(rows: Tensor, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Endless batches, each epoch in a fresh order; a data set smaller than a batch is one batch."""
    size = min(size, len(rows))
    while True:
        order = torch.randperm(len(rows), generator=rng).to(rows.device)
        for start in range(0, len(rows) - size + 1, size):
            yield rows[order[start : start + size]]


def _schedule(optimiser: torch.optim.Optimizer, budget: Budget) -> LRScheduler:
    if budget.schedule == "cosine":
        return CosineAnnealingLR(optimiser, budget.steps)
    if budget.schedule == "one-cycle":
        return OneCycleLR(optimiser, budget.learning_rate, total_steps=budget.steps + 1)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
