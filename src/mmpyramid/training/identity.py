"""Which data a result is of, so that it is not taken for one of other data."""

from __future__ import annotations

from collections.abc import Mapping

from mmpyramid.datasets import Dataset, Split
from mmpyramid.datasets.base import digest_of


def identify(splits: Mapping[Split, Dataset]) -> dict[str, str]:
    """Digests of what a result is of; they do not depend on where the files lie.

    Args:
        splits: those whose annotations count; the features are those of the first one.

    Returns:
        A digest of the `annotations`, of the `features` of the first video of the first split, and
        of its `refined` labels if there are any.

    Raises:
        UserError: if the features cannot be read.
    """
    digests = {split: dataset.digest() for split, dataset in splits.items()}
    annotations = sorted((split, found["annotations"]) for split, found in digests.items())
    return {**next(iter(digests.values())), "annotations": digest_of(annotations)}
