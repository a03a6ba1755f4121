"""Folders of the user: models, data sets and metrics join by being there, run in workers, and move without a trace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qinn_bench import catalogue, outside, registry
from qinn_bench.cli.main import main
from qinn_bench.records import keys, store
from qinn_bench.study import study_files
from qinn_bench.use_text import parse_use
from qinn_bench.values import Refused, Use

MODEL = '''"""A shift of each feature."""
import torch
from torch import nn
from qinn_bench.contracts import DensityModel
from ._parts import SCALE


class Shift(DensityModel):
    def __init__(self, dim):
        super().__init__(dim)
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return (x - self.shift) * SCALE, torch.zeros(len(x)).to(x)

    def inverse(self, z):
        return z / SCALE + self.shift


def build(dim: int, *, wide: int = 3) -> DensityModel:
    return Shift(dim)
'''
DATA = '''"""A square."""
import numpy as np
from qinn_bench.data.toy import plane_toy


class Square:
    entropy = 0.0

    def log_density(self, rows):
        return np.where((np.abs(rows - 0.5) < 0.5).all(1), 0.0, -np.inf)

    def sample(self, n, rng):
        return rng.uniform(size=(n, 2))


def load(*, events: int = 400):
    return plane_toy("square", Square(), events, (0.0, 1.0, 0.0, 1.0), "uniform in a square")
'''
METRIC = '''"""How far the means are apart."""
import numpy as np
from qinn_bench.dataset import Metric
from qinn_bench.values import Estimate


def gap(evidence):
    apart = np.abs(evidence.truth.mean(0) - evidence.generated.mean(0)).max()
    return {"gap": Estimate(value=float(apart), better="lower", n=len(evidence.truth))}


METRICS = (Metric("gap", "largest difference of means", "samples", gap, short="gap", meaning="of the means"),)
'''
STUDY = """
name = "outside"
data = ["square[events=400]"]
seeds = 1
samples = 60
mass_draws = 2000
metrics = ["gap", "swd"]
columns = ["gap"]
plugins = { models = "models", data_sets = "sets", metric_files = "metrics/" }
[budgets.short]
steps = 4
[[models]]
model = "shift"
"""


@pytest.fixture(autouse=True)
def nothing_stays():
    """What a test named is no longer there for the next."""
    yield
    outside.of_options({})


@pytest.fixture
def house(tmp_path):
    """A folder with a study, and a model, a data set and a metric of its own."""
    files = {"models/shift.py": MODEL, "models/_parts.py": "SCALE = 1.0\n", "sets/square.py": DATA}
    files |= {"metrics/gaps.py": METRIC, "study.toml": STUDY}
    for name, text in files.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "house"


def test_a_study_of_somebody_else_s_files_runs_in_workers_and_moves(house, tmp_path, capsys, monkeypatch):
    results = tmp_path / "results"
    assert main(["run", str(house / "study.toml"), "--results", str(results), "-j", "1", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert "gap" in json.dumps(table)
    (record,) = store.load_all(results, "outside")
    assert record.status == "ok" and record.metrics["gap"].value is not None
    assert str(tmp_path) not in record.model_dump_json()
    moved = tmp_path / "elsewhere" / "of another name"
    moved.parent.mkdir()
    shutil.move(house, moved)
    monkeypatch.chdir(moved)
    for words in (["status", "study.toml"], ["table", "study.toml", "--columns", "gap", "--json"]):
        assert main([*words, "--results", str(results)]) == 0
    said = capsys.readouterr().out
    assert "1 cells; 1 ok, 0 to run" in said and "gap" in said
    (moved / "models" / "_parts.py").write_text("SCALE = 2.0\n")
    assert main(["status", "study.toml", "--results", str(results)]) == 0
    assert "the model differs (1)" in capsys.readouterr().out
    (moved / "models" / "_parts.py").write_text("SCALE = 1.0  # as it was\n")
    (moved / "metrics" / "gaps.py").write_text(METRIC.replace(".max()", ".min()"))
    assert main(["status", "study.toml", "--results", str(results)]) == 0
    assert "1 ok, 1 to run" in capsys.readouterr().out


def test_what_editors_leave_in_a_folder_is_no_model(house, capsys, monkeypatch):
    monkeypatch.chdir(house)
    before = outside_names(capsys)
    Path("models/.#shift.py").symlink_to("somebody@machine.1234:5678")
    Path("models/._shift.py").write_bytes(b"\x00\x05\x16\x07")
    Path("models/folder.py").mkdir()
    assert outside_names(capsys) == before and "shift" in before


def outside_names(capsys):
    assert main(["list", "--models", "models", "--json"]) == 0
    return list(json.loads(capsys.readouterr().out)["models"])


def test_options_name_folders_for_any_verb(house, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(house)
    assert main(["list", "--models", "models", "--data-sets=sets", "--metric-files", "metrics", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["models"]["shift"] == "A shift of each feature." and listed["data"]["square"] == "A square."
    assert listed["metrics"]["gap"] == "largest difference of means"
    assert main(["list", "models", "--models", "models"]) == 0
    assert "models: models\n  shift" in capsys.readouterr().out
    assert main(["--data-sets", "sets", "data", "info", "square", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "square[events=400]"
    words = ["match", "--models", "models", "-m", "shift", "-d", "moons", "--params", "2"]
    assert main(words) == 2 and "leaves no knob open to the matcher: its size is 2" in capsys.readouterr().err
    assert main(["list", "models", "--json"]) == 0
    assert "shift" not in json.loads(capsys.readouterr().out)["models"], "what was named once is not named for ever"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--models", "nowhere"], "the folder 'nowhere' of models cannot be read: it is not there"),
        (["list", "--models", "models/shift.py"], "cannot be read: it is a file"),
        (["list", "--models"], "--models was given no folder; expected such as --models my_folder/"),
        (["list", "--metric-files=", "--json"], "--metric-files was given no folder"),
        (["list", "--models", "a\0b"], "cannot be read: "),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused(words, said, house, capsys, monkeypatch):
    monkeypatch.chdir(house)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_a_name_that_exists_twice_is_refused_with_both_files(house, capsys, monkeypatch):
    monkeypatch.chdir(house)
    shutil.copytree("models", "more")
    assert main(["list", "--models", "models", "--models", "more"]) == 2
    said = capsys.readouterr().err
    assert str(house / "models" / "shift.py") in said and str(house / "more" / "shift.py") in said
    assert main(["list", "--models", "models", "--models", "./models/"]) == 0, "one folder that is named twice"
    capsys.readouterr()
    (house / "more" / "qinn.py").write_text(MODEL)
    assert main(["list", "--models", "more"]) == 2
    said = capsys.readouterr().err
    assert str(house / "more" / "qinn.py") in said and "reference_models.quantum_flows.qinn" in said
    study = (house / "study.toml").read_text().replace('models = "models"', 'models = "more"')
    (house / "study.toml").write_text(study)
    assert main(["status", "study.toml"]) == 2 and "a name of its own was expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("bad.py", "def build(", "SyntaxError"),
        ("bad.py", "import nosuch\ndef build(dim): ...", "No module named 'nosuch'"),
        ("bad.py", "import _parts\ndef build(dim): ...", "import each other as 'from ._parts import ...'"),
        ("bad.py", "def build(dim, *, n=[]): ...", "the default of its knob 'n' is []"),
        ("bad.py", "raise SystemExit", "its import ends in SystemExit"),
        (
            "bad.py",
            "class Skip(BaseException): ...\nraise Skip('not here')",
            "its import ends in Skip: not here",
        ),
        ("not-a-name.py", MODEL, "its name is no name of Python"),
    ],
)
def test_a_broken_file_is_listed_with_its_reason_and_harms_nothing(file, text, said, house, capsys, monkeypatch):
    monkeypatch.chdir(house)
    (house / "models" / file).write_text(text)
    assert main(["list", "--models", "models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert said in listed[file.removesuffix(".py")] and listed["shift"] == "A shift of each feature."
    assert study_files.load_study(house / "study.toml").name == "outside"
    assert catalogue.roles()["shift"] == "model"


def test_files_of_a_folder_that_nobody_named_are_not_run(house, monkeypatch):
    (house / "models" / "shift.py").write_text("raise AssertionError('run')\n" + MODEL)
    monkeypatch.chdir(house)
    assert main(["list"]) == 0
    with pytest.raises(Refused, match="no model is called 'shift'"):
        registry.find("model", "shift")


def test_a_metric_whose_name_exists_is_broken_and_takes_no_place(house, capsys, monkeypatch):
    monkeypatch.chdir(house)
    (house / "metrics" / "thief.py").write_text(METRIC.replace('"gap"', '"swd"'))
    assert main(["list", "metrics", "--metric-files", "metrics", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["metrics"]
    assert listed["swd"] == catalogue.own_metrics()["swd"].title != "largest difference of means"
    assert "defines 'swd', which another family defines already" in listed["thief"]


def test_keys_hang_on_what_is_in_a_folder_and_not_on_where_it_lies(house, tmp_path):
    other = tmp_path / "b" / "c"
    shutil.copytree(house / "models", other)
    found = []
    for folder in (house / "models", other):
        outside.of_options({"model": (str(folder),)})
        found.append(keys.code_of("shift"))
    assert found[0] == found[1]
    (other / "_parts.py").write_text("SCALE = 3.0\n")
    outside.of_options({"model": (str(other),)})
    assert keys.code_of("shift")["model"] != found[0]["model"]
    assert {part: one for part, one in keys.code_of("shift").items() if part != "model"} == {
        part: one for part, one in found[0].items() if part != "model"
    }
    assert registry.make("model", Use(name="shift"), 2).forward.__globals__["SCALE"] == 3.0, "the code is that of now"


def test_an_edit_within_the_same_second_is_run_as_it_is_written(tmp_path):
    """Python keeps compiled files by whole seconds and sizes, so that 1.0 and 2.0 would be the same."""
    for scale in ("1.0", "2.0", "1.0", "3.0"):
        (tmp_path / "shift.py").write_text(MODEL.replace("from ._parts import SCALE", f"SCALE = {scale}"))
        outside.of_options({"model": (str(tmp_path),)})
        made = registry.make("model", Use(name="shift"), 2)
        assert made.forward.__globals__["SCALE"] == float(scale)
    assert not list(tmp_path.rglob("*.pyc"))


KNOB = st.text(st.characters(codec="ascii", exclude_characters="\"'\0"), max_size=12) | st.text(max_size=8)
VALUES = st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | KNOB


@settings(deadline=None)
@given(knobs=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=4))
def test_what_is_written_is_read_back(knobs):
    use = Use(name="table", knobs=knobs)
    if any(isinstance(value, str) and "'" in value and '"' in value for value in knobs.values()):
        return
    assert parse_use(str(use)) == use
    assert [type(value) for value in parse_use(str(use)).knobs.values()] == [type(knobs[k]) for k in sorted(knobs)]


@pytest.mark.parametrize("text", ["table[path='a]", "table[path='a'b]", "table[path]", "table[=3]", "table['x']"])
def test_what_is_no_use_is_refused(text):
    with pytest.raises(Refused, match="is not of the form"):
        parse_use(text)


def test_old_spellings_stay():
    for text in ("moons[events=400]", "qinn[both=False,entangler=zz,start=identity]", "spline_inn"):
        assert str(parse_use(text)) == text


@pytest.mark.parametrize("wrong", ['MetricColumn("a", "b", wide=1)', ""])
def test_a_metric_with_a_wrong_word_is_listed_with_its_reason(tmp_path, capsys, wrong):
    columns = f", columns=({wrong},)" if wrong else ""
    metric = f'Metric("off", "title", "samples", off{columns})' if wrong else 'Metric("off")'
    head = "from qinn_bench.dataset import Metric, MetricColumn\n\ndef off(evidence):\n    return {}\n\n"
    (tmp_path / "off.py").write_text(f'"""A metric."""\n{head}METRICS = ({metric},)\n')
    assert main(["--metric-files", str(tmp_path), "list", "metrics"]) == 0
    said = capsys.readouterr()
    assert "off" in said.out and "fault" not in said.out + said.err
