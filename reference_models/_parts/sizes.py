"""The values that the capacity matcher may give the knobs of flows, where several of them have the same."""

from __future__ import annotations

from qinn_bench.values import Knob

HIDDEN = (*range(1, 17), 18, 20, 22, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128)
"""Widths of a hidden layer."""
HIDDEN_LAYERS = (1, 2)
BINS = (2, 3, 4, 5, 6, 8, 10)
"""Bins of a spline."""
SPLINE_KNOBS: dict[str, tuple[Knob, ...]] = {
    "blocks": (1, 2, 3, 4, 5, 6, 8, 10, 12),
    "hidden": (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80),
    "hidden_layers": HIDDEN_LAYERS,
    "bins": BINS,
}
"""The knobs of a flow of coupling layers with splines, of whatever kind the splines are."""
