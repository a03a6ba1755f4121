"""Who is better? Claims and comparisons, each by a paired test."""
