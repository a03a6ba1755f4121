"""The columns of a study's table: their names, titles and meanings, and how far a number is from the best."""

from __future__ import annotations

from qinn_bench.values import Estimate

DEFAULT = (
    *("parameters", "quantum", "nll", "mass", "mmd", "w1_mean", "w1_m_ll", "sep_mean", "c2st"),
    *("peak_mass", "peak_width", "train_s", "seeds"),
)
COUNTS = frozenset({"parameters", "quantum", "frozen", "seeds"})
SPENT = {"circuits": "circuit_evaluations", "flops": "step_flops", "cpu_best_s": "cpu_to_best_s", "rank": "rank"} | {
    "memory_mb": "peak_memory_mb"
}
"""Columns of what a model costs, each with the field of `Resources` that it shows."""
UNITS = {"cpu_best_s": "s", "memory_mb": "MiB"}
COMPUTED = COUNTS | {"mass", "train_s", *SPENT}
TITLES = {
    "parameters": "param.",
    "quantum": "quant.",
    "nll": "NLL",
    "nll_claimed": "claimed NLL",
    "bits_per_dim": "bits/dim",
    "kl": "KL",
    "mass": "mass",
    "mmd": "MMD²",
    "mmd_bw": "MMD² BW",
    "w1_mean": "⟨W₁⟩",
    "swd": "sliced W₁",
    "chi2_mean": "⟨χ²/n⟩",
    "sep_mean": "⟨sep⟩",
    "c2st": "C2ST AUC",
    "peak_mass": "peak M",
    "peak_width": "peak Γ",
    "shorth_center": "shorth centre",
    "shorth_width": "shorth width",
    "peak_mass_shift": "peak ΔM",
    "peak_width_shift": "peak ΔΓ",
    "train_s": "train",
    "frozen": "frozen",
    "circuits": "circuits/step",
    "flops": "flop/step",
    "cpu_best_s": "CPU to best",
    "memory_mb": "memory",
    "rank": "rank",
    "seeds": "seeds",
}
FAMILIES = {"w1_": "W₁ ", "chi2_": "χ²/n ", "sep_": "sep "}
MEANINGS = {
    "parameters": "trained parameters",
    "quantum": "those of them in quantum circuits",
    "nll": "negative log-likelihood of the test rows in physical space, after dividing the density by its mass",
    "nll_claimed": "negative log-likelihood as the model states it, not comparable unless the mass is 1",
    "mass": "integral of the density that the model states",
    "mmd": "squared maximum mean discrepancy, unbiased, so that it may be negative",
    "w1_mean": "mean over observables of the Wasserstein-1 distance, in standard deviations (sd) of the truth",
    "chi2_mean": "mean over observables of chi-squared per degree of freedom",
    "sep_mean": "mean over observables of the separation power of histograms, 0 (equal) to 1 (disjoint)",
    "c2st": "area under the ROC curve of a classifier of true against generated rows, 0.5 if it cannot tell them apart",
    "shorth_center": "centre of the shortest interval with half of the rows of the resonance's observable",
    "shorth_width": "length of that interval",
    "peak_mass": "fitted position of the resonance",
    "peak_width": "fitted width of the resonance",
    "train_s": "wall time of training",
    "frozen": "parameters that are held fixed",
    "circuits": "circuit evaluations of a training step, a circuit and each of its tangents on one row being one",
    "flops": "floating-point operations of a training step",
    "cpu_best_s": "CPU time of training until the kept weights",
    "memory_mb": "most memory that the process held until training ended",
    "rank": "numerical rank of the derivative of latents and log-det by the parameters at some test rows",
    "seeds": "finished cells of those planned",
}


def title_of(name: str) -> str:
    """How a column is titled, such as ``W₁ m_ll`` for ``w1_m_ll``."""
    family = next((prefix for prefix in FAMILIES if name.startswith(prefix)), "")
    return TITLES.get(name) or FAMILIES.get(family, "") + name.removeprefix(family)


def distance_of(name: str, content: Estimate | str) -> float | None:
    """How far a number is from the best there could be, up to a constant; None if it does not compete."""
    if isinstance(content, str) or content.value is None or name in COMPUTED:
        return None
    value = content.value
    ways = {"lower": value, "higher": -value, "zero": abs(value), "one": abs(value - 1)}
    return ways.get(content.better)
