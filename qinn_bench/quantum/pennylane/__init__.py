"""PennyLane's devices as simulators, and this project's simulator as a PennyLane device."""
