"""Classifiers that see labels: ceilings for those that do not."""
