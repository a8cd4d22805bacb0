"""The package version; the only copy."""

__version__ = "0.2.0"
