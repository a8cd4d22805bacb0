"""Corpora that we make: rendered videos and simulated features."""
