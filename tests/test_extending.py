"""From an empty folder to a table with a model, a data set and a metric of one's own, as the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qinn_bench import outside
from qinn_bench.cli import init
from qinn_bench.cli.main import main
from qinn_bench.records import store

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
COMMANDS += re.findall(r"`(qinn-bench (?:run|list) [^`]+)`", PAGE)
FEW = "seeds = 1\nsamples = 60\nmass_draws = 2000\n"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside.of_options({})
    yield
    outside.of_options({})


def test_the_commands_of_the_page_work_in_an_empty_folder(tmp_path, capsys):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        {"pt": rng.exponential(30, 200) + 20, "eta": rng.normal(size=200), "mass": rng.normal(size=200)}
    )
    table.to_csv("my.csv", index=False)
    assert len(COMMANDS) > 9 and any(" run " in command for command in COMMANDS)
    for command in COMMANDS:
        verb, *words = shlex.split(command)
        assert verb == "qinn-bench" and main(words) == 0, f"{command}: {capsys.readouterr().err}"
    assert "my_flow" in capsys.readouterr().out
    records = store.load_all(tmp_path / "results", "first")
    assert len(records) == 4 and {record.status for record in records} == {"ok"}


def test_a_study_of_own_parts_runs_and_makes_a_table(tmp_path, capsys):
    for kind, name in (("model", "my_flow"), ("data", "bent"), ("metric", "off")):
        assert main(["init", kind, name, "--folder", kind]) == 0
    assert main(["init", "study", "own"]) == 0
    text = Path("own.toml").read_text(encoding="utf8")
    text = re.sub(r"(seeds|samples|mass_draws) = .*\n", "", text) + '[[models]]\nmodel = "my_flow"\n'
    text = (
        text.replace("[budgets", FEW + "[budgets", 1)
        .replace("steps = 300", "steps = 4")
        .replace('"nll",', '"nll", "off",')
    )
    text = text.replace("floors = false", 'plugins = { models = "model", data_sets = "data", metric_files = "metric" }')
    Path("own.toml").write_text(text.replace('"moons[events=4000]"', '"bent[events=400]"'), encoding="utf8")
    assert main(["run", "own.toml", "-m", "my_flow"]) == 0
    capsys.readouterr()
    assert main(["table", "own.toml", "--format", "latex"]) == 0
    assert "my\\_flow" in capsys.readouterr().out
    (record,) = store.load_all(tmp_path / "results", "own")
    assert record.metrics["off"].value is not None and record.certificate is not None


@pytest.mark.parametrize("kind", init.KINDS)
def test_what_is_there_is_never_written_over(kind, tmp_path, capsys):
    assert main(["init", kind, "mine"]) == 0
    (path,) = tmp_path.iterdir()
    path.write_text("mine")
    assert main(["init", kind, "mine"]) == 2
    assert path.read_text() == "mine" and "exists and is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model", "my-flow"], "a name of letters, digits and _ was expected"),
        (["model", "class"], "a name of letters, digits and _ was expected"),
        (["model", "_mine"], "a name of letters, digits and _ was expected"),
        (["model", "../mine"], "a name of letters, digits and _ was expected"),
        (["model", "qinn"], "there is a model called 'qinn' already"),
        (["data", "zjets"], "there is a data set called 'zjets' already"),
        (["metric", "nll"], "there is a metric called 'nll' already"),
        (["metric", "w1_mine"], "but 'w1' is there"),
        (["study", "Mine"], "lower-case letters, digits, - and _ were expected"),
        (["study", "a/b"], "lower-case letters, digits, - and _ were expected"),
        (["model", "mine", "--folder", "a_file"], "a_file is no folder"),
    ],
)
def test_a_name_that_could_not_join_is_refused(words, said, tmp_path, capsys):
    Path("a_file").write_text("")
    assert main(["init", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]
