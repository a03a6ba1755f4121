"""Quantum rows that could not win, whatever their numbers: what is in the way is named, and only where something is."""

from rows import CONTROLS, around, certificate, quantum, row

from qinn_bench.values import Estimate
from qinn_bench.verdicts import cannot_win, strongest

WORSE = {control: around(0.5) for control in CONTROLS}
RIVAL = row("flow", around(0.2))


def test_a_row_that_could_win_is_not_told():
    assert cannot_win.said([*quantum("q", around(0.9), WORSE), *RIVAL], ("swd",)) == []


def test_what_stands_in_the_way_is_told_with_metric_and_data():
    few = [*quantum("q", around(0.1, 3), {name: losses[:3] for name, losses in WORSE.items()}), *row("flow", [0.2] * 3)]
    (told,) = cannot_win.said(few, ("nll", "swd"))
    assert told.startswith("Cannot be shown to be better than a classical row of its size, whatever its swd on toy: ")
    refuted = [
        *quantum("q", around(1.0), WORSE, "nll", certificate=certificate("fail", 3.0)),
        *row("flow", around(2.0), "nll"),
    ]
    assert "'q' is not certified at seeds" in cannot_win.said(refuted, ("nll", "swd"))[0]


def test_rows_without_controls_without_rivals_and_classical_ones_are_not_asked():
    alone = row("q", around(0.1, 2), backend="native")
    assert cannot_win.said([*alone, *RIVAL], ("swd",)) == []
    assert cannot_win.said(quantum("q", around(0.1, 2), {}), ("swd",)) == []
    assert cannot_win.said(RIVAL, ("swd", "shorth_width")) == []


def test_a_rival_has_the_size_of_the_row():
    other = row("flow · 6000", around(0.2), size=6000)
    assert cannot_win.said([*quantum("q", around(0.1, 2), WORSE, size=2000), *other], ("swd",)) == []


def test_rows_of_a_tuned_study_may_have_budgets_of_their_own():
    rows = quantum("q", around(0.9), WORSE)
    faster = rows[0].cell.budget.model_copy(update={"learning_rate": 0.04})
    moved = [one.model_copy(update={"cell": one.cell.model_copy(update={"budget": faster})}) for one in rows]
    (told,) = cannot_win.said([*moved, *RIVAL], ("swd",))
    assert "different budgets" in told
    assert cannot_win.said([*moved, *RIVAL], ("swd",), tuned=True) == []


def test_the_strongest_classical_row_of_each_size_is_named_by_validation_rows():
    told = [
        one.model_copy(update={"size": size, "validation": Estimate(value=loss, better="lower")})
        for name, size, loss in (("a", 2000, 2.0), ("b", 2000, 1.0), ("c", 6000, 0.5))
        for one in row(name, around(0.2))
    ]
    (note,) = strongest.said([*told, *row("q", around(0.1), backend="native", size=2000)])
    assert note == "Strongest classical of each size on toy, by validation rows: b, c."
