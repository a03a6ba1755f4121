"""How simulators grow with the number of qubits."""
