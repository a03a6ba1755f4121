"""Rulings on claims: any and all of several rows, margins in both directions, intervals that agree with p, budgets."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from claim_files import HEAD, better, duel, equal, grown, write
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import around, row, save

from qinn_bench.cli.main import main
from qinn_bench.statistics import paired
from qinn_bench.values import Budget, Estimate, Refused, Training, Use
from qinn_bench.verdicts import claim_file, claims
from qinn_bench.verdicts.rulings import budgets, quantifiers, ratios, requirements
from qinn_bench.verdicts.rulings.can_win import can_win

BOUND = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
"""What a share of 300 trials at 5 % stays below but once in a thousand times."""


@pytest.fixture
def written(tmp_path):
    return partial(write, tmp_path)


def ruled(path, records):
    return {ruling.claim.id: ruling for ruling in claims.check(claim_file.load(path), records)}


def sets(first, second, more=""):
    """A claim of better about several rows."""
    return better(more=more).replace('first = "a"', f"first = {first}").replace('second = "b"', f"second = {second}")


def level(means, n=8):
    return [r for at, (name, mean) in enumerate(means.items()) for r in row(name, around(mean, n, seed=at + 1))]


@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [
        ('{ any_of = ["low", "high"] }', '"middle"', "supported"),
        ('{ all_of = ["low", "high"] }', '"middle"', "refuted"),
        ('{ any_of = ["low", "high"] }', '{ all_of = ["middle", "top"] }', "supported"),
        ('{ any_of = ["middle", "high"] }', '{ all_of = ["low", "top"] }', "refuted"),
        ('{ all_of = ["middle", "high"] }', '{ any_of = ["low", "top"] }', "supported"),
        ('{ all_of = ["low", "top"] }', '{ any_of = ["middle", "high"] }', "refuted"),
        ('{ all_of = ["low"] }', '{ any_of = ["middle"] }', "supported"),
    ],
)
def test_any_and_all_are_ruled_as_they_read(written, first, second, decision):
    found = ruled(written(sets(first, second)), level({"low": 0.1, "middle": 0.2, "high": 0.3, "top": 0.4}))["better"]
    assert found.decision == decision, found.reason
    assert len(found.pairs) == len(found.claim.firsts) * len(found.claim.seconds)


def test_any_of_several_pays_for_its_chances(written):
    """Of six pairs the smallest p is 1/64: any of three has 3/64, any of four 4/64."""
    three = ruled(written(sets('{ any_of = ["a", "c", "d"] }', '"b"')), level(dict(a=0.1, b=0.4, c=0.5, d=0.6), 6))
    assert three["better"].decision == "supported" and three["better"].p == pytest.approx(3 / 64)
    four = ruled(
        written(sets('{ any_of = ["a", "c", "d", "e"] }', '"b"')), level(dict(a=0.1, b=0.4, c=0.5, d=0.6, e=0.7), 6)
    )["better"]
    assert four.decision == "undecided" and four.p == pytest.approx(4 / 64) and not four.can_win


def slow_any_all(p, outer, inner):
    """What `combine` gives, by the definition: Holm's smallest adjusted p-value, or the largest p-value."""

    def one(values, quantifier):
        return min(1.0, min(len(values) * x for x in values)) if quantifier == "any" else max(values)

    return one([one(line, inner) for line in p], outer)


shapes = st.tuples(st.integers(1, 4), st.integers(1, 4))
either = st.sampled_from(["any", "all"])


@settings(deadline=None)
@given(shapes, either, either, st.data())
def test_combined_p_values_are_those_of_the_definition(shape, outer, inner, data):
    p = [[data.draw(st.floats(1e-6, 1)) for _ in range(shape[1])] for _ in range(shape[0])]
    found = quantifiers.combine(p, (outer, inner))
    assert found.p == pytest.approx(slow_any_all(p, outer, inner))
    other = {"any": "all", "all": "any"}
    assert quantifiers.refuted(p, (outer, inner)).p == pytest.approx(slow_any_all(p, other[outer], other[inner]))
    assert 0 <= found.first < shape[0] and 0 <= found.second < shape[1]


def test_a_member_that_cannot_be_judged_blocks_all_and_not_any(written):
    records = level({"a": 0.1, "b": 0.3})
    assert ruled(written(sets('{ any_of = ["a", "gone"] }', '"b"')), records)["better"].decision == "supported"
    found = ruled(written(sets('{ all_of = ["a", "gone"] }', '"b"')), records)["better"]
    assert found.decision == "undecided" and "'gone' against 'b': no record of 'gone'" in found.reason


def test_the_matrix_is_shown_in_every_form(written, tmp_path, capsys):
    names = {"a": "a<b>", "c": "c|d"}
    records = level({"a": 0.1, "c": 0.3, "e": 0.2})
    save(tmp_path, [one.model_copy(update={"row": names.get(one.row, one.row)}) for one in records])
    path = written(sets('{ all_of = ["a<b>", "e"] }', '{ any_of = ["c|d", "e2"] }').replace('"e2"', '"c|d2"'))
    for form in ("text", "md", "latex", "csv", "html"):
        main(["claims", "check", str(path), "--results", str(tmp_path), "--format", form])
        shown = capsys.readouterr().out
        assert "supported" in shown
        if form == "html":
            assert "a&lt;b&gt;" in shown and "<b>" not in shown
        if form in ("text", "md"):
            assert "Pairs of the claim better" in shown and "all of 2 rows against any of 2 rows" in shown
    main(["claims", "check", str(path), "--results", str(tmp_path), "--json"])
    pairs = json.loads(capsys.readouterr().out)["rulings"][0]["pairs"]
    assert [one["decision"] for one in pairs] == ["supported", "undecided", "supported", "undecided"]


MANY = ", ".join(f"'r{i}'" for i in range(claim_file.MOST_MEMBERS + 1))
NO_SIDES = (
    *("5", "{ some_of = ['a'] }", "{ any_of = [] }", "{ any_of = ['a', 'a'] }", "{ any_of = ['a'], all_of = ['c'] }"),
    *("{ any_of = 'a' }", "{ any_of = [1] }", "[]", "['a']", f"{{ any_of = [{MANY}] }}"),
)


@pytest.mark.parametrize("side", NO_SIDES)
def test_a_side_that_is_no_row_nor_rows_gets_one_sentence(written, side):
    with pytest.raises(Refused, match=r"'claims.0.first' is .* any_of = ") as refused:
        claim_file.load(written(sets(side, '"b"')))
    assert "\n" not in str(refused.value)


def test_a_row_on_both_sides_is_refused(written):
    with pytest.raises(Refused, match="compares 'b' with itself"):
        claim_file.load(written(sets("{ any_of = ['a', 'b'] }", "{ all_of = ['c', 'b'] }")))


def test_better_by_a_margin_needs_a_difference_above_it(written):
    path = written(better(more='margin = 0.1\nunit = "sd"\n'))
    gap = {0.05: "refuted", 0.1: "undecided", 0.3: "supported", -0.3: "refuted"}
    for apart, decision in gap.items():
        found = ruled(path, duel(0.5, 0.5 + apart))["better"]
        assert found.decision == decision, (apart, found.reason)
    smaller = ruled(path, duel(0.5, 0.55))["better"]
    assert smaller.interval[0] > 0 and smaller.interval[1] < 0.1


values = st.lists(st.floats(-1, 1), min_size=5, max_size=8)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from(["better", "margin", "equal"]))
def test_a_ruling_says_what_its_interval_says(tmp_path_factory, differences, kind):
    """A claim is supported or refuted where its interval lies on one side of the margin, whatever the numbers are."""
    path = tmp_path_factory.mktemp("c")
    block = {"better": better(), "margin": better(more='margin = 0.1\nunit = "sd"\n'), "equal": equal("better")}[kind]
    records = row("a", [2.0 - x for x in differences]) + row("b", [2.0] * len(differences))
    found = ruled(write(path, block), records)["better"]
    margin = {"better": 0.0, "margin": 0.1, "equal": 0.05}[kind]
    if found.interval is None:
        return
    low, high = found.interval
    edges = (low, high) if kind != "equal" else (low, high, -low, -high)
    if any(abs(edge - margin) < 1e-9 for edge in edges):
        return
    if kind == "equal":
        assert (found.decision == "supported") == (-margin < low and high < margin)
        beyond = high < -margin or low > margin
        assert found.decision != "refuted" or beyond
        assert found.decision != "undecided" or not beyond or found.p_against < 0.1
    else:
        assert (found.decision == "supported") == (low > margin)
        assert (found.decision == "refuted") == (high < margin)


def test_the_same_test_supports_and_refutes(written):
    """Exchanging the rows of a claim without a margin exchanges the two p-values."""
    one = ruled(written(better()), duel(0.2, 0.19))["better"]
    other = ruled(written(better(first="b", second="a")), duel(0.2, 0.19))["better"]
    assert (one.p, one.p_against) == pytest.approx((other.p_against, other.p))


def shares(path, draw, trials=300, seed=3):
    file, rng = claim_file.load(path), np.random.default_rng(seed)
    decisions = [{ruling.decision for ruling in claims.check(file, draw(rng))} for _ in range(trials)]
    return np.mean(["supported" in one for one in decisions]), np.mean(["refuted" in one for one in decisions])


def drawn(means, spread=0.05, n=7):
    return lambda rng: [r for name, mean in means.items() for r in row(name, rng.normal(mean, spread, n).tolist())]


def on_one_truth(means, n, spread=0.05, shift=0.05):
    """The same where all rows are taken against one sample of true rows, which moves every other row the other way by
    as much as seeds scatter; the records have what 16 other samples would have made of them."""

    def draw(rng):
        moved, others, records = rng.normal(), rng.normal(size=16), []
        for at, (name, mean) in enumerate(means.items()):
            load = shift * (-1) ** at
            losses = rng.normal(mean, spread, n) + load * moved
            told = [{"over_truth": {"swd": tuple(loss + load * others)}} for loss in losses]
            records += [one.model_copy(update=own) for one, own in zip(row(name, losses.tolist()), told, strict=True)]
        return records

    return draw


ERRORS = {
    "any, none better": (sets('{ any_of = ["a", "c", "d"] }', '"b"'), dict(a=1, b=1, c=1, d=1), "supported"),
    "all, one as good": (sets('{ all_of = ["a", "c"] }', '"b"'), dict(a=1, b=1, c=0), "supported"),
    "any of all": (
        sets('{ any_of = ["a", "c"] }', '{ all_of = ["b", "d"] }'),
        dict(a=1, c=1, b=1, d=2),
        "supported",
    ),
    "any, one true": (sets('{ any_of = ["a", "c"] }', '"b"'), dict(a=1, b=1, c=2), "refuted"),
    "all, at the edge": (sets('{ all_of = ["a", "c", "d"] }', '"b"'), dict(a=1, b=1, c=1, d=1), "refuted"),
    "by the margin": (better(more='margin = 0.1\nunit = "sd"\n'), dict(a=1, b=1.1), "supported"),
    "not by the margin": (better(more='margin = 0.1\nunit = "sd"\n'), dict(a=1, b=1.1), "refuted"),
    "equal at the edge": (equal("better"), dict(a=1, b=1.05), "refuted"),
    "equal at the other edge": (equal("better"), dict(a=1.05, b=1), "refuted"),
    "equal, supported at the edge": (equal("better"), dict(a=1.05, b=1), "supported"),
    "three refutations": (
        better("x", "a", "b") + better("y", "c", "d") + better("z", "e", "f"),
        dict(a=1, b=1, c=1, d=1, e=1, f=1),
        "refuted",
    ),
}


@pytest.mark.parametrize("kind", ["any, none better", "by the margin", "equal at the edge"])
def test_a_false_ruling_is_rare(written, kind):
    block, means, wrong = ERRORS[kind]
    supported, refuted = shares(written(block), drawn(means), 100)
    assert (supported if wrong == "supported" else refuted) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_false_rulings_stay_below_their_level(written, kind):
    block, means, wrong = ERRORS[kind]
    supported, refuted = shares(written(block), drawn(means))
    assert (supported if wrong == "supported" else refuted) < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("kind", ERRORS)
def test_false_rulings_stay_below_their_level_where_all_rows_share_a_truth(written, kind, n):
    block, means, wrong = ERRORS[kind]
    supported, refuted = shares(written(block), on_one_truth(means, n))
    assert (supported if wrong == "supported" else refuted) < BOUND


def test_a_truth_that_all_rows_share_makes_no_false_rulings(written):
    """What it does to two rows alike at all seeds is no difference between them; without its draws it would be."""
    block, means, _ = ERRORS["any, none better"]
    counted, left_out = (
        on_one_truth(means, 8),
        lambda rng: [one.model_copy(update={"over_truth": None}) for one in counted(rng)],
    )
    (supported, _), (without, _) = (shares(written(block), draw, 60) for draw in (counted, left_out))
    assert supported < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60) < without


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("draw", [drawn, on_one_truth])
def test_the_interval_of_a_ruling_covers(written, draw, n):
    """Its ends are bounds at 95 % each: 90 % in between, at least where an error of the truth is counted too."""
    file, rng, covered = claim_file.load(written(better())), np.random.default_rng(n), []
    for _ in range(400):
        (found,) = claims.check(file, draw(dict(a=1.0, b=1.1), n=n)(rng))
        low, high = found.interval
        covered.append(low <= 0.1 <= high)
    assert 0.9 - 3 * np.sqrt(0.09 / 400) < np.mean(covered) < 0.95 + 3 * np.sqrt(0.0475 / 400)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 8])
def test_shared_test_rows_make_no_false_verdicts(n):
    """Both rows are judged on the same rows of truth, whose scatter all seeds share: p is of seeds and rows."""
    rng, false = np.random.default_rng(n), []
    for _ in range(300):
        truth = rng.normal(0, 1, 400)
        losses = truth * rng.normal(0, 0.5) + rng.normal(0, 0.02, (n, 1)) + rng.normal(0, 0.3, (n, 400))
        first, second = losses, np.zeros((n, 400))
        found = paired.compare(first.mean(1), second.mean(1), better="lower", rows=(first, second), rng=rng, by=0.0)
        false.append((found.p_better <= 0.05, found.p_worse <= 0.05))
    assert np.all(np.mean(false, axis=0) < BOUND)


def twice(factor, controls=None, **more):
    """The records of a quantum family and of a classical one with so many times its distance at each size."""
    classical = [
        r.model_copy(
            update={"metrics": {"swd": r.metrics["swd"].model_copy(update={"value": factor * r.metrics["swd"].value})}}
        )
        for r in grown("c")
    ]
    return grown("q", "native", controls, **more) + classical


@pytest.mark.parametrize(("at", "decision"), [(400, "supported"), (3200, "undecided"), (100, "undecided")])
def test_a_ratio_at_a_size_is_that_of_the_size(written, at, decision):
    """With twice the distance four times the size is needed; of 3200 the classical family has no such size."""
    block = better("ratio", "q", "c").replace('"better"\ndata', f'"ratio-at-least"\nratio = 3.0\nat = {at}\ndata')
    found = ruled(written(block), twice(2.0, {"frozen": 1.5}))["ratio"]
    assert found.decision == decision, found.reason
    if at == 400:
        assert found.effect.value == pytest.approx(4, rel=0.15) and "at 400" in found.method
    if at == 100:
        assert "no ratio at 100; there are ratios at 200, 400, 800, 1600, 3200" in found.reason


def test_a_size_belongs_to_ratios_alone(written):
    with pytest.raises(Refused, match="states a size with 'at', which the relation 'better' does not have"):
        claim_file.load(written(better(more="at = 2000\n")))


@settings(deadline=None)
@given(st.floats(1.1, 10), st.floats(1.01, 3), st.floats(1.01, 3), st.floats(0.1, 20))
def test_the_p_of_a_ratio_agrees_with_its_interval(value, below, above, stated):
    interval = value / below, value * above
    p, against = ratios.ratio_p(Estimate(value=value, n=6), interval, stated)
    assert (p <= 0.05) == (interval[0] >= stated) or abs(p - 0.05) < 1e-9
    assert (against <= 0.05) == (interval[1] <= stated) or abs(against - 0.05) < 1e-9


def needing(observable="y", modes=2, data="moons"):
    more = f'requires = {{ observable = "{observable}", modes = {modes} }}\n'
    return better(more=more).replace('data = "toy"', f'data = "{data}"')


@pytest.mark.parametrize(("shown", "decision"), [((True, 0.001), "supported"), ((False, 0.4), "not testable")])
def test_a_claim_about_what_the_data_do_not_show_is_not_testable(written, mocker, shown, decision, tmp_path):
    mocker.patch.object(requirements, "at_least_modes", return_value=shown)
    records = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"data": Use(name="moons")})}) for r in duel(0.1, 0.3)
    ]
    found = ruled(written(needing()), records)["better"]
    assert found.decision == decision
    if decision == "not testable":
        assert "do not show at least 2 modes of y, p = 0.4" in found.reason and found.p is None
        assert not found.can_win and found.words == "not testable on these data"
        assert main(["claims", "check", str(written(needing())), "--results", str(tmp_path)]) == 5


def test_an_observable_that_does_not_exist_is_refused(written):
    with pytest.raises(Refused, match="no observable of moons is called 'z'; there are: x, y"):
        ruled(written(needing("z")), [])


def trained(records, gain=None, steps=2000):
    training = Training(steps=steps, best_step=steps, best_loss=1.0, stopped="", gain=gain)
    return [r.model_copy(update={"training": training}) for r in records]


@pytest.mark.parametrize(
    ("gain", "decision", "said"),
    [
        (Estimate(value=0.01, error=0.001), "supported", ""),
        (Estimate(value=0.2, error=0.001), "undecided", "the loss of 'a' would still fall by 0.2 at seeds 0, 1"),
        (None, "undecided", "nothing tells how far the loss of 'a' would still fall"),
    ],
)
def test_a_side_that_still_learns_decides_nothing_where_the_file_asks(written, gain, decision, said):
    block = better(more='margin = 0.05\nunit = "sd"\n')
    records = trained(duel(0.1, 0.3), gain)
    found = ruled(written(block, head=HEAD + "converged = true\n"), records)["better"]
    assert found.decision == decision and said in found.reason
    assert ruled(written(block), records)["better"].decision == "supported"
    with pytest.raises(Refused, match="with 'converged' the file has to state 'largest_gain'"):
        claim_file.load(written(better(), head=HEAD + "converged = true\n"))
    own = written(better(), head=HEAD + "converged = true\nlargest_gain = 0.05\n")
    assert ruled(own, records)["better"].decision == decision


def test_a_margin_of_something_else_than_nats_says_nothing_of_a_loss(written):
    block = better(more='margin = 0.05\nunit = "sd"\n')
    records = trained(duel(0.1, 0.3), Estimate(value=0.08, error=0.001))
    for nats, decision in ((0.1, "supported"), (0.06, "undecided")):
        path = written(block, head=f"{HEAD}converged = true\nlargest_gain = {nats}\n")
        assert ruled(path, records)["better"].decision == decision


def budgeted(apart, steps, label):
    """Two rows that were trained for so many steps and differ by so much."""
    records = level({f"a · {label}": 0.5, f"b · {label}": 0.5 + apart})
    return [
        r.model_copy(update={"cell": r.cell.model_copy(update={"budget": Budget(steps=steps)})})
        for r in trained(records, steps=steps)
    ]


@pytest.mark.parametrize(("later", "moves"), [(0.28, False), (0.2, True)])
def test_a_ruling_names_its_budget_and_whether_it_moves(written, later, moves):
    block = better(first="a · short", second="b · short", more='margin = 0.1\nunit = "sd"\n')
    both = budgeted(0.3, 2000, "short") + budgeted(later, 6000, "long")
    found = ruled(written(block), both)["better"]
    expected = (
        "supported at this budget (2000 steps; with 6000 steps the difference is 0.198 instead of 0.298)"
        if moves
        else "supported at 2000 steps"
    )
    assert found.words.startswith(expected)
    alone = ruled(written(block), budgeted(0.3, 2000, "short"))["better"]
    assert alone.words == "supported at 2000 steps"
    assert budgets.longer(both, "a · short") == "a · long" and budgets.longer(both, "a · long") == "a · short"


@pytest.mark.parametrize(("before", "moves"), [(0.29, False), (0.2, True)])
def test_a_ruling_of_converged_rows_says_what_the_last_cycle_has_moved(written, before, moves):
    """The rows differ by 0.3 nats now, and by `before` a cycle earlier, as their validation losses say."""
    budget = Budget(steps=1000, until="converged")
    records = []
    for name, losses in (("a", (1.5, 1.0)), ("b", (1.5 + before, 1.3))):
        training = Training(steps=4000, best_step=4000, best_loss=losses[1], stopped="", at_cycles=losses)
        records += [
            one.model_copy(update={"cell": one.cell.model_copy(update={"budget": budget}), "training": training})
            for one in row(name, around(losses[1]), "nll")
        ]
    block = better(more='margin = 0.1\nunit = "nats"\n').replace('"swd"', '"nll"')
    found = ruled(written(block), records)["better"]
    expected = (
        "supported at this budget (4000 steps; after 1000 steps the difference was 0.2 instead of 0.3)"
        if moves
        else "supported at 4000 steps"
    )
    assert found.words.startswith(expected), found.words
    varied = [r.model_copy(update={"cell": r.cell.model_copy(update={"varies": "split"})}) for r in records]
    still = [r.model_copy(update={"training": r.training.model_copy(update={"at_cycles": (9.0, 9.0)})}) for r in varied]
    assert ruled(written(block), [*records, *still])["better"].words == found.words


def test_deviations_are_told_with_the_ruling(written, tmp_path, capsys):
    head = HEAD + 'deviations = ["no fidelity term", "one qubit a feature."]\n'
    path = written(better(), head=head)
    save(tmp_path, trained(duel(0.3, 0.1)))
    assert main(["claims", "check", str(path), "--results", str(tmp_path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "refuted at 2000 steps for this reconstruction, 2 deviations" in shown
    assert "Deviations of what is tested from its source, 2: (1) no fidelity term; (2) one qubit a feature." in shown


def test_a_row_says_why_it_cannot_win():
    records = duel(0.3, 0.1, 6)
    assert can_win(records, "a", "b", "swd").can
    assert "at least 5 are needed" in can_win(records, "a", "b", "swd", replicates=7).why_not.replace("7", "5")
    assert "12 claims; 8 pairs could" in can_win(records, "a", "b", "swd", claims=12).why_not
    assert can_win(records, "a", "b", "swd", equal=0.05).can
    quantum = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"backend": "native"})}) if r.row == "a" else r
        for r in records
    ]
    assert "no controls" in can_win(quantum, "a", "b", "swd").why_not


def rivals(gain=None):
    """A quantum row of 2000 with its controls, and two classical ones of which validation rows prefer the second."""
    training = Training(steps=10, best_step=10, best_loss=1.0, stopped="", gain=gain)
    more = {"size": 2000, "training": training}
    made = [r for r in level({"spline · 2000": 0.1, "made · 2000": 0.2}) if r.row]
    scores = {"spline · 2000": 3.0, "made · 2000": 2.0}
    validated = [
        r.model_copy(update={**more, "validation": Estimate(value=scores[r.row], better="lower")}) for r in made
    ]
    return [*validated, *row("low · 2000", around(0.05, 8)), *row("high · 2000", around(0.3, 8))]


@pytest.mark.parametrize("second", ['"strongest classical · 2000"', '{ all_of = ["strongest classical · 2000"] }'])
def test_a_claim_may_name_the_strongest_classical_row_of_a_size(written, second):
    """The one that validation rows prefer, whatever the test rows say of it."""
    found = ruled(written(sets('{ any_of = ["low · 2000", "high · 2000"] }', second)), rivals())["better"]
    assert found.decision == "supported", found.reason
    assert {pair.second for pair in found.pairs} == {"made · 2000"}
    assert "'made · 2000' is the strongest classical · 2000, by validation rows" in found.reason
    assert [pair.can_win for pair in found.pairs] == [True, True]


def test_the_strongest_row_stands_in_the_matrix_and_has_to_have_converged(written, tmp_path, capsys):
    path = written(
        sets('{ any_of = ["low · 2000", "high · 2000"] }', '"strongest classical · 2000"'),
        head=HEAD + "converged = true\nlargest_gain = 0.1\n",
    )
    save(tmp_path / "r", rivals(gain=Estimate(value=0.5, better="zero")))
    code = main(["claims", "check", str(path), "--results", str(tmp_path / "r")])
    told = capsys.readouterr().out
    assert code == 5 and "the loss of 'made · 2000' would still fall" in " ".join(told.split())
    assert "against made · 2000" in told


def test_a_name_without_a_row_says_so(written):
    found = ruled(written(better(second="strongest classical · 350")), rivals())["better"]
    assert found.decision == "undecided" and "no record of" in found.reason
