"""Tables: their digits, order, marks and five formats, from synthetic records; figures: that they show their input."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_hex, to_rgb
from matplotlib.image import imread
from rows import built
from synthetic import MASS, dataset, rows

from qinn_bench.report import cells, figure_style, study_figures, table_value
from qinn_bench.report.forms import FORMS
from qinn_bench.report.latex import latex, tex
from qinn_bench.report.numbers import number
from qinn_bench.report.study_table import table
from qinn_bench.report.table_parts import Entry, Heading, Line
from qinn_bench.report.table_value import Table
from qinn_bench.values import Certificate, Estimate, Flag, Parameters, Refused, Resources, Use

NLL = {"unit": "nats", "better": "lower"}


def certificate(verdict="pass", mass=1.0, reasons=()):
    return Certificate(
        verdict=verdict,
        reasons=reasons,
        mass=Estimate(value=mass, error=0.01, better="one"),
        interval=(mass - 0.02, mass + 0.02),
        effective_share=0.1,
        draws=1000,
    )


def record(row, seed=0, *, model=None, data="zjet", role="model", metrics=None, verdict="pass", **more):
    use = data if isinstance(data, Use) else Use(name=data)
    facts = {
        "parameters": Parameters(total=300, quantum=80, classical=220, frozen=0),
        "certificate": certificate(verdict) if verdict else None,
        "cost": {"train_wall_s": 112.5 + seed, "train_cpu_s": 12.5 + seed},
        "metrics": metrics or {},
    }
    return built(
        key=sha256(f"{row}{seed}{use}".encode()).hexdigest()[:24],
        study="quick",
        row=row,
        role=role,
        model=Use(name=model or "spline_inn"),
        data=use,
        seed=seed,
        samples=100,
        mass_draws=100,
        **(facts | more),
    )


def failed(row, seed, reason="the loss is not finite at step 130", **more):
    nothing = {"parameters": None, "cost": {}, "certificate": None}
    return record(row, seed, status="diverged", reason=reason, **(nothing | more))


def quality(nll, mmd=1e-4, w1=0.05):
    return {
        "nll": Estimate(value=nll, error=0.012, n=100, **NLL),
        "mmd": Estimate(value=mmd, error=4.5e-5, n=100, better="zero"),
        "w1_mean": Estimate(value=w1, error=0.004, n=100, unit="sd", better="lower"),
        "w1_m_ll": Estimate(value=2 * w1, error=0.004, n=100, unit="sd", better="lower"),
        "sep_mean": Estimate(value=w1 / 30, error=0.0002, n=100, better="lower"),
        "c2st": Estimate(value=0.5 + w1, error=0.004, n=100, unit="AUC", better="lower"),
        "peak_mass": Estimate(value=91.21, error=0.04, n=100, unit="GeV"),
        "peak_width": Estimate(value=2.61, error=0.09, n=100, unit="GeV"),
    }


def study():
    """Two models of which the better likelihood is not certified, a floor, the truth, a ceiling, a failed seed."""
    no_density = {k: v for k, v in quality(0, 1e-5, 0.005).items() if k != "nll"}
    return [
        record("gauss", model="gaussian", role="floor", metrics=quality(9.1, 0.04, 0.3)),
        record("oracle", model="oracle", role="ceiling", metrics=quality(6.01, 0, 0.006)),
        *(record("INN", s, metrics=quality(6.5 + 0.02 * s, 3e-4)) for s in range(3)),
        record("QINN_a & 2%", 0, model="qinn", metrics=quality(5.1, 2e-4), verdict="fail"),
        record("QINN_a & 2%", 1, model="qinn", metrics=quality(5.2, -1e-4), verdict="pass"),
        failed("QINN_a & 2%", 2),
        record("hybrid", 0, model="hybrid_qinn", metrics=quality(6.6, 5e-4, 0.04)),
        record("truth", model="truth", role="floor", metrics=no_density, verdict=None),
    ]


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (6.49532, 0.01213, "6.495(12)"),
        (91.2043, 0.0214, "91.204(21)"),
        (91.2043, 0.0761, "91.20(8)"),
        (0.827, 0.119, "0.83(12)"),  # This and the next are the examples of the Particle Data Group.
        (0.827, 0.367, "0.8(4)"),
        (0.827, 0.967, "0.8(1.0)"),
        (12.3456, 2.134, "12.3(2.1)"),
        (1234.5, 123.4, "1230(120)"),
        (0.000123, 0.000045, "1.2(4)e-4"),
        (-0.00001, 0.000045, "-1(4)e-5"),
        (-0.0004, 0.02, "0.000(20)"),
        (0.0, 0.0, "0"),
        (12.5, None, "12.50"),
        (0.00012345, None, "1.234e-4"),
        (2.5e7, 1.2e6, "2.50(12)e7"),
    ],
)
def test_an_error_decides_how_many_digits_are_shown(value, error, shown):
    assert number(value, error) == shown


@pytest.mark.parametrize("power", range(-12, 13))
def test_shown_numbers_read_back_within_a_tenth_of_their_error(power):
    rng = np.random.default_rng(power + 12)
    for value, error in rng.normal(size=(50, 2)) * 10.0**power * [3, 0.2]:
        shown, digits, exponent = re.fullmatch(
            r"(-?[\d.]+)\(([\d.]+)\)(?:e(-?\d+))?", number(value, abs(error))
        ).groups()
        unit = 10.0 ** -len(shown.partition(".")[2]) if "." not in digits else 1.0
        scale = 10.0 ** int(exponent or 0)
        assert abs(float(shown) * scale - value) < 0.15 * abs(error) * 1.001
        assert float(digits) * unit * scale == pytest.approx(abs(error), rel=0.15)


def test_rows_are_floors_with_the_truth_first_then_models_as_in_the_study_then_ceilings():
    rows = table(study()).rows
    assert [row.model for row in rows] == ["truth", "gauss", "INN", "QINN_a & 2%", "hybrid", "oracle"]


def test_seeds_are_combined_and_counted():
    made = read_csv(table(study()))["INN"]
    assert float(made["nll"]) == pytest.approx(6.52)
    assert float(made["nll_error"]) == pytest.approx(np.hypot(0.02 / np.sqrt(3), 0.012))
    assert (made["seeds"], made["seeds_of"]) == ("3", "3"), "numbers, and no date of a spreadsheet"
    assert float(made["train_s"]) == pytest.approx(13.5)
    assert (made["parameters"], made["quantum"]) == ("300", "80")


def test_only_certified_likelihoods_of_compared_models_are_best():
    best = {(row["model"], name) for row in parsed(study()) for name, cell in row["cells"].items() if is_best(cell)}
    assert best == {
        ("INN", "nll"),  # not the QINN (5.1, not certified), the oracle or the hybrid
        *{("QINN_a & 2%", "mmd"), ("INN", "mmd")},  # which differ by less than their errors
        *{(row, "sep_mean") for row in ("INN", "QINN_a & 2%", "hybrid")},
        ("hybrid", "c2st"),
    }


def test_nothing_is_best_without_a_rival():
    alone = [
        record("INN", metrics=quality(6.5)),
        record("oracle", model="oracle", role="ceiling", metrics=quality(6.0)),
    ]
    assert not any(is_best(cell) for row in parsed(alone) for cell in row["cells"].values())


@pytest.mark.parametrize(
    ("verdicts", "mark"),
    [(("pass", "pass"), "✓"), (("pass", "undecided"), "?"), (("undecided", "fail", "pass"), "✗"), ((None,), "")],
)
def test_the_mark_is_that_of_the_worst_seed(verdicts, mark):
    made = table([record("m", seed, metrics=quality(6.5), verdict=v) for seed, v in enumerate(verdicts)], ("nll",))
    assert made.rows[0].entries[1].mark == mark


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ({"by_construction": False, "mass_known": True}, "✓≈"),
        ({"by_construction": False, "mass_known": False}, "✓"),
        ({"by_construction": True, "mass_known": True}, "✓"),
        ({}, "✓"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_likelihood_that_rests_on_a_measured_mass_has_a_mark_of_its_own(facts, mark, form):
    measured = certificate().model_copy(update=facts)
    made = table([record("m", seed, metrics=quality(6.5), certificate=measured) for seed in range(2)], ("nll",))
    assert made.rows[0].entries[1].mark == mark
    assert any(note.startswith("≈") for note in made.footnotes) == (mark == "✓≈")
    assert FORMS[form](made)


def test_a_missing_certificate_is_explained():
    bad = record("m", metrics=quality(-1.4), certificate=certificate("fail", 32.4, ("the mass is 32.4, not 1",)))
    assert any("'fail' for 1 of 1 seeds: the mass is 32.4, not 1" in note for note in table([bad]).footnotes)


@pytest.mark.parametrize("form", FORMS)
def test_failed_and_missing_cells_are_named_in_every_format(form):
    lost = [record("a", s, metrics=quality(6.5)) for s in range(3)] + [failed("b", 0), failed("b", 1)]
    shown = FORMS[form](table(lost))
    assert "2 of 3 seeds: diverged: the loss is not finite at step 130" in shown
    assert "1 of 3 seeds: not run yet" in shown
    assert (",0,3,," if form == "csv" else "0/3") in shown


def test_reasons_that_differ_in_a_number_are_told_once():
    lost = [failed("b", seed).model_copy(update={"reason": f"stopped at step {10 * seed}"}) for seed in range(3)]
    shown = table([record("a", s, metrics=quality(6.5)) for s in range(3)] + lost).text()
    assert "3 of 3 seeds: diverged: stopped at step 0 in the first" in shown and "step 10" not in shown


def test_a_table_of_failures_alone_is_still_a_table():
    made = table([failed("b", 0)], ("nll", "w1_mean"))
    assert [heading.name for heading in made.header] == ["model"]
    assert made.footnotes[-1] == "Left out, as no record has them: nll, w1_mean."
    assert "1 of 1 seeds: diverged" in made.text()


def test_numbers_that_do_not_exist_say_why():
    empty = {"nll": Estimate(value=None, note="3 of 9 rows are not finite", **NLL)}
    made = table([record("m", 0, metrics=empty), record("m", 1, metrics=quality(6.5))], ("nll",))
    assert any("m on zjet, NLL: 1 of 2 seeds have a value: 3 of 9 rows are not finite" in n for n in made.footnotes)
    assert "–" in table([record("m", 0, metrics=empty)], ("nll",)).text()


def test_absent_columns_are_named_and_unknown_ones_refused():
    asked = ("nll", "mmd", "w1_mean")
    made = table([record("m", metrics={"nll": quality(6.5)["nll"]})], asked)
    assert "Left out, as no record has them: mmd, w1_mean" in made.footnotes[-1]
    assert not any("Left out" in note for note in table([record("m", metrics={"nll": quality(6.5)["nll"]})]).footnotes)
    with pytest.raises(Refused, match=r"no column is called 'w1_mll'; there are: .*nll.*w1_m_ll"):
        table(study(), ("nll", "w1_mll"))


def test_no_records_and_doubled_records_are_refused():
    with pytest.raises(Refused, match="no records yet"):
        table([])
    with pytest.raises(Refused, match="row 'm' on 'zjet' has 2 records of seed 0"):
        table([record("m"), record("m")])


def test_data_sets_of_one_name_are_told_apart_by_their_knobs():
    uses = [Use(name="moons", knobs={"sigma": sigma}) for sigma in (0.1, 0.2)]
    made = table([record("m", data=use) for use in [*uses, Use(name="zjet")]])
    assert [row.data for row in made.rows] == ["moons[sigma=0.1]", "moons[sigma=0.2]", "zjet"]


def test_numbers_told_in_words_have_cells_of_their_own_in_csv():
    entries = [
        (
            Entry("a"),
            cells.interval((0.125, None)),
            cells.p_value(3e-12),
            cells.share(2, 5),
            cells.ranged("> 4", None, (4.0, None)),
        ),
        (
            Entry("b"),
            cells.interval(None),
            cells.p_value(0.5),
            cells.share(5, 5),
            Entry(Estimate(value=1.5, error=0.25)),
        ),
    ]
    header = [Heading(name, name) for name in ("model", "interval", "p", "seeds", "bound")]
    lines = tuple(Line("", str(line[0]), "model", "", line) for line in entries)
    made = Table("t", tuple(header), lines, ())
    first, second = csv.DictReader(io.StringIO(made.csv()))
    assert {k: v for k, v in first.items() if v and k not in ("model", "role")} == {
        "interval_low": "0.125",
        "p": "3e-12",
        "seeds": "2",
        "seeds_of": "5",
        "bound_low": "4.0",
    }
    assert (second["bound"], second["bound_error"], second["interval_low"]) == ("1.5", "0.25", "")
    assert "3.0e-12" in made.text() and "[0.125, –]" in made.text() and "2/5" in made.text()


def test_a_long_column_is_laid_out_in_linear_time():
    """Whether an entry is marked is asked of a column once, not once a line."""
    looks = []

    class Seen(list):
        def __iter__(self):
            looks.append(1)
            return super().__iter__()

    table_value._starred(Seen([Entry(str(k)) for k in range(50)]))
    assert len(looks) <= 4


def test_csv_reads_back_in_full_precision():
    exact = 6.495321234567891
    lines = list(csv.reader(io.StringIO(table([record('a, "b"', metrics=quality(exact))]).csv())))
    assert lines[0][:5] == ["model", "data", "role", "parameters", "quantum"]
    assert lines[0][5:9] == ["nll", "nll_error", "mass", "mass_error"]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert lines[1][0] == 'a, "b"'
    assert float(lines[1][5]) == exact


def test_markdown_rows_have_as_many_columns_as_the_header():
    odd = [*study(), failed("a|b", 0, "lost | found")]
    text = table(odd).markdown()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
    assert widths == {len(table(odd).header) + 2}
    assert "**6.520(17)✓**" in text
    assert "| *truth* |" in text
    assert "QINN\\_a" in text
    odd = table([*study(), failed("Ba$$in &lt; ~~a~~", 0, "lost")]).markdown()
    assert r"Ba\$\$in \&lt; \~\~a\~\~" in odd, "no formula, no entity, not struck out"


def test_latex_escapes_what_it_would_read_as_a_command():
    assert tex(r"a_b & 5% #1 $x$ {y} \z ~ ^ χ²") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textbackslash{}z \textasciitilde{} \textasciicircum{} $\chi$$^2$"
    )
    text = latex(table(study()))
    body = text[text.index(r"\endlastfoot") : text.rindex(r"\end{longtable}")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    widths = {len(re.split(r"(?<!\\)&", row)) for row in rows}
    assert sum(widths) - len(widths) + 1 == len(table(study()).header) or len(widths) == 1
    assert r"QINN\_a \& 2\% & 300" in body
    assert r"$\mathbf{6.520(17)}$\,$\checkmark$" in body
    assert text.isascii()
    assert text.count(r"\begin{") == text.count(r"\end{")


def test_text_fits_a_terminal_and_shows_every_column():
    text = table(study()).text()
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("model  ") == 2  # Two blocks, each names the models.
    for title in ("param.", "NLL", "MMD²", "C2ST AUC", "peak Γ", "seeds"):
        assert title in text
    lines = [line for line in text.splitlines() if line.startswith(("gauss", "INN", "hybrid", "oracle"))]
    assert len({line.index("(") for line in lines[:4]}) == 1  # Numbers line up whether marked or not.


def test_the_legend_explains_marks_errors_and_the_truth():
    notes = " ".join(table(study()).footnotes)
    for words in ("one standard deviation", "✓ passed", "'truth' has other true events", "Ceilings", "Bold"):
        assert words in notes


def test_tables_need_no_torch():
    code = "import sys; import qinn_bench.report.study_table; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def parsed(records):
    return json.loads(table(records).json())["rows"]


def is_best(cell):
    return isinstance(cell, dict) and cell["best"]


def read_csv(made):
    return {line["model"]: line for line in csv.DictReader(io.StringIO(made.csv()))}


@pytest.fixture(scope="module")
def data():
    return dataset(2000)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(1)
    return {"good": rows(3000, rng), "shifted": rows(3000, rng, mass=MASS + 2)}


def frames(figure):
    """The pairs of histogram and ratio frames of a figure."""
    return list(zip(figure.axes[::2], figure.axes[1::2], strict=True))


def stairs(axes, colour):
    """The heights that are drawn in a colour."""
    return [p.get_data().values for p in axes.patches if to_hex(p.get_edgecolor()) == colour and not p.get_fill()]


def test_a_page_shows_each_observable_and_its_ratio(data, samples):
    figure = study_figures.observables_figure(data, samples, ["mass", "x", "t"])
    assert [lower.get_xlabel() for _, lower in frames(figure)] == ["m [GeV]", "x", "t"]
    assert frames(figure)[0][0].get_ylabel() == "fraction / 1 GeV"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["truth", "good", "shifted"]


def test_a_histogram_shows_the_shares_of_its_sample_and_the_ratio_their_quotient(data, samples):
    upper, lower = frames(study_figures.observable_figure(data, samples, "mass"))[0]
    plot = data.plots[0]
    truth, shifted = (
        np.histogram(r[:, 0], plot.bins, (plot.low, plot.high))[0] for r in (data.test, samples["shifted"])
    )
    np.testing.assert_allclose(stairs(upper, figure_style.PALETTE[1])[0], shifted / shifted.sum())
    clear = truth >= study_figures.FEWEST
    expected = np.full(plot.bins, np.nan)
    expected[clear] = (shifted / shifted.sum())[clear] / (truth / truth.sum())[clear]
    np.testing.assert_allclose(stairs(lower, figure_style.PALETTE[1])[0], expected)


def test_transverse_momenta_have_a_logarithmic_axis(data, samples):
    plot = replace(data.plots[2], name="pt_j", falls=True)
    steep = replace(data, plots=(plot,), observables=lambda r: {"pt_j": r[:, 2]})
    assert frames(study_figures.observable_figure(steep, samples, "pt_j"))[0][0].get_yscale() == "log"
    assert frames(study_figures.observable_figure(data, samples, "t"))[0][0].get_yscale() == "linear"


def test_samples_that_are_empty_far_off_or_not_finite_are_drawn(data, tmp_path):
    odd = {"empty": np.zeros((0, 3)), "far": np.full((50, 3), 1e9), "nan": np.full((50, 3), np.nan)}
    assert figure_style.save(study_figures.observables_figure(data, odd, ["mass", "x"]), tmp_path / "odd")


def test_unknown_observables_are_refused(data, samples):
    with pytest.raises(Refused, match="'synthetic' has no observable 'm_ll'; there are: mass, x, t"):
        study_figures.observable_figure(data, samples, "m_ll")
    with pytest.raises(Refused, match="no observables"):
        study_figures.observables_figure(data, samples, [])


def test_loss_curves_show_every_seed_and_both_losses():
    seeds = [
        {
            "curve_step": np.array([1, 50, 100]),
            "curve_train": np.array([9, 5, 4.0]) + s,
            "curve_valid": np.array([9, 5, np.nan]),
        }
        for s in range(3)
    ]
    left, right = study_figures.loss_figure({"a": seeds, "b": seeds[:1]}).axes
    assert (len(left.lines), len(right.lines)) == (4, 4)
    np.testing.assert_array_equal(left.lines[1].get_ydata(), [10, 6, 5])
    assert "training loss" in left.get_ylabel()
    assert "validation loss" in right.get_ylabel()


def test_models_are_told_apart_beyond_the_palette():
    pens = [(colour, str(dash)) for colour, dash in figure_style.pens(20)]
    assert len(set(pens)) == 20


def test_files_are_written_not_blank_and_the_same_each_time(data, samples, tmp_path):
    written = [
        figure_style.save(study_figures.observable_figure(data, samples, "mass"), tmp_path / part / "v1.0_mass")
        for part in "ab"
    ]
    assert [path.name for path in written[0]] == ["v1.0_mass.png", "v1.0_mass.pdf"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    image = imread(written[0][0])[..., :3]
    assert image.shape[1] == round(300 * study_figures.COLUMN)
    assert 0.05 < np.mean(image.min(axis=2) < 0.9) < 0.6
    for colour in figure_style.PALETTE[:2]:
        assert np.any(np.all(np.abs(image - to_rgb(colour)) < 0.02, axis=2))
    assert b"CreationDate" not in written[0][1].read_bytes()


def test_figures_leave_the_settings_of_the_user_alone(data, samples, tmp_path):
    before = dict(rcParams)
    figure_style.save(study_figures.observable_figure(data, samples, "x"), tmp_path / "x")
    assert dict(rcParams) == before


def spent(rank, seconds, *, bound=False, flops=897_767_697):
    return Resources(
        circuit_evaluations=2304,
        step_flops=flops,
        cpu_to_best_s=seconds,
        peak_memory_mb=512.0,
        rank=rank,
        rank_rows=52,
        rank_is_bound=bound,
    )


def test_columns_of_what_a_model_costs():
    columns = ("circuits", "flops", "cpu_best_s", "memory_mb", "rank", "frozen")
    records = [
        record("qinn", 0, resources=spent(301, 20.0)),
        record("qinn", 1, resources=spent(302, 30.0)),
        record("bounded", 0, resources=spent(468, 1.0, bound=True)),
        record("bounded", 1, resources=spent(468, 1.0, bound=True)),
        record("elsewhere", 0, resources=spent(None, None, flops=None)),
        record("elsewhere", 1, resources=None),
    ]
    by_row = {line.model: [str(entry) for entry in line.entries] for line in table(records, columns).rows}
    assert by_row["qinn"][1:3] == ["2304", "8.978e8"] and by_row["qinn"][5:] == ["302", "0"]
    assert by_row["bounded"][5] == "≥ 468" and by_row["elsewhere"][2:4] == ["–", "–"]
    assert "25(5)" in table(records, columns).text() and r"$\geq$ 468" in latex(table(records, columns))


def test_a_flagged_row_is_marked_and_never_the_best():
    flag = Flag(kind="memoriser", said="97% of the generated rows are nearer to a training row")
    honest = [record("INN", s, metrics=quality(6.5, 3e-4)) for s in range(2)]
    other = [record("other", s, metrics=quality(6.9, 5e-4)) for s in range(2)]
    copied = [record("copy", s, metrics=quality(5.0, 1e-6, 0.001), flags=(flag,) * (s == 1)) for s in range(2)]
    shown = table([*honest, *other, *copied], ("nll", "w1_mean"))
    best = {line.model for line in shown.rows for entry in line.entries if entry.best}
    assert "copy" not in best and "INN" in best
    assert [line.model for line in shown.rows if line.flagged] == ["copy"]
    assert f"copy on zjet, 1 of 2 seeds: memoriser: {flag.said}." in shown.footnotes
    for rendered in (shown.text(), shown.markdown(), shown.csv()):
        assert "copy" in rendered
    assert "copy ‼" in shown.text() and "copy ‼" in shown.markdown() and "copy !!" in latex(shown)
    assert not any("‼" in note for note in table([*honest, *other], ("nll",)).footnotes)
