"""Every law is broken by something that was made to break it, and ``check`` says so in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qinn_bench import outside, registry
from qinn_bench.cli.main import main
from qinn_bench.laws.check import OF_MODELS, outcomes
from qinn_bench.laws.data_sets import OF_DATA
from qinn_bench.laws.metrics import OF_METRICS
from qinn_bench.values import Use

GOOD_MODEL = '''"""A scale and a shift of each feature."""
import torch
from torch import nn
from qinn_bench.about import About
from qinn_bench.contracts import Density, DensityModel, Sampler, Scorer

ABOUT = About(citation="nobody", knobs={"size": (1, 2)}, depth="size")


class Mine(DensityModel):
    def __init__(self, dim, size=1):
        super().__init__(dim)
        self.shift = nn.Parameter(torch.zeros(dim))
        self.scale = nn.Parameter(torch.zeros(dim))
        self.more = nn.Parameter(torch.zeros(size - 1)) if size > 1 else None

    def forward(self, x):
        return (x - self.shift) * self.scale.exp(), self.scale.sum().expand(len(x))

    def inverse(self, z):
        return z * (-self.scale).exp() + self.shift


def build(dim, *, size: int = 1):
    return Mine(dim, size)
'''
ROOT = Path(__file__).parents[1]
HEAD = """import torch
from torch import nn
from qinn_bench.about import About
from qinn_bench.contracts import DensityModel, Player, Reconstructor, Sampler, Scorer
"""
KINDS = {
    "autoencoder": HEAD
    + """
ABOUT = About(citation="nobody", rows=("image", "voxels"))


class Rebuilds(Scorer, Reconstructor):
    def __init__(self, shape):
        super().__init__(shape)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(self.dim, 2), nn.Tanh(), nn.Linear(2, self.dim))

    def reconstruct(self, x):
        return self.layers(x).reshape(x.shape)

    def score(self, x):
        return (x - self.reconstruct(x)).flatten(1).square().mean(1)

    def loss(self, batch, progress, rng):
        return self.score(batch.rows).mean()


def build(shape):
    return Rebuilds(shape)
""",
    "two players": HEAD
    + """
ABOUT = About(citation="nobody")


class Adversaries(Sampler):
    def __init__(self, dim):
        super().__init__(dim)
        self.maker, self.critic = nn.Linear(2, dim), nn.Linear(dim, 1)

    def sample(self, n, rng):
        like = self.maker.weight
        return self.maker(torch.randn(n, 2, generator=rng, dtype=torch.float64).to(like))

    def players(self):
        maker, critic = (list(part.parameters()) for part in (self.maker, self.critic))
        return Player("maker", maker, self.fool), Player("critic", critic, self.judge, optimiser="rmsprop")

    def fool(self, batch, progress, rng):
        return -self.critic(self.sample(len(batch), rng)).tanh().mean()

    def judge(self, batch, progress, rng):
        made = self.sample(len(batch), rng).detach()
        return (self.critic(made).tanh() - self.critic(batch.rows).sigmoid()).mean()

    def validation_loss(self, valid, rng):
        return self.sample(len(valid), rng).mean().abs()


def build(dim):
    return Adversaries(dim)
""",
    "conditioned": HEAD
    + """
ABOUT = About(citation="nobody")


class Given(DensityModel):
    def __init__(self, dim, c):
        super().__init__(dim)
        self.moved = nn.Linear(c, dim) if c else None
        self.scale = nn.Parameter(torch.zeros(dim))

    def centre(self, condition):
        return 0.0 if condition is None or self.moved is None else self.moved(condition)

    def forward(self, x, condition=None):
        return (x - self.centre(condition)) * self.scale.exp(), self.scale.sum().expand(len(x))

    def inverse(self, z, condition=None):
        return z * (-self.scale).exp() + self.centre(condition)


def build(dim, *, condition=0):
    return Given(dim, condition)
""",
    "supervised": HEAD
    + """
ABOUT = About(citation="nobody", supervised=True)


class Told(Scorer):
    def __init__(self, dim):
        super().__init__(dim)
        self.weights = nn.Linear(dim, 1)

    def score(self, x):
        return self.weights(x)[:, 0]

    def loss(self, batch, progress, rng):
        return nn.functional.binary_cross_entropy_with_logits(self.score(batch.rows), batch.labels)


def build(dim):
    return Told(dim)
""",
}
"""A model of each kind that is no flow of flat rows."""
GOOD_DATA = '''"""A square."""
import numpy as np
from dataclasses import replace
from qinn_bench.data.toy import plane_toy
from qinn_bench.data.transforms import Chain
from qinn_bench.dataset import Parts


class Square:
    entropy = 0.0

    def log_density(self, rows):
        return np.where((np.abs(rows - 0.5) < 0.5).all(1), 0.0, -np.inf)

    def sample(self, n, rng):
        return rng.uniform(size=(n, 2))


def load(*, events: int = 400):
    data = plane_toy("square", Square(), events, (0.0, 1.0, 0.0, 1.0), "uniform in a square")
    return data
'''
GOOD_METRIC = '''"""How far the means are apart."""
import numpy as np
from qinn_bench.dataset import Metric, MetricColumn
from qinn_bench.values import Estimate


def gap(evidence):
    if not len(evidence.generated) or not np.isfinite(evidence.generated).all():
        return {"gap": Estimate(value=None, note="there are no finite rows")}
    apart = np.abs(evidence.truth.mean(0) - evidence.generated.mean(0)).max()
    return {"gap": Estimate(value=float(apart), n=len(evidence.truth))}


METRICS = (
    Metric("gap", "largest difference of means", "samples", gap, columns=(MetricColumn("gap", "gap"),), better="lower"),
)
'''
COUNTER = "class Calls:\n    n = 0\n\n\n"
INVERSE, LAST = "    def inverse(self, z):", "return data"
FEWER = "    def sample(self, n, rng):\n        return torch.rand(n + 1, self.dim, generator=rng)\n\n" + INVERSE
NAN = "    def sample(self, n, rng):\n        return torch.full((n, self.dim), torch.nan)\n\n" + INVERSE
INFINITE = (
    "    def loss(self, batch, progress, rng):\n        return self.log_prob(batch.rows).mean() * torch.inf\n\n"
    + INVERSE
)
PLAYERS = (
    "    def players(self):\n        from qinn_bench.contracts import Player\n        return (Player('one', {}),)\n\n"
) + INVERSE
LION = PLAYERS.format("list(self.parameters()), self.loss, 'lion'")
STRANGER = PLAYERS.format("[nn.Parameter(self.shift.detach())], self.loss")
FORGETS = "    def state_dict(self, *args, **kwargs):\n        return {}\n\n" + INVERSE
SHIFT, SCALE, LOGDET = "return (x - self.shift)", "self.scale = nn.Parameter(torch.zeros(dim))", "self.scale.sum()"
MORE = "torch.zeros(size - 1)) if size > 1 else None"
DRAWN = ("self.shift = nn.Parameter(torch.zeros(dim))", "self.shift = nn.Parameter(torch.rand(dim, generator=RNG))")
ROUGH = "x = x + (0.1 if x.dtype == torch.float32 else 0)\n        " + SHIFT
FIRST = "apart = evidence.generated[0].max()\n    _ ="


def part(text):
    """A data set of which some part is another one."""
    return f"return replace(data, {text})"


BREACHES = [
    ("model", "states-what-it-is", 'citation="nobody"', 'citation=""', "ABOUT has no citation"),
    (
        "model",
        "states-what-it-is",
        'depth="size"',
        'depth="size", deviations=("own data", "own data")',
        "names one twice",
    ),
    ("model", "states-what-it-is", '(1, 2)}, depth="size"', '(2, 1)}, depth="size"', "do not increase"),
    ("model", "states-what-it-is", 'depth="size"', 'depth="wide"', "ABOUT.depth is 'wide'"),
    (
        "model",
        "states-what-it-is",
        'depth="size"',
        'depth="size", tune={"size": (2, 2)}',
        "no choice",
    ),
    ("model", "states-what-it-is", 'depth="size"', 'depth="size", tune={"wide": (1, 2)}', "ABOUT.tune names wide"),
    ("model", "states-what-it-is", '{"size": (1, 2)}', '{"size": (1, 2), "bins": (3,)}', "names bins; there are: size"),
    ("model", "is-a-model", "return Mine(dim, size)", "return nn.Linear(dim, dim)", "build gives a Linear"),
    ("model", "is-a-model", "super().__init__(dim)", "super().__init__(dim + 1)", "its shape is (3,)"),
    (
        "model",
        "counts-its-parameters",
        "*, size: int = 1",
        "*, size: int = 1, backend='x'",
        "no parameter in a circuit",
    ),
    ("model", "grows-along-its-longest-knob", "torch.zeros(size - 1)", "torch.zeros(0)", "16 to 16 parameters"),
    ("model", "repeats-itself", *DRAWN, "the weights differ"),
    ("model", "leaves-other-streams-alone", INVERSE, INVERSE + "\n        torch.rand(1)", "the global stream"),
    ("model", "draws-rows", INVERSE, FEWER, "50 samples have the shape (51, 2)"),
    ("model", "draws-rows", INVERSE, NAN, "of the samples are not finite"),
    ("model", "has-a-loss-that-reaches-all", MORE, "torch.zeros(2))", "2 of 6 trained numbers have no effect"),
    ("model", "has-a-loss-that-reaches-all", INVERSE, LION, "there are: adam, rmsprop, sgd"),
    (
        "model",
        "has-a-loss-that-reaches-all",
        INVERSE,
        STRANGER,
        "trains a parameter that is none of the model",
    ),
    ("model", "carries-over-its-state", INVERSE, FORGETS, "it ends in RuntimeError"),
    ("model", "learns", INVERSE, INFINITE, "diverged"),
    (
        "model",
        "goes-on-where-it-was-stopped",
        "return (x - self.shift)",
        "self.n = getattr(self, 'n', 0) + self.training / 100\n        return (x - self.shift - self.n)",
        "it ends in other numbers after an interruption",
    ),
    ("model", "goes-on-where-it-was-stopped", SHIFT, "x = nn.functional.dropout(x)\n        " + SHIFT, "interruption"),
    ("model", "inverts-itself", "+ self.shift", "+ self.shift + 1e-3", "is off by 0.001"),
    ("model", "claims-its-true-logdet", LOGDET, "(self.scale.sum() + 0.1)", "off by 0.1 at most"),
    ("model", "integrates-to-one", LOGDET, "(self.scale.sum() + 0.1)", "its mass is 1.105"),
    ("model", "passes-its-certificate", LOGDET, "(self.scale.sum() + 0.2)", "fail: the mass is in"),
    ("model", "takes-each-row-by-itself", SHIFT, "x = x - x.mean(0)\n        " + SHIFT, "off by"),
    ("model", "says-a-number-of-each-row", LOGDET + ".expand(len(x))", "torch.zeros(len(x), 1)", "has the shape"),
    ("model", "agrees-with-itself-in-single-precision", SHIFT, ROUGH, "beyond 0.1%"),
    ("model", "starts-like-a-normal", SCALE, SCALE.replace("torch", "2 + torch"), "that of a standard normal"),
    ("data", "is-a-data-set", LAST, "return data.train", "load gives a ndarray"),
    ("data", "stays-the-same", LAST, "Calls.n += 1\n    " + part("train=data.train + Calls.n"), "its rows are others"),
    ("data", "stays-the-same", LAST, part("fingerprint=''"), "its fingerprint changes or is empty"),
    ("data", "keeps-test-rows-apart", LAST, part("test=data.train"), "150 of 150 test rows"),
    (
        "data",
        "keeps-signal-out-of-training",
        LAST,
        part("labels=Parts(*(np.arange(len(x)) % 2 for x in (data.train, data.valid, data.test)))"),
        "100 training and validation rows are signal",
    ),
    (
        "data",
        "keeps-signal-out-of-training",
        LAST,
        part("labels=Parts(*(np.zeros(len(x)) for x in (data.train, data.valid, data.test)))"),
        "its test rows are of one class",
    ),
    ("data", "lies-in-its-support", LAST, part("support=lambda rows: rows[:, 0] > 0.5"), "lie outside"),
    (
        "data",
        "lies-in-its-support",
        LAST,
        part("support=lambda rows: np.ones(len(rows), bool)"),
        "a row of NaN lies in the support",
    ),
    ("data", "comes-back-from-features", LAST, part("transform=Off(data.transform)"), "rows come back off by"),
    ("data", "knows-its-log-jacobian", LAST, part("transform=Liar(data.transform)"), "off by 1 at most"),
    ("data", "has-features-of-order-one", LAST, part("train=data.train * 9"), "standard deviations"),
    ("data", "has-the-observables-that-it-plots", LAST, part("plots=data.plots[:1]"), "its plots x"),
    ("data", "survives-wild-features", LAST, part("transform=Wild(data.transform)"), "are not finite"),
    ("data", "has-the-density-that-it-states", "entropy = 0.0", "entropy = 0.7", "off its entropy"),
    ("metric", "names-its-columns", '{"gap": Estimate(value=f', '{"pag": Estimate(value=f', "do not begin with 'gap'"),
    ("metric", "names-its-columns", '{"gap": Estimate(value=f', '{"gap_x": Estimate(value=f', "none of those declared"),
    ("metric", "gives-numbers", "value=float(apart)", "value=None", "'gap' has no value: no reason is given"),
    ("metric", "gives-numbers", "value=float(apart)", "value=float(apart), error=-1.0", "the error of 'gap' is -1"),
    ("metric", "repeats-itself", "value=float(apart)", "value=float(np.random.rand())", ""),
    ("metric", "leaves-rows-alone", "apart =", "evidence.truth[0] = 0\n    apart =", "ends in ValueError"),
    ("metric", "minds-no-order", "apart =", FIRST, "'gap' moves from"),
    ("metric", "sees-flaws", "value=float(apart)", "value=float(-apart)", "better than"),
    ("metric", "says-why-there-is-no-number", "if not len(evidence.generated)", "if False", ""),
]
GOOD = {"model": GOOD_MODEL, "data": GOOD_DATA, "metric": GOOD_METRIC}
BEFORE = {
    "model": "RNG = torch.Generator().manual_seed(0)\n",
    "data": COUNTER
    + "class Liar:\n    def __init__(self, true):\n        self.true, self.inverse = true, true.inverse\n\n"
    + "    def forward(self, rows):\n        features, logdet = self.true.forward(rows)\n"
    + "        return features, logdet + 1\n\n\n"
    + "class Off:\n    def __init__(self, true):\n        self.true, self.forward = true, true.forward\n\n"
    + "    def inverse(self, features):\n        return self.true.inverse(features) + 1e-3\n\n\n"
    + "class Wild:\n    def __init__(self, true):\n        self.true, self.forward = true, true.forward\n\n"
    + "    def inverse(self, features):\n"
    + "        return self.true.inverse(np.where(np.abs(features) > 99, np.inf, features))\n\n\n",
    "metric": "",
}
LAWS = {"model": OF_MODELS, "data": OF_DATA, "metric": OF_METRICS}


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    outside.of_options({})


def written(tmp_path, kind, text):
    first, rest = text.split("\n", 1)
    place = rest.index("\n\n") + 1
    path = tmp_path / "mine.py"
    path.write_text(f"{first}\n{rest[:place]}{BEFORE[kind]}{rest[place:]}")
    return path


@pytest.mark.parametrize("kind", GOOD)
def test_what_keeps_all_laws_is_told_so(kind, tmp_path, capsys):
    path = written(tmp_path, kind, GOOD[kind])
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{kind} mine: " in said and " 0 broken" in said and "BROKEN" not in said
    assert all(law.name in said for law in LAWS[kind])
    assert len({line for line in said.splitlines() if line.startswith(("  ok", "  -"))}) == len(LAWS[kind])


@pytest.mark.parametrize("what", KINDS)
def test_models_of_every_kind_are_under_the_laws(what, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text('"""A model."""\n' + KINDS[what])
    assert main(["check", str(path)]) == 0, capsys.readouterr().out
    assert ("rows of 1 x 8 x 8" if what == "autoencoder" else "rows of 2") in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "law", "old", "new", "said"), BREACHES)
def test_each_law_is_broken_by_what_was_made_to_break_it(kind, law, old, new, said, tmp_path):
    assert old in GOOD[kind]
    outside.of_file(kind, written(tmp_path, kind, GOOD[kind].replace(old, new)))
    asked = next(one for one in LAWS[kind] if one.name == law)
    found = [one for one in outcomes(kind, Use(name="mine"), only=(asked.name,)) if one.verdict == "broken"]
    assert found and any(said in one.said for one in found), found


def test_every_law_has_a_breach():
    for kind, laws in LAWS.items():
        assert {law.name for law in laws} == {name for of, name, *_ in BREACHES if of == kind}
        assert all(law.statement and len(law.statement) < 130 for law in laws)


def test_a_broken_law_is_a_verdict_and_a_bad_input_an_error(tmp_path, capsys):
    path = written(tmp_path, "model", GOOD_MODEL.replace("+ self.shift", "+ self.shift + 1"))
    assert main(["check", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    broken = {one["law"] for one in told["laws"] if one["verdict"] == "broken"}
    assert told["kind"] == "model" and "inverts-itself" in broken
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "BROKEN  inverts-itself" in said and "the law: Features come back from latents" in " ".join(said.split())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine.py", "def build(", "cannot be read: '(' was never closed (mine.py, line 1)"),
        ("mine.py", "def build(dim): ...\nMETRICS = ()", "has build and METRICS"),
        ("mine.py", "import nosuch\ndef build(dim): ...", "No module named 'nosuch'"),
        ("mine.py", "def build(dim, *, x=[]): ...", "the default of its knob 'x' is []"),
        ("qinn.py", GOOD_MODEL, "has the name of reference_models.quantum_flows.qinn"),
        ("a-b.py", GOOD_MODEL, "its name is no name of Python"),
        ("mine.txt", GOOD_MODEL, "a file in Python with one of"),
        ("mine.py", GOOD_MODEL.replace("About(", "About(rows=(), ", 1), "has nothing that a law could be asked of"),
        (
            "mine.py",
            "from qinn_bench.values import Refused\n\n\ndef load():\n    raise Refused('no rows')\n",
            "no rows",
        ),
        ("", "", "it is not there|there is no file"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_sentence(name, text, said, tmp_path, capsys):
    path = tmp_path / (name or "absent.py")
    if name:
        path.write_text(text)
    assert main(["check", str(path)]) == 2
    told = capsys.readouterr().err
    assert any(part in told for part in said.split("|")) and told.count("\n") == 1


def test_a_file_of_the_package_is_checked_by_its_path_too(capsys):
    for path in (
        "reference_models/bounds/truth.py",
        "qinn_bench/data/sets/table.py",
        "qinn_bench/metrics/wasserstein.py",
    ):
        assert main(["check", str(ROOT / path)]) == 0
    assert "model truth: " in capsys.readouterr().out


def test_only_the_file_that_was_named_is_run(tmp_path, capsys):
    path = written(tmp_path, "model", GOOD_MODEL)
    (tmp_path / "other.py").write_text("raise AssertionError('run')")
    name = outside.of_file("model", path)
    assert name == "mine" and "other" not in registry.names("model")
    assert main(["check", "nobody"]) == 2
    assert "nothing is called 'nobody'; there are models: affine_inn" in capsys.readouterr().err
