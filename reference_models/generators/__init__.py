"""Classical models that draw rows and are no flows, twins of those with circuits among them."""
