"""Uploads are there while somebody needs them, and gone afterwards, with their room."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.web.limits import Budget, Limits, NoSpaceError, TooManyError
from mmpyramid.web.uploads import Uploads


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path)


def files(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_an_upload_is_gone_after_its_last_use(uploads, store, tmp_path):
    first = store(uploads)
    second = uploads.use(first.path)
    first.release()
    first.release()
    assert second.path.read_bytes() == b"video"
    second.release()
    second.release()
    assert list((tmp_path / "received").iterdir()) == []


def test_a_use_ends_with_its_block_whatever_happens(uploads, store, tmp_path):
    with pytest.raises(RuntimeError), store(uploads):
        raise RuntimeError
    assert files(tmp_path) == []


def test_an_upload_that_has_gone_is_told(uploads, store):
    held = store(uploads)
    held.release()
    with pytest.raises(UserError, match="no longer here"):
        uploads.use(held.path)


def test_an_upload_is_its_owners_by_an_address_that_is_no_path(uploads, store):
    held = store(uploads, b"secret", "clip.mp4")
    address = f"/received/{held.path.parent.name}/video.mp4"
    assert uploads.address(held._stored) == address
    assert uploads.find(address, "me") == held.path
    assert uploads.find(address, "somebody") is None
    assert uploads.stored(address, "somebody") is None
    detours = (f"{address}/", f"{address}\0", f"/received/../{address}", f"{address}/../video.mp4")
    texts = ("", "video.mp4", "/dev/zero", str(held.path), f"file://{held.path}", "\ud800")
    for text in (*detours, *texts, address.replace("/", "\\"), address.replace("/", "%2f")):
        assert uploads.find(text, "me") is None, text


def test_a_link_in_the_folder_is_no_upload(uploads, store, tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    fresh = uploads.received / ("0" * 32)
    fresh.symlink_to(tmp_path)
    held = store(uploads)
    held.path.unlink()
    held.path.symlink_to(secret)
    for path in (fresh / "secret.mp4", held.path):
        with pytest.raises(UserError, match="no longer here"):
            uploads.use(path)
    held.release()
    assert secret.read_bytes() == b"secret"


def test_files_of_the_server_are_everybodys_and_stay(uploads):
    with uploads.receive("Bell.mp4", None, None) as stored:
        stored.path.write_bytes(b"bell")
    for owner in ("me", "them"):
        assert uploads.find(uploads.address(stored), owner) == stored.path
        uploads.use(stored.path).release()
    uploads.sweep(0)
    assert stored.path.exists()


@pytest.mark.parametrize(
    ("name", "shown", "on_disk"),
    [
        ("../../etc/x.mp4", "x.mp4", "video.mp4"),
        ("C:\\clips\\x.MOV", "x.MOV", "video.MOV"),
        ("a.m\u00e9p", "a.m\u00e9p", "video"),
        ("a.so very long", "a.so very long", "video"),
        ("", "upload", "video"),
        ("..", "..", "video"),
        ("4pm.\u202egpj\x1b[2J.mp4", "4pm.\ufffdgpj\ufffd[2J.mp4", "video.mp4"),
        ("x" * 500 + ".mp4", "x" * 196 + ".mp4", "video.mp4"),
    ],
)
def test_names_of_visitors_do_not_name_files(name, shown, on_disk, uploads, store, tmp_path):
    held = store(uploads, name=name)
    assert (held.name, held.path.name) == (shown, on_disk)
    assert held.path.parent.parent == tmp_path / "received"


def test_what_was_left_behind_is_swept(uploads, store):
    used, idle = store(uploads), store(uploads)
    idle._stored.num_uses = 0  # It was received, and never chosen.
    uploads.sweep(50)
    assert idle.path.exists()
    for held in (used, idle):
        held._stored.since -= 100
    uploads.sweep(50)
    assert [held.path.exists() for held in (used, idle)] == [True, False]


def test_a_copy_that_fails_leaves_nothing(uploads, tmp_path):
    budget = Budget(tmp_path, Limits())
    lease = budget.lease("me")
    lease.grow(1000)

    def copy() -> None:
        with uploads.receive("a.mp4", "me", lease) as stored:
            stored.path.write_bytes(b"half a video")
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        copy()
    assert list((tmp_path / "received").iterdir()) == []
    assert budget.num_bytes == 0


def test_leftovers_are_swept(uploads, store):
    used = store(uploads)
    leftover = uploads.received / ("f" * 32)
    leftover.mkdir()
    (leftover / "video.mp4").write_bytes(b"vid")
    for path in (leftover / "video.mp4", leftover, used.path.parent):
        os.utime(path, (time.time() - 100,) * 2)
    uploads.sweep(200)
    assert leftover.exists()
    uploads.sweep(50)
    assert not leftover.exists()
    assert used.path.exists()


def test_room_is_shared_out(tmp_path):
    budget = Budget(tmp_path, Limits(max_each=2, max_total_megabytes=3, min_free_megabytes=1e-6))
    first, second = budget.lease("me"), budget.lease("me")
    with pytest.raises(TooManyError, match="2 videos of yours"):
        budget.lease("me")
    other = budget.lease("them")
    first.grow(2_000_000)
    with pytest.raises(NoSpaceError):
        other.grow(1_000_001)
    first.settle(500_000)
    other.grow(2_500_000)
    for lease in (first, first, second, other):
        lease.release()
    assert budget.num_bytes == 0
    budget.lease("me").grow(3_000_000)


def test_some_of_the_disk_stays_free(tmp_path):
    free = shutil.disk_usage(tmp_path).free / 1e6
    limits = Limits(max_total_megabytes=2 * free, min_free_megabytes=free - 1000)
    budget = Budget(tmp_path, limits)
    budget.lease("me").grow(10**8)
    with pytest.raises(NoSpaceError):
        budget.lease("me").grow(10**9)


FILL = """
import sys
from pathlib import Path
from mmpyramid.core.errors import UserError
from mmpyramid.web.uploads import Uploads

root = Path(sys.argv[1])
root.mkdir()
uploads = Uploads(root)

def write(size, name):
    with uploads.receive(name, "me", None) as stored:
        stored.path.write_bytes(bytes(size))

write(100_000, "small.mp4")
for size in (3_000_000, 3_000_000):
    try:
        write(size, "large.mp4")
    except UserError as error:
        print(error)
print(sorted(path.stat().st_size for path in root.rglob("*") if path.is_file()))
write(500_000, "fits.mp4")
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
