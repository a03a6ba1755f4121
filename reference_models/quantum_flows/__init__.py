"""Quantum invertible networks and hybrids."""
