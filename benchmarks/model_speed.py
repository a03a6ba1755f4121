"""A training step of models with circuits on the engine and on PennyLane, a family at a time; Markdown and JSON.

``python benchmarks/model_speed.py autoencoders`` (or ``showers``) times loss, gradient and optimiser step on one thread
by the CPU clock, all simulators of a circuit in turns in one process, after their losses and gradients have been
compared. The exit code is 1 where the engine is less than `TARGETS` times as fast as the fastest of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.contracts import Batch, Model
from qinn_bench.performance.scaling.scan import environment
from qinn_bench.performance.timing import Timing, interleaved
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Knobs, Use
from qinn_bench.writing import write_text

ENGINE, LIGHTNING, DEFAULT = "native", "lightning.qubit", "default.qubit"
PEERS = (LIGHTNING, DEFAULT)
IMAGES = (1, 12, 12)
TARGETS = {"autoencoders": 200.0, "showers": 50.0}
AGREE = 1e-4
"""Losses and gradients differ by at most this share of the largest: the engine computes in single precision."""


class Case(NamedTuple):
    """A model, a batch, what was published, the shape of a row and how many conditions it has.

    Of the batch default.qubit gets `at_once` rows at a time. It keeps all states of its rows after every gate: 16 jets
    on 16 wires at once would take it 10 GB.
    """

    name: str
    knobs: Knobs
    rows: int
    at_once: int
    published: str
    shape: int | tuple[int, ...] = IMAGES
    condition: int = 0


SLIDES = "FastCaloQ: 120 min for 2000 epochs of 1000 showers"
CASES = {
    "autoencoders": (
        Case("sqae", {"uploads": 2}, 30, 30, "4 to 5 s a step of 30 jets, 15 wires"),
        Case("sqae", {"uploads": 5}, 30, 30, "4 to 5 s a step of 30 jets, 15 wires"),
        Case("hae", {}, 16, 2, "67 s a step of 64 jets"),
    ),
    "showers": (
        Case("quantum_calo_inn", {}, 100, 100, SLIDES, 5, 1),
        Case("quantum_calo_inn", {"steers": "spline"}, 100, 100, SLIDES, 5, 1),
        Case("angle_generator", {}, 100, 100, "", 8, 1),
        Case("reversible_circuit", {"bits": 2}, 100, 100, "", 5),
    ),
}
"""The cases of each family, smallest first."""


def steps(case: Case) -> Iterator[tuple[str, Callable[[], tuple[Any, ...]], Tensor]]:
    """Each simulator with its training step, and with the loss and the gradient of the first one, flat."""
    rng = torch_rng("speed", case.name)
    rows = torch.rand(case.rows, *(case.shape if isinstance(case.shape, tuple) else (case.shape,)), generator=rng)
    batch = Batch(rows, torch.rand(case.rows, case.condition, generator=rng) if case.condition else None)
    for backend in (ENGINE, *PEERS):
        torch.manual_seed(0)
        use = Use(name=case.name, knobs=case.knobs)
        model: Model = registry.make("model", use, case.shape, backend=backend, condition=case.condition)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.0)
        size = case.at_once if backend == DEFAULT else case.rows
        parts = [batch[start : start + size] for start in range(0, case.rows, size)]
        step = partial(_step, model.float(), parts, optimiser)
        loss = step()[0]
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        yield backend, step, torch.cat((loss.flatten(), *gradients))


def _step(model: Model, parts: Sequence[Batch], optimiser: torch.optim.Optimizer) -> tuple[Tensor]:
    optimiser.zero_grad()
    total, rows = torch.zeros(()), sum(map(len, parts))
    for part in parts:
        loss = len(part) / rows * model.loss(part, 0.5, torch_rng("speed", "loss"))
        torch.autograd.backward(loss)
        total += loss.detach()
    optimiser.step()
    return (total,)


def timed(case: Case, budget: float) -> dict[str, Timing]:
    """The times of all simulators of a case.

    Raises:
        RuntimeError: they do not compute the same.
    """
    found = {backend: (step, numbers) for backend, step, numbers in steps(case)}
    expected = found[ENGINE][1]
    for backend, (_, numbers) in found.items():
        off = float((numbers - expected).abs().max() / expected.abs().max())
        if off > AGREE:
            raise RuntimeError(f"{case.name} on {backend} differs from the engine by {off:.1e}")
    return interleaved({backend: step for backend, (step, _) in found.items()}, budget)


def line(case: Case, times: dict[str, Timing]) -> tuple[str, float]:
    """The line of a case in the table, and how many times as fast the engine is as the fastest of the others."""
    ratio = min(times[name].median for name in PEERS) / times[ENGINE].median
    knobs = ", ".join(f"{knob} {value}" for knob, value in case.knobs.items()) or "defaults"
    cells = [f"{1e3 * times[name].median:.3g}" for name in (ENGINE, LIGHTNING, DEFAULT)]
    return f"| {case.name} ({knobs}) | {case.rows} | {' | '.join(cells)} | {ratio:.0f}× | {case.published} |", ratio


def main() -> int:
    """Time all cases, write them into a folder, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(CASES), help="which models are timed, and the stem of the results")
    parser.add_argument("--budget", type=float, default=5.0, help="seconds to sample each simulator of each case")
    parser.add_argument("--cases", type=int, default=None, help="only so many cases, smallest first")
    parser.add_argument("--out", type=Path, default=Path("results/engine"), help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines, ratios, document = list[str](), list[float](), list[dict[str, Any]]()
    for case in CASES[options.family][: options.cases]:
        times = timed(case, options.budget)
        said, ratio = line(case, times)
        sys.stderr.write(said + "\n")
        lines.append(said)
        ratios.append(ratio)
        seconds = {name: time._asdict() for name, time in times.items()}
        document.append({"model": case.name, "knobs": case.knobs, "rows": case.rows, "ratio": ratio, "times": seconds})
    head = "| model | rows | engine / ms | lightning.qubit / ms | default.qubit / ms | engine faster | published |"
    page = "\n".join((head, "|---|---:|---:|---:|---:|---:|---|", *lines)) + "\n"
    write_text(options.out / f"{options.family}.md", page)
    written = json.dumps({"cases": document, "provenance": environment()}, indent=1)
    write_text(options.out / f"{options.family}.json", written + "\n")
    sys.stdout.write(page)
    return int(min(ratios) < TARGETS[options.family])


if __name__ == "__main__":
    sys.exit(main())
