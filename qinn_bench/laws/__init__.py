"""What every model, data set and metric keeps, whoever wrote it: ``qinn-bench check`` and the tests ask the same."""
