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
# # A first study
#
# Two flows and a normal density on two moons, from a dict to a table with errors. Every cell of a study (one
# model, one
# seed) is trained in a process of its own and kept under `results`; run this again and nothing is trained twice.

# %%
import qinn_bench as qb

study = {
    "name": "notebook_first",
    "data": ["moons[events=2000]"],
    "budgets": {"short": {"steps": 150, "learning_rate": 0.01}},
    "seeds": 3,
    "samples": 1000,
    "mass_draws": 10000,
    "metrics": ["nll", "swd"],
    "models": [
        {"model": "gaussian"},
        {"model": "affine_inn", "knobs": {"blocks": 4, "hidden": 8}},
        {"model": "spline_inn", "knobs": {"blocks": 2, "hidden": 4, "bins": 4}},
    ],
}
made = qb.run(study, jobs=1, progress=False)
assert made.complete
made

# %% [markdown]
# `1.234(56)` means 1.234 ± 0.056. The same numbers as a DataFrame, one row a cell and number:

# %%
frame = qb.records(study)
nll = frame[frame["metric"] == "nll"].pivot(index="seed", columns="row", values="value")
nll

# %% [markdown]
# Rows are paired by seed, because all of them meet the same batches; so are differences:

# %%
difference = nll["gaussian"] - nll["spline_inn"]
assert (difference > 0).all()
print(f"the spline INN is better by {difference.mean():.3f} nats, at each of {len(difference)} seeds")

# %% [markdown]
# Training curves: medians over seeds with a band.

# %%
qb.figure(study, "losses")
