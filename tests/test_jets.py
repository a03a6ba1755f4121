"""The number of jets as an axis: columns, features, observables and selection of two and three jets."""

import numpy as np
import pytest

from qinn_bench import registry
from qinn_bench.data import further_jets, sample_files, sample_sources
from qinn_bench.data.kinematics import CUTS
from qinn_bench.values import Refused, Use


def generated(jets, n=400, seed=0):
    """Rows as the generator gives them: muons of a Z at rest in the transverse plane, and jets ever softer."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-np.pi, np.pi, n)
    muons = [45 + rng.random(n), rng.normal(0, 0.3, n), phi, 45 + rng.random(n), rng.normal(0, 0.3, n)]
    muons.append((phi + 2 * np.pi) % (2 * np.pi) - np.pi + 0.1 * rng.random(n))
    parts, pt = [], np.full(n, 200.0)
    for _ in range(jets):
        pt = 20 + (pt - 20) * rng.uniform(0.3, 0.95, n)
        parts += [pt, rng.uniform(-3, 3, n), rng.uniform(-np.pi, np.pi, n), rng.exponential(5, n)]
    return np.column_stack([*muons, *parts]).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    for jets in (2, 3):
        rows = generated(jets)
        about = {"events": len(rows), "seed": 0, "quality": "fast", "cuts": "lhc", "min_ptz": 0.0, "jets": jets}
        about["rows_sha256"] = sample_files.arrays_hash({"rows": rows})
        sample_files.write(tmp_path, f"zjets-of-{jets}", {"rows": rows}, about)
    return tmp_path


def four_momentum(pt, eta, phi):
    """E, px, py, pz of a massless particle."""
    return np.array([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])


def load(jets, **knobs):
    return registry.make("data", Use(name="zjets", knobs={"jets": jets, "sample": f"zjets-of-{jets}", **knobs}))


@pytest.mark.parametrize("jets", [2, 3])
@pytest.mark.parametrize("coordinates", ["momenta", "mass"])
def test_each_further_jet_has_four_features(folder, jets, coordinates):
    data = load(jets, coordinates=coordinates)
    assert data.dim == 4 + 4 * jets == len(data.columns)
    assert load(jets, features=9).dim == 5 + 4 * jets
    features, logdet = data.transform.forward(data.train)
    assert np.isfinite(features).all() and np.isfinite(logdet).all()
    assert np.allclose(data.transform.inverse(features), data.train)


@pytest.mark.parametrize("jets", [2, 3])
def test_observables_of_jets_are_those_of_their_four_momenta(folder, jets):
    data, rows = load(jets), generated(jets).astype(float)
    found = data.observables(data.train)
    assert {plot.name for plot in data.plots} == found.keys()
    for k in range(2, jets + 1):
        at = [6 + 4 * (k - 2), 6 + 4 * (k - 1)]
        first, second = (rows[: len(data.train), i : i + 3].T for i in at)
        energy, *momentum = four_momentum(*first) + four_momentum(*second)
        assert np.allclose(found[f"m_j{k - 1}j{k}"], np.sqrt(energy**2 - np.square(momentum).sum(0)), rtol=1e-6)
        turn = np.abs((first[2] - second[2] + np.pi) % (2 * np.pi) - np.pi)
        assert np.allclose(found[f"dr_j{k - 1}j{k}"], np.hypot(first[1] - second[1], turn))
        assert np.allclose(found[f"pt_j{k}"], second[0])


@pytest.mark.parametrize(("column", "value"), [("pt_j2", 19.0), ("pt_j2", 500.0), ("eta_j3", 4.6), ("m_j3", -1.0)])
def test_a_jet_outside_of_the_selection_is_told(folder, column, value):
    data = load(3)
    rows = data.test.copy()
    inside = data.support(rows)
    assert inside.mean() > 0.5
    rows[:, [one.name for one in data.columns].index(column)] = value
    assert not data.support(rows).any()


def test_jets_that_are_not_there_are_refused(folder):
    for knobs, said in (
        ({"jets": 4}, "jets is 4; 1 to 3 were expected"),
        ({"jets": 0}, "jets is 0"),
        ({"jets": 3}, "qinn-bench data make zjets --jets 3 --events 30000"),
        ({"jets": 2, "sample": "zjets-of-3"}, "sample 'zjets-of-3' is of 3 jets, but the knob jets is 2"),
        ({"sample": "zjets-of-3"}, "is of 3 jets, but the knob jets is 1"),
    ):
        with pytest.raises(Refused, match=said.replace("(", ".")):
            registry.make("data", Use(name="zjets", knobs=knobs))


def test_one_jet_is_as_it_was():
    assert "jets" not in registry.spell_out("data", Use(name="zjets")).knobs
    assert sample_sources.columns(1) == (*sample_sources.MUONS, "pt_j", "eta_j", "phi_j", "m_j")
    assert "jets" not in sample_sources.ZjetsRequest(events=10).stated
    rows = np.zeros((3, 4))
    assert further_jets.physical(rows).shape == (3, 0)
    assert further_jets.selected(rows[:, 0], further_jets.physical(rows), CUTS["lhc"]).all()


def test_the_sample_of_several_jets_is_the_one_that_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("QINN_BENCH_DATA", str(tmp_path))
    (tmp_path / "zjets-broken.json").write_text("{")
    for name, events, cuts in (("zjets-a", 400, "lhc"), ("zjets-b", 30_000, "paper"), ("zjets-c", 30_000, "lhc")):
        rows = generated(2, events)
        about = {"events": events, "seed": 1, "quality": "fast", "cuts": cuts, "min_ptz": 0.0, "jets": 2}
        sample_files.write(
            tmp_path, name, {"rows": rows}, about | {"rows_sha256": sample_files.arrays_hash({"rows": rows})}
        )
    assert further_jets.sample_of_jets("bundled", 2) == "zjets-c"
    data = registry.make("data", Use(name="zjets", knobs={"jets": 2}))
    assert (data.dim, len(data.test)) == (12, 15_000)
