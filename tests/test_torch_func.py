"""The kernel under torch.func gives what the torch simulator gives: derivatives of any order, per sample, both ways."""

import pytest
import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from qinn_bench.quantum.ansatz import reuploading
from qinn_bench.quantum.simulators import native, statevector

if not native.AVAILABLE:
    pytest.skip("the compiled simulator was not built", allow_module_level=True)

CIRCUIT = reuploading(3, uploads=2, entangler="zz")
TORCH = torch.Generator().manual_seed(5)
X = torch.randn(4, 3, dtype=torch.float64, generator=TORCH)
W = torch.randn(CIRCUIT.n_weights, dtype=torch.float64, generator=TORCH)
SEVERAL = torch.stack([W, 2 * W, -W])

ASKED = {
    "values": lambda made: lambda x, w: made.run(CIRCUIT, x[None], w)[0],
    "jacobian": lambda made: lambda x, w: made.run_with_jacobian(CIRCUIT, x[None], w)[1][0],
    "state": lambda made: lambda x, w: torch.view_as_real(made.state(CIRCUIT, x[None], w)[0]),
}
TRANSFORMS = {
    "vmap over inputs": lambda f: vmap(f, (0, None))(X, W),
    "vmap over weights": lambda f: vmap(f, (None, 0))(X[0], SEVERAL),
    "vmap over both": lambda f: vmap(f)(X[:3], SEVERAL),
    "vmap of vmap": lambda f: vmap(vmap(f, (0, None)), (None, 0))(X, SEVERAL),
    "vmap of jacrev": lambda f: vmap(jacrev(f), (0, None))(X, W),
    "vmap of jacfwd": lambda f: vmap(jacfwd(f), (0, None))(X, W),
    "jacrev of weights": lambda f: jacrev(f, 1)(X[0], W),
    "jacfwd of weights": lambda f: jacfwd(f, 1)(X[0], W),
    "jvp": lambda f: jvp(f, (X[0], W), (X[1], W))[1],
    "per-sample gradients": lambda f: vmap(grad(lambda x, w: f(x, w).square().sum(), 1), (0, None))(X, W),
    "hessian": lambda f: hessian(lambda x: f(x, W).square().sum())(X[0]),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_agree_with_the_torch_simulator(transform, asked):
    by_kernel, by_torch = (TRANSFORMS[transform](ASKED[asked](made)) for made in (native, statevector))
    torch.testing.assert_close(by_kernel, by_torch, rtol=0, atol=1e-10)


@pytest.mark.parametrize("asked", ["values", "jacobian"])
def test_third_derivatives(asked):
    def third(made):
        return jacrev(jacrev(jacrev(lambda x: ASKED[asked](made)(x, W).sum())))(X[0])

    torch.testing.assert_close(third(native), third(statevector), rtol=0, atol=1e-10)


def test_double_backward_of_a_training_step():
    def penalty(made):
        weights, inputs = W.clone().requires_grad_(), X.clone().requires_grad_()
        values = made.run(CIRCUIT, inputs, weights)
        (slope,) = torch.autograd.grad(values.square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(slope.square().sum() + values.sum(), (inputs, weights))

    for by_kernel, by_torch in zip(penalty(native), penalty(statevector), strict=True):
        torch.testing.assert_close(by_kernel, by_torch, rtol=0, atol=1e-10)


def test_rows_that_do_not_lie_together():
    """Columns of a wider array under vmap, as a coupling block passes them on."""
    circuit = reuploading(1, uploads=2)
    wide = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    weights = torch.linspace(-1, 1, circuit.n_weights, dtype=torch.float64)

    def gradients(made):
        return vmap(grad(lambda x, w: made.run(circuit, x[None, :1], w).sum(), 1), (0, None))(wide, weights)

    torch.testing.assert_close(gradients(native), gradients(statevector), rtol=0, atol=1e-10)
