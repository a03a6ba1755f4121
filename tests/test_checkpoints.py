"""A training that is interrupted anywhere goes on bit for bit; a checkpoint that is no good is left alone."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from qinn_bench.contracts import Batch, Player, Sampler
from qinn_bench.records import store
from qinn_bench.study import planning, run_cell, study_files
from qinn_bench.training.batches import Batches
from qinn_bench.training.checkpoints import Checkpoint
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused

STEPS = 24


class Stopped(BaseException):
    """What ends a process from outside."""


class Duel(Sampler):
    """A generator of a line of points against a critic that tells them from rows."""

    def __init__(self, dim, optimiser="adam"):
        super().__init__(dim)
        self.optimiser = optimiser
        self.generator, self.critic = nn.Linear(dim, dim), nn.Sequential(nn.Linear(dim, 4), nn.Tanh(), nn.Linear(4, 1))
        self.register_buffer("shown", torch.zeros(()))

    def sample(self, n, rng, condition=None):
        return self.generator(torch.randn(n, self.dim, generator=rng, dtype=torch.float64).to(self.generator.weight))

    def _generator_loss(self, batch, progress, rng):
        return -self.critic(self.sample(len(batch), rng)).mean()

    def _critic_loss(self, batch, progress, rng):
        self.shown += len(batch)
        real, fake = self.critic(batch.rows), self.critic(self.sample(len(batch), rng))
        return fake.mean() - real.mean() + 10 * (real - 1).square().mean()

    def players(self):
        return (
            Player("critic", list(self.critic.parameters()), self._critic_loss, self.optimiser, 2.0, updates=3),
            Player(
                "generator", list(self.generator.parameters()), self._generator_loss, self.optimiser, betas=(0.5, 0.9)
            ),
        )

    def validation_loss(self, valid, rng):
        return (self.sample(len(valid), rng).mean(0) - valid.rows.mean(0)).square().sum()


def made(kind):
    if kind in zoo.NAMES:
        return zoo.tiny(kind, 3)
    torch.manual_seed(3)
    return Duel(3, kind).double()


def trained(kind, schedule, checkpoint=None, stop_at=None, patience=0):
    model, rows = made(kind), Batch(zoo.features(3)[:90])
    budget = Budget(steps=STEPS, batch=32, check_every=5, schedule=schedule, patience=patience, precision="float64")

    def on_step(step):
        if step == stop_at:
            raise Stopped

    return model, fit(model, rows, rows[:50], budget, ("c",), on_step, checkpoint)


def same(one, other):
    (first, a), (second, b) = one, other
    assert all(
        torch.equal(x, y) for x, y in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert a.training == b.training and a.steps == b.steps and a.valid_loss == b.valid_loss
    assert a.train_loss[1:] == b.train_loss[1:] and len(a.step_seconds) == len(b.step_seconds)


@pytest.mark.parametrize("kind", ["spline_inn", "qinn", "affine_inn", "adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, kind, schedule):
    whole = trained(kind, schedule)
    path = tmp_path / "cell"
    for stop_at in (1, 7, 16, STEPS, None):
        checkpoint = Checkpoint(path, every=0)
        if stop_at is None:
            same(trained(kind, schedule, checkpoint), whole)
        else:
            with pytest.raises(Stopped):
                trained(kind, schedule, checkpoint, stop_at)
    assert path.exists()
    checkpoint.remove()
    assert not path.exists()


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 40), size=st.integers(1, 50), at=st.integers(0, 60))
def test_batches_are_taken_up_where_they_were_left(n, size, at):
    def batches():
        return Batches(Batch(torch.arange(float(n))[:, None]), size, torch.Generator().manual_seed(n))

    straight, first, second = batches(), batches(), batches()
    for _ in range(at):
        next(straight), next(first)
    second.resume(first.state())
    for _ in range(2 * n):
        assert torch.equal(next(straight).rows, next(second).rows)


def test_each_epoch_hands_out_every_row_once():
    batches = Batches(Batch(torch.arange(12.0)[:, None]), 4, torch.Generator().manual_seed(0))
    epochs = [torch.cat([next(batches).rows for _ in range(3)]).flatten() for _ in range(3)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert not any(torch.equal(a, b) for a, b in pairwise(epochs))


@pytest.mark.parametrize("damage", [b"", b"PK", "cut", "other torch", "pickle"])
def test_a_checkpoint_that_is_no_good_is_begun_anew(tmp_path, damage):
    path = tmp_path / "cell"
    with pytest.raises(Stopped):
        trained("adam", "cosine", Checkpoint(path, every=0), 9)
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "pickle":
        with path.open("wb") as file:
            np.savez(file, tree=np.array([{}], dtype=object))
    else:
        with np.load(path) as stored:
            arrays = dict(stored)
        tree = json.loads(str(arrays["tree"]))
        tree["made_by"][0] = "0.0"
        arrays["tree"] = np.array(json.dumps(tree))
        with path.open("wb") as file:
            np.savez(file, **arrays)
    same(trained("adam", "cosine", Checkpoint(path, every=0)), trained("adam", "cosine"))


STUDY = """
name = "killed"
data = ["moons[events=400]"]
seeds = 1
samples = 100
metrics = ["nll", "swd"]

[budgets.short]
steps = 40
check_every = 10

[[models]]
model = "spline_inn"
knobs = { blocks = 2, hidden = 2 }

[[models]]
model = "qinn"
knobs = { uploads = 2 }
"""


def test_a_cell_that_is_killed_in_its_training_goes_on_and_has_the_same_record(tmp_path, monkeypatch):
    monkeypatch.setattr(run_cell, "Checkpoint", lambda path: Checkpoint(path, every=0.0))
    path = tmp_path / "killed.toml"
    path.write_text(STUDY)

    def until(stop_at):
        def on_step(step):
            if step == stop_at:
                raise Stopped

        return on_step

    for whole, broken in zip(*(planning.plan(study_files.load_study(path), tmp_path / n) for n in "ab"), strict=True):
        for stop_at in (3, 17, 33):
            with pytest.raises(Stopped):
                run_cell.run_cell(broken, until(stop_at))
            kept = store.checkpoint_path(broken.results, broken.study, broken.key)
            assert kept.exists() and store.load(broken.results, broken.study, broken.key) is None
        one, other = run_cell.run_cell(whole), run_cell.run_cell(broken)
        assert not kept.exists() and one.status == other.status == "ok"
        assert one.metrics == other.metrics and one.training == other.training and one.certificate == other.certificate
        first, second = store.load_arrays(whole.results, one), store.load_arrays(broken.results, other)
        assert first.keys() == second.keys() and all(np.array_equal(first[n], second[n], equal_nan=True) for n in first)


def test_a_full_disk_does_not_end_a_training(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    same(trained("adam", "cosine", Checkpoint(blocked / "cell", every=0)), trained("adam", "cosine"))


def test_each_player_moves_its_own_parameters_by_its_own_rate():
    model, rows = made("sgd"), Batch(zoo.features(3)[:64])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, rows, rows, Budget(steps=1, batch=64, schedule="constant", precision="float64"), ("p",))
    assert float(model.shown) == 3 * 64, "the critic takes three steps a round"
    assert not torch.equal(before["critic.0.weight"], model.critic[0].weight)
    assert not torch.equal(before["generator.weight"], model.generator.weight)


def test_players_that_share_a_parameter_are_refused():
    class Sharing(Duel):
        def players(self):
            one, other = super().players()
            return one, Player("second", [*other.parameters, one.parameters[0]], other.loss)

    rows = Batch(zoo.features(3)[:64])
    with pytest.raises(Refused, match="'critic' and 'second' train the same parameter"):
        fit(Sharing(3).double(), rows, rows, Budget(steps=1), ("p",))


def test_adversaries_learn():
    model, rows = made("adam"), Batch(zoo.features(3))
    outcome = fit(model, rows, rows, Budget(steps=400, batch=128, learning_rate=0.02, precision="float64"), ("d",))
    assert outcome.status == "ok" and outcome.training.best_loss < 0.1 * outcome.valid_loss[0]


@pytest.mark.parametrize(
    ("optimiser", "foreign", "says"),
    [("lion", False, "there are: adam, rmsprop, sgd"), ("adam", True, "none of the model's")],
)
def test_a_player_that_cannot_be_trained_is_refused(optimiser, foreign, says):
    class Odd(Duel):
        def players(self):
            one, other = super().players()
            parameters = list(nn.Linear(2, 2).parameters()) if foreign else other.parameters
            return one, Player("odd", parameters, other.loss, optimiser)

    rows = Batch(zoo.features(3)[:64])
    with pytest.raises(Refused, match=says):
        fit(Odd(3).double(), rows, rows, Budget(steps=1), ("p",))


def test_a_training_that_draws_from_the_global_stream_goes_on_too(tmp_path):
    class Forgetful(Duel):
        def __init__(self):
            super().__init__(3)
            self.generator = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 3))

        def sample(self, n, rng, condition=None):
            return self.generator(torch.randn(n, 3, generator=rng, dtype=torch.float64))

    def run(checkpoint=None, stop_at=None):
        torch.manual_seed(5)
        model, rows = Forgetful().double(), Batch(zoo.features(3)[:90])

        def on_step(step):
            if step == stop_at:
                raise Stopped

        budget = Budget(steps=STEPS, batch=32, check_every=5, precision="float64")
        return model, fit(model, rows, rows[:50], budget, ("g",), on_step, checkpoint)

    with pytest.raises(Stopped):
        run(Checkpoint(tmp_path / "cell", every=0), 13)
    same(run(Checkpoint(tmp_path / "cell", every=0)), run())
