"""Numbers that are too good to be believed are flagged, and honest ones are not, at the rates that are claimed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import zoo
from synthetic import dataset, evidence, rows

from qinn_bench import registry
from qinn_bench.contracts import Batch
from qinn_bench.metrics._collect import all_metrics
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.validity import flags
from qinn_bench.validity.truth_against_truth import LEVEL, Nulls, better_than_truth, tail
from qinn_bench.values import Estimate, Use

DATA = dataset(2000)
CHEAP = {name: all_metrics()[name] for name in ("chi2", "sep", "w1")}
N = 400


def fresh(n, seed=0):
    return rows(n, np.random.default_rng([77, seed]))


def shaken(generated, by, seed=0):
    return DATA.transform.inverse(
        DATA.transform.forward(generated)[0] + by * np.random.default_rng(seed).normal(size=generated.shape)
    )


def test_the_training_set_replayed_is_flagged():
    assert flags.memoriser(DATA, DATA.train).kind == "memoriser"
    assert "100% are identical" in flags.memoriser(DATA, DATA.train).said
    assert flags.memoriser(DATA, shaken(DATA.train, 0.01)).kind == "memoriser"
    assert flags.memoriser(DATA, np.concatenate([DATA.train[:300], fresh(1700)]))
    assert not flags.leak(DATA, DATA.train, 1000, None)


def test_the_test_set_replayed_is_a_leak():
    assert flags.leak(DATA, DATA.test, 1000, None).kind == "leak"
    assert flags.leak(DATA, shaken(DATA.test, 0.01), 1000, None).kind == "leak"
    assert not flags.memoriser(DATA, DATA.test)


def test_everything_replayed_is_still_a_copy():
    everything = np.concatenate([DATA.train, DATA.valid, DATA.test])
    replayed = everything[np.random.default_rng(0).permutation(len(everything))]
    assert flags.memoriser(DATA, replayed) and flags.leak(DATA, replayed, 1000, None)


def test_other_true_rows_beside_the_judged_ones_are_no_leak():
    """The floor of truth against truth hands out the last test rows, where the first are judged."""
    assert not flags.leak(DATA, DATA.test[1000:], 1000, None)
    assert not flags.memoriser(DATA, DATA.test[1000:])


def test_honest_rows_are_seldom_flagged():
    """At most 1 % of data sets with rows that were drawn independently; measured: none of 150."""
    flagged = 0
    for seed in range(150):
        data, generated = dataset(300, seed), fresh(300, seed)
        log_prob = (np.random.default_rng(seed).standard_t(4, 300), np.random.default_rng([1, seed]).standard_t(4, 300))
        flagged += bool(flags.memoriser(data, generated) or flags.leak(data, generated, 150, log_prob))
    assert flagged <= 1


def test_bad_rows_that_share_a_neighbour_are_no_copies():
    """At most 1 % of models that put a third of their rows far outside, where few true rows are; measured: none of 150.

    All rows of a far cluster have the same neighbour: each counted for itself, they flag 86 of 150 models.
    """
    flagged = 0
    for seed in range(150):
        data, generated = dataset(300, seed), fresh(300, seed)
        generated[:100] = generated[:100] * 0.01 + 3 * np.abs(generated).max(0)
        flagged += bool(flags.memoriser(data, generated) or flags.leak(data, generated, 150, None))
    assert flagged <= 1


def test_a_smoothed_copy_is_told_from_an_honest_model():
    """A kernel estimate learns from the training rows too; what is flagged is that it keeps to each of them."""
    assert not flags.memoriser(DATA, shaken(DATA.train, 0.7))


def test_a_model_that_was_trained_on_the_test_rows_is_a_leak():
    rng = np.random.default_rng(3)
    test, valid = rng.normal(-3, 1, 5000), rng.normal(-3, 1, 2000)
    assert not flags.leak(DATA, fresh(500), 1000, (test, valid))
    found = flags.leak(DATA, fresh(500), 1000, (test + 0.2, valid))
    assert found.kind == "leak" and found.said.startswith("test rows are 0.") and "nats more likely" in found.said
    assert not flags.leak(DATA, fresh(500), 1000, (test - 0.2, valid))


def test_test_rows_in_the_training_set_are_a_leak():
    mixed = replace(DATA, train=np.concatenate([DATA.train, DATA.test[:200]]))
    assert "10.00% of the test rows are in the training set" in flags.leak(mixed, fresh(500), 1000, None).said
    seen = replace(DATA, train=np.concatenate([DATA.train, DATA.valid[:200]]))
    assert "validation rows are in the training set" in flags.leak(seen, fresh(500), 1000, None).said


def test_repeated_values_of_coarse_data_are_no_overlap():
    coarse = replace(DATA, **{part: np.round(getattr(DATA, part)[:, :]) + 0.5 for part in ("train", "valid", "test")})
    assert abs(flags.split_overlap(coarse.train, coarse.test, coarse)) < 0.05
    assert flags.split_overlap(DATA.train, DATA.test, DATA) == 0


def measured(generated, data, n=N):
    given = evidence(data.test[:n], generated[:n], data=data)
    return {name: e for metric in CHEAP.values() for name, e in metric.compute(given).items()}


def test_replayed_test_rows_are_better_than_truth():
    nulls = Nulls(DATA, N)
    found = better_than_truth(measured(DATA.test, DATA), CHEAP, nulls)
    assert {"w1_mean", "sep_mean"} <= {column.column for column in found}
    assert all(column.value < column.quantile and column.p < LEVEL for column in found)
    assert flags.too_good(measured(DATA.test, DATA), CHEAP, nulls).kind == "better-than-truth"
    assert not flags.too_good(measured(fresh(N), DATA), CHEAP, nulls)
    assert not flags.too_good(measured(shaken(fresh(N), 0.5), DATA), CHEAP, nulls)


def test_few_replicates_are_drawn_for_a_model_that_is_worse_than_truth():
    nulls = Nulls(DATA, N)
    better_than_truth(measured(shaken(fresh(N), 1.0), DATA), CHEAP, nulls)
    assert max(len(drawn) for drawn in nulls.known.values()) <= 2


def test_replicates_are_kept_beside_the_records(tmp_path):
    nulls = Nulls(DATA, N, tmp_path, {"sep": "abc"})
    first = nulls.replicate(CHEAP["sep"], 1)
    assert [path.name for path in tmp_path.iterdir()] == [f"sep-abc-{DATA.fingerprint[:16]}-{N}.json"]
    again = Nulls(DATA, N, tmp_path, {"sep": "abc"})
    assert again.replicate(CHEAP["sep"], 1) == first == Nulls(DATA, N).replicate(CHEAP["sep"], 1)


def test_there_is_no_null_without_rows_enough():
    assert Nulls(DATA, 1000).possible and not Nulls(DATA, 2000).possible
    assert not flags.too_good({"swd": Estimate(value=0.0, better="lower")}, all_metrics(), Nulls(DATA, 2000))


def test_a_divergence_below_zero_is_better_than_truth():
    def kl(value):
        found = {"kl": Estimate(value=value, error=0.01, better="lower")}
        return flags.too_good(found, all_metrics(), Nulls(DATA, N))

    assert "kl is -0.2" in kl(-0.2).said
    assert not kl(-0.01) and not kl(0.5)


def test_signed_shifts_have_no_side_that_is_too_good():
    found = {"peak_mass_shift": Estimate(value=-50.0, error=0.1, better="zero")}
    assert not better_than_truth(found, all_metrics(), Nulls(DATA, N))


@pytest.mark.parametrize("law", ["normal", "lognormal"])
def test_the_predictive_tail_is_a_p_value(law):
    """Of 20000 nulls the tail lies below p in a share p, within 4 standard deviations."""
    drawn = getattr(np.random.default_rng(4), law)(size=(20_000, 20))
    found = np.array([tail(line[0], line[1:]) for line in drawn])
    for p in (0.001, 0.01, 0.05, 0.5):
        assert abs(np.mean(found < p) - p) < 4 * np.sqrt(p * (1 - p) / len(found))


def honest_rate(trials):
    flagged = 0
    for seed in range(trials):
        data = dataset(1500, 1000 + seed)
        flagged += bool(flags.too_good(measured(fresh(N, seed), data), CHEAP, Nulls(data, N)))
    return flagged / trials


def test_a_perfect_model_is_seldom_better_than_truth():
    assert honest_rate(40) <= 2 / 40


@pytest.mark.slow
def test_a_perfect_model_is_flagged_in_one_record_of_a_hundred():
    """At most 1 % is claimed; the bound leaves three standard deviations of 600 trials."""
    assert honest_rate(600) <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 600)


def hybrid(construction, seed=0):
    torch.manual_seed(seed)
    knobs = {"construction": construction, "blocks": 1, "hidden": 2, "bins": 2, "uploads": 2}
    model = registry.make("model", Use(name="hybrid_qinn", knobs=knobs), 3, backend="auto").double()
    model.initialise(Batch(zoo.features(3)), torch_rng("initialise"))
    return model


def trained(model, steps=30):
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for step in range(steps):
        optimiser.zero_grad()
        model.loss(Batch(zoo.features(3)[:256]), step / steps, torch_rng("loss", step)).backward()
        optimiser.step()
    return model


@pytest.mark.parametrize("construction", ["conditioner", "composition"])
def test_a_hybrid_whose_circuit_is_idle_is_flagged(construction):
    """Its classical part is trained, its circuits are not; then they are."""
    x, initial, idle = zoo.features(3), hybrid(construction), hybrid(construction)
    for module in idle.modules():
        if getattr(module, "is_quantum", False):
            module.requires_grad_(False)
        if type(module).__name__ == "CircuitConditioner":
            module.head.weight.requires_grad_(False)
    found = flags.idle_circuit(trained(idle), initial, Batch(x), len(x))
    assert found.kind == "idle-circuit" and "nats of log-likelihood" in found.said
    assert not flags.idle_circuit(trained(hybrid(construction)), initial, Batch(x), 100 * len(x))


def test_a_circuit_that_answers_always_the_same_is_idle():
    x, initial, model = zoo.features(3), hybrid("conditioner"), trained(hybrid("conditioner"))
    for module in model.modules():
        if type(module).__name__ == "CircuitConditioner":
            with torch.no_grad():
                module.head.weight.zero_()
    assert "the mean of its outputs" in flags.idle_circuit(model, initial, Batch(x), len(x)).said


def test_a_circuit_that_reads_no_row_is_not_idle_for_that():
    x = zoo.features(3)
    born = partial(
        registry.make, "model", registry.parse_use("reversible_circuit[bits=2,layers=3]"), 3, backend="native"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        initial, model = born().double(), born().double()
        model.load_state_dict(initial.state_dict())
    assert not flags.idle_circuit(trained(model), initial, Batch(x), len(x))
    assert "as it started" in flags.idle_circuit(initial, initial, Batch(x), len(x)).said


def test_looking_for_idle_circuits_leaves_the_model_as_it_was():
    x, model = zoo.features(3), trained(hybrid("composition"), 5)
    before, expected = {k: v.clone() for k, v in model.state_dict().items()}, model.log_prob(x).detach()
    flags.idle_circuit(model, hybrid("composition"), Batch(x), len(x))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(model.log_prob(x).detach(), expected)


def test_a_classical_model_has_no_idle_circuit():
    model = zoo.tiny("spline_inn", 3)
    assert flags.idle_circuit(model, zoo.tiny("spline_inn", 3), Batch(zoo.features(3)), 200) is None
