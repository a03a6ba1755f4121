"""Everything that is compared: one file a model, quantum beside classical beside floors and ceilings."""
