# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A claim, and what records say of it
#
# A claim is a file that is written before the run. This one is about records that are published with the
# package, so that nothing is
# trained here.

# %%
from pathlib import Path

import qinn_bench as qb

Path("my_claim.toml").write_text("""
name = "my_claim"
title = "The spline INN against the affine one at 2000 steps"
source = "this notebook"
study = "benchmarks/studies/quick.toml"

[[claims]]
id = "spline"
statement = "the spline INN has a better likelihood than the affine INN"
first = "spline_inn"
second = "affine_inn"
metric = "nll"
relation = "better"
data = "zjets"

[[claims]]
id = "margin"
statement = "and by more than a nat"
first = "spline_inn"
second = "affine_inn"
metric = "nll"
relation = "better"
margin = 1.0
unit = "nats"
data = "zjets"
""")
records = "results/published/quick.jsonl.gz"
ruled = qb.claims("my_claim.toml", records=records)
ruled

# %% [markdown]
# A decision is one of *supported*, *refuted*, *undecided* and *not testable*, each with its interval and its
# p-value, corrected over
# the claims of the file.

# %%
frame = ruled.frame()
assert set(frame["decision"]) <= {"supported", "refuted", "undecided", "not testable"}
frame[["id", "decision", "effect"]]

# %% [markdown]
# It was written after the records were there, and never frozen: its standing says so, and no verdict on it is
# worth what one on a frozen
# file is. `qinn-bench claims freeze my_claim.toml` writes its hash down, before a run.
#
# The numbers behind it, a seed each:

# %%
frame = qb.records("quick", records=records, model=["spline_inn", "affine_inn"])
frame[frame["metric"] == "nll"].pivot(index="seed", columns="row", values="value").round(3)
