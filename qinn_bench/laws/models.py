"""The laws of models: what a model says of itself, that its numbers are its own, and that it can be trained."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qinn_bench import registry
from qinn_bench.about import KnobSpan
from qinn_bench.building import make_model
from qinn_bench.contracts import Density, Model, Reconstructor, Sampler, Scorer, WordTeller, count_parameters
from qinn_bench.laws.cases import BACKEND, ModelCase, toy
from qinn_bench.laws.law import Spared, collected, expect
from qinn_bench.quantum.layer import circuit_layers
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.training.checkpoints import Checkpoint
from qinn_bench.training.loop import OPTIMISERS, Fit, fit
from qinn_bench.values import Budget, Knob, Knobs, Use

DRAWN = 50
NO_EFFECT = 1e-9
"""A trained number whose largest derivative is below this share of the largest of all has no effect but rounding."""
STEPS = 8
STATELESS = (
    "it ends in other numbers after an interruption: what it carries from step to step is in no buffer, or it draws "
    "from the global stream of torch"
)


def states_what_it_is(case: ModelCase) -> str:
    """Its file has a docstring and a citation, names no deviation twice and only knobs that exist."""
    name = case.use.name
    about, defaults = registry.about("model", name), registry.knob_defaults("model", name)
    expect(bool((registry.find("model", name).__doc__ or "").strip()), "the file has no docstring")
    expect(bool(about.citation.strip()), "ABOUT has no citation")
    told = {deviation.strip() for deviation in about.deviations}
    expect("" not in told and len(told) == len(about.deviations), "ABOUT.deviations names one twice, or an empty one")
    for part, named in (("knobs", about.knobs), ("tiny", about.tiny), ("later", about.later), ("tune", about.tune)):
        unknown = ", ".join(sorted(set(named) - set(defaults)))
        expect(not unknown, f"ABOUT.{part} names {unknown}; there are: {', '.join(defaults) or 'none'}")
    expect((about.depth in about.knobs) == bool(about.knobs), f"ABOUT.depth is '{about.depth}', none of ABOUT.knobs")
    for knob, values in about.knobs.items():
        numbers = [float(value) for value in values if not isinstance(value, str)]
        rising = all(a < b for a, b in pairwise(numbers))
        expect(bool(values) and rising, f"the values of knob '{knob}' in ABOUT.knobs do not increase")
        typed = all(type(value) is type(defaults[knob]) for value in values)
        expect(typed, f"the values of knob '{knob}' in ABOUT.knobs are not of type {type(defaults[knob]).__name__}")
    _tunable(about.tune, defaults)
    spelled = registry.spell_out("model", case.use)
    expect(registry.spell_out("model", spelled) == spelled, "its knobs, spelled out, are spelled out otherwise again")
    return f"{len(defaults)} knobs, {len(about.knobs)} of them for the matcher"


def _tunable(tune: Mapping[str, KnobSpan | tuple[Knob, ...]], defaults: Knobs) -> None:
    for knob, stated in tune.items():
        if isinstance(stated, KnobSpan):
            number = type(defaults[knob]) in (int, float)
            expect(number, f"ABOUT.tune gives the knob '{knob}' a span of numbers, but it is none")
            continue
        typed = all(type(value) is type(defaults[knob]) for value in stated)
        expect(typed, f"the values of knob '{knob}' in ABOUT.tune are not of type {type(defaults[knob]).__name__}")
        expect(len(set(stated)) == len(stated) > 1, f"ABOUT.tune gives the knob '{knob}' no choice of different values")


def is_a_model(case: ModelCase) -> str:
    """Its maker returns a model that can do something: draw rows, state a density, score, or rebuild."""
    model: object = make_model(registry.spell_out("model", case.use), case.data, backend=BACKEND)
    said = f"build gives a {type(model).__name__}, a Model of qinn_bench.contracts was expected"
    expect(isinstance(model, Model), said)
    assert isinstance(model, Model)
    kinds = [kind.__name__ for kind in (Sampler, Density, Scorer, Reconstructor, WordTeller) if isinstance(model, kind)]
    expect(
        bool(kinds), "it is no Sampler, Density, Scorer, Reconstructor or WordTeller, so that nothing can be measured"
    )
    expect(model.shape == case.data.shape, f"its shape is {model.shape}, that of the rows {case.data.shape}")
    return " and ".join(kinds)


def counts_its_parameters(case: ModelCase) -> str:
    """Its parameters are counted, those in circuits among them and those of critics apart."""
    counted, model = count_parameters(case.make()), case.make()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    found = counted.total + (counted.critic or 0)
    expect(found == trained, f"{found} are counted of {trained} that are trained")
    circuits = registry.takes("model", case.use.name, "backend") and not case.control
    trains = counted.quantum > 0 or any(not layer.circuit.n_weights for layer in circuit_layers(model).values())
    expect(not circuits or trains, "it takes a backend, but has no parameter in a circuit (is_quantum)")
    return f"{counted.total}, {counted.quantum} of them in circuits"


def grows_along_its_longest_knob(case: ModelCase) -> str:
    """Its size never falls along the knob with the most values, which the matcher bisects."""
    name = case.use.name
    about = registry.about("model", name)
    if not about.knobs or case.control:
        raise Spared("it has one size")
    data = toy(8 * about.multiple_of) if case.data.kind == "flat" else case.data
    knob = max(about.knobs, key=lambda one: len(about.knobs[one]))
    values = about.knobs[knob][:: max(1, len(about.knobs[knob]) // 10)]
    sizes = []
    for value in values:
        with torch.device("meta"):
            use = Use(name=name, knobs=about.tiny | {knob: value})
            sizes.append(count_parameters(make_model(use, data, backend=BACKEND)).total)
    said = f"{sizes[0]} to {sizes[-1]} parameters for {knob} = {values[0]} to {values[-1]}"
    fell = next((f"; {a} falls to {b}" for a, b in pairwise(sizes) if b < a), "")
    return expect(not fell and (len(sizes) < 2 or sizes[0] < sizes[-1]), said + fell)


def repeats_itself(case: ModelCase) -> str:
    """The same seeds give the same weights and the same samples."""
    one, two = case.make(jolt=0.1), case.make(jolt=0.1)
    same = all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    expect(same, "the weights differ between two models with the same seeds")
    if isinstance(one, Sampler):
        drawn = [drawn_from(model, case, DRAWN) for model in (one, two)]
        expect(torch.equal(*drawn), "the samples differ between two models with the same seeds")
    return "equal bit by bit"


def leaves_other_streams_alone(case: ModelCase) -> str:
    """Drawing takes its randomness from the generator that it is given, and moves no other stream."""
    model = _sampler(case.make())
    before = torch.get_rng_state()
    drawn_from(model, case, 5)
    return expect(torch.equal(torch.get_rng_state(), before), "the global stream of torch is where it was")


def draws_rows(case: ModelCase) -> str:
    """Samples are finite rows of the right shape, in single and in double precision."""
    for dtype in (torch.float32, torch.float64):
        model = _sampler(case.make(jolt=0.1, dtype=dtype))
        rows = drawn_from(model, case, DRAWN, dtype)
        expected = (DRAWN, *case.data.shape)
        expect(tuple(rows.shape) == expected, f"{DRAWN} samples have the shape {tuple(rows.shape)}, not {expected}")
        expect(bool(rows.isfinite().all()), f"{int((~rows.isfinite()).sum())} numbers of the samples are not finite")
    return f"{DRAWN} rows"


def has_a_loss_that_reaches_all(case: ModelCase) -> str:
    """Its losses are finite scalars, and their gradients reach every number that is counted, and no other."""
    model = case.make(jolt=0.1)
    counted = count_parameters(model)
    if not counted.total:
        raise Spared("it has nothing to train")
    found = greatest_gradients(model, case)
    held = [name for name, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    expect(not held, f"{', '.join(held)} are held fixed, but have a gradient")
    expect(bool(found.isfinite().all()), "a gradient is not finite")
    dead = without_effect(found)
    said = f"{dead} of {len(found)} trained numbers have no effect on the loss"
    return expect(dead == (counted.blind or 0) == 0, said)


def carries_over_its_state(case: ModelCase) -> str:
    """Its state_dict makes another instance of it the same model."""
    model, other = case.make(jolt=0.1), case.make(jolt=0.3)
    other.load_state_dict(model.state_dict())
    if isinstance(model, Sampler):
        expect(torch.equal(drawn_from(model, case, 20), drawn_from(other, case, 20)), "its samples differ after that")
    for what, values in outputs(model, case).items():
        expect(torch.equal(values, outputs(other, case)[what]), f"its {what} differs after that")
    return f"{len(model.state_dict())} tensors"


def learns(case: ModelCase) -> str:
    """A few steps of training leave its weights and its loss finite."""
    model = case.make(dtype=torch.float32)
    if not count_parameters(model).total:
        raise Spared("it has nothing to train")
    outcome = _fitted(model, case)
    expect(outcome.status == "ok", f"the training ends as {outcome.status}: {outcome.reason}")
    finite = all(bool(p.isfinite().all()) for p in model.parameters())
    return expect(finite, f"{STEPS} steps")


def goes_on_where_it_was_stopped(case: ModelCase) -> str:
    """A training that is interrupted and taken up again ends in the same numbers: its state is all in its buffers."""
    whole = case.make(dtype=torch.float32)
    if not count_parameters(whole).total:
        raise Spared("it has nothing to train")
    _fitted(whole, case)
    with tempfile.TemporaryDirectory() as folder:
        for stop_at in (STEPS // 2 + 1, 0):
            model = case.make(dtype=torch.float32)
            with suppress(_Stopped):
                _fitted(model, case, stop_at, Checkpoint(Path(folder) / "cell", every=0.0))
    found = outputs(model, case, dtype=torch.float32)
    alike = [torch.equal(a, b) for a, b in zip(whole.state_dict().values(), model.state_dict().values(), strict=True)]
    alike += [torch.equal(values, found[what]) for what, values in outputs(whole, case, dtype=torch.float32).items()]
    return expect(all(alike), "equal bit by bit" if all(alike) else STATELESS)


class _Stopped(BaseException):
    """What ends a process from outside."""


def _fitted(model: Model, case: ModelCase, stop_at: int = 0, checkpoint: Checkpoint | None = None) -> Fit:
    """How a few steps of training go, up to one at which they are stopped."""

    def on_step(step: int) -> None:
        if step == stop_at:
            raise _Stopped

    budget = Budget(steps=STEPS, batch=32, check_every=STEPS // 2, learning_rate=1e-3)
    batch = case.batch(torch.float32)
    return fit(model, batch[:400], batch[400:600], budget, ("laws",), on_step, checkpoint)


def greatest_gradients(model: Any, case: ModelCase) -> Tensor:
    """The largest absolute derivative of the losses along each trained number, over three batches."""
    found = []
    for k in range(3):
        model.zero_grad(set_to_none=True)
        batch = case.batch()
        wide = type(batch)(
            torch.cat([batch.rows, (2 + k) * batch.rows - 3]),
            *(None if part is None else torch.cat([part, part]) for part in (batch.condition, batch.labels)),
        )
        grown = {id(p): torch.zeros_like(p) for p in model.parameters()}
        for player in model.players():
            asked = f"player '{player.name}' has the optimiser '{player.optimiser}'"
            expect(player.optimiser in OPTIMISERS, f"{asked}; there are: {', '.join(OPTIMISERS)}")
            foreign = any(id(p) not in grown for p in player.parameters)
            expect(not foreign, f"player '{player.name}' trains a parameter that is none of the model's")
            model.zero_grad(set_to_none=True)
            loss = player.loss(wide, 0.5, torch_rng("loss", k))
            expect(loss.ndim == 0 and bool(loss.isfinite()), f"the loss of '{player.name}' is no finite scalar")
            loss.backward()
            for p in player.parameters:
                grown[id(p)] += 0 if p.grad is None else p.grad.abs()
        found.append(torch.cat([grown[id(p)].flatten() for p in model.parameters() if p.requires_grad]))
    return torch.stack(found).amax(0)


def without_effect(gradients: Tensor) -> int:
    """How many trained numbers have no effect on the losses."""
    return int((gradients < NO_EFFECT * gradients.max()).sum())


def outputs(model: Model, case: ModelCase, n: int = 40, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """What a model says of training rows: log-densities, scores and reconstructions, as far as it has them."""
    x, known = case.batch(dtype, n).rows, case.known(n, dtype)
    with torch.no_grad():
        found = {"log_prob": model.log_prob(x, *known)} if isinstance(model, Density) else {}
        found |= {"score": model.score(x, *known)} if isinstance(model, Scorer) else {}
        return found | ({"reconstruct": model.reconstruct(x, *known)} if isinstance(model, Reconstructor) else {})


def drawn_from(model: Sampler, case: ModelCase, n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """``n`` samples, for the conditions of the first training rows where there are conditions."""
    return model.sample(n, torch_rng("s"), *case.known(n, dtype))


def _sampler(model: Model) -> Sampler:
    if not isinstance(model, Sampler):
        raise Spared("it draws no rows")
    return model


OF_ALL = collected(
    states_what_it_is,
    is_a_model,
    counts_its_parameters,
    grows_along_its_longest_knob,
    repeats_itself,
    leaves_other_streams_alone,
    draws_rows,
    has_a_loss_that_reaches_all,
    carries_over_its_state,
    learns,
    goes_on_where_it_was_stopped,
)
"""What every model keeps."""
