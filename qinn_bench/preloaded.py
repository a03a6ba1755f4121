"""What every worker would import for itself; the process that workers are forked from imports this once."""

import torch

# The first step of any optimiser imports seconds' worth of modules.
_parameter = torch.nn.Parameter(torch.zeros(()))
_parameter.grad = torch.zeros(())
torch.optim.Adam([_parameter]).step()
