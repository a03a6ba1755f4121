"""The data sets by name, a file each."""
