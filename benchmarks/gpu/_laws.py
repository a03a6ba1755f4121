"""What has to hold on a device: numbers of circuits, models and trainings are those of the CPU, and a study ends."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qinn_bench import limits, registry
from qinn_bench.contracts import Batch, Density
from qinn_bench.performance import engine
from qinn_bench.quantum import backends
from qinn_bench.quantum.circuit import Circuit
from qinn_bench.quantum.simulators import native
from qinn_bench.records import store
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.loop import Fit, fit
from qinn_bench.values import Budget

# The circuits and models that the tests draw.
sys.path.append(str(Path(__file__).parents[2] / "tests"))

import zoo
from drawn_circuits import random_circuit

QUBITS = range(2, 11)
ROWS = 5
EXACT, SINGLE, MODELS, CURVES = 1e-10, 2e-5, 1e-9, 1e-6
DIM = 3
TRAINED = ("qinn", "hybrid_qinn", "spline_inn")
STEPS = 50
GROWS = "single precision leaves no law: each step multiplies the rounding before it, on one CPU too"
STUDY_SECONDS = 120


class Law(NamedTuple):
    """One law: whether it holds, the number that says so and the most that it may be, or in words why not.

    `kind` is the name in `LAWS` under which it was held; "told" is no law, but said for the reader.
    """

    name: str
    status: Literal["passed", "failed", "not supported", "told"]
    value: float | None = None
    limit: float | None = None
    reason: str = ""
    kind: str = ""


def within(name: str, value: float, limit: float) -> Law:
    """A law that a number is at most a limit; one that is not finite breaks it."""
    return Law(name, "passed" if value <= limit else "failed", value, limit)


def circuits(device: str) -> Iterator[Law]:
    """Values, derivatives and second derivatives of torch on the device against the kernel in complex128."""
    reference = "native" if native.AVAILABLE else "torch"
    drawn = {"re-uploading": engine.circuit, "random": lambda n: random_circuit(n, 8 * n, n)}
    for precision, real, limit in (("complex128", torch.float64, EXACT), ("complex64", torch.float32, SINGLE)):
        for kind, draw in drawn.items():
            worst: dict[str, float] = {}
            for n in QUBITS:
                circuit = draw(n)
                found = answers("torch", circuit, device, real)
                wanted = answers(reference, circuit, "cpu", torch.float64)
                for what, one in found.items():
                    worst[what] = _larger(worst.get(what, 0.0), difference(one, wanted[what]))
            for what, value in worst.items():
                yield within(f"torch against {reference}: {what} of {kind} circuits, {precision}", value, limit)


def answers(name: str, circuit: Circuit, device: str, real: torch.dtype) -> dict[str, Tensor]:
    """Values, vector-Jacobian products, the Jacobian, and second derivatives by two ways, flat, of one drawn batch."""
    rng, simulator = torch_rng("gpu", circuit.n_wires, len(circuit.gates)), backends.get(name)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng, dtype=torch.float64).to(device, real)

    x, w = normal(ROWS, circuit.n_inputs).requires_grad_(), normal(circuit.n_weights).requires_grad_()
    by_values, along = normal(ROWS, circuit.n_outputs), normal(ROWS, circuit.n_inputs)
    by_jacobian = normal(ROWS, circuit.n_outputs, circuit.n_inputs)
    values = simulator.run(circuit, x, w)
    pulled = torch.autograd.grad((values * by_values).sum(), (x, w), create_graph=True)
    _, jacobian = simulator.run_with_jacobian(circuit, x, w)
    return {
        "values": values.detach(),
        "vector-Jacobian products": _flat(pulled),
        "Jacobians": jacobian.detach(),
        "gradients of the Jacobian": _flat(torch.autograd.grad((jacobian * by_jacobian).sum(), (x, w))),
        "Hessian-vector products": _flat(torch.autograd.grad((pulled[0] * along).sum(), (x, w))),
    }


def _flat(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([part.detach().flatten() for part in parts])


def difference(one: Tensor, two: Tensor) -> float:
    """The largest difference relative to 1 + the largest of the second; what is not finite has to be so in both."""
    one, two = one.detach().double().cpu(), two.detach().double().cpu()
    finite = torch.isfinite(two)
    if one.shape != two.shape or not torch.equal(torch.isfinite(one), finite):
        return math.inf
    if not finite.any():
        return 0.0
    return float((one[finite] - two[finite]).abs().max() / (1 + two[finite].abs().max()))


def _larger(one: float, two: float) -> float:
    return two if math.isnan(two) else max(one, two)


def simulators(device: str) -> Iterator[Law]:
    """Every simulator by its name: values and first derivatives on the device, or why it does not run there."""
    circuit, reference = random_circuit(3, 24, 3), "native" if native.AVAILABLE else "torch"
    for name in backends.names():
        if reason := backends.why_not(name, device):
            yield Law(f"backend {name}", "not supported", reason=reason)
            continue
        wanted = first_answers(reference, circuit, "cpu")
        try:
            found = first_answers(backends.resolve(name, device), circuit, device)
        except Exception as error:
            yield Law(f"backend {name}", "failed", None, EXACT, limits.sentence(error))
            continue
        yield within(f"backend {name}: values and gradients", difference(found, wanted), EXACT)


def first_answers(name: str, circuit: Circuit, device: str) -> Tensor:
    """Values and vector-Jacobian products in complex128, flat, of one drawn batch."""
    rng = torch_rng("gpu simulators")
    shapes = ((ROWS, circuit.n_inputs), (circuit.n_weights,), (ROWS, circuit.n_outputs))
    x, w, by_values = (torch.randn(shape, generator=rng, dtype=torch.float64).to(device) for shape in shapes)
    x.requires_grad_(), w.requires_grad_()
    values = backends.get(name).run(circuit, x, w)
    return _flat((values, *torch.autograd.grad((values * by_values).sum(), (x, w))))


def models(device: str) -> Iterator[Law]:
    """Densities, maps there and back, and samples of every model on the device against the CPU, the same weights."""
    for name in zoo.FLAT:
        here, there = (zoo.tiny(name, DIM, jolt=0.1).eval() for _ in range(2))
        moved, rows = there.to(device), zoo.features(DIM)[:64]
        for what, ask in _asked(here).items():
            with torch.no_grad():
                wanted = ask(here, rows)
                try:
                    found = ask(moved, rows.to(device))
                except Exception as error:
                    yield Law(f"{name}: {what}", "failed", None, MODELS, limits.sentence(error))
                    continue
            yield within(f"{name}: {what}", difference(found, wanted), MODELS)


def _asked(model: Any) -> dict[str, Callable[[Any, Tensor], Tensor]]:
    """What a model can be asked for."""
    asked: dict[str, Callable[[Any, Tensor], Tensor]] = {}
    if hasattr(model, "log_prob"):
        asked["log_prob"] = lambda model, rows: model.log_prob(rows)
    if hasattr(model, "inverse"):
        asked["inverse(forward)"] = lambda model, rows: model.inverse(model(rows)[0])
    if hasattr(model, "sample"):
        asked["sample"] = lambda model, rows: model.sample(len(rows), torch_rng("gpu sample"))
    if hasattr(model, "score"):
        asked["score"] = lambda model, rows: model.score(rows)
    return asked


def training(device: str) -> Iterator[Law]:
    """Loss curves of a short training on the device against the CPU in float64; in float32 the difference is told.

    A step of training multiplies the rounding before it: weights that differ in their last bit of single precision
    give curves that are 1e-2 apart after 50 steps on one CPU too, so in float32 nothing can be asked of them.
    """
    for name in TRAINED:
        for precision in ("float64", "float32"):
            here, there = (curves(_trained(name, place, precision)) for place in ("cpu", device))
            finite = bool(np.isfinite(there).all())
            value = float(np.abs(here - there).max()) if here.shape == there.shape and finite else math.inf
            said = f"{name}: loss curves of {STEPS} steps in {precision}"
            yield within(said, value, CURVES) if precision == "float64" else Law(said, "told", value, None, GROWS)


def _trained(name: str, device: str, precision: Literal["float32", "float64"]) -> Fit:
    budget = Budget(steps=STEPS, batch=128, learning_rate=0.01, check_every=10, precision=precision)
    real = getattr(torch, precision)
    model = zoo.tiny(name, DIM, dtype=real).to(device)
    rows = Batch(zoo.features(DIM, real).to(device))
    return fit(model, rows, rows[:100], budget, ("gpu", name))


def curves(found: Fit) -> np.ndarray[Any, Any]:
    """The losses of training and validation at each check; the first has no training before it."""
    return np.array([found.train_loss[1:], found.valid_loss[1:]])


STUDY = """name = "gpu"
data = ["moons[events=4000]"]
devices = ["{device}"]
seeds = 1
samples = 500
mass_draws = 20000
metrics = ["nll", "swd"]

[budgets.short]
steps = 40
batch = 128
"""
"""What the study says before its models: all of the registry that train, as small as the tests have them."""


def study(device: str) -> Iterator[Law]:
    """A small study through the command: all cells end well, with a certificate; whether again with the same bits."""
    trained = trainable()
    with tempfile.TemporaryDirectory() as folder:
        first = _run(Path(folder) / "first", device, trained)
        again = _run(Path(folder) / "again", device, TRAINED)
    for row in trained:
        found, name = first.get(row), f"a study, {row}"
        if found is None:
            yield Law(name, "failed", reason="no record was written")
        elif found["status"] != "ok" or not found["certificate"]:
            yield Law(name, "failed", reason=f"{found['status']}: {found['reason'] or 'without a certificate'}")
        else:
            yield Law(name, "passed", reason=f"trained on {device}, with a certificate")
            if row in TRAINED:
                yield _twice(f"{name}, twice", found["arrays"], again.get(row, {}).get("arrays", {}))


def _twice(name: str, first: store.Arrays, again: store.Arrays) -> Law:
    """Whether the same cell gives the same arrays; on a GPU nobody promises that."""
    apart = max(_apart(one, again.get(what)) for what, one in first.items())
    said = "the same bits" if apart == 0 else "other bits: the order of sums is not promised on a GPU"
    return Law(name, "told", apart, None, said)


def trainable() -> list[str]:
    """The models of a density that have a loss, on flat rows."""
    made = {name: zoo.tiny(name, 2) for name in zoo.FLAT}
    return [
        name
        for name, model in made.items()
        if isinstance(model, Density) and any(p.requires_grad for p in model.parameters())
    ]


def _run(folder: Path, device: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Row -> status, reason, certificate and arrays of a fresh run of the study."""
    folder.mkdir()
    path, results = folder / "gpu.toml", folder / "results"
    text = STUDY.format(device=device) + "".join(_asked_for(name) for name in names)
    path.write_text(text, encoding="utf8")
    main = "import sys; from qinn_bench.cli.main import main; sys.exit(main())"
    jobs = str(min(4, limits.cores()))
    words = [sys.executable, "-c", main, "run", str(path), "--results", str(results), "-j", jobs]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=STUDY_SECONDS, check=False)
    sys.stderr.write(ended.stdout + ended.stderr)
    found = {}
    for record in store.load_all(results, "gpu"):
        arrays = store.load_arrays(results, record) if record.status == "ok" else {}
        found[record.row] = json.loads(record.model_dump_json()) | {"arrays": arrays}
    return found


def _asked_for(name: str) -> str:
    knobs = ", ".join(f"{knob} = {json.dumps(value)}" for knob, value in registry.about("model", name).tiny.items())
    return f'\n[[models]]\nmodel = "{name}"\nknobs = {{ {knobs} }}\n'


def _apart(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any] | None) -> float:
    """The largest difference of two arrays; 0 only for the same numbers."""
    if two is None or one.shape != two.shape:
        return math.inf
    return 0.0 if np.array_equal(one, two, equal_nan=True) else float(np.nanmax(np.abs(one - two)))


LAWS: dict[str, Callable[[str], Iterator[Law]]] = {
    "circuits": circuits,
    "simulators": simulators,
    "models": models,
    "training": training,
    "study": study,
}
