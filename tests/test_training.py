"""The one loop: same seed same weights, best weights kept, and divergence is a status."""

import math

import pytest
import torch

from qinn_bench.contracts import Batch, DensityModel, Sampler
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget


class Shift(DensityModel):
    """z = x - mean; the loss can be made to explode after some steps."""

    def __init__(self, explode_at=math.inf):
        super().__init__(2)
        self.mean = torch.nn.Parameter(torch.zeros(2))
        self.explode_at, self.calls = explode_at, 0

    def forward(self, x, condition=None):
        return x - self.mean, x.new_zeros(len(x))

    def inverse(self, z, condition=None):
        return z + self.mean

    def loss(self, batch, progress, rng):
        self.calls += self.training
        return super().loss(batch, progress, rng) * (math.nan if self.calls > self.explode_at else 1)


@pytest.fixture
def rows():
    rng = torch.Generator().manual_seed(0)
    return tuple(Batch(3 + torch.randn(n, 2, generator=rng)) for n in (1000, 300))


def test_it_finds_the_minimum_and_reports_it(rows):
    model = Shift()
    outcome = fit(model, *rows, Budget(steps=300, learning_rate=0.1), ("t",))
    assert outcome.status == "ok"
    assert torch.allclose(model.mean, rows[0].rows.mean(0), atol=0.1)
    assert outcome.training.best_loss == pytest.approx(1 + math.log(2 * math.pi), abs=0.1)
    assert len(outcome.steps) == len(outcome.train_loss) == len(outcome.valid_loss) == 7


def test_same_names_same_bits_and_other_names_other_bits(rows):
    weights = []
    for names in (("a", 1), ("a", 1), ("a", 2)):
        model = Shift()
        fit(model, *rows, Budget(steps=20), names)
        weights.append(model.mean.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_weights_of_the_best_check_are_kept(rows):
    model = Shift()
    outcome = fit(model, *rows, Budget(steps=100, learning_rate=3.0, schedule="constant", check_every=5), ("t",))
    with torch.no_grad():
        kept = float(model.loss(rows[1], 1.0, torch.Generator()))
    assert kept == pytest.approx(min(outcome.valid_loss)) == pytest.approx(outcome.training.best_loss)


def test_divergence_is_a_status_and_keeps_the_best_weights(rows):
    model = Shift(explode_at=60)
    outcome = fit(model, *rows, Budget(steps=200, check_every=10, check_rows=10), ("t",))
    assert outcome.status == "diverged" and "not finite at step" in outcome.reason
    assert torch.isfinite(model.mean).all() and outcome.training.best_step > 0


def test_patience_stops_early(rows):
    model = Shift()
    budget = Budget(steps=5000, learning_rate=0.5, schedule="constant", check_every=10, patience=5)
    outcome = fit(model, *rows, budget, ("t",))
    assert outcome.training.steps < 5000 and "no improvement" in outcome.training.stopped


def test_a_model_without_parameters_trains_at_once(rows):
    class Fixed(Sampler):
        def sample(self, n, rng, condition=None):
            return torch.zeros(n, 2)

    assert fit(Fixed(2), *rows, Budget(), ("t",)).training.stopped == "nothing to train"
