"""Images that are no jets."""
