"""One file, one family of quality figures; METRICS at the end of each file."""
