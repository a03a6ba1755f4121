"""Scores of anomaly that are fitted without training: kernels, neighbours, single numbers."""
