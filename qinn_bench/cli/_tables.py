"""What the verbs that print a table share: the forms that it can have."""

from __future__ import annotations

from qinn_bench.report.layout import Table

FORMS = {"text": Table.text, "md": Table.markdown, "latex": Table.latex, "csv": Table.csv, "json": Table.json}
"""How each form of ``--format`` renders a table."""
