"""Batches gathered from rows that lie on a device, or read ahead, are those that are read."""

from dataclasses import replace

import pytest
import torch

from mmpyramid.accelerate.placement import ReadAhead, ResidentDataset, copy_rows
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import loader
from training import tiny_corpus, tiny_events

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Splits of both layouts: labels of videos, of modalities, of segments."""
    folder = tmp_path_factory.mktemp("data")
    llp, ave = tiny_corpus.make(folder / "llp", num_train=150), tiny_events.make(folder)
    parsing, localization = RECIPES["llp"]().model.inputs, RECIPES["ave"]().model.inputs
    return {
        "llp train": open_dataset(llp, "train", parsing),
        "llp val": open_dataset(llp, "val", parsing),
        "ave train": open_dataset(ave, "train", localization, problem="localization"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llp train", "llp val", "ave train"])
def test_gathered_batches_are_those_that_are_read(splits, name):
    split = splits[name]
    rows = copy_rows(split, CPU, most=10**9)
    resident = ResidentDataset(rows)
    assert len(resident) == len(split)
    last = len(split) - 1
    for chosen in ([last, 0, 3], [1], list(range(len(split)))):
        assert_equal(resident.__getitems__(chosen), split.batch(chosen))
    assert_equal(resident[2], split[2])


def test_what_does_not_fit_stays_where_it_is(splits):
    assert copy_rows(splits["llp train"], CPU, most=10**6).endswith("of what is free")


def test_videos_of_different_lengths_stay_where_they_are(splits):
    class Shorter(type(splits["llp train"])):
        def batch(self, rows):
            batch = super().batch(rows)
            end = 4 if 128 in rows else 10
            return replace(batch, streams={n: x[:, :end] for n, x in batch.streams.items()})

    assert (
        copy_rows(as_a(Shorter, splits["llp train"]), CPU, most=10**9) == "videos differ in length"
    )


def test_reading_ahead_changes_nothing(splits):
    split = splits["llp train"]
    plain, ahead = loader(split, 16), loader(split, 16, ahead=True)
    assert isinstance(ahead, ReadAhead)
    pairs = list(zip(plain, ahead, strict=True))
    assert len(pairs) == len(ahead) == 10
    for expected, found in pairs:
        assert_equal(found, expected)
    first = next(iter(ahead))  # A loop may end early.
    assert_equal(first, split.batch(range(16)))


def test_what_cannot_be_read_is_told_in_its_place(splits):
    class Damaged(type(splits["llp train"])):
        def batch(self, rows):
            if 40 in rows:
                raise UserError("damaged")
            return super().batch(rows)

    batches = iter(loader(as_a(Damaged, splits["llp train"]), 16, ahead=True))
    assert len(next(batches).mask_BT) == len(next(batches).mask_BT) == 16
    with pytest.raises(UserError, match="damaged"):
        next(batches)


def as_a(kind, split):
    """The same split with the methods of another class."""
    other = kind.__new__(kind)
    other.__dict__.update(split.__dict__)
    return other


def assert_equal(found, expected) -> None:
    a, b = found.tensors(), expected.tensors()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
