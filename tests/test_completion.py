"""What a shell completes: verbs, options, their choices, names of studies; asked of bash itself where it is here."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from qinn_bench.cli import completion
from qinn_bench.cli.main import VERBS, main

WORDS = {verb: list(completion.options_of(verb)) for verb in ("table", "init", "lint-paper")}
ASK = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qinn_bench; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(completion.bash(WORDS, ["quick", "toys"]))
    return path


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["li"], {"list", "licence", "lint-paper"}),
        (["--ver"], {"--version"}),
        (["table", "--form"], {"--format"}),
        (["table", "--format", "c"], {"csv"}),
        (["table", "qu"], {"quick"}),
        (["--debug", "table", "quick", "--rec"], {"--records"}),
        (["init", "m"], {"model", "metric"}),
        (["lint-paper", "--int"], {"--integers"}),
        (["table", "no-such"], {""}),
    ],
)
def test_bash_offers_what_fits(script, typed, offered):
    words = ["bash", "-c", ASK, "ask", str(script), "qinn-bench", *typed]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.splitlines()) == offered and not done.stderr


def test_fish_has_a_line_for_every_verb_and_option():
    text = completion.fish(WORDS, ["quick"])
    assert all(f" -a {verb} -d " in text for verb in VERBS)
    assert "__fish_seen_subcommand_from table' -l format -xa 'text md" in text.replace("markdown", "md")
    assert text.count(" -a quick") == 2, "what has choices for its first argument has no studies"
    if shutil.which("fish"):
        subprocess.run(["fish", "--no-execute"], input=text, text=True, check=True, timeout=60)


def test_zsh_reads_the_script_of_bash():
    text = completion.bash(WORDS, [], zsh=True)
    assert "bashcompinit" in text and "_qinn_bench qinn-bench" in text


@pytest.mark.slow
def test_the_verb_knows_all_verbs(capsys):
    assert main(["completion", "bash"]) == 0
    text = capsys.readouterr().out
    assert all(f"    {verb}) case" in text for verb in VERBS) and " capacity_zjets " in text


def test_a_file_whose_name_a_shell_would_run_is_no_study(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "benchmarks" / "studies"
    folder.mkdir(parents=True)
    for name in ("mine", "$(touch there)", "two words"):
        (folder / f"{name}.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    for shell in completion.SHELLS:
        assert main(["completion", shell]) == 0
        text = capsys.readouterr().out
        assert " mine" in text.replace("'", " ") and "touch" not in text and "two words" not in text


def test_another_shell_is_refused():
    with pytest.raises(SystemExit):
        main(["completion", "tcsh"])
