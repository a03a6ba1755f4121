"""Rulings on claims, part by part: one pair of rows, many of them together, and what has to be true before."""
