"""Recipes: functions that return a complete training configuration."""
