"""Uploads are there while somebody needs them, and gone afterwards."""

import io
import os
import shutil
import subprocess
import sys
import time

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.web.uploads import Uploads


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path)


@pytest.fixture
def receive(uploads):
    """Receive a file as Gradio does: equal content under one name, by renaming."""

    def put(content=b"video", name="clip.mp4"):
        aside = uploads.received / "partial"
        aside.write_bytes(content)
        return aside.replace(uploads.received / name)

    return put


def files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_an_upload_is_gone_after_its_last_use(uploads, receive, tmp_path):
    received = receive()
    first = uploads.acquire(received)
    second = uploads.acquire_again(first)
    first.release()
    assert second.path.read_bytes() == b"video"
    assert received.exists()
    second.release()
    second.release()
    assert files(tmp_path) == []


@pytest.mark.parametrize("again", [False, True])
def test_equal_uploads_of_two_visitors_do_not_disturb_each_other(again, uploads, receive, tmp_path):
    mine = uploads.acquire(receive())
    theirs = uploads.acquire(receive() if again else uploads.received / "clip.mp4")
    mine.release()
    assert theirs.path.read_bytes() == b"video"
    assert uploads.acquire(uploads.received / "clip.mp4").path.exists()
    theirs.release()


def test_a_use_ends_with_its_block_whatever_happens(uploads, receive, tmp_path):
    with pytest.raises(RuntimeError), uploads.acquire(receive()):
        raise RuntimeError
    with pytest.raises(ZeroDivisionError), uploads.write(io.BytesIO(b"video"), "a.mp4") as held:
        1 / len(held.path.read_bytes()[5:])
    assert files(tmp_path) == []


def test_an_upload_that_has_gone_is_told(uploads, tmp_path):
    with pytest.raises(UserError, match=r"upload clip\.mp4 is no longer here"):
        uploads.acquire(uploads.received / "clip.mp4")
    assert list((tmp_path / "in-use").iterdir()) == []


def test_only_what_was_received_is_an_upload(uploads, receive, tmp_path):
    received = receive()
    assert uploads.is_received(str(received))
    assert uploads.is_received(str(uploads.received / "gone.mp4"))
    assert not uploads.is_received(str(uploads.received / "gone.mp4"), missing_ok=False)
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    link, pipe = uploads.received / "link.mp4", uploads.received / "pipe.mp4"
    link.symlink_to(secret)
    os.mkfifo(pipe)
    (uploads.received / "folder").symlink_to(tmp_path)
    no_uploads = (secret, link, pipe, uploads.received, uploads.received / "folder/secret.mp4")
    texts = ("", "clip.mp4", "/dev/zero", f"{received}/", f"{received}\0", f"{received}/x")
    detours = (f"{uploads.received}/../secret.mp4", f"{uploads.received}/./clip.mp4", "\ud800")
    for path in (*map(str, no_uploads), *texts, *detours, f"{uploads.received}/{'x' * 999}"):
        assert not uploads.is_received(path), path
    for path in no_uploads:
        with pytest.raises(UserError, match="is no upload"):
            uploads.acquire(path)
    assert secret.read_bytes() == b"secret"
    assert list((tmp_path / "in-use").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown", "on_disk"),
    [
        ("../../etc/x.mp4", "x.mp4", "video.mp4"),
        ("C:\\clips\\x.MOV", "x.MOV", "video.MOV"),
        ("a.m\u00e9p", "a.m\u00e9p", "video"),
        ("a.so very long", "a.so very long", "video"),
        ("", "upload", "video"),
        ("..", "..", "video"),
    ],
)
def test_names_of_visitors_do_not_name_files(name, shown, on_disk, uploads, tmp_path):
    held = uploads.write(io.BytesIO(b"video"), name)
    assert (held.name, held.path.name) == (shown, on_disk)
    assert held.path.parent.parent == tmp_path / "in-use"


def test_what_was_left_behind_is_swept(uploads, receive):
    old, used, fresh = receive(b"1", "old"), receive(b"2", "used"), receive(b"3", "fresh")
    held = uploads.acquire(used)
    for path in (old, used):
        os.utime(path, (time.time() - 100,) * 2)
    uploads.sweep(50)
    assert [path.exists() for path in (old, used, fresh)] == [False, True, True]
    held.release()
    assert not used.exists()


class Torn(io.BytesIO):
    """A stream that breaks in the middle of the file."""

    def read(self, size=-1):
        if self.tell():
            raise ConnectionResetError
        return super().read(4)


def test_a_copy_that_fails_leaves_nothing(uploads, tmp_path):
    with pytest.raises(ConnectionResetError):
        uploads.write(Torn(b"half a video"), "a.mp4")
    assert list((tmp_path / "in-use").iterdir()) == []


def test_leftovers_are_swept(uploads, tmp_path):
    used = uploads.write(io.BytesIO(b"video"), "a.mp4")
    leftover = tmp_path / "in-use" / "leftover"
    leftover.mkdir()
    (leftover / "video.mp4").write_bytes(b"vid")
    for folder in (leftover, used.path.parent):
        os.utime(folder, (time.time() - 100,) * 2)
    uploads.sweep(200)
    assert leftover.exists()
    uploads.sweep(50)
    assert not leftover.exists()
    assert used.path.exists()


FILL = """
import io, sys
from pathlib import Path
from mmpyramid.core.errors import UserError
from mmpyramid.web.uploads import Uploads

root = Path(sys.argv[1])
root.mkdir()
uploads = Uploads(root)
uploads.write(io.BytesIO(bytes(100_000)), "small.mp4")
for size in (3_000_000, 3_000_000):
    try:
        uploads.write(io.BytesIO(bytes(size)), "large.mp4")
    except UserError as error:
        print(error)
print(sorted(path.stat().st_size for path in root.rglob("*") if path.is_file()))
uploads.write(io.BytesIO(bytes(500_000)), "fits.mp4")
"""


def test_a_disk_that_is_really_full(tmp_path):
    alone = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("needs the right to mount a small disk in a namespace of its own")
    mount = 'mount -t tmpfs -o size=1m none "$2" && exec "$0" -c "$1" "$2/root"'
    command = [*alone, "sh", "-c", mount, sys.executable, FILL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = "the server has no room left on its disk for large.mp4; try again later"
    assert done.stdout.splitlines() == [told, told, "[100000]"]
