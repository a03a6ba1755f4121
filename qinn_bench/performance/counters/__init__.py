"""Exact counts of what a workload does, and the known ones."""
