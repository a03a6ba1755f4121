"""Tables in LaTeX: that they fit their page by their own account, what they need, and that any text can be read."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import quality, record, study

from qinn_bench.report.latex import FONTS, GAP, Page, _blocks, _column_width, _label_width, latex, tex
from qinn_bench.report.study_table import table

PAGES = [Page(font, landscape) for font in FONTS for landscape in (False, True)]
LONG = "hybrid_qinn[construction=elementwise,bins=4,uploads=4,fidelity=0.0,mmd=0.0] with a label that says all of it"


def wide():
    """A table with many columns, long labels, remarks without spaces, and a title with everything in it."""
    measured = quality(6.5) | {f"own_{k}": quality(6.5)["nll"] for k in range(12)}
    rows = [record(f"{LONG} {k}", metrics=measured) for k in range(3)]
    broken = record("b", metrics={}, status="diverged", reason=f"no shape of {LONG.replace(' ', '')}", verdict=None)
    return table([*rows, broken, *study()], title="Z & jets: 100 % of $x_1$ at #3")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_fits_its_page_and_every_column_is_in_one(page):
    made = wide()
    blocks = list(_blocks(made, page))
    assert [at for block in blocks for at in block[1:]] == list(range(1, len(made.header)))
    for block in blocks:
        columns = sum(_column_width(made, at, page) + 2 * GAP for at in block[1:])
        assert block[0] == 0 and (columns + _label_width(made, page) + 2 * GAP <= page.width or len(block) == 2)


def test_packages_caption_and_label_are_there():
    text = latex(wide(), Page(landscape=True), "quick")
    first, *lines = text.splitlines()
    assert first == "% needs " + "".join(
        rf"\usepackage{{{name}}}" for name in ("booktabs", "longtable", "array", "amssymb", "pdflscape")
    )
    assert text.count(r"\caption{") == text.count(r"\label{tab:quick}") == 1
    assert r"Z \& jets: 100 \% of \$x\_1\$ at \#3" in text
    assert text.count(r"\begin{longtable}") == text.count(r"\addtocounter{table}{-1}") + 1
    assert (lines[0], lines[-1]) == (r"\begin{landscape}", r"\end{landscape}")
    for name in ("landscape", "longtable"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}")
    assert r"\label{tab:study-quick}" in latex(wide())


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_as_text(text):
    made = tex(text)
    plain = re.sub(r"\\[\\&%$#_{}]", "", made)
    assert "\n" not in made and plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[&%#]", plain)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("ρ λ Ω", r"$\rho$ $\lambda$ $\Omega$"),
        ("x³ a₂", "x$^3$ a$_2$"),
        ("naïve Müller", "naïve Müller"),
        ("☃", r"\texttt{U+2603}"),
        ("a\u2028b\u0085c\td\n", "a b c d "),
    ],
)
def test_letters_that_latex_lacks_are_spelled(text, made):
    assert tex(text) == made


COMMANDS = {
    *("begin", "end", "begingroup", "endgroup", "caption", "label", "addtocounter", "setlength", "tabcolsep", "par"),
    *("raggedright", "sloppy", "linewidth", "multicolumn", "textbf", "textit", "emph", "quad", "noalign", "nobreak"),
    *("toprule", "midrule", "bottomrule", "addlinespace", "cmidrule", "LTcapwidth", "LTpre", "LTpost", *FONTS),
    *("endfirsthead", "endhead", "endfoot", "endlastfoot", "arraybackslash", "textbackslash", "textasciitilde"),
    *("textasciicircum", "langle", "rangle", "cdot", "geq", "leq", "pm", "checkmark", "times", "infty", "to", "hspace"),
    *("hookrightarrow", "approx", "hangindent", "mathbf", "ldots", "allowbreak", "circ", "partial", "sqrt"),
    *("triangledown", "mathrm", "texttt"),
}
"""Commands of LaTeX and of the packages that a table names; letters of the Greek alphabet come with LaTeX too."""
LETTERS = "alpha beta gamma delta epsilon varepsilon eta theta lambda mu nu pi rho sigma tau phi chi psi omega"
GREEK = set(re.findall(r"\w+", LETTERS))
GREEK |= {name.capitalize() for name in GREEK}


def structure(text):
    """What LaTeX would stop at: environments that do not close, braces, lines of another number of cells, commands."""
    wrong, inside = [], []
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            inside.append(name)
        elif not inside or inside.pop() != name:
            wrong.append(f"\\end{{{name}}} closes another")
    wrong += [f"{name} is never closed" for name in inside]
    plain = re.sub(r"\\[\\{}%&$#_]", "", body)
    wrong += ["braces"] if plain.count("{") != plain.count("}") else []
    wrong += ["dollars"] if plain.count("$") % 2 else []
    wrong += [f"\\{name}" for name in re.findall(r"\\([A-Za-z]+)", body) if name not in COMMANDS | GREEK]
    blocks = re.findall(r"\\begin\{longtable\}\{>\{.*?\}p\{\d+pt\}(r*)\}\n(.*?)\\end\{longtable\}", body, re.S)
    for columns, rows in blocks:
        width = len(columns) + 1
        for row in re.findall(r"^(.*?)\\\\(?:\[[^\]]*\])?\*?$", rows, re.M):
            spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            cells = len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans)
            if "caption" not in row and cells > width:
                wrong.append(f"{cells} cells of {width}: {row[:60]}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_structure_is_what_latex_reads(page):
    assert structure(latex(wide(), page)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"\end{longtable}", "", "longtable"),
        (r"\midrule", r"\middlerule", r"\middlerule"),
        (r"\caption{", r"\caption", "braces"),
        (" & ", " & & & & & & & & & & & & & & & & & ", "cells of"),
    ],
)
def test_what_latex_would_stop_at_is_seen(old, new, said):
    assert any(said in one for one in structure(latex(wide()).replace(old, new, 1)))


COMPILERS = {
    "pdflatex": ["pdflatex", "-interaction=nonstopmode", "t.tex"],
    "tectonic": ["tectonic", "--keep-logs", "--only-cached", "t.tex"],
}
INSTALLED = [name for name in COMPILERS if shutil.which(name)]


@pytest.mark.skipif(not INSTALLED, reason="there is neither TeX Live nor tectonic")
@pytest.mark.parametrize("page", [Page(), Page("tiny"), Page("small", True)], ids=str)
def test_nothing_is_too_wide_where_there_is_latex(page, tmp_path):
    packages = "".join(rf"\usepackage{{{name}}}" for name in ("booktabs", "longtable", "array", "amssymb", "pdflscape"))
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{lmodern}"
    source = f"{head}{packages}\n\\begin{{document}}\n{latex(wide(), page)}\n\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(source, encoding="utf8")
    for _ in range(2):
        done = subprocess.run(COMPILERS[INSTALLED[0]], cwd=tmp_path, capture_output=True, timeout=120, check=False)
    if not (tmp_path / "t.log").exists():
        pytest.skip(f"{INSTALLED[0]} has not the files that it needs: {done.stderr.decode(errors='replace')[-200:]}")
    log = (tmp_path / "t.log").read_text(encoding="utf8", errors="replace")
    assert not re.findall(r"^!.*|Overfull.*", log, re.M)
