"""Diagnostics against their closed forms, slow twins and the published anchors."""

import json
from dataclasses import replace
from math import log, pi

import numpy as np
import pytest
import torch
import zoo
from torch import Tensor, nn

from qinn_bench import registry
from qinn_bench.cli.main import main
from qinn_bench.contracts import DensityModel
from qinn_bench.diagnostics import (
    diagnose,
    effective_dimension,
    expressibility,
    frequency_spectrum,
    gradient_variance,
    weight_ensembles,
)
from qinn_bench.quantum import backends
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.circuit import Angle, Circuit, Gate, WeightBlock, z_on
from qinn_bench.records import store
from qinn_bench.seeds import numpy_rng
from qinn_bench.study import planning, run_cell, study_files, train_cell
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused

STUDY = """
name = "small"
data = ["moons[events=1000]"]
seeds = 2
samples = 100
mass_draws = 1000
metrics = ["swd"]
[budgets.tiny]
steps = 20
[[models]]
model = "qinn"
label = "small qinn"
knobs = { uploads = 2, fidelity = 0.0, mmd = 0.0 }
"""


def encoding(n, after=()):
    return Circuit(n, n, (), tuple(Gate("RY", (q,), (Angle(input=q),)) for q in range(n)) + after, z_on(range(n)))


def rows(n, dim, name="rows"):
    return pi * torch.rand(n, dim, generator=torch_rng(name, dim), dtype=torch.float64)


@pytest.mark.parametrize(("n", "floor"), [(2, 0.0070), (4, 0.0025), (6, 0.0009)])
def test_f13_expressibility_of_haar_states_is_at_its_floor(n, floor):
    rng, states = numpy_rng("f13", n), expressibility.haar_states(n, 10_000, torch_rng("f13", n))
    found = expressibility.expressibility(states[:5000], states[5000:], rng)
    expected = expressibility.haar_floor(n, 5000, rng)
    assert abs(found.value - expected.value) < 4 * expected.error
    assert abs(floor - expected.value) < 2 * expected.error


@pytest.mark.parametrize(("n", "mean"), [(2, 0.400), (4, 0.824), (6, 0.954)])
def test_f14_meyer_wallach_of_haar_states(n, mean):
    found = expressibility.meyer_wallach(expressibility.haar_states(n, 4000, torch_rng("f14", n)))
    assert abs(found.value - mean) < 4 * found.error + 5e-4
    assert expressibility.haar_entanglement(n) == pytest.approx(mean, abs=5e-4)


def test_f14_meyer_wallach_of_products_and_ghz_states():
    ghz = Circuit(4, 0, (), (Gate("H", (0,)), *(Gate("CNOT", (q, q + 1)) for q in range(3))))
    none = torch.zeros(2, 0, dtype=torch.float64)
    assert expressibility.entanglements(weight_ensembles.states(ghz, none, none)).numpy() == pytest.approx(1, abs=1e-12)
    product = weight_ensembles.states(encoding(3), rows(5, 3), torch.zeros(5, 0, dtype=torch.float64))
    assert expressibility.entanglements(product).numpy() == pytest.approx(0, abs=1e-12)


def test_f15_the_metric_of_a_product_encoding_is_a_quarter():
    fixed = (Gate("CNOT", (0, 1)), Gate("H", (2,)), Gate("CNOT", (2, 0)))
    for circuit in (encoding(3), encoding(3, fixed)):
        metric = weight_ensembles.fubini_study(circuit, rows(4, 3), torch.zeros(0, dtype=torch.float64))
        torch.testing.assert_close(metric, 0.25 * torch.eye(3).double().expand(4, 3, 3), rtol=0, atol=1e-12)


def test_f15_the_metric_is_that_of_fidelities_nearby():
    circuit = reuploading(2, uploads=2)
    weights, x = weight_ensembles.uniform(circuit, 1, torch_rng("f15"))[0], rows(1, 2)
    step, metric = 1e-4, weight_ensembles.fubini_study(circuit, x, weights)[0]
    for along in torch.eye(2).double():
        psi, phi = (weight_ensembles.states(circuit, at, weights[None]) for at in (x, x + step * along))
        lost = 1 - (psi.conj() * phi).sum().abs().square()
        assert float(lost) / step**2 == pytest.approx(float(along @ metric @ along), rel=1e-2)


@pytest.mark.parametrize(
    ("after", "permutation"), [((), (0, 1, 2)), ((Gate("SWAP", (0, 2)),), (2, 1, 0)), ((Gate("X", (1,)),), (0, 1, 2))]
)
def test_f16_a_single_upload_that_is_exactly_invertible_has_unit_determinant(after, permutation):
    """The state is that of a product preparation at the measured angles, so angles go to angles by an isometry."""
    circuit, x = encoding(3, after), rows(6, 3)
    values, slopes = backends.get("auto").run_with_jacobian(circuit, x, torch.zeros(0, dtype=torch.float64))
    measured = torch.arccos(values)
    none = torch.zeros(6, 0, dtype=torch.float64)
    prepared = weight_ensembles.states(encoding(3), measured, none)
    fidelity = (prepared.conj() * weight_ensembles.states(circuit, x, none)).sum(1).abs()
    assert fidelity.numpy() == pytest.approx(1, abs=1e-9)
    in_angles = -slopes / measured.sin()[:, :, None]
    assert torch.linalg.det(in_angles).abs().numpy() == pytest.approx(1, abs=1e-9)
    assert in_angles.abs().argmax(2)[0].tolist() == list(permutation)


def test_f16_an_unfit_single_upload_stretches_but_is_not_exactly_prepared():
    circuit = encoding(2, (Gate("RX", (0,), (Angle(constant=0.7),)), Gate("CNOT", (0, 1))))
    values, slopes = backends.get("auto").run_with_jacobian(circuit, rows(6, 2), torch.zeros(0, dtype=torch.float64))
    in_angles = -slopes / torch.arccos(values).sin()[:, :, None]
    none = torch.zeros(6, 0, dtype=torch.float64)
    prepared = weight_ensembles.states(encoding(2), torch.arccos(values), none)
    fidelity = (prepared.conj() * weight_ensembles.states(circuit, rows(6, 2), none)).sum(1).abs()
    assert (torch.linalg.det(in_angles).abs() < 0.99).any() and (fidelity < 0.99).any()


def test_f16_reuploading_bends_the_metric():
    twice = Circuit(
        1, 1, (), tuple(Gate("RY" if k % 2 == 0 else "RX", (0,), (Angle(input=0),)) for k in range(2)), z_on(range(1))
    )
    x = torch.linspace(0, 2.5, 20, dtype=torch.float64)[:, None]
    bent = 4 * weight_ensembles.fubini_study(twice, x, torch.zeros(0, dtype=torch.float64))[:, 0, 0]
    flat = 4 * weight_ensembles.fubini_study(encoding(1), x, torch.zeros(0, dtype=torch.float64))[:, 0, 0]
    assert float(bent.max() - bent.min()) > 0.3 and float((flat - 1).abs().max()) < 1e-12


@pytest.mark.parametrize("uploads", [1, 2, 4])
def test_f18_serial_uploads_have_frequencies_up_to_their_number(uploads):
    gates = []
    for k in range(uploads):
        gates += [
            Gate("Rot", (0,), tuple(Angle(weight=3 * k + j) for j in range(3))),
            Gate("RX", (0,), (Angle(input=0),)),
        ]
    gates.append(Gate("Rot", (0,), tuple(Angle(weight=3 * uploads + j) for j in range(3))))
    circuit = Circuit(1, 1, (WeightBlock("rot", (uploads + 1, 3)),), tuple(gates), z_on(range(1)))
    found = frequency_spectrum.spectrum(circuit, 0, 20, torch_rng("f18"))
    assert (found.degree, found.bound, found.nonzero) == (uploads, uploads, 2 * uploads + 1)
    assert len(found.frequencies) >= 2 * uploads + 1 and found.variance[: uploads + 1].min() > 1e-6


def test_the_spectrum_is_that_of_a_known_function():
    found = frequency_spectrum.spectrum(encoding(1), 0, 3, torch_rng("cosine"))
    assert found.nonzero == 2 and found.degree == 1
    assert frequency_spectrum.reach(reuploading(2, uploads=2), 0, torch.full((34,), -0.5)) == pytest.approx(1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_an_idle_circuit_is_as_inexpressive_as_can_be(n):
    none = torch.zeros(200, 0, dtype=torch.float64)
    states = weight_ensembles.states(Circuit(n, 0, (), ()), none, none)
    found = expressibility.expressibility(states[:100], states[100:], numpy_rng("idle"))
    assert found.value == pytest.approx((2**n - 1) * log(75)) == expressibility.idle_expressibility(n)


def test_many_weights_at_once_are_single_calls():
    circuit = reuploading(3, uploads=2)
    x, weights = rows(4, 3), weight_ensembles.uniform(circuit, 4, torch_rng("many"))
    together, simulator = weight_ensembles.outputs(circuit, x, weights), backends.get("torch")
    singly = torch.cat([simulator.run(circuit, x[k : k + 1], weights[k]) for k in range(4)])
    torch.testing.assert_close(together, singly, rtol=0, atol=1e-12)


def test_deep_circuits_with_a_global_cost_have_a_barren_plateau():
    slopes = {}
    for uploads, cost in ((8, "global"), (1, "local")):
        found = {}
        for n in range(2, 9):
            circuit, rng = reuploading(n, uploads=uploads), torch_rng("plateau", n, uploads)
            found[n] = gradient_variance.gradient_variance(
                circuit, cost, rows(200, n), weight_ensembles.uniform(circuit, 200, rng)
            )
        slopes[cost] = gradient_variance.slope(found)
    assert slopes["global"].interval[1] < -1
    assert slopes["local"].interval[0] > -0.7


class Shifted(DensityModel):
    """z = (x - b) exp(-s) with b trained: its Fisher matrix is exp(-2 s) on the diagonal."""

    def __init__(self, s: Tensor) -> None:
        super().__init__(len(s))
        self.b = nn.Parameter(torch.zeros(len(s)).double())
        self.register_buffer("s", s)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return (x - self.b) * (-self.s).exp(), -self.s.sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return z * self.s.exp() + self.b


def test_the_effective_dimension_of_a_linear_gaussian_model_is_its_closed_form():
    s = torch.tensor([0.0, 0.5, 1.0]).double()
    whitened = torch.linalg.qr(torch.randn(50, 3, generator=torch_rng("white"), dtype=torch.float64))[0] * 50**0.5
    model, n = Shifted(s), 1000
    found = effective_dimension.effective_dimension(
        model, [effective_dimension.trained_parameters(model)], whitened * s.exp(), n, numpy_rng("x")
    )
    c, information = n / (2 * pi * log(n)), np.exp(-2 * s.numpy())
    expected = np.log1p(c * 3 * information / information.sum()).sum() / log(c)
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert found.error is None and found.parameters == 3


def test_the_effective_dimension_is_that_of_plain_determinants():
    model, rng = zoo.tiny("affine_inn", 2, jolt=0.2), torch_rng("sets")
    start, x, n = effective_dimension.trained_parameters(model), zoo.features(2)[:40], 500
    sets = [{k: v + 0.1 * torch.randn(v.shape, generator=rng).double() for k, v in start.items()} for _ in range(4)]
    found = effective_dimension.effective_dimension(model, sets, x, n, numpy_rng("x"))
    matrices = [s.T @ s / len(s) for s in (effective_dimension.row_by_row(model, given, x) for given in sets)]
    d, c = found.parameters, n / (2 * pi * log(n))
    trace = sum(m.trace() for m in matrices) / len(matrices)
    roots = [torch.linalg.det(torch.eye(d).double() + c * d / trace * m).sqrt() for m in matrices]
    assert found.value == pytest.approx(float(2 * torch.stack(roots).mean().log()) / log(c), rel=1e-8)
    assert 0 < found.share <= 1.1 and found.error > 0


@pytest.mark.parametrize("name", ["spline_inn", "qinn"])
def test_scores_are_those_of_single_backward_passes(name):
    model, x = zoo.tiny(name, 2, jolt=0.1), zoo.features(2)[:5]
    given = effective_dimension.trained_parameters(model)
    leaves = [p for p in model.parameters() if p.requires_grad]
    singly = []
    for row in x:
        parts = torch.autograd.grad(model.log_prob(row[None]).sum(), leaves, allow_unused=True, materialize_grads=True)
        singly.append(torch.cat([part.flatten() for part in parts]))
    torch.testing.assert_close(effective_dimension.scores(model, given, x), torch.stack(singly), rtol=0, atol=1e-9)


def test_too_few_rows_for_the_formula_are_refused():
    with pytest.raises(Refused, match="at least 19"):
        effective_dimension.of_spectra(np.ones((1, 2)), 2, 10)


def test_principal_directions_of_a_diagonal_map_are_its_axes():
    model = Shifted(torch.tensor([0.5, -1.0, 0.0]).double())
    values, shares = diagnose.principal_directions(model, zoo.features(3)[:7])
    assert values[0] == pytest.approx(np.exp([1.0, 0.0, -0.5]))
    assert shares.argmax(1).tolist() == [1, 2, 0] and shares.max(1) == pytest.approx(1)


def test_a_classical_model_says_that_it_has_no_circuit(capsys):
    assert main(["diagnose", "affine_inn[blocks=1,hidden=1]", "-d", "moons", "--what", "expressibility", "--json"]) == 0
    (finding,) = json.loads(capsys.readouterr().out)["affine_inn[blocks=1,hidden=1]"]
    assert finding["found"]["value"] is None and finding["found"]["note"] == "no circuit"


def test_every_diagnostic_of_a_qinn_has_a_line(capsys):
    what = "effective-dimension,expressibility,entanglement,spectrum,directions"
    named = "qinn[uploads=2,fidelity=0.0,mmd=0.0]"
    assert main(["diagnose", named, "-d", "moons", "--what", what, "--rows", "30", "--sets", "2"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("d_eff / d, global", "Haar states", "Meyer-Wallach", "highest frequency"))


def test_the_row_of_a_study_is_looked_at_with_its_trained_weights(tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    cell = (order := planning.plan(study_files.load_study(path), tmp_path)[1]).cell
    run_cell.run_cell(order)
    verb = ["diagnose", "--study", str(path), "--results", str(tmp_path), "--row", "small qinn"]
    assert main([*verb, "--seed", "1", "--rows", "30", "--what", "directions,effective-dimension", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    data = registry.make("data", cell.data)
    x, model = torch.as_tensor(data.transform.forward(data.test[:30])[0]), train_cell.build(cell, data).double()
    start = diagnose.principal_directions(model, x)[0][:, 0].mean()
    arrays = store.load_arrays(tmp_path, store.load(tmp_path, "small", order.key))
    model.load_state_dict({name: torch.as_tensor(arrays[f"weight:{name}"]) for name in model.state_dict()})
    value = found[0]["found"]["value"]
    assert value == pytest.approx(diagnose.principal_directions(model, x)[0][:, 0].mean(), rel=1e-9)
    assert abs(value / start - 1) > 1e-3
    assert found[-1]["quantity"] == "d_eff / d, local" and "1 sets, 30 rows" in found[-1]["of"]
    for more, sentence in (
        (["--seed", "0"], "row 'small qinn' with seed 0 was not run"),
        (["--seed", "7"], "no row 'small qinn' with seed 7; its rows are: small qinn"),
        (["qinn"], "expected either models by name or --study FILE"),
    ):
        assert main([*verb, *more]) == 2
        assert sentence in capsys.readouterr().err


def test_the_spectrum_of_jacobians_is_drawn_of_densities_alone(tmp_path, capsys):
    words = ["diagnose", "-d", "moons", "--what", "directions", "--rows", "20", "affine_inn[blocks=1,hidden=1]"]
    assert main([*words, "--figure", str(tmp_path / "spectrum.png")]) == 0
    assert (tmp_path / "spectrum.png").stat().st_size > 1000
    assert main([*words, "--figure", "spectrum.gif"]) == 2
    assert "ends with .png or .pdf" in capsys.readouterr().err
    assert main(["diagnose", "pca_ae", "--what", "expressibility", "--figure", str(tmp_path / "none.png")]) == 2
    assert "pca_ae is none" in capsys.readouterr().err


def test_an_unknown_diagnostic_is_refused(capsys):
    assert main(["diagnose", "qinn", "--what", "magic"]) == 2
    assert "there are: effective-dimension" in capsys.readouterr().err


def test_equal_circuits_are_looked_at_once():
    model = zoo.tiny("qinn", 2)
    assert len(diagnose.circuits(model)) == len({layer.circuit for layer in diagnose.circuits(model).values()})
    assert replace(model.circuit.circuit, readout=()) != model.circuit.circuit
