"""qinn-bench: at equal capacity, is a quantum model better than a classical one?"""

__version__ = "0.1.0"
