"""Claims as code: rulings and their error rates over a file, the verb, and the sentences for bad files."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from claim_files import HEAD, better, duel, equal, grown, write
from rows import around, certificate, row, save

from qinn_bench.cli.main import main
from qinn_bench.records import store
from qinn_bench.values import Refused
from qinn_bench.verdicts import claim_file, claim_locks, claims


@pytest.fixture
def written(tmp_path):
    """Writes a file of claims and returns its path."""
    return partial(write, tmp_path)


def ruled(path, records):
    return {ruling.claim.id: ruling for ruling in claims.check(claim_file.load(path), records)}


def test_better_is_supported_refuted_or_open(written):
    path = written(better())
    assert ruled(path, duel(0.1, 0.3))["better"].decision == "supported"
    refuted = ruled(path, duel(0.3, 0.1))["better"]
    assert refuted.decision == "refuted" and "'a' is worse" in refuted.reason
    assert ruled(path, duel(0.1, 0.1))["better"].decision == "undecided"


def test_a_gain_below_the_margin_refutes_better(written):
    path = written(better(more='margin = 0.1\nunit = "sd"\n'))
    gain = ruled(path, duel(0.10, 0.13))["better"]
    assert gain.decision == "refuted" and "'a' is not better by more than 0.1 sd" in gain.reason
    assert ruled(path, duel(0.1, 0.4))["better"].decision == "supported"


def test_equal_is_supported_within_the_margin_and_refuted_outside(written):
    path = written(equal())
    assert ruled(path, duel(0.1, 0.1))["equal"].decision == "supported"
    worse, gain = ruled(path, duel(0.4, 0.1))["equal"], ruled(path, duel(0.1, 0.4))["equal"]
    assert worse.decision == "refuted" and "worse by more than 0.05 sd" in worse.reason
    assert gain.decision == "refuted" and "better by more than 0.05 sd" in gain.reason
    noisy = row("a", around(0.1, 8, 1.0, seed=1)) + row("b", around(0.1, 8, 1.0, seed=2))
    assert ruled(path, noisy)["equal"].decision == "undecided"


def test_support_is_corrected_over_the_file(written):
    """Of five pairs the smallest p is 1/32: enough for one claim, not for two."""
    records = duel(0.1, 0.3, 5)
    assert ruled(written(better()), records)["better"].decision == "supported"
    found = ruled(written(better("one"), better("two", "b", "a")), records)["one"]
    assert found.decision == "undecided" and found.p == pytest.approx(1 / 32)
    assert found.p_corrected == pytest.approx(2 / 32)
    assert "5 pairs give no p below 0.031, which does not stand among 2 claims; 6 pairs could" in found.reason
    assert not found.can_win and found.cannot in found.reason
    assert ruled(written(better("one"), better("two", "b", "c")), duel(0.1, 0.3, 6))["one"].decision == "supported"


def test_a_claim_that_cannot_be_judged_counts_in_the_correction(written):
    found = ruled(written(better("one"), better("two", "a", "nowhere")), duel(0.1, 0.3, 5))
    assert found["one"].p_corrected == pytest.approx(2 / 32)
    assert found["two"].p is None and found["two"].p_corrected == 1.0


def test_refutations_are_corrected_over_the_file_too(written):
    """Of five pairs the smallest p is 1/32, which refutes one claim of one, and none of two."""
    five, six = duel(0.3, 0.1, 5), duel(0.3, 0.1, 6)
    assert ruled(written(better()), five)["better"].decision == "refuted"
    two = written(better("one"), better("two", "b", "c"))
    found = ruled(two, five)["one"]
    assert found.decision == "undecided" and found.p_against_corrected == pytest.approx(2 / 32)
    assert "its refutation does not stand: 5 pairs give no p below 0.031" in found.reason
    assert ruled(two, six)["one"].decision == "refuted"


def test_missing_records_say_what_to_run(written):
    path = written(better())
    nothing = ruled(path, [])["better"]
    assert nothing.decision == "undecided" and "qinn-bench run studies/toy.toml" in nothing.reason
    some = ruled(path, row("a", around(0.1)) + row("b2", around(0.1)))["better"]
    assert "no record of 'b' on toy; of 2 rows the nearest are: b2" in some.reason
    few = ruled(path, duel(0.1, 0.3, 3))["better"]
    assert "3 pairs of seeds" in few.reason and "set seeds = 5 in studies/toy.toml and run it" in few.reason


@pytest.mark.parametrize(
    ("factor", "controls", "decision"),
    [
        (2.0, {"frozen": 1.5}, "supported"),
        (1.2, {"frozen": 1.5}, "refuted"),
        (2.0, {"frozen": 1.0}, "undecided"),
        (2.0, {}, "undecided"),
    ],
)
def test_a_ratio_is_proven_by_its_interval_and_over_controls(written, factor, controls, decision):
    """Twice the distance at equal size is four times the size for an exponent of 1/2."""
    path = written(better("ratio", "q", "c").replace('"better"\ndata', '"ratio-at-least"\nratio = 3.0\ndata'))
    classical = [
        r.model_copy(
            update={"metrics": {"swd": r.metrics["swd"].model_copy(update={"value": factor * r.metrics["swd"].value})}}
        )
        for r in grown("c", sizes=tuple(50 * 2**k for k in range(10)))
    ]
    found = ruled(path, grown("q", "native", controls) + classical)["ratio"]
    assert found.decision == decision, found.reason
    assert found.effect.value == pytest.approx(factor**2, rel=0.1)
    assert "qinn-bench run" in ruled(path, grown("q"))["ratio"].reason


def test_a_flagged_row_supports_nothing_and_refutes_no_equality(written):
    def flagged(records):
        return [r.model_copy(update={"flags": ("leak: test rows",)}) if r.row == "a" else r for r in records]

    assert ruled(written(better()), flagged(duel(0.1, 0.3)))["better"].decision == "undecided"
    for b in (0.1, 0.4):
        assert ruled(written(equal()), flagged(duel(0.1, b)))["equal"].decision == "undecided"
    assert ruled(written(equal()), flagged(duel(0.4, 0.1)))["equal"].decision == "refuted"


def test_an_uncertified_likelihood_decides_nothing(written):
    blocks = [block.replace('"swd"', '"nll"').replace('"sd"', '"nats"') for block in (better(), equal())]
    for b in (0.1, 0.4, 0.0):
        records = row("a", around(0.1, 8), "nll", certificate=certificate("fail", 3.0)) + row("b", around(b, 8), "nll")
        assert {one.decision for one in ruled(written(*blocks), records).values()} == {"undecided"}


def shares(path, draw, trials=300):
    """How often any claim of a file is supported, and how often any is refuted, when records are drawn."""
    file, rng = claim_file.load(path), np.random.default_rng(3)
    found = [{ruling.decision for ruling in claims.check(file, draw(rng))} for _ in range(trials)]
    return np.mean(["supported" in one for one in found]), np.mean(["refuted" in one for one in found])


def test_where_nothing_is_better_a_file_seldom_supports_anything(written):
    path = written(*(better(f"c{i}", f"a{i}", f"b{i}") for i in range(3)))
    names = [f"{side}{i}" for i in range(3) for side in "ab"]
    supported, _ = shares(path, lambda rng: [r for name in names for r in row(name, rng.normal(size=7).tolist())])
    assert 0 < supported < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("gap", [-0.05, 0.05])
def test_at_the_edge_of_the_margin_equality_is_seldom_supported_or_refuted(written, gap):
    def draw(rng):
        return row("a", rng.normal(0, 0.03, 8).tolist()) + row("b", rng.normal(gap, 0.03, 8).tolist())

    supported, refuted = shares(written(equal()), draw)
    bound = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert 0 < supported < bound and 0 < refuted < bound


def test_a_true_claim_is_seldom_refuted(written):
    """A claim whose rows do not differ at all is no true claim, but the hardest case for refuting one."""
    _, refuted = shares(
        written(better()),
        lambda rng: row("a", rng.normal(size=8).tolist()) + row("b", rng.normal(size=8).tolist()),
    )
    assert 0 < refuted < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEAD + "claims = [", "is not valid TOML"),
        (HEAD, "the key 'claims' is missing"),
        (HEAD + better(more="magrin = 1.0\n"), "no key is called 'claims.0.magrin'"),
        (HEAD + better().replace('"better"', '"nicer"'), "'claims.0.relation' is \"nicer\""),
        (HEAD + better() + better(), "two claims are called 'better'"),
        (HEAD + better(second="a"), "compares 'a' with itself"),
        (HEAD + better().replace('"better"\ndata', '"equal"\ndata'), "is an equality and has no margin"),
        (HEAD + better().replace('"better"\ndata', '"ratio-at-least"\ndata'), "states no ratio"),
        (HEAD + better(more="ratio = 2.0\n"), "states a ratio, which the relation 'better' does not have"),
        (HEAD + better(more="replicates = 3\n"), "'claims.0.replicates' is 3"),
        (HEAD + better(more="margin = -0.1\n"), "'claims.0.margin' is -0.1"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path, capsys, text, sentence):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    for action in ("check", "freeze"):
        assert main(["claims", action, str(path)]) == 2
        said = capsys.readouterr().err
        assert sentence in said and said.count("\n") == 1
    assert not claim_locks.lock_path(path).exists()


def test_a_margin_in_another_unit_is_refused(written):
    with pytest.raises(Refused, match="margin of 'equal' is in 'GeV', but swd is in 'sd'"):
        ruled(written(equal().replace('unit = "sd"', 'unit = "GeV"')), duel(0.1, 0.1))


@pytest.mark.parametrize(
    ("blocks", "a", "b", "code"),
    [
        ([better()], 0.1, 0.3, 0),
        ([better(), equal()], 0.3, 0.1, 1),
        ([better()], 0.1, 0.1, 5),
        ([better()], None, 0.1, 5),
    ],
)
def test_exit_codes_say_the_outcome(written, tmp_path, capsys, blocks, a, b, code):
    save(tmp_path, duel(a, b) if a else row("b", around(b)))
    verb = ["claims", "check", str(written(*blocks)), "--results", str(tmp_path)]
    assert main(verb) == code
    assert "a is better than b" in capsys.readouterr().out
    assert main([*verb, "--json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert [one["claim"]["id"] for one in shown["rulings"]] == ["better", "equal"][: len(blocks)]
    assert main([*verb, "--format", "md", "--out", str(tmp_path / "out.md")]) == code
    assert (tmp_path / "out.md").read_text().startswith("### Claims small")


@pytest.mark.parametrize("key", ["0", "z"])
def test_the_newest_record_of_a_cell_counts(tmp_path, key):
    old, new = row("a", [0.1]), row("a", [0.2], provenance={"finished_utc": "2026-02-01T00:00:00+00:00"})
    save(tmp_path, [old[0], new[0].model_copy(update={"key": key})])
    assert [r.metrics["swd"].value for r in store.load_all(tmp_path, "toy")] == [0.2]


def test_claims_are_checked_without_torch():
    code = (
        "import sys\nimport qinn_bench.verdicts.claims, qinn_bench.report.claims_table\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
