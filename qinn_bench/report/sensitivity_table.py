"""The metric licence as a table, and the footnote that says in a study's table what its metrics can see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from qinn_bench import catalogue
from qinn_bench.report.study_columns import title_of
from qinn_bench.report.table_parts import MISSING, Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.sensitivity import licence
from qinn_bench.sensitivity.licence import WORDS, Licence, Sight
from qinn_bench.values import Estimate, Record

UNITS = {"shift": "sd", "rescaling": "", "correlation": "", "dropped mode": "share", "tail": ""}
INTERVAL = 2 * 1.959964
"""A central 95 % interval, here of the logarithm of a strength, in standard deviations."""


def table(given: Licence) -> Table:
    """One row a column of a metric and sample size, one column a deformation."""
    header = (Heading("model", "metric"), *(Heading(name, name, UNITS[name]) for name in WORDS))
    places = sorted({(s.samples, s.column) for s in given.sights}, key=lambda place: (place[0], _order(place[1])))
    lines = [_line(given, column, samples) for samples, column in places]
    return Table(f"Metric licence on {given.data}", header, tuple(lines), tuple(_legend(given)))


def footnote(given: Licence, columns: Iterable[str], samples: int) -> str:
    """What these columns can see with samples of this size, in one note; empty if nothing is licensed."""
    said = [(_titled(given, column, samples), given.epsilon(column, samples)) for column in columns]
    known = "; ".join(f"{title}: {words}" for title, words in said if words)
    return known and (
        f"What these metrics can see on {given.data} (chance {given.power:.0%} at {given.alarms:.0%} false "
        f"alarms, {samples} rows a sample; 'equal' never means more): {known}."
    )


def _titled(given: Licence, column: str, samples: int) -> str:
    """The title of a column, with the sample size of its licence where that is smaller."""
    size = max((sight.samples for sight in given.of(column, samples)), default=samples)
    return title_of(column) + (f" (by {size} rows)" if size < samples else "")


def licensed(made: Table, records: Sequence[Record], results: Path) -> Table:
    """The table of these records with a note on what its metrics can see, for each data set with a licence.

    A licence counts only for the very content that it was made on, and for the smallest sample of the records.
    """
    samples: dict[str, int] = {}
    for record in records:
        content = str(record.provenance.get("data_hash", ""))
        samples[content] = min(record.cell.samples, samples.get(content, record.cell.samples))
    licences = [(licence.of_content(results, content), n) for content, n in samples.items()]
    columns = [heading.name for heading in made.header]
    notes = [footnote(one, columns, n) for one, n in licences if one]
    return replace(made, footnotes=(*made.footnotes, *filter(None, notes)))


def _order(column: str) -> tuple[bool, str]:
    """Columns of whole rows first, those of one observable by name."""
    return bool(catalogue.stem_of(column)), column


def _line(given: Licence, column: str, samples: int) -> Line:
    sights = {s.deformation: s for s in given.sights if (s.column, s.samples) == (column, samples)}
    entries = [_entry(sights[name]) if name in sights else Entry(MISSING) for name in WORDS]
    return Line(f"{samples} rows", column, "model", "", (Entry(column), *entries))


def _entry(sight: Sight) -> Entry:
    if sight.epsilon is None or sight.low is None or sight.high is None:
        return Entry(f"> {sight.top:g}", plain={"_above": sight.top})
    error = sight.epsilon * float(np.log(sight.high / sight.low)) / INTERVAL
    return Entry(Estimate(value=sight.epsilon, error=error, n=sight.samples))


def _legend(given: Licence) -> list[str]:
    return [
        f"The smallest deformation of true rows that raises the alarm in {given.power:.0%} of samples; the alarm is "
        f"a value that true rows against true rows exceed in {given.alarms:.0%}. 0.12(2) means 0.12 ± 0.02, from "
        "the finite number of simulated samples; '>' was never seen, up to the largest planted; – does not apply.",
        "shift: of one feature, in its standard deviations; rescaling: of one feature, relative; correlation: its "
        "change between two features, marginals kept; dropped mode: missing share of one of eight clusters (of two for "
        "one observable); tail: relative excess of the highest 1 % of one feature. Which feature, pair or cluster is "
        "drawn anew for every sample. Columns of one observable are tried on that observable alone.",
    ]
