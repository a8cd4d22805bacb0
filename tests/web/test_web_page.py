"""What docs/web.md shows is run against a real server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmpyramid.core import Timeline

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_every_line_of_the_page_works(serve, clip, tmp_path):
    lines = re.findall(r"^\$ (curl .*)", PAGE.read_text(), re.MULTILINE)
    shutil.copy(clip, tmp_path / "clip.mp4")
    with serve() as server:
        script = "\n".join(lines).replace("http://127.0.0.1:7860", server.url)
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr + server.log
    assert json.loads(done.stdout)["status"] == "ok"
    assert Timeline.load(tmp_path / "clip.json").source == "clip.mp4"
    assert (tmp_path / "clip.vtt").read_text().startswith("WEBVTT")
    assert 'src="clip.mp4"' in (tmp_path / "clip.html").read_text()
    assert "/api/parse" in json.loads((tmp_path / "interface.json").read_text())["paths"]
