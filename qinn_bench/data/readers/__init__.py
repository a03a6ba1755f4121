"""Readers of files that others have published, each with the checks that its format allows."""
