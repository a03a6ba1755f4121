"""Steps and quality of IQP Born machines from 16 to 1000 wires, beside their bit-flip twin; Markdown and JSON.

``python benchmarks/iqp_scaling.py step`` times loss, gradient and optimiser step of 1000 words and 1000 samples on one
thread by the CPU clock, each size in a process of its own, whose memory is measured too. ``quality`` trains circuits
and twins of equal size on data of bits in the same way, and compares what they learned with the exact law, or with
test rows where it is not known. Both write a page and its numbers into a folder.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import numpy as np
import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.bit_rows import BitLaw, bits_in, exact_kl, exact_mmd, exact_total_variation
from qinn_bench.contracts import Batch
from qinn_bench.performance.scaling.scan import environment
from qinn_bench.performance.timing import interleaved
from qinn_bench.seeds import numpy_rng
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.writing import write_text
from reference_models._parts.bit_machine import BitMachine, TabledBits, bits_of
from reference_models._parts.cells import Cells
from reference_models._parts.word_mmd import WordMMD, data_means, squared_discrepancy
from reference_models._parts.z_words import local_gates
from reference_models.generators.bitflip_twin import BitflipTwin, LargeBitflip
from reference_models.quantum_generators.iqp_born import IqpBorn, LargeIqp

SIZES = ((16, 2), (16, 4), (16, 6), (64, 2), (256, 2), (484, 2), (784, 2), (1000, 2))
"""Wires, and the most wires of a gate."""
WORDS = SAMPLES = 1000
BY_TORCH = 3000
"""The most gates with which a step by torch is timed too."""
TARGET = 1.0
"""Seconds that a step on 1000 wires may take."""
SIGMAS = (0.6, 1.3)
RATE = 0.2
"""The learning rate times the root of the number of gates, so that phases of words move alike whatever there is."""
JUDGED = 2000
KINDS = {"iqp_born": (IqpBorn, LargeIqp), "bitflip_twin": (BitflipTwin, LargeBitflip)}


def machine(kind: str, wires: int, order: int, most: int, of_loss: WordMMD, *, flip: bool = False) -> BitMachine:
    """A circuit or its twin, with a table of its probabilities where there are 16 wires."""
    few, many = KINDS[kind]
    made = few if wires <= 16 else many
    gates = local_gates(wires, order, most)
    return made(Cells(wires, 1), gates, of_loss, flip=flip, start=0.01, noise=1e-4)


def heavy(wires: int) -> float:
    """The mean weight of the heavier words: those of the published bandwidths on 16 and on 1000 bits."""
    return 6.0 if wires == 16 else 16.8


class StepRow(NamedTuple):
    """A size, and what a step of it took: seconds of CPU by the median, and MB beyond what was there before."""

    wires: int
    order: int
    gates: int
    kind: str
    seconds: float
    error: float
    memory: float


def step_rows(size: tuple[int, int], budget: float) -> list[StepRow]:
    """Time the steps of one size."""
    torch.set_num_threads(1)
    wires, order = size
    of_loss = WordMMD(WORDS, SAMPLES, 2.0, heavy(wires))
    rows = Batch(torch.randn(1000, wires, generator=torch_rng("rows", wires)))
    small = machine("iqp_born", 2, 2, 3, of_loss)
    _step(small, Batch(rows.rows[:, :2]))()  # What torch takes at the first step is no part of the circuit.
    before, steps, sizes = _peak(), {}, {}
    for kind in ("iqp_born", "iqp_born by torch", "bitflip_twin"):
        model = machine(kind.partition(" ")[0], wires, order, 5_000_000, of_loss)
        if kind.endswith("torch"):
            if len(model.angles) > BY_TORCH:
                continue
            model.gates.phases = model.gates.twin  # type: ignore[method-assign]
        model.initialise(rows, torch_rng("start"))
        steps[kind], sizes[kind] = _step(model, rows), len(model.angles)
        if kind == "iqp_born":
            steps[kind]()
            memory = _peak() - before
    timed = interleaved(steps, budget)
    return [
        StepRow(wires, order, sizes[kind], kind, one.median, one.error, memory if kind == "iqp_born" else float("nan"))
        for kind, one in timed.items()
    ]


def _step(model: BitMachine, rows: Batch) -> Any:
    optimiser, rng = torch.optim.Adam(model.parameters(), lr=1e-3), torch_rng("steps")

    def step() -> tuple[Tensor, ...]:
        optimiser.zero_grad(set_to_none=True)
        loss = model.loss(rows, 0.0, rng)
        loss.backward()
        optimiser.step()
        return (loss.detach(),)

    return step


def _peak() -> float:
    """The most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def step_page(rows: Sequence[StepRow], facts: dict[str, Any]) -> str:
    """The page of steps."""
    lines = [
        "# A step of an IQP Born machine",
        "",
        f"Loss, gradient and optimiser step over {WORDS} words of Z, {SAMPLES} samples of bits and 1000 rows, in "
        "single precision on one thread: median of CPU seconds, and the memory of the gates, the angles and one step.",
        "",
        "| wires | gates on up to | gates | model | step [s] | ± | memory [MB] |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        memory = "" if np.isnan(row.memory) else f"{row.memory:.0f}"
        lines.append(
            f"| {row.wires} | {row.order} | {row.gates} | {row.kind} | {row.seconds:.3g} | {row.error:.1g} | {memory} |"
        )
    sets = str(facts.get("instruction_sets", "")).partition(",")[0]
    return "\n".join([*lines, "", f"Machine: {facts.get('processor', 'see the JSON file')}, {sets or 'by torch'}.", ""])


class Lesson(NamedTuple):
    """Data to learn: training and test rows as bits, the law where it is known, and whether it minds a flip of all."""

    name: str
    train: np.ndarray
    test: np.ndarray
    law: BitLaw | None
    flip: bool
    sizes: tuple[int, ...]


def lessons(least: int, most: int) -> Iterator[Lesson]:
    """The data of so many bits."""
    for name, sizes in (("blobs16", (136, 1600)), ("ising16", (136, 1600)), ("digit_bits[pixels=8]", (2080,))):
        data = registry.make("data", registry.spell_out("data", registry.parse_use(name)))
        law = data.density if isinstance(data.density, BitLaw) else None
        if least <= data.dim <= most:
            yield Lesson(name, bits_in(data.train), bits_in(data.test), law, name == "ising16", sizes)
    for bits in (256, 1000):
        if least <= bits <= most:
            rows = tree_spins(bits, 4000, numpy_rng("tree", bits))
            yield Lesson(f"spins on a tree ({bits})", rows[:2000], rows[2000:], None, True, (bits * (bits + 1) // 2,))


def tree_spins(bits: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Exact draws ``(n, bits)`` of an Ising model at T = 1 on a tree that grew by preference, couplings 0 to 1.

    On a tree every bond is satisfied by its own chance 1 / (1 + exp(-2 J)), independently.
    """
    ends, found = [0], np.zeros((n, bits), dtype=np.uint8)
    found[:, 0] = rng.integers(2, size=n)
    for site in range(1, bits):
        parent = ends[rng.integers(len(ends))]
        ends += [parent, site]
        found[:, site] = found[:, parent] ^ (rng.random(n) > 1 / (1 + np.exp(-2 * rng.random())))
    return found


def features(bits: np.ndarray) -> Tensor:
    """Features whose cells of one bit are these bits."""
    return torch.as_tensor(2.0 * bits - 1, dtype=torch.float32)


def learn(lesson: Lesson, kind: str, gates: int, seed: int, steps: int) -> dict[str, Any]:
    """Train one machine, and say how good it is."""
    wires, order = lesson.train.shape[1], 6 if lesson.law else 2
    of_loss = WordMMD(256, 256, 2.0, heavy(wires))
    model = machine(kind, wires, order, gates, of_loss, flip=lesson.flip)
    rows, rng = features(lesson.train[:JUDGED]), torch_rng("learn", lesson.name, kind, seed)
    model.initialise(Batch(rows), rng)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE / len(model.angles) ** 0.5)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    for step in range(steps):
        optimiser.zero_grad(set_to_none=True)
        model.loss(Batch(rows), step / steps, rng).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        found = {"data": lesson.name, "model": kind, "gates": len(model.angles), "seed": seed}
        return found | judged(model, lesson)


def judged(model: BitMachine, lesson: Lesson) -> dict[str, float]:
    """Divergences from the exact law, or the discrepancy from test rows over words that no training saw."""
    if lesson.law is not None and isinstance(model, TabledBits):
        return divergences(lesson.law.probabilities, model.probabilities().numpy())
    tests = features(lesson.test[:JUDGED])
    bits = bits_of(model.cells, tests)
    model.of_loss = WordMMD(1000, 1000, 2.0, heavy(bits.shape[1]))
    words = model.of_loss.drawn(bits.shape[1], torch_rng("judged"))
    mean, square = model.word_means(words, torch_rng("judged", "samples"))
    even = (1 - words.sum(1) % 2).to(mean) if model.flip else torch.ones_like(mean)
    observed = data_means(bits, words, mean)
    return {"mmd": float(squared_discrepancy(mean * even, square * even, observed, len(bits)).mean())}


def divergences(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Of a table q from the true one."""
    apart = {f"mmd_{sigma}": exact_mmd(p, q, sigma) for sigma in SIGMAS}
    return {"kl": exact_kl(p, q), "tv": exact_total_variation(p, q)} | apart


COLUMNS = ("kl", "tv", "mmd_0.6", "mmd_1.3", "mmd")


def quality_page(found: Sequence[dict[str, Any]], steps: int) -> str:
    """The page of quality: means over seeds and half of their range."""
    lines = [
        "# What IQP Born machines and their bit-flip twins learn",
        "",
        f"A first, short run: {steps} steps of Adam over 256 words and 256 samples on up to {JUDGED} training rows, "
        f"the same for both, at a learning rate of {RATE:g} over the root of the number of gates; means over seeds and "
        "half of the range. Where the law is known, divergences of the whole table from it; else MMD² from test rows, "
        "unbiased. Nothing was tuned.",
        "",
        "| data | gates | model | seeds | KL [nats] | TV | MMD² 0.6 | MMD² 1.3 | MMD² |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for place in dict.fromkeys((one["data"], one["gates"], one["model"]) for one in found):
        same = [one for one in found if (one["data"], one["gates"], one["model"]) == place]
        cells = [_cell([one[column] for one in same if column in one]) for column in COLUMNS]
        lines.append(f"| {place[0]} | {place[1]} | {place[2]} | {len(same)} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{np.mean(values):.3g} ± {np.ptp(values) / 2:.1g}" if len(values) > 1 else f"{values[0]:.3g}"


def main() -> int:
    """Measure, and write the page and the numbers; the exit code is 1 where a step on 1000 wires takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("step", "quality"))
    parser.add_argument("--budget", type=float, default=10.0, help="seconds to sample each step")
    parser.add_argument("--least", type=int, default=16, help="the fewest wires")
    parser.add_argument("--most", type=int, default=1000, help="the most wires")
    parser.add_argument("--steps", type=int, default=400, help="steps of a training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each machine")
    parser.add_argument("--out", type=Path, default=Path("results/engine"), help="folder of the results")
    options = parser.parse_args()
    facts, code = environment() | {"load_at_start": os.getloadavg()[0]}, 0
    if options.what == "step":
        rows: list[StepRow] = []
        for size in (size for size in SIZES if options.least <= size[0] <= options.most):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows += pool.apply(step_rows, (size, options.budget))
            sys.stderr.write(f"{rows[-1]}\n")
        slow = [row for row in rows if row.kind == "iqp_born" and row.wires == 1000 and row.seconds > TARGET]
        page, document, code = step_page(rows, facts), [row._asdict() for row in rows], int(bool(slow))
    else:
        torch.set_num_threads(1)
        document = []
        for lesson in lessons(options.least, options.most):
            for gates, kind, seed in ((g, k, s) for g in lesson.sizes for k in KINDS for s in range(options.seeds)):
                document.append(learn(lesson, kind, gates, seed, options.steps))
                sys.stderr.write(f"{document[-1]}\n")
        page = quality_page(document, options.steps)
    name = "iqp" if options.what == "step" else "iqp_quality"
    numbers = json.dumps({"rows": document, "provenance": facts}, indent=1)
    for ending, text in (("md", page), ("json", numbers)):
        write_text(options.out / f"{name}.{ending}", text)
    sys.stdout.write(page)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
