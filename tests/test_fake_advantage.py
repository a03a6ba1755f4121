"""A fake advantage is refused: each numerically superior row is seen to win without its blemish, and not with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cheats import WIDTH
from claim_files import better, write
from rows import CONTROLS, KINDS, around, certificate, quantum, row

from qinn_bench import catalogue, registry
from qinn_bench.file_text import Measure
from qinn_bench.records import certified, published
from qinn_bench.study import planning, study_files
from qinn_bench.study.run_cell import run_cell
from qinn_bench.values import Flag
from qinn_bench.verdicts import claim_file, claims
from qinn_bench.verdicts.judge import judge
from qinn_bench.verdicts.rulings.can_win import planted

HONEST, SUPERIOR = 0.5, 0.1
STUDY = """
name = "cheats"
data = ["moons[events=600]"]
seeds = 5
samples = 300
mass_draws = 5000
controls = true
metrics = ["nll", "swd"]
[budgets.one]
steps = 1
[[models]]
model = "gaussian"
"""
CHEAT = """
[[models]]
model = "cheats"
label = "{trick}"
knobs = {{ trick = "{trick}" }}
"""
HYBRID = """
[[models]]
model = "idle_hybrid"
"""


def verdict(records, metric="nll", first="cheat", second="honest"):
    return judge(records, first, second, metric, 0.05, rng=np.random.default_rng(0))


def rivals(metric="nll", **more):
    """A row that looks better than an honest one by 0.4; `more` says what is wrong with it."""
    return row("cheat", around(SUPERIOR, seed=1), metric, **more) + row("honest", around(HONEST, seed=2), metric)


def hybrid(idle):
    """A hybrid whose classical part does all the work, so that its controls are as good; flagged where `idle`."""
    controls = {kind: around(SUPERIOR, seed=5 + i) for i, kind in enumerate(CONTROLS)}
    flags = (Flag(kind="idle-circuit", said="without its circuit the model is as good"),) if idle else ()
    return quantum("cheat", around(SUPERIOR, seed=1), controls, "nll", flags=flags) + row(
        "honest", around(HONEST, seed=2), "nll"
    )


PLANTED = {
    "an uncertified likelihood": (rivals(certificate=certificate("fail", 10.0)), "not certified"),
    "a likelihood without a certificate": (rivals(certificate=None), "not certified"),
    "a test-set leak": (rivals(flags=(Flag(kind="leak", said="the test rows are likelier than others"),)), "leak"),
    "a memoriser": (rivals(flags=(Flag(kind="memoriser", said="its rows are training rows"),)), "memoriser"),
    "better than the truth": (
        rivals(flags=(Flag(kind="better-than-truth", said="below the null"),)),
        "better-than-truth",
    ),
    "a flagged idle circuit": (hybrid(idle=True), "idle-circuit"),
    "an idle circuit that nobody flagged": (hybrid(idle=False), "control is as good"),
    "circuits without controls": ([r for r in hybrid(idle=False) if r.role != "control"], "no controls"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_advantage_is_no_verdict(planted):
    records, said = PLANTED[planted]
    found = verdict(records)
    assert found.outcome == "undecided" and said in found.reason
    assert found.p_better is None
    assert verdict(records, first="honest", second="cheat").outcome == "undecided"


def test_the_same_numbers_without_the_blemish_win():
    assert verdict(rivals()).outcome == "better"


@pytest.mark.parametrize("needs", ["density", "samples", ""])
def test_a_likelihood_of_a_third_party_is_compared_only_with_a_certificate(needs, monkeypatch):
    """Whatever its name; a metric that is not installed here may be one, and a row of mass 10 owes the certificate."""
    certified._needs.cache_clear()
    theirs = {"evidence": Measure("evidence", "theirs", needs, (), "theirs:evidence")} if needs else {}
    own = catalogue.own_metrics()
    monkeypatch.setattr(catalogue, "metrics", lambda: own | theirs)
    monkeypatch.setitem(KINDS, "evidence_bits", {"unit": "bits", "better": "lower"})
    doubted = rivals("evidence_bits", certificate=certificate("fail", 10.0))
    assert verdict(doubted, "evidence_bits").outcome == ("better" if needs == "samples" else "undecided")
    assert verdict(rivals("evidence_bits"), "evidence_bits").outcome == "better"
    bare = rivals("evidence_bits", certificate=None)
    assert verdict(bare, "evidence_bits").outcome == ("undecided" if needs == "density" else "better")
    certified._needs.cache_clear()


PUBLISHED = Path(__file__).parents[1] / "results/published/capacity_zjets.jsonl.gz"
FAMILIES = ("qinn", *(f"hybrid_qinn ({kind})" for kind in ("couplings", "conditioner", "elementwise")))
OPPONENT = "spline_inn · 2000"


@pytest.fixture(scope="module")
def published_records():
    return published.read(PUBLISHED, "capacity_zjets")


def advantage(records, row, nats=5.0):
    """The records of the published study in which a row, and none of its controls, is better by so many nats.

    Of the models as they were trained one QINN and one elementwise hybrid are no densities; what is planted is one.
    """

    def certified_too(one):
        return one.model_copy(update={"certificate": certificate()}) if one.row == row else one

    return [certified_too(one) for one in planted(records, {row}, "nll", nats)]


def ruled(folder, row, records, margin="margin = 0.1\nunit = 'nats'\n"):
    block = better("win", row, OPPONENT, margin).replace('"swd"', '"nll"').replace('"toy"', '"zjets"')
    return claims.check(claim_file.load(write(folder, block)), records)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_quantum_family_of_the_published_study_can_win(tmp_path, published_records, family):
    row = f"{family} · 2000"
    found = ruled(tmp_path, row, advantage(published_records, row))
    assert found.decision == "supported", found.reason
    assert "over its controls" in found.reason and found.effect.value > 2.5
    assert found.can_win, found.cannot
    theirs = [one for one in published_records if one.control_of == row and one.cell.control != "untrained"]
    doubtful = any(one.status == "diverged" or one.certificate.verdict != "pass" for one in theirs)
    assert doubtful == (family != "hybrid_qinn (conditioner)"), "of three families some control has no likelihood"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_advantage_that_the_controls_share_is_none(tmp_path, published_records, family):
    row = f"{family} · 2000"
    shared = {one.row for one in published_records if row in (one.row, one.control_of)}
    records = advantage(planted(published_records, shared - {row}, "nll", 5.0), row)
    found = ruled(tmp_path, row, records)
    assert found.decision == "undecided" and "control is as good" in found.reason, found.reason


def test_a_row_of_the_published_study_that_is_no_density_cannot_win(tmp_path, published_records):
    for family in ("qinn", "hybrid_qinn (elementwise)"):
        row = f"{family} · 2000"
        found = ruled(tmp_path, row, planted(published_records, {row}, "nll", 5.0))
        assert found.decision == "undecided" and "is not certified at seed" in found.reason
        assert not found.can_win and "is not certified at seed" in found.cannot


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny study of an honest row and four cheats, run cell by cell; where its records are, and these."""
    with pytest.MonkeyPatch.context() as patch:
        known = registry._modules("model") | {"cheats": "cheats", "idle_hybrid": "idle_hybrid"}
        patch.setattr(
            registry, "_modules", lambda kind, before=registry._modules: known if kind == "model" else before(kind)
        )
        folder = tmp_path_factory.mktemp("cheats")
        path = folder / "cheats.toml"
        path.write_text(STUDY + HYBRID + "".join(CHEAT.format(trick=trick) for trick in WIDTH))
        orders = planning.plan(study_files.load_study(path), folder)
        return folder, [run_cell(order) for order in orders if order.cell.control in ("", "frozen", "unentangled")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "metric", "said"),
    [
        ("inflated", "nll", "not certified"),
        ("inflated", "nll_claimed", "not certified"),
        ("leak", "nll", "leak"),
        ("leak", "swd", "leak"),
        ("memoriser", "swd", "memoriser"),
        ("idle_hybrid", "nll", "idle-circuit"),
        ("idle_hybrid", "swd", "idle-circuit"),
    ],
)
def test_a_cheat_that_was_run_does_not_win(trained, row, metric, said):
    folder, records = trained
    assert all(record.status == "ok" for record in records)
    numbers = {name: [r.metrics[metric].value for r in records if r.row == name] for name in (row, "gaussian")}
    assert max(numbers[row]) < min(numbers["gaussian"]), "this cheat does not even look better"
    rng = np.random.default_rng(0)
    found = judge(records, row, "gaussian", metric, rng=rng, results=folder)
    assert found.outcome == "undecided" and said in found.reason
    if metric != "nll_claimed":  # of which the normal has one value, whatever the seed: too few pairs
        washed = [r.model_copy(update={"flags": (), "certificate": certificate()}) for r in records]
        without_flags = judge(washed, row, "gaussian", metric, rng=rng, results=folder)
        assert without_flags.outcome == ("undecided" if row == "idle_hybrid" else "better")


@pytest.mark.slow
def test_an_idle_circuit_is_as_good_as_its_controls_even_where_nobody_flags_it(trained):
    folder, records = trained
    unflagged = [r.model_copy(update={"flags": ()}) for r in records]
    found = judge(unflagged, "idle_hybrid", "gaussian", "nll", rng=np.random.default_rng(0), results=folder)
    assert found.outcome == "undecided" and "control is as good" in found.reason
