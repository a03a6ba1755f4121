"""``qinn-bench diagnose``: expressibility, entanglement, spectra, gradients, effective dimension of models."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from qinn_bench import registry
from qinn_bench.contracts import Batch, DensityModel, Model
from qinn_bench.dataset import Dataset
from qinn_bench.diagnostics.diagnose import DIAGNOSTICS, Diagnosis, Subject, diagnose, principal_directions
from qinn_bench.files import short
from qinn_bench.records import store
from qinn_bench.report import forms
from qinn_bench.report.diagnostics_table import table
from qinn_bench.report.figure_style import save_as
from qinn_bench.report.spectrum_figure import spectrum_figure
from qinn_bench.seeds import seed_of
from qinn_bench.study import planning, study_files
from qinn_bench.study.train_cell import trained
from qinn_bench.torch_seeds import torch_rng
from qinn_bench.values import Refused, Use
from qinn_bench.writing import write_text

ROWS = 200
PICTURES = (".png", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Models by name or a record of a study, the data, and what to measure."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help="model[knob=value], untrained")
    parser.add_argument("-d", "--data", default="zjets", help="data set[knob=value]")
    parser.add_argument("--what", default=",".join(DIAGNOSTICS), help="diagnostics, separated by commas (default: all)")
    parser.add_argument("--rows", type=int, default=ROWS, help="test rows behind Fisher matrices and Jacobians")
    parser.add_argument("--sets", type=int, default=6, help="sets of parameters of an effective dimension")
    parser.add_argument("--study", type=Path, help="look at the trained weights of a row of this study instead")
    parser.add_argument("--row", help="the row of the study")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the study")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--figure", type=Path, help="draw the singular values of the Jacobians to this file (.png, .pdf)"
    )
    parser.add_argument("--out", type=Path, help="write the table in Markdown to this file too")


def run(options: argparse.Namespace) -> int:
    """Measure one model after the other and print one table."""
    what = _chosen(options)
    subjects = _of_record(options) if options.study else _of_names(options)
    log, diagnoses = Console(stderr=True), dict[str, list[Diagnosis]]()
    for name, subject in subjects.items():
        for diagnostic in what:
            log.print(f"{name}: {diagnostic}", highlight=False, markup=False)
            diagnoses.setdefault(name, []).extend(diagnose(subject, diagnostic))
    if options.figure:
        _draw(subjects, options.figure)
    made = table(diagnoses)
    if options.out:
        write_text(options.out, made.markdown())
    if options.json:
        print(json.dumps({name: [f.model_dump() for f in findings] for name, findings in diagnoses.items()}, indent=1))
    else:
        print(forms.text(made))
    return 0


def _draw(subjects: Mapping[str, Subject], path: Path) -> None:
    """The singular values of those of the models that are maps."""
    maps = {name: one for name, one in subjects.items() if isinstance(one.model, DensityModel)}
    if not maps:
        raise Refused(f"--figure draws Jacobians of densities, and {', '.join(subjects)} is none")
    values = {name: principal_directions(one.model, one.rows)[0] for name, one in maps.items()}  # type: ignore[arg-type]
    save_as(spectrum_figure(values), path)


def _chosen(options: argparse.Namespace) -> list[str]:
    what: list[str] = options.what.split(",")
    if unknown := [name for name in what if name not in DIAGNOSTICS]:
        raise Refused(f"--what names '{unknown[0]}'; there are: {', '.join(DIAGNOSTICS)}")
    if options.rows < 2 or options.sets < 1:
        raise Refused(f"--rows is {options.rows} and --sets {options.sets}; expected at least 2 rows and 1 set")
    if options.figure and options.figure.suffix not in PICTURES:
        raise Refused(f"--figure is '{options.figure}'; expected a name that ends with {' or '.join(PICTURES)}")
    if bool(options.models) == bool(options.study):
        raise Refused("expected either models by name or --study FILE with --row ROW")
    return what


@dataclass(frozen=True)
class _Maker:
    """Builds a model anew, untrained and in float64, for a number of features and a seed."""

    use: Use
    data: Dataset
    backend: str = "auto"

    def __call__(self, dim: int, seed: int) -> Model:
        torch.manual_seed(seed_of("diagnose", str(self.use), dim, seed))
        model: Model = registry.make("model", self.use, dim, data=self.data, backend=self.backend)
        return model.double().eval()


def _of_names(options: argparse.Namespace) -> dict[str, Subject]:
    data: Dataset = registry.make("data", registry.spell_out("data", registry.parse_use(options.data)))
    rows, subjects = _features(data, options.rows), dict[str, Subject]()
    for text in options.models:
        again = _Maker(registry.spell_out("model", registry.parse_use(text)), data)
        model = again(data.dim, 0)
        model.initialise(Batch(_features(data, options.rows, train=True)), torch_rng("diagnose", str(again.use)))
        subjects[text] = Subject(model, again, rows, len(data.train), options.sets)
    return subjects


def _of_record(options: argparse.Namespace) -> dict[str, Subject]:
    """The trained model of a finished cell; its effective dimension is the local one."""
    orders = planning.plan(study_files.load_study(options.study), options.results)
    fitting = [order for order in orders if order.row == options.row and order.cell.seed == options.seed]
    if not fitting:
        rows = ", ".join(dict.fromkeys(order.row for order in orders))
        raise Refused(f"the study has no row '{options.row}' with seed {options.seed}; its rows are: {rows}")
    order = fitting[0]
    record = store.load(options.results, order.study, order.key)
    if record is None or record.status != "ok":
        said = "was not run" if record is None else f"ended as {record.status}"
        raise Refused(f"row '{order.row}' with seed {options.seed} {said}; expected a finished cell")
    cell = order.cell
    data: Dataset = registry.make("data", cell.data)
    arrays = store.load_arrays(options.results, record)
    try:
        model = trained(cell, data, arrays)
    except (RuntimeError, TypeError) as error:
        raise Refused(f"the weights of '{order.row}', seed {cell.seed}, do not fit its model: {short(error)}") from None
    features = _features(data, options.rows)
    return {
        f"{order.row}, seed {cell.seed}": Subject(model, _Maker(cell.model, data), features, len(data.train), sets=1)
    }


def _features(data: Dataset, n: int, *, train: bool = False) -> torch.Tensor:
    return torch.as_tensor(data.transform.forward((data.train if train else data.test)[:n])[0])
