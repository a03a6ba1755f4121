"""What is run? From a study file to cells, their workers and their records."""
