"""A small simulated corpus in the AVE layout, and flags that make a network as small."""

from pathlib import Path

from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave

SIZES = {"train": 24, "val": 10, "test": 10}
FLAGS = (
    *("--model.width", "16", "--batch-size", "8", "--learning-rate", "2e-3"),
    *("--schedule.factor", "1", "--precision", "32-true", "--accelerator", "cpu"),
)


def make(folder: Path) -> Path:
    return simulate_ave(None, folder / "ave", sizes=SIZES, seed=2, difficulty=0.2)
