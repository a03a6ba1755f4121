"""What can a metric see? Deformed truths and the power to find them."""
