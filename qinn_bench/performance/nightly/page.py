"""The report of a night as one page of HTML that needs nothing else; all that comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby

from qinn_bench.performance.nightly.night import Night
from qinn_bench.performance.nightly.summary import KINDS, about, left_out, sections, title
from qinn_bench.performance.nightly.trends import Trend, drawing, overview
from qinn_bench.report.table_parts import Line
from qinn_bench.report.table_value import Table

STYLE = """
:root { --ink: #1c2430; --soft: #667085; --line: #e3e7ee; --paper: #fff;
  --worse: #bd1f01; --undecided: #b06a00; --better: #2a7f4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2c3442; --paper: #12161d;
  --worse: #ff7b66; --undecided: #ffa90e; --better: #6fce9b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 84rem; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; border-left: .4rem solid var(--tone, var(--better)); padding-left: .7rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.regression { --tone: var(--worse); } .undecided, .unfit { --tone: var(--undecided); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
li { margin: .3rem 0; overflow-wrap: anywhere; } li b { font-weight: 600; }
.worse b { color: var(--worse); } .undecided b { color: var(--undecided); } .better b { color: var(--better); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100%; }
th { text-align: right; color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--ink); }
td { text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th, td { padding: .2rem .6rem; } th:first-child, td:first-child { text-align: left; white-space: normal; }
tr.flagged td { color: var(--worse); } td.remark { color: var(--soft); text-align: left; white-space: normal; }
p.note { color: var(--soft); font-size: .85rem; margin: .3rem 0; }
svg { vertical-align: middle; } svg.overview { width: 100%; height: auto; }
"""

OVERVIEW = "Time of a step relative to the anchor: the median over the workloads of each night, and their middle half."


def page(night: Night, trends: Mapping[str, Trend]) -> str:
    """The whole report."""
    head = escape(title(night))
    body = "\n".join(_body(night, trends))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{head}</title>\n<style>{STYLE}</style>\n</head>\n"
        f'<body>\n<h1 class="{escape(night.verdict)}">{head}</h1>\n{body}\n</body>\n</html>\n'
    )


def _body(night: Night, trends: Mapping[str, Trend]) -> Iterator[str]:
    pairs = (f"<dt>{escape(word)}</dt><dd>{escape(said)}</dd>" for word, said in about(night))
    yield f"<dl>{''.join(pairs)}</dl>"
    for kind, heading in KINDS.items():
        if notices := night.having(kind):
            said = "".join(f"<li><b>{escape(one.what)}</b>: {escape(one.said)}</li>" for one in notices)
            yield f'<h2>{heading}</h2><ul class="{kind}">{said}</ul>'
    if drawn := overview(trends):
        yield f"<h2>All nights</h2>{drawn}"
        yield f'<p class="note">{OVERVIEW}</p>'
    for heading, table in sections(night, trends):
        yield f"<h2>{escape(heading)}</h2><p>{escape(table.title)}</p>{_table(table, trends)}"
        yield from (f'<p class="note">{escape(note)}</p>' for note in table.footnotes)
    if absent := list(left_out(night)):
        yield f"<h2>Not measured</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in absent)}</ul>"


def _table(table: Table, trends: Mapping[str, Trend]) -> str:
    headings = "".join(f"<th>{escape(str(heading))}</th>" for heading in table.header)
    rows = ""
    for data, of in groupby(table.rows, key=lambda row: row.data):
        rows += f'<tr><th colspan="{len(table.header)}">{escape(data)}</th></tr>' if data else ""
        rows += "".join(_row(row, table, trends) for row in of)
    return f'<div class="wide"><table><thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: Line, table: Table, trends: Mapping[str, Trend]) -> str:
    kind = "flagged" if row.flagged else ""
    cells = ""
    for heading, entry in zip(table.header, row.entries, strict=True):
        drawn = drawing(trends.get(row.model, ()), row.flagged) if heading.name == "trend" else escape(str(entry))
        cells += f"<td>{drawn}</td>"
    remarks = (f'<tr><td class="remark" colspan="{len(table.header)}">{escape(one)}</td></tr>' for one in row.remarks)
    return f'<tr class="{kind}">{cells}</tr>{"".join(remarks)}'
