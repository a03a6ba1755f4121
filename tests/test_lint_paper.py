"""A draft that prints a table as it is has nothing to look at; each planted error is found at its line, no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qinn_bench.cli.main import main
from qinn_bench.records import published
from qinn_bench.report.latex import latex
from qinn_bench.report.paper.draft_files import draft_files
from qinn_bench.report.paper.known_numbers import KnownNumber, of_records, of_study
from qinn_bench.report.paper.lint import lint
from qinn_bench.report.paper.tex_numbers import numbers_of
from qinn_bench.report.study_table import table
from qinn_bench.study import study_files
from qinn_bench.values import Refused

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "results/published/quick.jsonl.gz"
HEAD = r"""\documentclass[11pt]{article}
\usepackage[margin=2.5cm]{geometry}
\begin{document}
"""


@pytest.fixture(scope="module")
def records():
    return published.read(RECORDS, "quick")


@pytest.fixture(scope="module")
def known(records):
    return [*of_records("quick", records), *of_study(study_files.load_study(Path("quick")))]


def found(text, known, **more):
    return [(one.line, one.kind) for one in lint(numbers_of(text.splitlines(), "a.tex"), known, "quick", **more)]


@pytest.mark.parametrize(
    ("text", "value", "place", "error"),
    [
        ("17.552(22)", 17.552, -3, 0.022),
        (r"$17.552 \pm 0.022$", 17.552, -3, 0.022),
        (r"\num{17.552(22)}", 17.552, -3, 0.022),
        (r"\SI{1.5(2)e-4}{\giga\electronvolt}", 1.5e-4, -5, 2e-5),
        (r"$(1.50 \pm 0.25)\times 10^{-4}$", 1.5e-4, -6, 2.5e-5),
        (r"$2.0 \cdot 10^{3}$", 2000.0, 2, None),
        ("1.2(1.4)e-4", 1.2e-4, -5, 1.4e-4),
        (r"12\,345.6", 12345.6, -1, None),
        ("0{,}5 or 1{,}234.5", None, None, None),
        (r"$-0.12$", -0.12, -2, None),
        (r"$= -.5$", -0.5, -1, None),
        (r"9.1\,\%", 9.1, -1, None),
    ],
)
def test_a_number_is_read_in_all_its_forms(text, value, place, error):
    read = numbers_of([f"It is {text}."], "a")
    if value is None:
        assert 1234.5 in [one.value for one in read]
        return
    assert len(read) == 1
    assert read[0].value == pytest.approx(value) and read[0].place == place and read[0].error == pytest.approx(error)


@pytest.mark.parametrize(
    "text",
    [
        r"see \cite{paper2302.12906}, arXiv:2302.12906, \ref{tab:1.5}",
        r"\includegraphics[width=0.5\linewidth]{figures/a1.5.pdf} \hspace{1.5em} \\[2.5pt]",
        r"with $W_{1.5}$ and $x^{2.5}$, torch 2.13.0, 0.5\textwidth, doi 10.1234/5.6",
        r"% 17.123 in a comment",
        r"0.345 % qinn-bench: not ours",
        r"\begin{verbatim}" + "\n1.234\n" + r"\end{verbatim}",
        r"\multicolumn{2}{c}{mean} \cmidrule(lr){2-3} p{2.5cm}",
        r"\begin{tabular}{lS[table-format=2.3]@{\hspace{1.5em}}r} \begin{minipage}[t]{0.45\textwidth}",
        r"\begin{equation*} 1.5 \end{equation*} \verb|2.5| \begin{comment} 3.5" + "\n4.5 5.5",
        r"\textcolor[rgb]{1,0.5,0}{red} \href{https://a.b/1.5}{there} \rule{0.5em}{1.5ex} \parencite[p. 1.5]{a1.5}",
    ],
)
def test_what_is_no_result_is_left_out(text):
    assert [one.text for one in numbers_of(text.splitlines(), "a")] == []


@pytest.mark.parametrize(
    "text",
    [
        r"\textcolor{red}{17.5}",
        r"\textcolor[rgb]{1,0.5,0}{\textbf{17.5}}",
        r"\href{https://a.b/1.5}{17.5}",
        r"\ref{tab:1.5} {17.5}",
        r"\multicolumn{2}{c}{17.5}",
        r"\begin{equation}1.5\end{equation} 17.5",
        r"17.5 \begin{align*}1.5\end{align*}",
        r"\begin{equation}1.5" + "\n" + r"2.5 \end{equation}, that is 17.5 % 3.5",
        r"\begin{verbatim}1.5 % \end{verbatim} 17.5",
        r"\resizebox{0.5\textwidth}{!}{17.5}",
        r"\colorbox{yellow}{\num{17.5}}",
        r"\makebox[2cm]{17.5}",
        r"\definecolor{x}{rgb}{0.15,0.25,0.35} 17.5",
        r"\verb|\begin{equation}| and \verb|%| 17.5",
    ],
)
def test_what_stands_in_and_behind_commands_and_environments_is_looked_at(text):
    assert [one.value for one in numbers_of(text.splitlines(), "a")] == [17.5]


def test_a_minus_between_numbers_is_no_sign():
    assert [one.value for one in numbers_of(["from 1.5-2.5 and $1.5 -2.5$, --3.5"], "a")][:2] == [1.5, 2.5]


def test_the_latex_of_a_table_has_nothing_to_look_at(records, known):
    columns = ["parameters", "quantum", "nll", "swd", "mmd", "c2st", "shorth_width", "mass", "train_s"]
    made = table(records, columns, "as it is")
    numbers = numbers_of([line for line in latex(made).splitlines() if "&" in line], "a.tex")
    assert len(numbers) > 60 and {one.row for one in numbers} > {"spline_inn", "qinn"}
    assert [str(one) for one in lint(numbers, known, "quick")] == []


def test_planted_errors_are_found_where_they_are_and_nothing_else(records, known):
    nll = table(records, ["nll"]).rows
    of = {line.model: line.entries[1].content for line in nll}
    spline, qinn = of["spline_inn"], of["qinn"]
    lines = [
        f"The likelihood is {spline.value:.3f}({round(spline.error * 1000)}) nats, that is {spline.value:.2f}.",
        f"Wrong by a digit: {spline.value + 0.05:.3f}.",
        f"Too many digits: {spline.value:.5f} and ${spline.value:.4f} \\pm {spline.error:.4f}$.",
        rf"spline\_inn & {qinn.value:.3f} & 365 \\",
        rf"spline\_inn & {spline.value:.3f} & 366 \\",
        "In section 12 we use 77 events; 8.6 is from elsewhere % qinn-bench: not ours",
        f"An error that is another: {spline.value:.3f}({round(spline.error * 1000) + 7}).",
        "At a learning rate of 0.03 and a tolerance of 3.0\\,\\%.",
    ]
    assert found("\n".join(lines), known) == [
        (2, "untraced"),
        (3, "beyond"),
        (3, "beyond"),
        (4, "other row"),
        (5, "untraced"),
        (7, "untraced"),
    ]


def test_numbers_of_few_digits_are_not_traced_to_single_seeds():
    one_seed = [KnownNumber(0.5123, 0.2, "a", "swd of a, seed 0, in s", of_seed=True)]
    assert found("0.5 and 0.51", one_seed) == [(1, "untraced")] * 2
    assert found("0.512", one_seed) == [(1, "beyond")]


def test_whole_numbers_are_looked_at_where_they_are_asked_for(known):
    assert found("352 parameters, 17 models", known) == []
    assert found("352 parameters, 17 models", known, whole=True) == [(1, "untraced")]


@pytest.mark.parametrize("shift", [-3, 0, 5])
@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_a_number_traces_to_itself_at_every_rounding_that_its_error_allows(shift, scale):
    value = scale * 1.23456 * 10.0**shift
    one = [KnownNumber(value, 10.0**shift * 0.012, "a", "x of a")]
    for digits in range(2, 6):
        text = f"{abs(value):.{digits - 1}e}"
        assert found(f"it is {text} here", one) == ([] if digits <= 4 else [(1, "beyond")]), text


def test_the_verb_follows_inputs_and_ends_with_1_where_something_is_found(tmp_path, capsys):
    (tmp_path / "part.tex").write_text("A bad one: 99.123.\n")
    draft = tmp_path / "draft.tex"
    draft.write_text(HEAD + "\\input{part}\nAt a rate of 0.03.\n")
    words = ["lint-paper", str(draft), "--records", str(RECORDS)]
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(Path(one["file"]).name, one["line"], one["text"]) for one in told] == [("part.tex", 1, "99.123")]
    (tmp_path / "part.tex").write_text("Nothing.\n")
    assert main(words) == 0
    assert "1 numbers, nothing to look at" in capsys.readouterr().out


def test_files_that_are_not_there_are_told_and_others_are_found_where_latex_looks(tmp_path, capsys):
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections/v1.5.tex").write_text("\\input{tables/a}\\input{b} 99.123\n")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/a.tex").write_text("98.123\n")
    (tmp_path / "sections/b.tex").write_text("97.123\n")
    draft = tmp_path / "draft.tex"
    body = "\\input sections/v1.5\n\\import{tables/}{gone}\n% \\input{not}\n\\input{theirs} % qinn-bench: not ours\n"
    draft.write_text("\\input{glyphtounicode}\n" + HEAD + body)
    words = ["lint-paper", str(draft), "--records", str(RECORDS), "--json"]
    assert main(words) == 1
    told = [(Path(one["file"]).name, one["line"], one["text"]) for one in json.loads(capsys.readouterr().out)]
    of_inputs = [("v1.5.tex", 1, "99.123"), ("a.tex", 1, "98.123"), ("b.tex", 1, "97.123")]
    assert told == [("draft.tex", 6, "tables/gone"), *of_inputs]
    draft.write_text(f"\\input{{{'a' * 400}}}\n")
    assert main(words[:-1]) == 1 and "is taken in and not there" in capsys.readouterr().out
    draft.write_text("\\begin{verbatim}\n\\input{draft}\n\\end{verbatim}\n\\input{gone}\n")
    assert main(words[:-1]) == 1
    assert "'gone' is taken in and not there" in capsys.readouterr().out


def test_bad_input_is_refused(tmp_path, capsys):
    assert main(["lint-paper", str(tmp_path / "no.tex"), "quick"]) == 2
    assert "there is no draft" in capsys.readouterr().err
    (tmp_path / "a.tex").write_text("1.5")
    assert main(["lint-paper", str(tmp_path / "a.tex")]) == 2
    assert "name some" in capsys.readouterr().err
    (tmp_path / "a.tex").write_text("\\input{a}")
    with pytest.raises(Refused, match="takes itself in"):
        draft_files(tmp_path / "a.tex")
