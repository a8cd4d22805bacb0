"""`--code FILE serve`: the worker processes know what the file registers."""

import subprocess
import sys

import pytest

NETWORK = """
from dataclasses import dataclass
from typing import ClassVar

from mmpyramid.models import MMPyramid, MMPyramidConfig, register


@dataclass(kw_only=True, slots=True)
class TwinConfig(MMPyramidConfig):
    architecture: ClassVar[str] = "twin"


@register
class Twin(MMPyramid):
    config_class = TwinConfig
"""
SAVE = """
from mmpyramid.models import create_model, save_pretrained
import twin

streams = {"audio_streams": {"yamnet": 1024}, "visual_streams": {"efficientnet_lite0": 1280}}
save_pretrained(twin.Twin(twin.TwinConfig(labels=("Dog",), width=16, **streams)), "model")
"""


@pytest.mark.slow
@pytest.mark.network
def test_workers_know_networks_of_the_user(serve, tmp_path):
    (tmp_path / "twin.py").write_text(NETWORK)
    subprocess.run([sys.executable, "-c", SAVE], cwd=tmp_path, check=True)
    words = ("--models", str(tmp_path / "model"))
    with serve(*words, before=("--code", str(tmp_path / "twin.py"))) as server:
        assert len(server.workers()) == 1
