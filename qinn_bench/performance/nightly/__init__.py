"""The nightly run: its tiers, its findings, its pages."""
