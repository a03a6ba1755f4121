"""Estimates, paired tests and rankings of numbers that others measured."""
