"""What is known of a cell? Its key, its record, and what was published of it."""
