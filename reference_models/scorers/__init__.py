"""Scores without a latent space: distances, forests, and single numbers as floors."""
