"""Classifiers that see labels: what the others are measured against."""
