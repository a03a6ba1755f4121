"""What asv measures: the workloads of the suite."""
