"""A training step of spline flows, beside splines by torch operations and flows of other libraries; Markdown, JSON.

``python benchmarks/flow_speed.py`` times loss, gradient and a step of Adam on one thread by the CPU clock, all forms in
turns in one process, and beside it the log-density and samples of many rows. `torch` is the same model with the twins
of its splines, after the gradients of both have been compared. `normflows` is a flow of that library with as many
blocks, units and bins; zuko and nflows are timed where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import normflows as nf
import torch
from torch import Tensor, nn

from qinn_bench import registry
from qinn_bench.contracts import Batch, DensityModel, count_parameters
from qinn_bench.performance.scaling.scan import environment
from qinn_bench.performance.timing import Timing, interleaved
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Use
from qinn_bench.writing import write_text
from reference_models._parts.compiled_spline import CompiledSpline

DIM, BATCH, MANY = 8, 128, 5000
BLOCKS, HIDDEN, BINS, BOUND = 8, 4, 4, 5.0
MODELS = {
    "spline_inn": {"blocks": BLOCKS, "hidden": HIDDEN, "bins": BINS},
    "cubic_inn": {"blocks": BLOCKS, "hidden": HIDDEN, "bins": BINS},
    "autoregressive_inn": {"blocks": 2, "hidden": 16, "bins": BINS},
}
AGREE = 1e-4
"""Losses and gradients in single precision differ by at most this share of the largest."""
Loss = Callable[[Tensor], Tensor]


class Form(NamedTuple):
    """A flow in one form: its size, a step of its training, the density of many rows and as many samples."""

    parameters: int
    step: Callable[[], Any]
    density: Callable[[], Any]
    sample: Callable[[], Any]


def _never(spline: CompiledSpline, x: Tensor) -> bool:  # noqa: ARG001
    return False


@contextmanager
def _by_torch(active: bool) -> Iterator[None]:
    """Splines by the operations of their twins."""
    with patch.object(CompiledSpline, "covers", _never) if active else nullcontext():
        yield


def _form(model: nn.Module, log_prob: Loss, sample: Callable[[int], Any], *, by_torch: bool = False) -> Form:
    rng = torch_rng("flow speed")
    batch, many = (torch.randn(n, DIM, generator=rng) for n in (BATCH, MANY))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.0, fused=True)

    def step() -> None:
        with _by_torch(by_torch):
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(-log_prob(batch).mean())
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()

    def without_gradient(function: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> None:
            with _by_torch(by_torch), torch.no_grad():
                function()

        return call

    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Form(size, step, without_gradient(lambda: log_prob(many)), without_gradient(lambda: sample(MANY)))


def _ours(name: str) -> dict[str, Form]:
    """The model of this suite, compiled and by torch operations, which have to agree."""
    torch.manual_seed(0)
    use = Use(name=name, knobs=MODELS[name])
    model = registry.make("model", use, DIM).float()
    assert isinstance(model, DensityModel)
    rng = torch_rng("flow speed", name)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=rng))
    found = []
    for by_torch in (False, True):
        with _by_torch(by_torch):
            rows = Batch(torch.randn(BATCH, DIM, generator=torch_rng("flow speed", "rows")))
            loss = model.loss(rows, 0.5, rng)
            found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    off = float((found[0] - found[1]).abs().max() / found[1].abs().max())
    if off > AGREE:
        raise RuntimeError(f"{name} compiled and by torch operations differ by {off:.1e}")
    assert count_parameters(model).total == sum(p.numel() for p in model.parameters())
    draws = torch_rng("flow speed", "draws")
    return {
        form: _form(model, model.log_prob, lambda n: model.sample(n, draws), by_torch=by_torch)
        for form, by_torch in (("compiled", False), ("torch", True))
    }


def _normflows() -> Form:
    torch.manual_seed(0)
    blocks: list[nn.Module] = []
    for k in range(BLOCKS):
        coupling = nf.flows.CoupledRationalQuadraticSpline(
            DIM, 1, HIDDEN, num_bins=BINS, tail_bound=BOUND, reverse_mask=k % 2 == 1
        )
        blocks += [coupling, nf.flows.LULinearPermute(DIM)]
    model = nf.NormalizingFlow(nf.distributions.DiagGaussian(DIM, trainable=False), blocks)
    return _form(model, model.log_prob, model.sample)


def _zuko() -> Form:
    import zuko  # noqa: PLC0415

    model = zuko.flows.NSF(DIM, transforms=BLOCKS, bins=BINS, hidden_features=(HIDDEN,), passes=2)
    return _form(model, lambda x: model().log_prob(x), lambda n: model().sample((n,)))


def _nflows() -> Form:
    from nflows.distributions.normal import StandardNormal  # noqa: PLC0415
    from nflows.flows.base import Flow  # noqa: PLC0415
    from nflows.nn.nets import ResidualNet  # noqa: PLC0415
    from nflows.transforms import CompositeTransform, LULinear  # noqa: PLC0415
    from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform as Coupling  # noqa: PLC0415

    def network(n_in: int, n_out: int) -> nn.Module:
        return ResidualNet(n_in, n_out, hidden_features=HIDDEN, num_blocks=1)

    steps: list[nn.Module] = []
    for k in range(BLOCKS):
        mask = torch.arange(DIM) % 2 == k % 2
        steps += [LULinear(DIM), Coupling(mask, network, num_bins=BINS, tails="linear", tail_bound=BOUND)]
    model = Flow(CompositeTransform(steps), StandardNormal([DIM]))
    return _form(model, model.log_prob, model.sample)


PEERS: dict[str, Callable[[], Form]] = {"normflows": _normflows, "zuko": _zuko, "nflows": _nflows}


def forms() -> dict[str, Form]:
    """All that is timed, by a name."""
    found = {f"{name}, {form}": one for name in MODELS for form, one in _ours(name).items()}
    return found | {name: make() for name, make in PEERS.items() if find_spec(name)}


def main() -> int:
    """Time all forms, write them into a folder, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=3.0, help="seconds to sample each of the three costs of a form")
    parser.add_argument("--out", type=Path, default=Path("results/engine"), help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    flows = forms()
    times: dict[str, dict[str, Timing]] = {
        what: interleaved({name: getattr(form, what) for name, form in flows.items()}, options.budget)
        for what in ("step", "density", "sample")
    }
    lines = [
        f"| {name} | {form.parameters} | {' | '.join(f'{1e3 * times[what][name].median:.3g}' for what in times)} |"
        for name, form in flows.items()
    ]
    head = f"| flow | parameters | step of {BATCH} rows / ms | density of {MANY} rows / ms | {MANY} samples / ms |"
    page = "\n".join((head, "|---|---:|---:|---:|---:|", *lines)) + "\n"
    write_text(options.out / "flows.md", page)
    seconds = {what: {name: time._asdict() for name, time in found.items()} for what, found in times.items()}
    document = {"times": seconds, "missing": [name for name in PEERS if not find_spec(name)]}
    write_text(options.out / "flows.json", json.dumps(document | {"provenance": environment()}, indent=1) + "\n")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
