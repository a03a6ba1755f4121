"""From a circuit to what a simulator runs."""
