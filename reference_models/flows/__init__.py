"""Classical normalizing flows."""
