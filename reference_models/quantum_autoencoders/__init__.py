"""Circuits that tag anomalies: quantum and hybrid autoencoders, circuits of constituents, transformers."""
