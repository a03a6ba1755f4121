"""The nouns of the suite: frozen values that flow from a study file to a table; `values` has them all."""
