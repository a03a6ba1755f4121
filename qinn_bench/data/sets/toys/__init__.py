"""Toys whose density is known."""
