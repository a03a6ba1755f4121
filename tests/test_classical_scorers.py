"""Autoencoders, scorers and classifiers: published sizes, slow twins, chains with known laws, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zoo
from rows import CELL
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest

from qinn_bench import registry
from qinn_bench.building import make_model, why_not
from qinn_bench.capacity import buffers
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.dataset import Parts
from qinn_bench.laws.cases import toy
from qinn_bench.laws.metrics import of_images
from qinn_bench.study import grid, measure_cell, study_files
from qinn_bench.study.grid import Drawn
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from reference_models._parts.langevin import adjusted, noisy_descent
from reference_models._parts.spectral import advance, normed
from reference_models.autoencoders import conv_ae, normalised_ae, pca_ae, vae
from reference_models.classifiers import gradient_boosting, resnet15
from reference_models.scorers import isolation_forest, mahalanobis, nearest_neighbours, one_number

SPOT = (1, 12, 12)


@pytest.mark.parametrize(
    ("made", "size"),
    [
        (lambda: conv_ae.build(SPOT), 3297),
        (lambda: conv_ae.build(SPOT, latent=21), 3406),
        (lambda: conv_ae.build((1, 40, 40), layout="large", channels=10, latent=28), 948_079),
        (lambda: normalised_ae.build((1, 40, 40)), 84_442),
        (lambda: resnet15.build((3, 125, 125)), 4333),
        (lambda: resnet15.build((3, 125, 125), channels=20), 102_941),
    ],
)
def test_published_sizes_are_met(made, size):
    assert count_parameters(made()).total == size


def test_matched_sizes_of_the_small_autoencoder_exist():
    sizes = {
        count_parameters(conv_ae.build(SPOT, channels=c, latent=n)).total
        for c in conv_ae.ABOUT.knobs["channels"]
        for n in conv_ae.ABOUT.knobs["latent"]
    }
    for wanted in (600, 1440, 3300):
        assert min(abs(size - wanted) for size in sizes) <= 0.05 * wanted


def gaussian_energy(x):
    return x.square().sum(1) / 2


def test_the_adjusted_chain_draws_from_its_target_and_the_descent_from_another():
    """Of x^2 / 2 the adjusted chain has the variance 1 at any step; unadjusted it is s^2 / (2 a - a^2)."""
    start = torch.zeros(20_000, 1, dtype=torch.float64)
    for step in (0.3, 1.0):
        rows = adjusted(gaussian_energy, start, 40, step, torch_rng("chain"))
        assert float(rows.var()) == pytest.approx(1, abs=0.05)
    rows = noisy_descent(gaussian_energy, start, 60, 0.1, 0.3, torch_rng("chain"))
    assert float(rows.var()) == pytest.approx(0.09 / (0.2 - 0.01), abs=0.02)


def test_spectral_norms_are_one_and_move_only_when_asked():
    layer = normed(torch.nn.Linear(6, 5)).double()
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=0.1)
    before = layer.weight.detach().clone()
    assert torch.equal(layer.weight, before)
    for _ in range(200):
        advance(layer)
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=1e-6)


def images(n=80):
    return torch.as_tensor(np.tile(of_images().data.test, (2, 1, 1, 1))[:n])


def test_a_normalised_autoencoder_raises_what_it_draws():
    model = normalised_ae.build((1, 8, 8), channels=2, hidden=8, steps=3).double()
    fresh = buffers.snapshot(model)
    batch = Batch(images(30))
    plain = model.loss(batch, 0.0, torch_rng("loss"))
    assert float(plain.detach()) == pytest.approx(
        float(model.score(batch.rows).detach().mean())
    ) and not model.get_buffer("written")
    for _ in range(3):
        later = model.loss(batch, 0.9, torch_rng("loss"))
    assert int(model.get_buffer("written")) == 90 and bool(later.isfinite())
    with torch.no_grad():
        fitted = buffers.fitted(model, fresh, batch, given=False)
        assert 0 < fitted < model.get_buffer("replay").numel(), "the buffer of the chain is no part of the model"
        assert model.validation_loss(batch, torch_rng("check")) >= 0


@pytest.mark.parametrize("score", vae.SCORES)
def test_scores_of_a_variational_autoencoder_add_up(score):
    torch.manual_seed(0)
    model = vae.build(4, latent=2, score=score).double()
    x = torch.randn(20, 4, generator=torch_rng("rows"), dtype=torch.float64)
    mean, log_variance = model.encoder(x).chunk(2, 1)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1) / 4
    error = (model.reconstruct(x) - x).square().mean(1)
    expected = {"kl": kl, "error": error, "elbo": error + 0.1 * kl}[score]
    assert torch.allclose(model.score(x), expected)


def rows(n=300, dim=3):
    return torch.as_tensor(np.random.default_rng(0).normal(size=(n, dim)) @ np.diag([3.0, 1.0, 0.1][:dim]))


def test_principal_components_rebuild_best():
    model = pca_ae.build(3, latent=2).double()
    model.initialise(Batch(rows()), torch_rng("pca"))
    values = np.linalg.eigvalsh(np.cov(rows().numpy().T, bias=True))
    assert float(model.score(rows()).mean()) == pytest.approx(values[0] / 3)
    with pytest.raises(Refused, match="at most as many"):
        pca_ae.build(3, latent=4).initialise(Batch(rows()), torch_rng("pca"))


@pytest.mark.parametrize("covariance", mahalanobis.ESTIMATORS)
def test_the_distance_is_that_of_scikit_learn(covariance):
    model = mahalanobis.build(3, covariance=covariance).double()
    model.initialise(Batch(rows()), torch_rng("cov"))
    fitted = mahalanobis.ESTIMATORS[covariance]().fit(rows().numpy())
    assert np.allclose(model.score(rows()).detach() * 3, fitted.mahalanobis(rows().numpy()))
    flat = Batch(torch.ones(50, 3, dtype=torch.float64))
    if covariance == "plain":
        with pytest.raises(Refused, match="singular"):
            model.initialise(flat, torch_rng("cov"))


def test_forests_and_boosted_trees_are_those_of_scikit_learn():
    x, seed = rows().float().double(), int(torch.randint(2**31, (), generator=torch_rng("trees")))
    forest = isolation_forest.build(3, trees=20, rows=64).double()
    forest.initialise(Batch(x), torch_rng("trees"))
    fitted = IsolationForest(n_estimators=20, max_samples=64, random_state=seed).fit(x.numpy())
    assert np.allclose(forest.score(x), -fitted.score_samples(x.numpy()))
    labels = (x[:, 0] + x[:, 1] > 0).double()
    boosted = gradient_boosting.build(3, trees=15).double()
    boosted.initialise(Batch(x, labels=labels), torch_rng("trees"))
    slow = GradientBoostingClassifier(n_estimators=15, subsample=0.5, max_features="sqrt", random_state=seed).fit(
        x.numpy(), labels.numpy()
    )
    assert np.allclose(boosted.score(x), slow.decision_function(x.numpy()))


def test_neighbours_are_the_nearest():
    data = toy((1, 8, 8))
    model = nearest_neighbours.build((1, 8, 8), neighbours=3, data=data).double()
    x = torch.as_tensor(data.train)
    model.initialise(Batch(x), torch_rng("kept"))
    near = torch.cdist(x[:20].flatten(1), x.flatten(1)).sort(1).values[:, :3].mean(1)
    assert torch.allclose(model.score(x[:20]), near, atol=1e-6)


def test_a_single_number_is_read_off_the_rows():
    data = of_images().data
    x = torch.as_tensor(data.test)
    for number, expected in (
        ("pixel_count", (data.test > 0).sum((1, 2, 3))),
        ("sum_over_max", data.test.sum((1, 2, 3)) / data.test.max((1, 2, 3))),
    ):
        assert np.allclose(one_number.build(data.shape, number=number, data=data).score(x), expected)
        assert np.allclose(one_number.build(data.shape, number=number, side="lower", data=data).score(x), -expected)
    with pytest.raises(Refused, match="no number 'tau32'; there are: pixel_count"):
        one_number.build(data.shape, number="tau32", data=data)
    with pytest.raises(Refused, match="higher, lower, either"):
        one_number.build(data.shape, side="left", data=data)


def test_zeros_that_a_map_to_features_has_rounded_are_not_lit():
    data = of_images().data
    rounded = data.test + 1e-17
    assert np.array_equal(
        one_number.numbers_of(data, rounded)["pixel_count"], one_number.numbers_of(data, data.test)["pixel_count"]
    )


def test_classifiers_are_trained_on_both_classes_only():
    unlabelled = toy((1, 8, 8))
    for name in ("small_cnn", "resnet15", "gradient_boosting"):
        assert "not of both classes" in why_not(name, unlabelled) and registry.about("model", name).supervised
    labels = Parts._make(np.arange(len(of)) % 2.0 for of in (unlabelled.train, unlabelled.valid, unlabelled.test))
    both = replace(unlabelled, labels=labels)
    assert not why_not("small_cnn", both)
    assert "not of both classes" in why_not("small_cnn", replace(both, labels=labels._replace(train=0 * labels.train)))


def test_floors_and_ceilings_join_a_study_where_they_fit():
    study = study_files.load_study(Path(__file__).parents[1] / "benchmarks/studies/quick.toml")
    with_floors, images = study.model_copy(update={"floors": True}), toy((1, 8, 8))
    labels = Parts._make(np.arange(len(of)) % 2.0 for of in (images.train, images.valid, images.test))
    background = labels._replace(train=0 * labels.train)

    def added(data):
        return {row.model for row in grid.rows_of(with_floors, Drawn(Use(name="toy"), data))}

    supervised = {"small_cnn", "resnet15", "gradient_boosting"}
    assert not added(toy(2)) & {"one_number", *supervised} and "memoriser" in added(toy(2))
    assert "one_number" in added(replace(images, labels=background))
    assert not added(replace(images, labels=background)) & supervised
    assert added(replace(images, labels=labels)) >= {"one_number", *supervised}


def test_a_density_scores_labelled_rows_by_its_likelihood():
    data = zoo.toy(2)
    labels = Parts(np.zeros(len(data.train)), np.zeros(len(data.valid)), np.arange(len(data.test)) % 2.0)
    data = replace(data, labels=labels, test=data.test + 3 * labels.test[:, None])
    cell = CELL.model_copy(update={"model": Use(name="gaussian_mixture"), "data": Use(name="toy")})
    model = make_model(Use(name="gaussian_mixture", knobs={"components": 2}), data).double()
    model.initialise(Batch(torch.as_tensor(data.transform.forward(data.train)[0])), torch_rng("em"))
    with torch.no_grad():
        log_prob = model.log_prob(torch.as_tensor(data.transform.forward(data.test)[0])).numpy()
    arrays = {"log_prob": log_prob} | measure_cell.labels_of(data)
    names = ("roc_auc", "signal_efficiency")
    found = measure_cell.take_metrics(names, cell, data, arrays, None)
    assert found["roc_auc"].value > 0.8 and "signal_efficiency_at_10_percent" in found
    assert measure_cell.take_over_truth(names, cell, data, arrays, None, found)["roc_auc"]
    unlabelled = replace(data, labels=None)
    assert measure_cell.take_metrics(names, cell, unlabelled, {"log_prob": log_prob}, None) == {}
