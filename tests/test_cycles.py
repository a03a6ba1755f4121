"""Cycles of a schedule: how long they are, when they end, and what another one would bring."""

import math

import numpy as np
import pytest
import torch

from qinn_bench.contracts import Batch, DensityModel
from qinn_bench.training import cycles
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Estimate


class Shift(DensityModel):
    """z = x - mean."""

    def __init__(self, explode_at=math.inf):
        super().__init__(2)
        self.mean = torch.nn.Parameter(torch.zeros(2))
        self.explode_at, self.calls, self.progress = explode_at, 0, []

    def forward(self, x, condition=None):
        return x - self.mean, x.new_zeros(len(x))

    def inverse(self, z, condition=None):
        return z + self.mean

    def loss(self, batch, progress, rng):
        if torch.is_grad_enabled():
            self.calls += 1
            self.progress.append(progress)
        return super().loss(batch, progress, rng) * (math.nan if self.calls > self.explode_at else 1)


@pytest.fixture
def rows():
    rng = torch.Generator().manual_seed(0)
    return tuple(Batch(3 + torch.randn(n, 2, generator=rng)) for n in (1000, 300))


def converging(**settings):
    return Budget(
        **({"steps": 80, "learning_rate": 0.1, "check_every": 5, "until": "converged", "margin": 0.01} | settings)
    )


def test_a_training_ends_with_the_cycle_after_which_nothing_is_to_be_gained(rows):
    model = Shift()
    outcome = fit(model, *rows, converging(), ("t",))
    assert outcome.training.steps == 80 + 240
    assert outcome.training.stopped == "converged within 0.01 after 2 cycles"
    assert cycles.converged(outcome.training.gain, 0.01)
    first, second = outcome.training.at_cycles
    assert first == min(outcome.valid_loss[: outcome.steps.index(80) + 1]) and second == outcome.training.best_loss


def test_a_training_that_still_falls_takes_every_cycle_and_says_what_it_would_gain(rows):
    outcome = fit(Shift(), *rows, converging(steps=10, learning_rate=1e-3), ("t",))
    assert outcome.training.steps == 10 + 30 + 90
    assert outcome.training.stopped == "budget used up"
    assert not cycles.converged(outcome.training.gain, 0.01)
    assert outcome.training.gain.value > 0.01


def test_the_first_cycle_is_a_training_of_its_own_bit_for_bit(rows):
    """What a budget without convergence gives is what the first cycle of one with it gives."""
    alone, first = fit(Shift(), *rows, Budget(steps=80, learning_rate=0.1, check_every=5), ("t",)), Shift()
    longer = fit(first, *rows, converging(), ("t",))
    n = len(alone.steps)
    assert longer.valid_loss[:n] == alone.valid_loss
    assert longer.train_loss[1:n] == alone.train_loss[1:]


def test_the_progress_of_a_loss_ends_with_the_first_cycle(rows):
    model = Shift()
    fit(model, *rows, converging(), ("t",))
    assert model.progress[79] == 1.0
    assert set(model.progress[80:]) == {1.0}


def test_a_divergence_in_a_later_cycle_keeps_the_weights_of_before(rows):
    model = Shift(explode_at=120)
    outcome = fit(model, *rows, converging(), ("t",))
    assert outcome.status == "ok"
    assert "not finite at step 121" in outcome.training.stopped
    assert not cycles.converged(outcome.training.gain, 0.01)
    assert outcome.training.best_loss < 3


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0, 2.0])
def test_after_three_cycles_the_gain_of_a_power_law_is_exact(power):
    steps = np.arange(100, 13001, 100)
    losses = 7 + 50 * steps**-power
    ahead = 50 * (13000.0**-power - 40000.0**-power)
    assert cycles.gain(steps.tolist(), losses.tolist(), (1000, 4000, 13000)).value == pytest.approx(ahead, rel=1e-6)
    two = cycles.gain(steps.tolist(), losses.tolist(), (1000, 4000))
    assert two.value > 50 * (4000.0**-power - 13000.0**-power)


def test_a_loss_that_falls_with_the_logarithm_of_the_steps_goes_on_falling():
    steps = np.arange(100, 13001, 100)
    losses = 9 - 0.1 * np.log(steps)
    found = cycles.gain(steps.tolist(), losses.tolist(), (1000, 4000, 13000))
    assert found.value == pytest.approx(0.1 * math.log(40 / 13))


def test_a_loss_that_has_stopped_falling_has_nothing_to_gain():
    steps = np.arange(100, 13001, 100)
    losses = np.where(steps <= 1000, 8.0, 7.0)
    assert cycles.gain(steps.tolist(), losses.tolist(), (1000, 4000, 13000)).value == 0


def test_the_slope_of_one_cycle_is_exact_where_the_loss_falls_with_the_logarithm_of_the_steps():
    steps = np.arange(50, 3001, 50)
    found = cycles.gain(steps.tolist(), (9 - 0.2 * np.log(steps)).tolist(), (3000,))
    assert found.value == pytest.approx(0.2 * math.log(3))
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_error_of_a_slope_covers_it_under_noise():
    """Independent scatter of the checks: the interval holds the truth as often as it says."""
    rng, steps = np.random.default_rng(0), np.arange(50, 3001, 50)
    found = [
        cycles.gain(steps.tolist(), (9 - 0.1 * np.log(steps) + rng.normal(0, 0.01, len(steps))).tolist(), (3000,))
        for _ in range(500)
    ]
    inside = [abs(one.value - 0.1 * math.log(3)) < cycles.Z95 * one.error for one in found]
    assert 0.90 < np.mean(inside) < 0.98


def test_a_single_cycle_tells_its_gain_only_where_the_learning_rate_stays(rows):
    settings = {"steps": 80, "learning_rate": 0.1, "check_every": 5}
    assert fit(Shift(), *rows, Budget(**settings), ("t",)).training.gain is None
    assert fit(Shift(), *rows, Budget(**settings, schedule="constant"), ("t",)).training.gain is not None


def test_too_few_checks_say_nothing():
    assert cycles.gain([0, 1000], [9.0, 8.0], (1000,)) is None
    assert not cycles.converged(None, 1.0)
    assert not cycles.converged(Estimate(value=None), 1.0)
