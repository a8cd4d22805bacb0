"""Huge pages for what a command allocates."""

from __future__ import annotations

import ctypes
import mmap
import os

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's `mallopt`."""

LARGEST = 32 * 2**20
"""Bytes up to which glibc can be told to allocate from the heap."""

HEAP = 2**31 - 2 * LARGEST
"""Bytes of address space that the heap is given; memory is taken only when it is written to."""

NEVER = 2**31 - 1
"""So many bytes at its end have to be free before the heap shrinks."""

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
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST)
    libc.mallopt(M_TRIM_THRESHOLD, NEVER)
    libc.mallopt(M_TOP_PAD, HEAP)
    first = libc.malloc(ctypes.c_size_t(LARGEST // 2))  # grows the heap
    start, end = first - first % mmap.PAGESIZE, libc.sbrk(0)
    asked = False
    if 0 <= end - start - HEAP <= LARGEST:  # else it could not grow, and this lies elsewhere
        span = ctypes.c_void_p(start), ctypes.c_size_t(end - start)
        asked = libc.madvise(*span, MADV_HUGEPAGE) == 0
    libc.free(ctypes.c_void_p(first))
    return asked


def _has_glibc() -> bool:
    name = "CS_GNU_LIBC_VERSION"
    return name in getattr(os, "confstr_names", ()) and bool(os.confstr(name))
