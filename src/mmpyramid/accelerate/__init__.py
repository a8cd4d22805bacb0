"""What makes networks fast on a processor, applied to them from outside."""

from mmpyramid.accelerate.placement import ReadAhead, ResidentDataset, place
from mmpyramid.accelerate.step import CheapDropout, CudaRecorder, TrainingStep, accelerate

__all__ = [
    "CheapDropout",
    "CudaRecorder",
    "ReadAhead",
    "ResidentDataset",
    "TrainingStep",
    "accelerate",
    "place",
]
