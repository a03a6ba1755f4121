"""Claims as code: rulings and their error rates over a file, freezing, the verb, and the sentences for bad files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rows import around, certificate, row, save

from qinn_bench import claims, freezing, planning, store
from qinn_bench.cli.main import main
from qinn_bench.values import Parameters, Refused

ROOT = Path(__file__).parents[1]
HEAD = """
name = "small"
title = "A small file"
source = "nobody"
study = "studies/toy.toml"
"""
BETTER = """
[[claims]]
id = "{id}"
statement = "a is better than b"
first = "{first}"
second = "{second}"
metric = "swd"
relation = "better"
data = "toy"
"""
EQUAL = (
    BETTER.replace('"better"', '"equal"').replace("a is better than b", "a is as good as b")
    + """
margin = 0.05
unit = "sd"
"""
)


def better(name="better", first="a", second="b", more=""):
    return BETTER.format(id=name, first=first, second=second) + more


def equal(name="equal", first="a", second="b"):
    return EQUAL.format(id=name, first=first, second=second)


@pytest.fixture
def written(tmp_path):
    """Writes a file of claims and returns its path."""

    def write(*blocks, head=HEAD):
        path = tmp_path / "small.toml"
        path.write_text(head + "".join(blocks))
        return path

    return write


def ruled(path, records):
    return {ruling.claim.id: ruling for ruling in claims.check(claims.load(path), records)}


def duel(a, b, n=8):
    return row("a", around(a, n, seed=1)) + row("b", around(b, n, seed=2))


def test_better_is_supported_refuted_or_open(written):
    path = written(better())
    assert ruled(path, duel(0.1, 0.3))["better"].decision == "supported"
    refuted = ruled(path, duel(0.3, 0.1))["better"]
    assert refuted.decision == "refuted" and "'a' is worse" in refuted.reason
    assert ruled(path, duel(0.1, 0.1))["better"].decision == "undecided"


def test_a_gain_below_the_margin_refutes_better(written):
    path = written(better(more='margin = 0.1\nunit = "sd"\n'))
    gain = ruled(path, duel(0.10, 0.13))["better"]
    assert gain.decision == "refuted" and "differ by less than 0.1 sd" in gain.reason
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
    assert "5 pairs give no smaller p, 6 pairs could" in found.reason
    assert ruled(written(better("one"), better("two", "b", "c")), duel(0.1, 0.3, 6))["one"].decision == "supported"


def test_a_claim_that_cannot_be_judged_counts_in_the_correction(written):
    found = ruled(written(better("one"), better("two", "a", "nowhere")), duel(0.1, 0.3, 5))
    assert found["one"].p_corrected == pytest.approx(2 / 32)
    assert found["two"].p is None and found["two"].p_corrected == 1.0


def test_refutations_are_not_corrected(written):
    found = ruled(written(better("one"), better("two", "b", "a")), duel(0.3, 0.1, 5))
    assert found["one"].decision == "refuted" and found["two"].decision == "undecided"


def test_missing_records_say_what_to_run(written):
    path = written(better())
    nothing = ruled(path, [])["better"]
    assert nothing.decision == "undecided" and "qinn-bench run studies/toy.toml" in nothing.reason
    some = ruled(path, row("a", around(0.1)) + row("c", around(0.1)))["better"]
    assert "no record of 'b' on toy; there are: a, c" in some.reason
    few = ruled(path, duel(0.1, 0.3, 3))["better"]
    assert "3 pairs of seeds" in few.reason and "set seeds = 5 in studies/toy.toml and run it" in few.reason


def grown(family, backend="none", controls=None, exponent=0.5, n=6):
    """A family at five sizes whose distance falls as a power of the size; `controls` have other factors."""
    found = []
    for kind, factor in {"": 1.0, **(controls or {})}.items():
        for size in (200, 400, 800, 1600, 3200):
            name = f"{family} · {size}"
            extra = {"control": kind, "control_of": name, "role": "control"} if kind else {}
            values = [factor * size**-exponent * (1 + x) for x in around(0.0, n, 0.005, seed=size)]
            found += [
                r.model_copy(
                    update={
                        "family": family,
                        "size": size,
                        "parameters": Parameters(total=size, quantum=0, classical=size, frozen=0),
                    }
                )
                for r in row(f"{name} · {kind}" if kind else name, values, backend=backend, **extra)
            ]
    return found


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
        for r in grown("c")
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
    file, rng = claims.load(path), np.random.default_rng(3)
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
    assert not freezing.lock_path(path).exists()


def test_a_file_that_is_not_there_and_an_empty_folder_get_one_sentence(tmp_path, capsys):
    assert main(["claims", "check", str(tmp_path / "no.toml")]) == 2
    assert main(["claims", "list", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "there is no file of claims" in said and "there are no files of claims" in said


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


def test_freezing_tells_before_from_after(written, tmp_path, capsys):
    path, file = written(better()), None
    file = claims.load(path)
    early, late = (
        duel(0.1, 0.3),
        [r.model_copy(update={"provenance": {"finished_utc": "2999-01-01T00:00:00+00:00"}}) for r in duel(0.1, 0.3)],
    )
    assert freezing.standing(path, file, late) == "not frozen"
    assert main(["claims", "freeze", str(path)]) == 0
    assert "is frozen as of" in capsys.readouterr().out
    assert freezing.standing(path, file, []) == freezing.standing(path, file, late) == "frozen"
    assert freezing.standing(path, file, early) == "frozen after the run"
    others = [r.model_copy(update={"row": "c", "family": "c"}) for r in early]
    assert freezing.standing(path, file, others) == "frozen"
    before = freezing.lock_path(path).read_bytes()
    path.write_text("# a comment and spaces change nothing\n" + path.read_text().replace(" = ", "  =  "))
    assert freezing.standing(path, file, late) == "frozen"
    assert freezing.freeze(path) and freezing.lock_path(path).read_bytes() == before
    path.write_text(path.read_text().replace('"swd"', '"mmd"'))
    assert freezing.standing(path, claims.load(path), late) == "post hoc"
    save(tmp_path, late)
    assert main(["claims", "check", str(path), "--results", str(tmp_path)]) == 5
    assert "post hoc" in capsys.readouterr().out


def test_only_the_last_freeze_counts(written):
    """Freezing two contents before the run does not leave the choice between them for afterwards."""
    path = written(better())
    text = path.read_text()
    freezing.freeze(path)
    path.write_text(text.replace('"swd"', '"mmd"'))
    freezing.freeze(path)
    path.write_text(text)
    assert freezing.standing(path, claims.load(path), []) == "post hoc"
    freezing.freeze(path)
    assert len(freezing.read_lock(path).freezes) == 3
    assert freezing.standing(path, claims.load(path), duel(0.1, 0.3)) == "frozen after the run"


def test_a_lock_that_cannot_be_read_gets_one_sentence(written, capsys):
    path = written(better())
    freezing.lock_path(path).write_text("{")
    assert main(["claims", "check", str(path)]) == 2
    assert "is no lock of a file of claims" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["0", "z"])
def test_the_newest_record_of_a_cell_counts(tmp_path, key):
    old, new = row("a", [0.1]), row("a", [0.2], provenance={"finished_utc": "2026-02-01T00:00:00+00:00"})
    save(tmp_path, [old[0], new[0].model_copy(update={"key": key})])
    assert [r.metrics["swd"].value for r in store.load_all(tmp_path, "toy")] == [0.2]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_hold(path):
    file = claims.load(path)
    assert file.name == path.stem
    assert freezing.standing(path, file, []) == "frozen"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "claims").glob("*.toml")), ids=lambda path: path.stem)
def test_the_files_of_this_project_name_rows_of_their_studies(path, tmp_path):
    file = claims.load(path)
    orders = planning.plan(planning.load_study(ROOT / file.study), tmp_path)
    rows, families = ({getattr(order, name) for order in orders} for name in ("row", "family"))
    for claim in file.claims:
        assert {claim.first, claim.second} <= (families if claim.relation == "ratio-at-least" else rows)


def test_listing_names_every_file(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["claims", "list"]) == 0
    shown = capsys.readouterr().out
    assert main(["claims", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["file"] for one in found} >= {"benchmarks/claims/rousselot2024.toml"}
    assert all(one["file"] in shown for one in found)


def test_claims_are_checked_without_torch():
    code = "import sys\nimport qinn_bench.claims, qinn_bench.report.claims\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
