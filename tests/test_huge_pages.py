"""Commands compute in huge pages, where the system has them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
ALLOCATE = "kept = [bytes(2**20) for _ in range(100)]"
COUNT = "print(open('/proc/self/smaps_rollup').read())"


def huge_mebibytes(*statements: str) -> float:
    """Memory in huge pages of a process that has done something."""
    code = "\n".join((*statements, ALLOCATE, COUNT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(re.findall(r"AnonHugePages:\s+(\d+) kB", done.stdout)[0]) / 1024


@pytest.mark.skipif(
    not ENABLED.is_file() or "[madvise]" not in ENABLED.read_text(),
    reason="Linux gives huge pages always or never here, whoever asks",
)
def test_a_command_allocates_in_huge_pages():
    command = "from mmpyramid.cli import main; main(['info', 'nothing'])"
    assert huge_mebibytes("") < 10
    assert huge_mebibytes(command) > 90
