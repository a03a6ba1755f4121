"""Classical mixture densities."""
