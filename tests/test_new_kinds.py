"""Image scorers, two players and conditional flows, as files of a third party: from a study to a table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from qinn_bench import outside, registry
from qinn_bench.building import batch_of, make_model, why_not
from qinn_bench.cli.main import main
from qinn_bench.contracts import Scorer, density_of
from qinn_bench.data.resplit import resplit
from qinn_bench.dataset import Dataset, Parts
from qinn_bench.records import store
from qinn_bench.study import planning, study_files
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.use_text import parse_use
from qinn_bench.validity.conditional import Given, certify_conditional
from qinn_bench.values import Refused, Use

FOLDERS = Path(__file__).parent / "new_kinds"
STUDY = f"""
name = "kinds"
data = ["spots", "spots[mixed=true]", "showers_of_two", "moons[events=800]"]
seeds = 2
samples = 150
mass_draws = 30000
metrics = ["nll", "swd", "roc_auc", "mse"]

[plugins]
models = "{FOLDERS}/models"
data_sets = "{FOLDERS}/data"

[budgets.short]
steps = 300
batch = 64
learning_rate = 0.05

[[models]]
model = "pixel_autoencoder"
[[models]]
model = "label_reader"
[[models]]
model = "duel"
[[models]]
model = "moved_normal"
[[models]]
model = "spline_inn"
knobs = {{ blocks = 2, hidden = 4 }}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The study, run once; its file and its results."""
    folder = tmp_path_factory.mktemp("kinds")
    path = folder / "kinds.toml"
    path.write_text(STUDY)
    assert main(["run", str(path), "--results", str(folder / "results"), "-j", "1"]) == 0
    return path, folder / "results"


@pytest.fixture
def known():
    outside.of_options({"model": (str(FOLDERS / "models"),), "data": (str(FOLDERS / "data"),)})
    yield
    outside.of_options({})


def name_of(data):
    return f"{data.name}{'+' * bool(data.knobs.get('mixed'))}"


def records(results):
    every = store.load_all(results, "kinds")
    return {(one.row, name_of(one.cell.data), one.cell.seed): one for one in every}


def test_each_model_gives_what_it_can_and_what_does_not_fit_says_why(finished):
    found = records(finished[1])
    scorer = found["pixel_autoencoder", "spots", 0]
    assert (
        scorer.status == "ok"
        and scorer.metrics.keys() == {"roc_auc", "roc_auc_low", "roc_auc_high", "mse"}
        and scorer.certificate is None
    )
    assert scorer.metrics["roc_auc"].value > 0.95 and scorer.metrics["mse"].value < 0.01
    assert found["label_reader", "spots+", 0].metrics["roc_auc"].value > 0.95
    duel = found["duel", "moons", 0]
    assert duel.status == "ok" and set(duel.metrics) == {"swd"} and duel.parameters.total > 0
    flow = found["spline_inn", "showers_of_two", 0]
    assert flow.status == "ok" and flow.certificate.verdict == "pass" and "nll" in flow.metrics
    skipped = found["spline_inn", "spots", 0]
    assert skipped.status == "skipped" and "takes flat rows, but those of data 'spots' are image" in skipped.reason
    assert "takes no condition" in found["duel", "showers_of_two", 0].reason
    assert "takes image rows" in found["pixel_autoencoder", "moons", 0].reason


def test_the_conditional_density_is_the_true_one(finished):
    """The NLL of the data given the energy is that of a normal of width 1/2: 2 (log(1/2) + log(2 pi e) / 2)."""
    entropy = 2 * (np.log(0.5) + 0.5 * np.log(2 * np.pi * np.e))
    for seed in (0, 1):
        nll = records(finished[1])["moved_normal", "showers_of_two", seed].metrics["nll"]
        assert nll.value == pytest.approx(entropy, abs=4 * nll.error + 0.02)


@pytest.mark.parametrize("verb", [["status"], ["table"], ["table", "--format", "latex"], ["table", "--format", "json"]])
def test_table_and_status_show_them(finished, capsys, verb):
    path, results = finished
    assert main([verb[0], str(path), "--results", str(results), *verb[1:]]) == 0
    said = capsys.readouterr().out
    assert "pixel" in said and "AUC" in said if verb[0] == "table" else "kinds" in said or "spots" in said


def test_more_samples_than_conditions_are_asked_of_nobody(tmp_path):
    path = tmp_path / "kinds.toml"
    path.write_text(STUDY.replace("samples = 150", "samples = 100000"))
    orders = planning.plan(study_files.load_study(path), tmp_path)
    skipped = {order.cell.data.name for order in orders if "100000 samples were asked for" in order.skip}
    assert skipped == {"showers_of_two"}


def test_samples_are_those_of_their_conditions(finished, known):
    results = finished[1]
    data: Dataset = registry.make("data", Use(name="showers_of_two"))
    record = records(results)["moved_normal", "showers_of_two", 0]
    drawn = store.load_arrays(results, record)["samples"]
    energies = data.conditions.test[: len(drawn), 0]
    assert np.corrcoef(drawn[:, 0], energies)[0, 1] > 0.6


def conditional(n_conditions=1):
    data: Dataset = registry.make("data", Use(name="showers_of_two"))
    torch.manual_seed(0)
    model = make_model(Use(name="moved_normal"), data).double()
    with torch.no_grad():
        model.mean.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        model.mean.bias.copy_(torch.tensor([-1.0, 1.0]))
        model.log_scale.fill_(np.log(0.5))
    return data, model


def test_the_right_conditional_density_passes_and_an_inflated_one_fails(known):
    data, model = conditional()
    honest = certify_conditional(model, data, np.random.default_rng(0), 60_000)
    assert honest.verdict == "pass" and honest.reasons == () and honest.mass.value == pytest.approx(1, abs=0.02)

    class Inflated(type(model)):
        def log_prob(self, x, condition=None):
            return super().log_prob(x, condition) + 0.5 * (condition[:, 0] > 0.9)

    model.__class__ = Inflated
    cheat = certify_conditional(model, data, np.random.default_rng(0), 60_000)
    assert cheat.verdict == "fail" and all("at the condition" in reason for reason in cheat.reasons)


def test_a_density_at_one_condition_is_that_density(known):
    data, model = conditional()
    batch = batch_of("moved_normal", data, 2, data.test)
    for condition in batch.condition[:3]:
        given = Given(model, condition)
        same = density_of(model, type(batch)(batch.rows[:50], condition.expand(50, -1)))
        assert torch.equal(given.log_prob(batch.rows[:50]), same)
        z = given.forward(batch.rows[:50])[0]
        assert torch.allclose(given.inverse(z), batch.rows[:50], atol=1e-12)


@pytest.mark.parametrize("name", ["spline_inn", "cubic_inn", "affine_inn", "autoregressive_inn", "moved_normal"])
def test_flows_are_one_to_one_at_every_condition(known, name):
    data: Dataset = registry.make("data", Use(name="showers_of_two"))
    torch.manual_seed(1)
    model = make_model(Use(name=name, knobs={"blocks": 2} if name != "moved_normal" else {}), data).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch_rng("jolt"), dtype=torch.float64)
    batch = batch_of(name, data, 2, data.test[:40])
    z, logdet = model.forward(batch.rows, batch.condition)
    assert torch.allclose(model.inverse(z, batch.condition), batch.rows, atol=1e-6)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x, c: model.forward(x[None], c[None])[0][0]))
    found = torch.linalg.slogdet(jacobian(batch.rows, batch.condition))[1]
    assert torch.allclose(found, logdet, atol=1e-9)
    other = model.forward(batch.rows, 1 - batch.condition)[0]
    assert not torch.allclose(other, z), "the condition is read"
    drawn = model.sample(40, torch_rng("draw"), batch.condition)
    again = model.sample(40, torch_rng("draw"), batch.condition)
    assert drawn.shape == (40, 2) and torch.equal(drawn, again)


def test_a_supervised_model_alone_sees_labels(known):
    data: Dataset = registry.make("data", Use(name="spots"))
    assert batch_of("pixel_autoencoder", data, 2, data.test).labels is None
    assert batch_of("label_reader", data, 2, data.test).labels.tolist() == data.labels.test.tolist()
    assert isinstance(make_model(Use(name="label_reader"), data), Scorer)


def test_what_does_not_fit_is_told_in_a_sentence(known):
    spots, moons = (registry.make("data", registry.spell_out("data", parse_use(n))) for n in ("spots", "moons"))
    assert "takes flat rows" in why_not("spline_inn", spots) and not why_not("pixel_autoencoder", spots)
    assert why_not("pixel_autoencoder", moons) and not why_not("duel", moons)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": lambda d: Parts(d.train[:, 0], d.valid[:, 0], d.test[:, 0])}, "neither 0 (background) nor 1"),
        ({"labels": lambda d: Parts(np.zeros(3), np.zeros(3), np.zeros(3))}, "1 axes with a finite number"),
        ({"conditions": lambda d: Parts(d.train * np.nan, d.valid, d.test)}, "finite"),
        ({"conditions": lambda d: Parts(d.train[:, 0], d.valid, d.test)}, "2 axes"),
        (
            {"conditions": lambda d: Parts(d.train, d.valid, d.test[:, :1])},
            "have 1 conditions each",
        ),
        ({"conditions": lambda d: Parts(d.train[:, :0], d.valid[:, :0], d.test[:, :0])}, "at least one"),
        ({"train": lambda d: d.train[:, :, None]}, "its rows have 2 axes"),
    ],
)
def test_a_data_set_with_odd_labels_or_conditions_is_refused(change, says):
    data: Dataset = registry.make("data", registry.spell_out("data", Use(name="moons")))
    with pytest.raises(Refused, match=says.replace("(", r"\(").replace(")", r"\)")):
        replace(data, **{name: value(data) for name, value in change.items()})


@pytest.mark.parametrize("mixed", [False, True])
def test_another_split_keeps_labels_and_conditions_beside_their_rows(known, mixed):
    data: Dataset = registry.make("data", Use(name="spots", knobs={"mixed": mixed}))
    again = resplit(data, 3)
    assert not np.array_equal(again.test, data.test) and again.fingerprint != data.fingerprint
    for part, before, rows in zip(again.labels, data.labels, (again.train, again.valid, again.test), strict=True):
        assert part.sum() == before.sum() and np.array_equal(rows[:, 0, 0, 0] > 0.5, part == 1)
    showers: Dataset = registry.make("data", Use(name="showers_of_two"))
    assert _energies(resplit(showers, 1)) == _energies(showers)


def _energies(data):
    """The energy of each row."""
    rows, energies = np.concatenate([data.train, data.valid, data.test]), np.concatenate(data.conditions)
    return dict(zip(map(tuple, rows), energies[:, 0], strict=True))


def test_figures_are_drawn_of_what_there_is(finished, capsys, tmp_path):
    """Scorers draw no rows and images have no observables; two variants of one data set have figures of their own."""
    path, results = finished
    assert main(["figure", str(path), "--results", str(results), "--out", str(tmp_path)]) == 0
    drawn = {Path(line).stem for line in capsys.readouterr().out.splitlines()}
    assert {name for name in drawn if name.startswith("spots")} == {
        f"spots[mixed={mixed}]_{kind}"
        for mixed in (False, True)
        for kind in ("losses", "roc", "scores", "reconstructions", "averages")
    }
    assert {"moons_observables", "moons_losses", "showers_of_two_observables", "showers_of_two_losses"} <= drawn


def test_labels_and_conditions_are_part_of_what_makes_a_number(known):
    spots, showers = (registry.make("data", Use(name=name)) for name in ("spots", "showers_of_two"))
    other = replace(spots, labels=spots.labels._replace(test=1 - spots.labels.test))
    warmer = replace(showers, conditions=showers.conditions._replace(test=showers.conditions.test + 1))
    assert spots.content != other.content and showers.content != warmer.content
    moons: Dataset = registry.make("data", Use(name="moons"))
    assert moons.content == moons.fingerprint
