"""Floors and ceilings: what no model can honestly be below or above."""
