"""Event generators; each needs an optional extra and runs only when asked."""
