"""What a training step costs is counted, and the rank of the Jacobian of the parameters is the true one."""

import pytest
import torch
import zoo
from torch import Tensor, nn

from qinn_bench.capacity import cost
from qinn_bench.capacity.cost import StepCost, jacobian_rank, numerical_rank, step_cost
from qinn_bench.contracts import Batch, DensityModel, Scorer, count_parameters
from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.compiler.lowering import simulator_of
from qinn_bench.quantum.layer import CircuitLayer
from qinn_bench.quantum.simulators import native, statevector
from qinn_bench.quantum.tally import tallied
from qinn_bench.torch_seeds import torch_rng

DIM, ROWS = 3, 20
FLOWS = (
    "affine_inn",
    "spline_inn",
    "cubic_inn",
    "autoregressive_inn",
    "elementwise",
    "gaussian",
    "qinn",
    "hybrid_qinn",
)


class Redundant(DensityModel):
    """z = x exp(a + b) + c: its two scales are one number, and `unused` is none."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.a, self.b, self.c, self.unused = (nn.Parameter(torch.ones(dim).double()) for _ in range(4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * (self.a + self.b).exp() + self.c, (self.a + self.b).sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return (z - self.c) * (-self.a - self.b).exp()


class Slow(DensityModel):
    """A dense layer before an identity, so that its products are known."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.weight = nn.Parameter(torch.eye(dim).double())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.weight, x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        return z @ torch.linalg.inv(self.weight)


def by_passes(model, rows):
    """d(z, log-det) / d(parameters) by one backward pass for each number."""
    trained = [p for p in model.parameters() if p.requires_grad]
    lines = []
    for which in range(model.dim + 1):
        for row in rows:
            z, logdet = model.forward(row[None])
            output = torch.cat((z[0], logdet))[which]
            found = torch.autograd.grad(output, trained, allow_unused=True, materialize_grads=True)
            lines.append(torch.cat([part.flatten() for part in found]))
    return torch.stack(lines)


def test_redundant_and_unused_parameters_do_not_count():
    model = Redundant(DIM)
    found = jacobian_rank(model, Batch(zoo.features(DIM)[:ROWS]), StepCost(0, 1), 1)
    assert found.rank == 2 * DIM and 0 < found.rows <= ROWS
    assert found.without_effect == model.unused.numel()


@pytest.mark.parametrize("name", ["qinn", "hybrid_qinn"])
def test_weights_that_no_readout_sees_are_found_by_the_jacobian_too(name):
    model = zoo.tiny(name, DIM, jolt=0.1, knobs={"fidelity": 0.0, "mmd": 0.0, "trim": False})
    found = jacobian_rank(model, Batch(zoo.features(DIM)[:ROWS]), StepCost(0, 1), 1)
    assert found.without_effect == count_parameters(model).blind > 0


@pytest.mark.parametrize("name", FLOWS)
def test_row_gradients_are_those_of_single_backward_passes(name):
    model = zoo.tiny(name, DIM, jolt=0.1)
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    rows = zoo.features(DIM)[:3]
    found, expected = cost.row_gradients(model, trained, Batch(rows)), by_passes(model, rows)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_the_numerical_rank_is_that_of_the_factors(shape):
    rng = torch_rng("rank")
    left, right = (torch.randn(n, 7, generator=rng, dtype=torch.float64) for n in shape)
    assert numerical_rank(left @ right.T) == 7
    assert numerical_rank(left @ right.T + 1e-4 * torch.randn(shape, generator=rng, dtype=torch.float64)) == 12
    assert numerical_rank(torch.zeros(shape, dtype=torch.float64)) == 0


def test_a_map_of_one_row_cannot_show_more_than_its_outputs():
    measured = cost.measure(
        zoo.tiny("spline_inn", DIM), Batch(zoo.features(DIM)[:2]), Batch(zoo.features(DIM)), torch_rng("x")
    )
    assert measured.rank == 2 * (DIM + 1) and measured.rank_is_bound and measured.rank_rows == 2


def test_products_of_a_dense_layer_are_counted():
    batch = zoo.features(DIM)[:ROWS]
    found = step_cost(Slow(DIM), Batch(batch), torch_rng("x"))
    assert found.circuits == 0
    products = 2 * ROWS * DIM * DIM
    squares = ROWS * DIM
    # Forwards: the product, squares, their sum. Backwards: one product. The rest is a few numbers a row.
    assert 2 * products + 2 * squares <= found.flops <= 2 * products + 6 * squares + 10 * ROWS


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_every_way_to_ask_a_circuit_is_counted(backend):
    if backend == "native" and not native.AVAILABLE:
        pytest.skip("the compiled simulator was not built")
    layer = CircuitLayer(reuploading(DIM, uploads=2), backend)
    x = zoo.features(DIM)[:ROWS]
    before = layer.backend
    with tallied(layer) as tally:
        layer(x)
        assert tally.evaluations == ROWS
        layer.jacobian(x)
        assert tally.evaluations == ROWS * (2 + DIM)
        layer.state(x[:5])
        layer.backend.run(layer.circuit, x[:1], layer.weights)
    assert tally.evaluations == ROWS * (2 + DIM) + 6
    assert layer.backend is before and not tally.hidden


@pytest.mark.skipif(not native.AVAILABLE, reason="the compiled simulator was not built")
def test_the_reverse_sweep_counts_when_it_runs():
    layer = CircuitLayer(reuploading(DIM, uploads=2), "native")
    x, simulator = zoo.features(DIM)[:ROWS], simulator_of(layer.circuit)
    with tallied(layer) as tally:
        values, jacobian = layer.jacobian(x)
        assert tally.kernel_flops == ROWS * simulator.flops(False, True, False)
        (values.sum() + jacobian.sum()).backward()
    assert tally.kernel_flops == ROWS * sum(simulator.flops(back, True, False) for back in (False, True))


def test_the_operations_of_an_unknown_simulator_are_not_made_up():
    class Elsewhere:
        name = "elsewhere"
        run = staticmethod(statevector.run)
        run_with_jacobian = staticmethod(statevector.run_with_jacobian)
        state = staticmethod(statevector.state)

    model = zoo.tiny("qinn", DIM)
    for module in model.modules():
        if isinstance(module, CircuitLayer):
            module.backend = Elsewhere()
    measured = cost.measure(model, Batch(zoo.features(DIM)[:9]), Batch(zoo.features(DIM)[:9]), torch_rng("x"))
    assert measured.circuit_evaluations > 0 and measured.step_flops is None and measured.rank is None


def test_barrier_points_are_evaluations_too():
    model, batch = zoo.tiny("qinn", DIM), zoo.features(DIM)[:ROWS]
    model.terms = model.terms.__class__(0.0, 0.0, 0.0, "monotone", False)
    plain = step_cost(model, Batch(batch), torch_rng("x")).circuits
    model.terms = model.terms.__class__(0.0, 0.0, 1.0, "monotone", False)
    assert (plain, step_cost(model, Batch(batch), torch_rng("x")).circuits) == (ROWS * (1 + DIM), 2 * ROWS * (1 + DIM))


def test_measuring_leaves_the_model_as_it_was():
    model, rows = zoo.tiny("hybrid_qinn", DIM), zoo.features(DIM)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = cost.measure(model, Batch(rows), Batch(rows[:ROWS]), torch_rng("x"))
    assert first == cost.measure(model, Batch(rows), Batch(rows[:ROWS]), torch_rng("x"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


class Sums(Scorer):
    """The score (a + b) x_0 + c x_1, and `unused` that changes it by rounding alone."""

    def __init__(self) -> None:
        super().__init__(2)
        self.a, self.b, self.c, self.unused = (nn.Parameter(torch.tensor(1.0).double()) for _ in range(4))

    def score(self, x: Tensor) -> Tensor:
        rounding = 1e-17 * torch.sin(1e3 * x.sum(1))
        return (self.a + self.b) * x[:, 0] + self.c * x[:, 1] + rounding * self.unused


def test_scores_have_a_rank_and_rounding_none():
    found = jacobian_rank(Sums(), Batch(zoo.features(2)[:ROWS]), StepCost(0, 1), 1)
    assert (found.rank, found.without_effect) == (2, 1)


@pytest.mark.parametrize("name", ["qinn", "hybrid_qinn"])
def test_the_rank_is_not_above_the_parameters_with_an_effect(name):
    model = zoo.tiny(name, DIM, jolt=0.1, knobs={"fidelity": 0.0, "mmd": 0.0, "trim": False})
    found = jacobian_rank(model, Batch(zoo.features(DIM)[:ROWS]), StepCost(0, 1), 1)
    assert found.rank <= count_parameters(model).total - found.without_effect
