"""What makes networks fast on a processor, applied to them from outside."""

from mmpyramid.accelerate.dropout import CheapDropout, accelerate

__all__ = ["CheapDropout", "accelerate"]
