"""Results and data in forms that other projects read: results with uncertainties, benchopt's columns, Croissant."""
