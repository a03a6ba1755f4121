"""Quantum generators: what draws rows with a circuit in it, without stating a density."""
