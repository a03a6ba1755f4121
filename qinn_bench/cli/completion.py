"""``qinn-bench completion``: a script by which a shell completes verbs, options, their choices and names of studies."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qinn_bench.cli.main import DEBUG, FOLDERS, VERBS, module_of
from qinn_bench.files import places
from qinn_bench.study import study_files
from qinn_bench.values import NAME

SHELLS = ("bash", "zsh", "fish")
GLOBAL = ("--help", "--version", DEBUG, *FOLDERS)
"""Options that stand before a verb."""
LONGEST = 60
"""Characters of a description in fish."""


@dataclass(frozen=True)
class OptionWords:
    """An option of a verb: its names, the words that may follow it where these are known, and what it is.

    Example:
        >>> OptionWords(("-j", "--jobs"), (), "cells at once").names
        ('-j', '--jobs')
    """

    names: tuple[str, ...]
    choices: tuple[str, ...]
    said: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=SHELLS, help='then, for bash: eval "$(qinn-bench completion bash)"')


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    words = {verb: list(options_of(verb)) for verb in VERBS}
    found = {file.stem for place in places(Path(study_files.FOLDER)) for file in place.glob("*.toml")}
    # A shell expands the words that it is given: only what can be the name of a study is one.
    studies = sorted(name for name in found if re.fullmatch(NAME, name))
    print(fish(words, studies) if options.shell == "fish" else bash(words, studies, zsh=options.shell == "zsh"))
    return 0


def options_of(verb: str) -> Iterator[OptionWords]:
    """The options of a verb, and, under no name, the choices of its first argument.

    >>> [one.choices for one in options_of("completion") if not one.names]
    [('bash', 'zsh', 'fish')]
    """
    parser = argparse.ArgumentParser(prog=verb)
    importlib.import_module(module_of(verb)).add_arguments(parser)
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        if action.option_strings or choices:
            yield OptionWords(tuple(action.option_strings), choices, " ".join((action.help or "").split()))


def bash(words: dict[str, list[OptionWords]], studies: Sequence[str], *, zsh: bool = False) -> str:
    """The script for bash, and for zsh, which reads it by its bashcompinit."""
    shell = "zsh" if zsh else "bash"
    lines = [f'# qinn-bench: completion for {shell}; eval "$(qinn-bench completion {shell})"']
    lines += ["autoload -U +X bashcompinit && bashcompinit"] * zsh
    lines += [
        "_qinn_bench() {",
        '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="" words="" at',
        "  for ((at = 1; at < COMP_CWORD; at++)); do",
        f'    case "${{COMP_WORDS[at]}}" in {"|".join(VERBS)}) verb="${{COMP_WORDS[at]}}"; break;; esac',
        "  done",
        '  case "$verb $before" in',
        *_followers(words),
        "  esac",
        '  if [ -z "$words" ]; then case "$verb" in',
        f'    "") words={shlex.quote(" ".join([*VERBS, *GLOBAL]))} ;;',
    ]
    for verb, options in words.items():
        named = [name for one in options for name in one.names]
        first = [choice for one in options if not one.names for choice in one.choices] or list(studies)
        lines.append(
            f'    {verb}) case "$word" in -*) words={shlex.quote(" ".join(named))} ;; '
            f"*) words={shlex.quote(' '.join(first))} ;; esac ;;"
        )
    end = ["  esac; fi", '  COMPREPLY=($(compgen -W "$words" -- "$word"))', "}"]
    return "\n".join([*lines, *end, "complete -o default -F _qinn_bench qinn-bench"])


def _followers(words: dict[str, list[OptionWords]]) -> Iterator[str]:
    """What follows an option that has choices."""
    for verb, options in words.items():
        for one in options:
            if one.names and one.choices:
                places = "|".join(f'"{verb} {name}"' for name in one.names)
                yield f"    {places}) words={shlex.quote(' '.join(one.choices))} ;;"


def fish(words: dict[str, list[OptionWords]], studies: Sequence[str]) -> str:
    """The script for fish, which shows what each verb and option is."""
    lines = ["# qinn-bench: completion for fish; qinn-bench completion fish | source"]
    for verb, said in VERBS.items():
        lines.append(f"complete -c qinn-bench -n __fish_use_subcommand -a {verb} -d {_described(said)}")
    for verb, options in words.items():
        seen = f"complete -c qinn-bench -n '__fish_seen_subcommand_from {verb}'"
        for one in options:
            named = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in one.names)
            given = f" -xa {shlex.quote(' '.join(one.choices))}" if one.choices else ""
            lines.append(f"{seen}{named}{given} -d {_described(one.said)}")
        if all(one.names for one in options):
            lines.append(f"{seen} -a {shlex.quote(' '.join(studies))}")
    return "\n".join(lines)


def _described(text: str) -> str:
    return shlex.quote(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
