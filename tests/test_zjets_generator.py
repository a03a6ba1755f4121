"""The Z + jet generator: the same events whatever the number of workers, all of them inside the cuts."""

import hashlib

import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs the extra [hep]", exc_type=ImportError)
pytest.importorskip("fastjet", reason="needs the extra [hep]", exc_type=ImportError)

from qinn_bench.data.generators import pythia_runs, zjets
from qinn_bench.data.generators.pythia_runs import RunPlan, Task
from qinn_bench.data.kinematics import CUTS, dilepton_mass, dilepton_pt, selected
from qinn_bench.data.sample_sources import columns
from qinn_bench.values import Refused

pytestmark = pytest.mark.hep
EVENTS = 60


@pytest.fixture(scope="module", autouse=True)
def short_shards():
    """Shards of a few events, also in worker processes, which get the number with their task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(zjets.SHARD, "fast", 150)
        yield


def made(seed=3, cuts="lhc", workers=1, min_ptz=0.0, events=EVENTS):
    arrays, about = zjets.generate(events, seed, "fast", cuts, min_ptz, workers, lambda done: None)
    return arrays["rows"], about


@pytest.fixture(scope="module")
def sample():
    return made()


def test_rows_are_what_was_asked_for(sample):
    rows, provenance = sample
    assert rows.shape == (EVENTS, len(columns(1)))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert provenance["events"] == EVENTS
    assert provenance["rows_sha256"] == hashlib.sha256(rows.tobytes()).hexdigest()
    assert provenance["shards"] > 1
    assert {"pythia8mc", "fastjet", "numpy", "python"} <= set(provenance["versions"])


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(sample):
    assert made()[1]["rows_sha256"] == sample[1]["rows_sha256"]
    assert made(seed=4)[1]["rows_sha256"] != sample[1]["rows_sha256"]


def test_shards_differ(sample):
    assert len(np.unique(sample[0], axis=0)) == EVENTS


def test_fewer_events_are_the_first_ones(sample):
    np.testing.assert_array_equal(made(events=20)[0], sample[0][:20])


def test_all_events_pass_the_cuts(sample):
    rows = sample[0].astype(np.float64)
    event, cuts = zjets.as_event(rows), CUTS["lhc"]
    assert selected(event, cuts).all()
    assert rows[:, [0, 3]].min() > 15.0
    assert rows[:, 6].min() > 20.0
    assert np.abs(rows[:, [1, 4]]).max() < 2.5
    assert np.abs(rows[:, 7]).max() < 4.5
    assert ((dilepton_mass(event) > 66.0) & (dilepton_mass(event) < 116.0)).all()
    assert rows[:, 9].min() >= 0.0
    for muon in (0, 3):
        gap = np.hypot(rows[:, 7] - rows[:, muon + 1], np.angle(np.exp(1j * (rows[:, 8] - rows[:, muon + 2]))))
        assert gap.min() > zjets.JET_RADIUS


def test_a_cut_on_the_z_is_obeyed():
    rows = made(min_ptz=60.0, events=10)[0].astype(np.float64)
    assert dilepton_pt(zjets.as_event(rows)).min() >= 60.0


def test_the_paper_preset_cuts_on_the_jet_alone():
    rows = made(cuts="paper")[0]
    assert rows[:, 6].min() > 20.0
    assert rows[:, [0, 3]].min() < 15.0


def test_the_banner_stays_away_from_standard_output(capfd):
    made(events=5)
    assert capfd.readouterr().out == ""


def test_a_seed_that_pythia_would_ignore_is_an_error():
    with pytest.raises(RuntimeError, match="Random:seed = 900000001"):
        pythia_runs.run_shard(Task(900_000_001, RunPlan(zjets.commands("fast"), select=len, events=150, chunk=50)))


@pytest.mark.parametrize(
    "wrong",
    [{"cuts": "none"}, {"events": 0}, {"workers": 0}, {"seed": -1}, {"min_ptz": float("nan")}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_impossible_request_is_refused(wrong):
    with pytest.raises(Refused):
        made(**wrong)


def test_a_selection_that_nothing_passes_is_refused(monkeypatch):
    monkeypatch.setattr(pythia_runs, "HOPELESS", 1)
    with pytest.raises(Refused, match="no event of 150 passes"):
        made(min_ptz=6000.0)


def test_two_workers_make_what_one_makes(sample):
    assert made(workers=2)[1]["rows_sha256"] == sample[1]["rows_sha256"]


def test_events_of_several_jets_have_so_many_and_the_first_is_the_hardest():
    arrays, about = zjets.generate(40, 3, "fast", "paper", 0.0, 1, lambda done: None, jets=2)
    rows = arrays["rows"]
    assert rows.shape == (40, len(columns(2))) and about["columns"] == list(columns(2)) and about["jets"] == 2
    assert "2 jets" in about["process"]
    pt = rows[:, [columns(2).index(name) for name in ("pt_j", "pt_j2")]]
    assert (pt[:, 0] >= pt[:, 1]).all() and (pt > 20).all()
    apart = np.hypot(rows[:, 7] - rows[:, 11], (rows[:, 8] - rows[:, 12] + np.pi) % (2 * np.pi) - np.pi)
    assert apart.min() > 0.35


@pytest.mark.parametrize("jets", [0, 4])
def test_numbers_of_jets_that_are_not_made_are_refused(jets):
    with pytest.raises(Refused, match=f"asked for {jets} jets; 1 to 3 were expected"):
        zjets.generate(10, 3, "fast", "lhc", 0.0, 1, lambda done: None, jets=jets)
