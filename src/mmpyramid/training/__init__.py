"""Training: one Lightning module, one loop."""
