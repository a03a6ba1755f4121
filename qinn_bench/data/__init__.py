"""One file, one data set: load(...) returns a Dataset."""
