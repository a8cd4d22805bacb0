"""Pickled tensors are read as PyTorch wrote them, and nothing else that a pickle may hold."""

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.core.tensors import read_pickle, read_tensors


def saved(value) -> bytes:
    """In the format of PyTorch before 1.6."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_tensors_of_any_shape_and_stride_come_back():
    whole = torch.randn(4, 5, 6)
    value = OrderedDict(
        whole=whole,
        part=whole[1:3, :, 2],
        turned=whole.permute(2, 0, 1),
        number=torch.tensor(7),
        empty=torch.zeros(0, 3),
        more=[torch.arange(5), (torch.ones(1), "name", 3.5)],
    )
    found = read_tensors(saved(value))
    for name in ("whole", "part", "turned", "number", "empty"):
        assert found[name].shape == tuple(value[name].shape), name
        assert np.array_equal(found[name], value[name].numpy()), name
    assert found["number"].dtype == np.int64
    assert np.array_equal(found["more"][0], np.arange(5))
    assert found["more"][1][1:] == ("name", 3.5)


def test_tensors_in_another_pickle_come_back():
    found = read_pickle(pickle.dumps([[torch.tensor(3), torch.tensor(4)], []]))
    assert [[int(value) for value in row] for row in found] == [[3, 4], []]


class Harmful:
    def __reduce__(self):
        return os.getpid, ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        pickle.dumps(Harmful()),
        saved(torch.zeros(3, dtype=torch.complex64)),
        saved(torch.arange(1000.0))[:-1],
        saved(torch.arange(1000.0))[:300],
    ],
    ids=["empty", "text", "code", "complex", "cut", "cut early"],
)
def test_anything_else_is_refused(content):
    with pytest.raises(UserError, match="expected a pickle of tensors"):
        read_tensors(content)


def test_a_pickle_runs_no_code():
    with pytest.raises(UserError, match=r"it names (posix|os)\.getpid"):
        read_pickle(pickle.dumps([Harmful()]))


def test_a_tensor_never_reaches_beyond_its_storage():
    content = saved(torch.arange(6.0).reshape(2, 3))
    size = b"K\x02K\x03\x86"
    assert content.count(size) == 1
    for other in (b"K\x03K\x03\x86", b"K\x02K\x64\x86"):
        with pytest.raises(UserError, match="it has no"):
            read_tensors(content.replace(size, other))


def test_no_more_memory_is_taken_than_the_file_has():
    content = saved(torch.arange(6.0))
    with pytest.raises(UserError, match="shorter than its 65535 numbers"):
        read_tensors(content.replace(b"K\x06N", b"M\xff\xffN", 1))
