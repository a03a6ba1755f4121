"""Controls of quantum models: where they start, what they may depend on, and how a study plans and shows them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from zoo import features, tiny

from qinn_bench.cli.main import main
from qinn_bench.contracts import Batch, count_parameters
from qinn_bench.quantum import controls, stand_ins
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.simulators import statevector
from qinn_bench.report.latex import latex
from qinn_bench.report.study_table import table
from qinn_bench.study import campaign, planning, progress, run_cell, study_files
from qinn_bench.study.order import Order
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import fit
from qinn_bench.values import Budget, Refused
from reference_models._parts.transformer import basic_entangler
from reference_models.flows import spline_inn
from reference_models.quantum_flows import hybrid_qinn, qinn

torch.set_num_threads(1)
CLASSICAL = ("fourier", "tanh")


def make(module=qinn, dim=3, control="", **knobs):
    torch.manual_seed(4)
    if module is qinn:
        knobs = {"uploads": 3, "fidelity": 0.0, "mmd": 0.0} | knobs
    model = module.build(dim, **knobs)
    controls.apply(model, control, torch_rng("control", control))
    return model


def random_layer(circuit, seed=0):
    layer = CircuitLayer(circuit, "torch").double()
    torch.manual_seed(seed)
    with torch.no_grad():
        layer.weights.normal_()
        layer.block("scale").fill_(1.0)
    return layer


@pytest.mark.parametrize("control", CLASSICAL)
def test_a_stand_in_starts_where_its_circuit_starts(control):
    x = features(3)[:200]
    model, changed = make().double(), make(control=control).double()
    with torch.no_grad():
        assert float((model(x)[0] - changed(x)[0]).square().mean().sqrt()) < 0.1
    model, changed = (make(hybrid_qinn, 8, control=c, construction="conditioner") for c in ("", control))
    x = torch.randn(200, 4, generator=torch_rng("x"))
    for one, other in zip(model.steps[1::2], changed.steps[1::2], strict=True):
        with torch.no_grad():
            here, there = one.network.circuit(x), other.network.circuit(x)
        assert float((here - there).square().mean()) < 0.3 * float(here.var(0).mean())


@pytest.mark.parametrize("control", CLASSICAL)
def test_a_stand_in_states_its_derivatives_and_stays_between_minus_one_and_one(control):
    layer = make(control=control).double().circuit
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.7 * torch.randn(parameter.shape, generator=torch_rng("jolt")).double())
    x = 4 * torch.randn(50, 3, generator=torch_rng("x")).double()
    y, jacobian = layer.jacobian(x)
    assert torch.equal(y, layer(x)) and float(y.detach().abs().max()) <= 1
    exact = torch.stack([torch.autograd.functional.jacobian(lambda r: layer(r[None])[0], row) for row in x])
    assert torch.allclose(jacobian, exact, atol=1e-10)
    jacobian.square().sum().backward()
    largest = {n: float(p.grad.abs().max()) for n, p in layer.named_parameters() if n != "offset"}
    assert all(1e-6 * max(largest.values()) < one < math.inf for one in largest.values()), largest


def test_stand_ins_have_about_the_parameters_of_the_circuit_and_count_as_classical():
    for dim, uploads in ((3, 2), (4, 9), (8, 1), (8, 7)):
        circuit = reuploading(dim, uploads=uploads)
        polynomial, dense = stand_ins.fourier(circuit, torch_rng("f")), stand_ins.tanh_layer(circuit)
        most = sum(len(own) for own in (polynomial.pairs,)) * 2 + dim
        assert abs(count_parameters(polynomial).total - circuit.n_weights) <= 1 or most < circuit.n_weights
        assert abs(count_parameters(dense).total - circuit.n_weights) <= dim + 0.5
        assert count_parameters(polynomial).quantum == count_parameters(dense).quantum == 0


def spectrum(circuit, n):
    """The frequencies of each output at some random weights with unit scales, by a discrete Fourier transform."""
    line = torch.arange(n).double() * (2 * torch.pi / n)
    grid = torch.cartesian_prod(line, line)
    found = np.zeros((n, n, 2))
    for seed in range(3):
        layer = random_layer(circuit, seed)
        y = statevector.run(circuit, grid, layer.weights.detach()).view(n, n, 2).numpy()
        found = np.maximum(found, np.abs(np.fft.fft2(y, axes=(0, 1))) / n**2)
    inside = [np.argwhere(found[:, :, output] > 1e-9) for output in range(2)]
    return [{tuple(int(w) - n * (w > n // 2) for w in pair) for pair in pairs} for pairs in inside]


@pytest.mark.parametrize("uploads", [1, 2, 3])
def test_the_frequencies_of_a_polynomial_are_those_of_the_circuit(uploads):
    circuit = reuploading(2, uploads=uploads)
    exact = spectrum(circuit, 9)
    polynomial = stand_ins.fourier(circuit, torch_rng("f"))
    for frequency, owner in zip(polynomial.frequencies.int().tolist(), polynomial.owner.argmax(1), strict=True):
        assert tuple(frequency) in exact[owner]
    everything = [list(stand_ins._harmonics(stand_ins.reach(circuit, o), 2, torch_rng("f"))) for o in circuit.readout]
    for own, allowed in zip(everything, exact, strict=True):
        assert {*own, *((-a, -b) for a, b in own)} == allowed - {(0, 0)}


@pytest.mark.parametrize("wires", [2, 4, 7])
def test_every_input_is_read_where_there_is_one_term_an_output(wires):
    """A ring of CNOTs makes the last wire the nearest of all outputs."""
    circuit = basic_entangler(wires, 1)
    assert len({next(iter(stand_ins.reach(circuit, word))) for word in circuit.readout}) < wires
    polynomial = stand_ins.fourier(circuit, torch_rng("f"))
    assert bool((polynomial.frequencies != 0).any(0).all()) and len(polynomial.frequencies) == wires


def test_every_first_harmonic_is_there_before_any_higher():
    polynomial = stand_ins.fourier(reuploading(8, uploads=7), torch_rng("f"))
    per_output = polynomial.frequencies.abs().sum(1).view(8, -1) if len(polynomial.frequencies) % 8 == 0 else None
    degrees = polynomial.frequencies.abs().sum(1)
    for output in range(8):
        own = polynomial.owner[:, output] > 0
        assert sorted(map(tuple, polynomial.frequencies[own][degrees[own] == 1].int().tolist())) == sorted(
            tuple(int(i == j) for j in range(8)) for i in range(8)
        )
        assert int(polynomial.frequencies[own][0].argmax()) == output
    assert per_output is None or bool((per_output <= 2).all())


def test_without_entanglers_each_output_sees_its_own_input_and_no_weight_is_idle():
    circuit, kept = controls.unentangled(reuploading(3, copies=2, uploads=2, layers=2))
    assert circuit.n_wires == 3 and circuit.n_weights == len(kept) == 3 * (2 + 2 + 2 * 2 * 3)
    used = {index for gate in circuit.gates for angle in gate.angles for index in (angle.weight, angle.scale)}
    assert used - {None} == set(range(circuit.n_weights))
    layer = random_layer(circuit)
    jacobian = layer.jacobian(torch.randn(20, 3, generator=torch_rng("x")).double())[1]
    off = jacobian - torch.diag_embed(jacobian.diagonal(dim1=1, dim2=2))
    assert bool((off.abs() < 1e-12).all()) and bool((jacobian.diagonal(dim1=1, dim2=2).abs() > 1e-6).any(0).all())


def test_without_entanglers_the_other_weights_are_those_of_the_model():
    model, changed = make().double(), make(control="unentangled").double()
    with torch.no_grad():
        model.circuit.block("zz").zero_()
    x = features(3)[:50]
    assert torch.allclose(model(x)[0], changed(x)[0], atol=1e-10)
    assert count_parameters(model).total - count_parameters(changed).total == model.circuit.block("zz").numel()


def test_frozen_circuits_keep_their_weights_in_training():
    model = make(control="frozen", dim=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = features(2, torch.float32)
    fit(model, Batch(x), Batch(x), Budget(steps=5, batch=64, check_every=5), ("frozen",))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name, p in model.named_parameters() if p.requires_grad}
    assert count_parameters(model).frozen == model.circuit.weights.numel() and count_parameters(model).quantum == 0


def test_states_that_are_compared_have_no_classical_stand_in():
    for control in ("frozen", "unentangled"):
        model = tiny(f"qinn+{control}", 2)
        assert model.guess(torch.zeros(3, 2).double()).shape == (3, 2)
    with pytest.raises(Refused, match="a QINN does so with fidelity > 0"):
        make(control="fourier", fidelity=0.5)
    with pytest.raises(Refused, match="is for models with circuits, but Composition has none"):
        make(spline_inn, control="frozen")


STUDY = """
name = "small"
data = ["moons[events=2000]"]
seeds = 1
samples = 100
mass_draws = 2000
metrics = ["nll", "swd"]
controls = true
sizes = [40, 5000]
[match]
tolerance = 0.1
[budgets.tiny]
steps = 3
batch = 64
[[models]]
model = "truth"
[[models]]
model = "spline_inn"
shape = "balanced"
[[models]]
model = "qinn"
label = "Q"
knobs = { fidelity = 0.0, mmd = 0.0 }
shape = "balanced"
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    return path


def test_a_study_plans_its_sizes_and_the_controls_of_quantum_models(study, tmp_path):
    orders = planning.plan(study_files.load_study(study), tmp_path)
    kinds = ("", "frozen", "unentangled", "fourier", "tanh", "untrained")
    assert [order.row for order in orders] == [
        "truth",
        *("spline_inn · 40", "spline_inn · 5000"),
        *("Q · 40" + (f" · {kind}" if kind else "") for kind in kinds),
        "Q · 5000",
    ]
    assert [order.size for order in orders] == [0, 40, 5000, *[40] * 6, 5000]
    assert {order.control_of for order in orders if order.cell.control} == {"Q · 40"}
    assert "the nearest is qinn[" in orders[-1].skip and not any(order.skip for order in orders[:-1])
    assert len({order.key for order in orders}) == len(orders) and orders[-1].family == "Q"
    assert Order.from_json(orders[-1].to_json()) == orders[-1]


def test_controls_and_skipped_sizes_end_in_the_table(study, tmp_path, capsys):
    verb = [str(study), "--results", str(tmp_path), "-m", "Q"]
    kept = ("Q · 40", "Q · 40 · frozen", "Q · 40 · untrained", "Q · 5000", "spline_inn · 40")
    orders = [order for order in planning.plan(study_files.load_study(study), tmp_path) if order.row in kept]
    for order in reversed(orders):
        run_cell.run_cell(order)
    inn, model, frozen, untrained, skipped = campaign.finished(orders)
    assert skipped.status == "skipped" and all(r.status == "ok" for r in (inn, model, frozen, untrained))
    assert (model.role, frozen.role, frozen.control_of, frozen.size) == ("model", "control", "Q · 40", 40)
    assert untrained.training.steps == 0 and untrained.training.stopped == "untrained control"
    shown = table([frozen, skipped, inn, untrained, model], ["parameters", "nll", "swd", "seeds"])
    labels = [str(row.entries[0]).removesuffix(" ‼") for row in shown.rows]
    assert labels == ["Q · 5000", "spline_inn · 40", "Q · 40", "  frozen", "  untrained"]
    best = {row.role for row in shown.rows for entry in row.entries if entry.best}
    assert best <= {"model"}
    assert "skipped: no shape of 'qinn[" in shown.text() and "&emsp;*frozen*" in shown.markdown()
    assert "\\quad frozen" in latex(shown) and "Q · 40 · frozen,moons,control" in shown.csv()
    assert any(note.startswith("Controls of a quantum model") and "untrained:" in note for note in shown.footnotes)
    assert main(["status", *verb]) == 0
    assert "3 ok, 1 skipped, 3 to run" in capsys.readouterr().out
    assert not campaign.pending(orders, retry=progress.FAILURES)
    assert main(["figure", *verb]) == 0


def test_a_control_that_cannot_be_is_refused(study, tmp_path):
    study.write_text(STUDY.replace("fidelity = 0.0", "fidelity = 0.5"))
    orders = planning.plan(study_files.load_study(study), tmp_path)
    order = next(order for order in orders if order.cell.control == "tanh")
    with pytest.raises(Refused, match="no classical layer can stand in"):
        run_cell.run_cell(order)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[40, 5000]", "[40, 40]", "names the size 40 twice"),
        ("[40, 5000]", "[40, 41]", "are the same model"),
        ("tolerance = 0.1", "parameters = 40", "names both sizes and match.parameters = 40"),
        ("sizes = [40, 5000]\n", "", "names no amount"),
        ('shape = "balanced"\n', "", "none of its rows has a shape"),
        ('model = "qinn"\nlabel = "Q"\nknobs = { fidelity = 0.0, mmd = 0.0 }', 'model = "affine_inn"', "has a circuit"),
    ],
)
def test_sizes_and_controls_that_make_no_sense_are_one_sentence(study, tmp_path, capsys, old, new, says):
    study.write_text(STUDY.replace(old, new))
    assert main(["run", str(study), "--results", str(tmp_path)]) == 2
    text = capsys.readouterr().err
    assert says in text and text.count("\n") == 1


def cell_order(tmp_path, control):
    """The cell of a tiny QINN, or of one of its controls, at seed 0."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        'name = "tiny"\ndata = ["moons[events=600]"]\nseeds = 1\nsamples = 50\nmass_draws = 500\ncontrols = true\n'
        'metrics = ["swd"]\n[budgets.short]\nsteps = 3\nbatch = 16\nlearning_rate = 0.08\n'
        '[[models]]\nmodel = "qinn"\nknobs = { uploads = 2, fidelity = 0.0, mmd = 0.0 }\n'
    )
    orders = planning.plan(study_files.load_study(path), tmp_path)
    return next(order for order in orders if order.cell.control == control)


@pytest.mark.parametrize(
    ("control", "below", "status", "rates"),
    [
        ("frozen", 0.03, "ok", [0.08, 0.04, 0.02]),
        ("frozen", 0.0, "diverged", [0.08, 0.04, 0.02, 0.01]),
        ("frozen", 1.0, "ok", [0.08]),
        ("", 0.03, "diverged", [0.08]),
    ],
)
def test_a_control_that_diverges_is_trained_again_with_half_the_rate(
    tmp_path, monkeypatch, control, below, status, rates
):
    tried, order = [], cell_order(tmp_path, control)
    train = run_cell.train_cell.train

    def train_above(model, cell, *rest):
        tried.append(cell.budget.learning_rate)
        outcome = train(model, cell, *rest)
        return outcome if cell.budget.learning_rate < below else replace(outcome, status="diverged", reason="NaN")

    monkeypatch.setattr(run_cell.train_cell, "train", train_above)
    record = run_cell.run_cell(order)
    assert (record.status, tried) == (status, pytest.approx(rates))
    assert record.key == order.key and record.cell == order.cell
    assert record.training.learning_rate == (rates[-1] if len(rates) > 1 else None)
    assert record.cost["train_wall_s"] > 0
