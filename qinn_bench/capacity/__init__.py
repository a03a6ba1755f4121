"""How much is a model? Sizes, matching, costs, and how they trade for quality."""
