"""Circuits as values, and the simulators that run them."""
