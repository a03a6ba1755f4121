"""``qinn-bench figure``: the figures of a study, from its records."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qinn_bench.cli import _records, _study
from qinn_bench.dataset import Dataset
from qinn_bench.records import store
from qinn_bench.report import figure_style, study_figures
from qinn_bench.values import Record, Refused

CURVES = ("curve_step", "curve_train", "curve_valid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study, observables, and a folder."""
    _study.add_arguments(parser)
    _records.add_argument(parser)
    parser.add_argument("--observable", action="append", default=[], help="a figure of its own for this observable")
    parser.add_argument("--out", type=Path, help="folder for the figures (default: RESULTS/figures/STUDY)")


def run(options: argparse.Namespace) -> int:
    """Write, for each data set, the observables against the truth and the loss curves; print the paths.

    Controls are left out unless the filters keep nothing else. Published records have no samples and are refused.
    """
    if options.records:
        raise Refused(f"{options.records} holds no samples, which figures are drawn from; leave --records out")
    planned = _study.found(options)
    for odd in planned.odd:
        print(odd, file=sys.stderr)
    folder = options.out or options.results / "figures" / planned.study.name
    cells = _study.over_seeds(planned.cells)
    for drawn in planned.drawn:
        group = [one.current for one in cells if one.slot.cell.data == drawn.use]
        if not group:
            continue
        finished = [record for record in group if record and record.status == "ok"]
        records = [record for record in finished if not record.control_of] or finished
        if not records:
            raise Refused(f"'{planned.study.name}' has no finished cell on {drawn.data.name} yet; run it first")
        for path in _draw(drawn.data, records, options.results, options.observable, folder):
            print(path)
    return 0


def _draw(data: Dataset, records: Sequence[Record], results: Path, single: list[str], folder: Path) -> list[Path]:
    known = {plot.name for plot in data.plots}
    if wrong := set(single) - known:
        raise Refused(f"{data.name} has no observable '{wrong.pop()}'; there are: {', '.join(sorted(known))}")
    samples: dict[str, list[np.ndarray]] = defaultdict(list)
    curves: dict[str, list[store.Arrays]] = defaultdict(list)
    for record in records:
        arrays = _drawable(store.load_arrays(results, record), record, data)
        samples[record.row].append(arrays["samples"])
        if len(arrays["curve_step"]):
            curves[record.row].append(arrays)
    pooled = {row: np.concatenate(parts) for row, parts in samples.items() if _compared(row, records)}
    made = {
        f"{data.name}_observables": study_figures.observables_figure(data, pooled, [plot.name for plot in data.plots])
    }
    made |= {f"{data.name}_{name}": study_figures.observable_figure(data, pooled, name) for name in single}
    if curves:
        made[f"{data.name}_losses"] = study_figures.loss_figure(curves)
    return [path for stem, figure in made.items() for path in figure_style.save(figure, folder / stem)]


def _drawable(arrays: store.Arrays, record: Record, data: Dataset) -> store.Arrays:
    """The arrays of a record, if they are what a cell leaves: numbers, rows of the data's width, curves of one length.

    Raises:
        Refused: they are not.
    """
    lengths = {len(arrays[name]) for name in CURVES if name in arrays and arrays[name].ndim == 1}
    wanted = {"samples": 2, **dict.fromkeys(CURVES, 1)}
    odd = [
        n
        for n, axes in wanted.items()
        if n not in arrays or arrays[n].ndim != axes or arrays[n].dtype.kind not in "iuf"
    ]
    if not odd and arrays["samples"].shape[1] != data.dim:
        odd = ["samples"]
    if odd or len(lengths) > 1:
        name = odd[0] if odd else "curves"
        raise Refused(f"the {name} of row '{record.row}', seed {record.cell.seed}, cannot be drawn; run the cell again")
    return arrays


def _compared(row: str, records: Sequence[Record]) -> bool:
    """Whether a row is drawn: the truth row is not, as the truth itself is, nor a floor that replays it."""
    own = [record for record in records if record.row == row]
    return not any(one.cell.model.name == "truth" or (one.role == "floor" and one.flags) for one in own)
