"""Classical generators: what draws rows without stating a density."""
