"""What every worker would import for itself; the process that workers are forked from imports this once."""

import torch

from qinn_bench import keys

# The first step of any optimiser imports seconds' worth of modules.
_parameter = torch.nn.Parameter(torch.zeros(()))
_parameter.grad = torch.zeros(())
torch.optim.Adam([_parameter]).step()

# A worker compares its code with that of its order; what all models share is parsed here.
keys.content(keys.CONTRACT)
keys.content(keys.TRAINING)
keys.content(keys.CONTROL)
