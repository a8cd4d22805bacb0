"""Huge pages for what a command allocates."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's `mallopt`."""

LARGEST = 32 * 2**20
"""Bytes up to which glibc can be told to allocate from the heap."""

HEAP = 2**31 - 2**20
"""Bytes of address space that the heap is given; memory is taken only when it is written to."""

MADV_HUGEPAGE = 14


def use_huge_pages() -> bool:
    """Let the heap of this process lie in pages of 2 MiB instead of 4 KiB, if Linux has them.

    A training step walks through several hundred megabytes of weights, gradients and features;
    with few pages the processor no longer has to look up where each one lies. Freed memory stays
    with the process. To be called before anything large is allocated.

    Returns:
        Whether Linux was asked for them: it cannot be without glibc.

    Example:
        >>> use_huge_pages() in (True, False)
        True
    """
    if not _has_glibc():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST)
    libc.mallopt(M_TRIM_THRESHOLD, HEAP)
    libc.mallopt(M_TOP_PAD, HEAP)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    libc.free(libc.malloc(ctypes.c_size_t(LARGEST // 2)))
    start, end = _heap()
    span = ctypes.c_void_p(start), ctypes.c_size_t(end - start)
    return end - start >= HEAP and libc.madvise(*span, MADV_HUGEPAGE) == 0


def _has_glibc() -> bool:
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", ()) and bool(os.confstr(name))


def _heap() -> tuple[int, int]:
    """Where the heap starts and ends."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    for line in maps:
        if line.endswith("[heap]"):
            start, end = line.split()[0].split("-")
            return int(start, 16), int(end, 16)
    return 0, 0
