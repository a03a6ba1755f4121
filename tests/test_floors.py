"""Imports only go down, heavy libraries stay behind their borders, and importing the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"kernel", "labels", "locks", "nouns", "repository", "seeds"},
    {"bit_rows", "calorimeter", "values"},
    {
        "about",
        "bounds",
        "dataset",
        "files",
        "knob_types",
        "like_conditions",
        "limits",
        "refusals",
        "sources",
        "torch_seeds",
        "use_text",
    }
    | {"writing"},
    {"contracts", "outside", "row_fit", "statistics", "train_rows"},
    {"reading", "registry", "quantum", "training"},
    {"building", "data", "diagnostics", "file_text", "metrics"},
    {"catalogue"},
    {"records"},
    {"capacity", "sensitivity", "validity"},
    {"laws", "study", "verdicts"},
    {"report"},
    {"api", "performance"},
    {"cli", "quark_plugin"},
]
"""Who may import whom: a room, or a file of the flat ground floor, only what lies on a floor below its own."""
OF_MODELS = 4
"""The highest floor that a model may import from."""
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
BORDERS = {
    "pennylane": {"qinn_bench/quantum"},
    "normflows": {"reference_models"},
    "matplotlib": {
        *(f"qinn_bench/report/{name}.py" for name in ("study_figures", "study_figure_set", "figure_style")),
        *(f"qinn_bench/report/{name}.py" for name in ("score_figures", "shower_figures")),
        *(f"qinn_bench/report/{name}.py" for name in ("capacity_figure", "critical_figure", "row_figures")),
        *(f"qinn_bench/report/{name}_figure.py" for name in ("ratio", "budget", "spectrum")),
        "qinn_bench/report/pages/page_figures.py",
        "qinn_bench/performance/scaling/figure.py",
        "qinn_bench/api.py",
    },
    "jinja2": {"qinn_bench/report/pages/shell.py"},
    "mplhep": {"qinn_bench/report/figure_style.py"},
    "pythia8mc": {"qinn_bench/data/generators"},
    "fastjet": {"qinn_bench/data/generators"},
    "distributed": {"qinn_bench/study/schedulers"},
    "quark": set(),
    "dask_jobqueue": {"qinn_bench/study/schedulers"},
}
SOURCES = sorted([*(ROOT / "qinn_bench").rglob("*.py"), *(ROOT / "reference_models").rglob("*.py")])


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(dotted):
    parts = dotted.split(".")
    return FLOOR.get(parts[1]) if parts[0] == "qinn_bench" and len(parts) > 1 else None


def test_the_architecture_names_the_modules_of_every_floor():
    lines = (ROOT / "docs/architecture.md").read_text(encoding="utf8").splitlines()
    cells = [line.split("|") for line in lines if line.startswith("| ")]
    told = {cell[1].strip(): set(cell[2].split("`")[1::2]) for cell in cells if cell[1].strip().isdigit()}
    assert {str(level): set(names) for level, names in enumerate(FLOORS)} == told


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if path.name != "__init__.py" and dotted.startswith("qinn_bench"):
        assert floor_of(dotted) is not None, f"{dotted} is on no floor"
    for name in imported(path):
        below = floor_of(name)
        if dotted.startswith("reference_models"):
            assert below is None or below <= OF_MODELS, f"a model imports {name}"
        elif below is not None and floor_of(dotted) is not None:
            same = name.split(".")[:2] == dotted.split(".")[:2]
            assert same or below < floor_of(dotted), f"{dotted} imports {name}, which is not below it"
            assert not name.startswith("reference_models"), f"{dotted} knows a model by name"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_behind_their_borders(path):
    here = str(path.relative_to(ROOT))
    for name in imported(path):
        allowed = BORDERS.get(name.split(".")[0])
        assert allowed is None or any(here.startswith(border) for border in allowed), f"{here} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf8")))


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_importing_the_package_loads_nothing_heavy():
    assert not {"torch", "numpy", "pennylane", "pydantic"} & set(loaded_after("import qinn_bench"))


def test_help_does_not_load_torch():
    assert "torch" not in loaded_after(
        "from qinn_bench.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
