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
# # A QNode of one's own on `qinn.native`
#
# The kernel of the suite is a PennyLane device. A QNode that runs on `default.qubit` runs on it with one word
# changed, gives the same numbers
# and the same gradients, and is faster where circuits are trained on batches.

# %%
import time

import pennylane as qml
import torch

WIRES, LAYERS, BATCH = 6, 3, 64


def circuit(x, weights):
    """Rows as angles, strongly entangling layers, and the means of Z as features."""
    qml.AngleEmbedding(x, wires=range(WIRES))
    qml.StronglyEntanglingLayers(weights, wires=range(WIRES))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(WIRES)]


def node(device):
    return qml.QNode(circuit, qml.device(device, wires=WIRES), interface="torch", diff_method="best")


rng = torch.Generator().manual_seed(0)
x = torch.rand(BATCH, WIRES, generator=rng, dtype=torch.float64)
start = torch.rand(LAYERS, WIRES, 3, generator=rng, dtype=torch.float64)

# %% [markdown]
# The same values and the same gradient as `default.qubit`:


# %%
def loss_and_gradient(device):
    weights = start.clone().requires_grad_()
    loss = torch.stack(node(device)(x, weights)).square().mean()
    loss.backward()
    return loss.detach(), weights.grad


ours, theirs = loss_and_gradient("qinn.native"), loss_and_gradient("default.qubit")
assert torch.allclose(ours[0], theirs[0], atol=1e-10)
assert torch.allclose(ours[1], theirs[1], atol=1e-10)
print(f"loss {ours[0]:.6f}, largest difference of the gradients {(ours[1] - theirs[1]).abs().max():.1e}")

# %% [markdown]
# How long a step takes on this machine; [the engine's page](../engine.md#how-fast) has careful numbers.

# %%
for device in ("qinn.native", "default.qubit"):
    loss_and_gradient(device)
    begun = time.perf_counter()
    loss_and_gradient(device)
    print(f"{device}: {1e3 * (time.perf_counter() - begun):.1f} ms")

# %% [markdown]
# And trained:

# %%
weights = start.clone().requires_grad_()
optimiser = torch.optim.Adam([weights], lr=0.1)
losses = []
for _ in range(15):
    optimiser.zero_grad()
    loss = torch.stack(node("qinn.native")(x, weights)).square().mean()
    loss.backward()
    optimiser.step()
    losses.append(float(loss.detach()))
assert losses[-1] < losses[0]
print(f"from {losses[0]:.4f} to {losses[-1]:.4f}")
