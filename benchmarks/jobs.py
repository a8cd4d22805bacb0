"""Submits a clip as a job of many clients at once, and tells when each has its result.

    python benchmarks/jobs.py clip.mp4 --clients 30

Each client has an address of its own (127.0.7.1 and so on, which Linux gives without being asked),
as budgets and turns are counted by address. It asks for its job once a second.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from timing import command, header


@contextmanager
def serving() -> Iterator[str]:
    """A server of its own; its address."""
    with tempfile.TemporaryDirectory() as folder:
        words = (
            sys.executable,
            "-m",
            "mmpyramid",
            "serve",
            "--port",
            "0",
            "--models",
            "teachers-ave",
        )
        server = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder}
        )
        try:
            assert server.stdout is not None
            yield next(m[0] for line in server.stdout if (m := re.search(r"http://\S+", line)))
        finally:
            server.terminate()
            server.wait(30)


def work(url: str, clip: Path, number: int) -> tuple[float, float, list[float], Counter[int]]:
    """Submit, ask until it is done, fetch.

    Returns:
        Seconds to submit, seconds until the result, seconds of each question, and how often each
        status came.
    """
    transport = httpx.HTTPTransport(local_address=f"127.0.7.{number + 1}")
    asked, statuses, start = [], Counter[int](), time.perf_counter()
    with httpx.Client(base_url=url, transport=transport, timeout=120) as client:
        with clip.open("rb") as file:
            answer = client.post("/api/jobs", files={"video": (clip.name, file)})
        statuses[answer.status_code] += 1
        submitted = time.perf_counter() - start
        job = answer.headers["Location"]
        state = "waiting"
        while state in ("waiting", "running"):
            time.sleep(1)
            before = time.perf_counter()
            answer = client.get(job)
            asked.append(time.perf_counter() - before)
            statuses[answer.status_code] += 1
            state = answer.json()["state"]
        statuses[client.get(f"{job}/result").status_code] += 1
    return submitted, time.perf_counter() - start, asked, statuses


def main(clip: Path, /, *, clients: int = 30) -> None:
    """Start a server, and let all clients submit at once.

    Args:
        clip: a video or sound.
        clients: how many.
    """
    print(header())
    with serving() as url, ThreadPoolExecutor(clients) as threads:
        found = list(threads.map(lambda number: work(url, clip, number), range(clients)))
    submitted, done, asked, statuses = zip(*found, strict=True)
    questions = sorted(seconds for client in asked for seconds in client)
    print(f"answers: {dict(sum(statuses, Counter()))}")
    print(f"submitted: median {statistics.median(submitted):.2f} s, last {max(submitted):.2f} s")
    print(f"done: first {min(done):.1f} s, median {statistics.median(done):.1f} s, ", end="")
    print(f"last {max(done):.1f} s")
    print(f"a question: median {1000 * statistics.median(questions):.0f} ms, ", end="")
    print(f"99 of 100 below {1000 * questions[99 * len(questions) // 100]:.0f} ms")


if __name__ == "__main__":
    command(main)
