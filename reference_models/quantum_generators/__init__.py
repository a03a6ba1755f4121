"""Models that draw rows by means of circuits, and are no flows."""
