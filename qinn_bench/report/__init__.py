"""Tables and figures: they render values and compute nothing."""
