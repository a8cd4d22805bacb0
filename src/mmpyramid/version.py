"""The package version; the only copy."""

__version__ = "0.1.0"
