"""Showers in a calorimeter: how they are drawn, and how they become rows of a data set."""
