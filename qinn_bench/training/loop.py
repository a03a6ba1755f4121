"""The one training loop and its one budget, for quantum and classical models, for one player and for adversaries."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from qinn_bench.contracts import Batch, Model, Player
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training import cycles
from qinn_bench.training.batches import Batches
from qinn_bench.training.checkpoints import Checkpoint
from qinn_bench.values import Budget, Estimate, Refused, Status, Training

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
FOUND = (
    *("step", "recent", "steps", "train_loss", "valid_loss", "seconds"),
    *("best_step", "best_loss", "cpu_to_best", "cycle"),
)
"""What a training has found so far, by the names of its attributes."""


@dataclass(frozen=True)
class Fit:
    """How a training went: its outcome, the loss curves by step, the wall seconds of each step, and the CPU seconds
    until the weights that were kept.

    Example:
        >>> training = Training(steps=2, best_step=2, best_loss=1.5, stopped="budget used up")
        >>> Fit("ok", "", training, steps=[1, 2], train_loss=[1.7, 1.6], valid_loss=[1.6, 1.5]).cpu_to_best_s is None
        True
    """

    status: Status
    reason: str
    training: Training
    steps: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    cpu_to_best_s: float | None = None
    before_wall_s: float = 0.0
    """Wall seconds that the training had taken before it was interrupted and taken up again; 0 where it was not."""
    before_cpu_s: float = 0.0


def fit(
    model: Model,
    train: Batch,
    valid: Batch,
    budget: Budget,
    names: tuple[str | int, ...],
    on_step: Callable[[int], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Minimise the losses of a model's players on training rows and leave the best-validation weights in the model.

    The order of the rows depends on `names` alone, so that models compared under the same names see the same batches.
    A loss or gradient that is not finite raises nothing: it ends the training with status ``diverged``. A training that
    keeps a `checkpoint` and was interrupted goes on from it, bit for bit as if nothing had happened. Where the budget
    asks for convergence, further cycles go on from the best weights.

    Raises:
        Refused: players of the model share parameters, one has none or makes no update, or there is no player.
    """
    if not any(p.requires_grad for p in model.parameters()):
        return Fit("ok", "", Training(steps=0, best_step=0, best_loss=None, stopped="nothing to train"))
    return _Loop(model, train, valid[: budget.check_rows], budget, names, checkpoint).run(on_step)


class _Trained:
    """A player with its optimiser and its schedule."""

    def __init__(self, player: Player, budget: Budget, steps: int, *, alone: bool) -> None:
        self.player, self.clip = player, budget.clip
        rate = player.learning_rate * budget.learning_rate
        # One call for all parameters: else a small network waits for the optimiser as long as for its own pass.
        more = {"betas": player.betas, "fused": True} if player.optimiser == "adam" else {"foreach": True}
        self.optimiser: torch.optim.Optimizer = OPTIMISERS[player.optimiser](player.parameters, rate, **more)
        self.schedule = _schedule(self.optimiser, budget.schedule, steps, rate)
        # The gradient of an adversary is for its own parameters alone.
        self.moved = None if alone else list(player.parameters)

    def gradient(self, batch: Batch, progress: float, rng: torch.Generator) -> Tensor:
        """The loss on a batch, its clipped gradient left in the parameters; NaN where either is not finite."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.player.loss(batch, progress, rng)
        torch.autograd.backward(loss, inputs=self.moved)
        norm = nn.utils.clip_grad_norm_(self.player.parameters, self.clip)
        return loss.detach() if torch.isfinite(norm) and torch.isfinite(loss) else loss.new_tensor(math.nan)


class _Loop:
    """The state of one training; it lives for one call of `fit`."""

    def __init__(
        self,
        model: Model,
        train: Batch,
        valid: Batch,
        budget: Budget,
        names: tuple[str | int, ...],
        checkpoint: Checkpoint | None,
    ) -> None:
        self.model, self.valid, self.budget, self.names, self.checkpoint = model, valid, budget, names, checkpoint
        self.batches = Batches(train, budget.batch, torch_rng("batches", *names))
        self.rng = torch_rng("loss", *names)
        self.lengths = cycles.lengths(budget)
        self.ends = [sum(self.lengths[: k + 1]) for k in range(len(self.lengths))]
        self.cycle = 0
        self.players = self._players()
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_loss, self.cpu_to_best = 0, math.inf, 0.0
        self.started_cpu, self.started_wall = time.process_time(), time.perf_counter()
        self.before_cpu, self.before_wall = 0.0, 0.0
        self.step = 0
        self.recent: list[float] = []
        self.steps: list[int] = []
        self.train_loss: list[float] = []
        self.valid_loss: list[float] = []
        self.seconds: list[float] = []

    def _players(self) -> list[_Trained]:
        """The players as a cycle of the schedule begins."""
        players = _checked(self.model)
        steps = self.lengths[self.cycle]
        return [_Trained(player, self.budget, steps, alone=len(players) == 1) for player in players]

    def run(self, on_step: Callable[[int], None]) -> Fit:
        status: Status = "ok"
        stopped = "budget used up"
        if not self._resume():
            self._check(0, math.nan)
        for step in range(self.step + 1, self.ends[-1] + 1):
            if step > self.ends[self.cycle]:
                self._begin_cycle()
            self.step = step
            loss = self._step(step)
            self.recent.append(loss)
            if not math.isfinite(loss):
                stopped = f"the loss or its gradient is not finite at step {step}"
                status = "ok" if self.cycle else "diverged"  # The weights of finished cycles are kept.
                break
            on_step(step)
            if step % self.budget.check_every == 0 or step in self.ends:
                self._check(step, sum(self.recent) / len(self.recent))
                self.recent = []
                if self._out_of_patience(step):
                    stopped = f"no improvement in {self.budget.patience} checks"
                    break
                if step in self.ends[1:] and cycles.converged(self._gain(), self.budget.margin):
                    stopped = f"converged within {self.budget.margin:g} after {self.cycle + 1} cycles"
                    break
            if self.checkpoint:
                self.checkpoint.keep(self._state)
        if self.best:
            self.model.load_state_dict(self.best)
        elif status == "ok":
            status, stopped = "diverged", "the validation loss was never finite"
        return self._fit(status, stopped)

    def _begin_cycle(self) -> None:
        """Go on from the best weights, with fresh optimisers."""
        if self.best:
            self.model.load_state_dict(self.best)
        self.cycle += 1
        self.players = self._players()

    def _gain(self) -> Estimate | None:
        """What another cycle would bring, by the checks so far; in a first one a loss that falls because the learning
        rate does says nothing."""
        if not self.cycle and self.budget.schedule != "constant":
            return None
        return cycles.gain(self.steps, self.valid_loss, self.ends[: self.cycle + 1])

    def _step(self, step: int) -> float:
        """One turn of every player; the loss of the last one, or NaN where any is not finite."""
        start = time.perf_counter()
        for trained in self.players:
            for _ in range(trained.player.updates):
                loss = trained.gradient(next(self.batches), min(1.0, step / self.budget.steps), self.rng)
                if not torch.isfinite(loss):
                    return math.nan
                trained.optimiser.step()
            trained.schedule.step()
        self.seconds.append(time.perf_counter() - start)
        return float(loss)

    def _check(self, step: int, train_loss: float) -> None:
        with torch.no_grad():
            loss = float(self.model.validation_loss(self.valid, torch_rng("check", *self.names)))
        self.steps.append(step)
        self.train_loss.append(train_loss)
        self.valid_loss.append(loss)
        if math.isfinite(loss) and loss < self.best_loss:
            self.best_step, self.best_loss = step, loss
            self.cpu_to_best = self.before_cpu + time.process_time() - self.started_cpu
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _state(self) -> dict[str, Any]:
        """All that the rest of the training depends on, and what it has found so far."""
        return {
            "model": dict(self.model.state_dict()),
            "best": self.best,
            "batches": self.batches.state(),
            "rng": self.rng.get_state(),
            "global_rng": torch.get_rng_state(),
            "players": [[one.optimiser.state_dict(), one.schedule.state_dict()] for one in self.players],
            "found": {name: getattr(self, name) for name in FOUND},
            "before_cpu": self.before_cpu + time.process_time() - self.started_cpu,
            "before_wall": self.before_wall + time.perf_counter() - self.started_wall,
        }

    def _resume(self) -> bool:
        """Go on where the checkpoint says that the training was interrupted; False where there is none."""
        state = self.checkpoint.load() if self.checkpoint else None
        if state is None:
            return False
        self.model.load_state_dict(state["model"])
        self.batches.resume(state["batches"])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["global_rng"])
        for name, value in state["found"].items():
            setattr(self, name, value)
        self.players = self._players()
        for one, (optimiser, schedule) in zip(self.players, state["players"], strict=True):
            one.optimiser.load_state_dict(optimiser)
            one.schedule.load_state_dict(schedule)
        self.best, self.before_cpu, self.before_wall = state["best"], state["before_cpu"], state["before_wall"]
        return True

    def _out_of_patience(self, step: int) -> bool:
        waited = (step - self.best_step) // self.budget.check_every
        return 0 < self.budget.patience <= waited

    def _fit(self, status: Status, stopped: str) -> Fit:
        best = self.best_loss if math.isfinite(self.best_loss) else None
        going_on = self._gain() if status == "ok" else None
        ends = [end for end in self.ends if end <= self.step] if self.budget.until == "converged" else []
        training = Training(
            steps=self.step,
            best_step=self.best_step,
            best_loss=best,
            stopped=stopped,
            gain=going_on,
            at_cycles=tuple(cycles.best_at(self.steps, self.valid_loss, ends)),
        )
        return Fit(
            status,
            stopped if status != "ok" else "",
            training,
            self.steps,
            self.train_loss,
            self.valid_loss,
            self.seconds,
            cpu_to_best_s=self.cpu_to_best if self.best else None,
            before_wall_s=self.before_wall,
            before_cpu_s=self.before_cpu,
        )


def _checked(model: Model) -> tuple[Player, ...]:
    """The players of a model, if each trains parameters of the model that are its own.

    Raises:
        Refused: two share some, one has none or others than the model's, takes no step or has no such optimiser, or
            there is no player.
    """
    players, seen = model.players(), dict[int, str]()
    of_model = {id(parameter) for parameter in model.parameters()}
    for player in players:
        if player.optimiser not in OPTIMISERS:
            known = ", ".join(OPTIMISERS)
            raise Refused(f"player '{player.name}' asks for the optimiser '{player.optimiser}'; there are: {known}")
        if any(id(parameter) not in of_model for parameter in player.parameters):
            raise Refused(
                f"player '{player.name}' trains a parameter that is none of the model's; its own are expected"
            )
        if not player.parameters or player.updates < 1:
            raise Refused(f"player '{player.name}' has nothing to train; parameters and at least 1 update are expected")
        for parameter in player.parameters:
            if (other := seen.setdefault(id(parameter), player.name)) != player.name:
                raise Refused(f"players '{other}' and '{player.name}' train the same parameter; each has its own")
    if not players:
        raise Refused("the model has parameters to train but no player")
    return players


def _schedule(optimiser: torch.optim.Optimizer, kind: str, steps: int, rate: float) -> LRScheduler:
    if kind == "cosine":
        return CosineAnnealingLR(optimiser, steps)
    if kind == "one-cycle":
        return OneCycleLR(optimiser, rate, total_steps=steps + 1)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
