"""Measuring the engine: what is timed, how, against whom, and how it scales."""
