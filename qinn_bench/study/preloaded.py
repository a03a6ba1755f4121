"""What every worker would import for itself; the process that workers are forked from imports this once."""

import torch

from qinn_bench.records import keys

# The first optimiser imports seconds' worth of modules. It takes no step: a step asks whether there is a GPU, and what
# is forked from a process that has asked cannot use one.
torch.optim.Adam([torch.nn.Parameter(torch.zeros(()))])

# A worker compares its code with that of its order; what all models share is parsed here.
keys.content(keys.CONTRACT)
keys.content(keys.TRAINING)
keys.content(keys.CONTROL)
