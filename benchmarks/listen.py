"""Measures how late `mmpyramid listen` reports events.

    python benchmarks/listen.py clip.mp4

The file is played in real time, again and again, through a pipe.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import av
import tyro
from timing import command, header


def play(path: Path, pipe: object, seconds: float) -> None:
    """Send a file in real time as MPEG-TS, and close the pipe."""
    with av.open(pipe, "w", format="mpegts") as out:
        streams, shift, begun = {}, 0.0, time.monotonic()
        while shift < seconds:
            with av.open(str(path)) as container:
                chosen = [*container.streams.video[:1], *container.streams.audio[:1]]
                streams = streams or {s.index: out.add_stream_from_template(s) for s in chosen}
                length = container.duration / av.time_base
                for packet in container.demux(chosen):
                    if packet.dts is None:
                        continue
                    at = shift + float(packet.dts * packet.time_base)
                    time.sleep(max(0.0, begun + at - time.monotonic()))
                    ticks = round(shift / packet.time_base)
                    packet.dts, packet.pts = packet.dts + ticks, packet.pts + ticks
                    packet.stream = streams[packet.stream_index]
                    out.mux(packet)
            shift += length
    pipe.close()


def main(video: Annotated[Path, tyro.conf.Positional], seconds: float = 60.0) -> None:
    """Play, listen, and say how late events came.

    Args:
        video: with events that begin and end.
        seconds: to play at least.
    """
    print(header())
    words = [sys.executable, "-m", "mmpyramid", "listen", "-", "--json"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    playing = threading.Thread(target=play, args=(video, process.stdin, seconds))
    playing.start()
    late, at_end = [], 0
    for line in process.stdout:
        now = time.time()
        event = json.loads(line)
        if playing.is_alive():
            # `began` is cut to seconds: the error is 0.5 s on average.
            began = time.mktime(time.strptime(event["began"][:19], "%Y-%m-%dT%H:%M:%S"))
            late.append(now - (began - time.timezone + event["end"] - event["start"]) - 0.5)
        else:
            at_end += 1
    process.wait()
    playing.join()
    if not late:
        print(f"no event ended while {video} was played ({at_end} at the end)")
        return
    middle = statistics.median(late)
    print(
        f"{len(late)} events reported {min(late):.1f} to {max(late):.1f} s after their end, "
        f"median {middle:.1f} s; {at_end} more at the end of the source"
    )


if __name__ == "__main__":
    command(main)
