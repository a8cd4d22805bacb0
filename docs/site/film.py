"""The film of the README and of the web app: drawn pictures, and synthesised sound.

    python docs/site/film.py    # writes the film, and a picture of its page; needs Chromium

A clock on a wall while a telephone rings elsewhere, then the sea, heard a second before it is seen.

Axes: H rows and W columns of a picture; N samples of sound.
"""

import sys
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array: TypeAlias = NDArray[np.float64]
Picture: TypeAlias = NDArray[np.uint8]

DOCS = Path(__file__).parents[1]
FILM = DOCS.parent / "src" / "mmpyramid" / "web" / "film.mp4"
CHROMIUM = "/usr/bin/chromium"
W, H, FPS, RATE = 640, 360, 12, 32_000
LENGTH, CUT = 12, 6
"""Seconds of the film, and of its first scene."""
HORIZON, CAPE = 150, 395
"""The row of the horizon, and the column at which the land begins."""
PERIOD = 4.4
"""Seconds from wave to wave on the beach."""


def main() -> None:
    """Make the film, parse it, and take the picture of its page."""
    from mmpyramid.cli import main as mmpyramid

    write_film(FILM)
    with TemporaryDirectory() as folder:
        mmpyramid(["parse", str(FILM), "--out", folder, "--formats", "html", "--embed"])
        photograph(Path(folder) / "film.html", DOCS / "timeline.png")


def write_film(path: Path, fps: int = FPS) -> None:
    """Draw and encode the film."""
    rng = np.random.default_rng(7)
    room, sea = Room(rng), Sea(rng)
    sound_N = (telephone(rng) + surf(rng)).clip(-1, 1)
    sound_N += 0.0008 * rng.standard_normal(len(sound_N))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", fps, options={"crf": "25"})
        video.width, video.height, video.pix_fmt = W, H, "yuv420p"
        audio = out.add_stream("aac", RATE, layout="mono")
        for number in range(LENGTH * fps):
            seconds = number / fps
            drawn = room.at(seconds) if seconds < CUT else sea.at(seconds)
            grainy = _bytes(drawn + rng.normal(0, 3, drawn.shape))
            out.mux(video.encode(av.VideoFrame.from_ndarray(grainy)))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray((sound_N * 32767).astype(np.int16)[None], "s16", "mono")
        frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(audio.encode(frame))
        out.mux(audio.encode())


def photograph(page: Path, path: Path) -> None:
    """Take a picture of the page, stopped at a second at which there is much to see."""
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        view = browser.new_page(viewport={"width": 1000, "height": 900})
        view.goto(page.as_uri())
        view.evaluate("document.querySelector('video').currentTime = 8.5")
        view.wait_for_timeout(2000)
        view.screenshot(path=path)
        browser.close()
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


class Room:
    """A wall with stripes, lit from the upper left, and a clock."""

    def __init__(self, rng: np.random.Generator) -> None:
        y, x = np.mgrid[0:H, 0:W]
        light = 1.05 - 0.45 * np.hypot((x - 180) / W, (y - 60) / H)
        stripes = 1 + 0.03 * np.sign(np.sin(x * 2 * np.pi / 46))
        grain = 0.94 + 0.12 * noise(rng, H, W, 40)
        wall = Image.fromarray(_bytes(_colour((196, 178, 146), light * stripes * grain)))
        shadow = Image.new("L", (W, H), 0)
        ImageDraw.Draw(shadow).ellipse(_circle(334, 196, 148), fill=150)
        wall.paste((40, 30, 20), mask=shadow.filter(ImageFilter.GaussianBlur(14)))
        self.wall, self.face = wall, self._face(1200)

    def at(self, seconds: float) -> Picture:
        """The picture at a time; the second hand jumps."""
        hands = Image.new("RGBA", self.face.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(hands)
        middle, now = self.face.width / 2, 36_510 + seconds
        for turn, length, tail, width, colour in (
            (now / 43_200, 270, 50, 26, (20, 20, 20, 255)),
            (now / 3600, 400, 60, 18, (20, 20, 20, 255)),
            (int(now) / 60, 430, 100, 7, (180, 30, 25, 255)),
        ):
            draw.line([_on_face(middle, turn, r) for r in (-tail, length)], colour, width)
        draw.ellipse(_circle(middle, middle, 26), fill=(20, 20, 20, 255))
        shade = Image.new("RGBA", self.face.size, (0, 0, 0, 0))
        shade.paste((0, 0, 0, 90), (10, 14), hands.getchannel("A"))
        clock = Image.alpha_composite(self.face, shade.filter(ImageFilter.GaussianBlur(8)))
        clock = Image.alpha_composite(clock, hands)
        glass = Image.new("L", clock.size, 0)
        ImageDraw.Draw(glass).pieslice(_circle(middle, middle, middle - 90), 190, 250, fill=26)
        clock.paste((255, 255, 255), mask=glass.filter(ImageFilter.GaussianBlur(40)))
        small = clock.resize((292, 292), Image.Resampling.LANCZOS)
        picture = self.wall.copy()
        picture.paste(small, ((W - small.width) // 2, (H - small.height) // 2), small)
        return np.asarray(picture)

    @staticmethod
    def _face(size: int) -> Image.Image:
        face = Image.new("RGBA", (size, size), (0, 0, 0, 0))
        draw, middle = ImageDraw.Draw(face), size / 2
        for step in range(60):  # a round wooden frame
            tone = 0.55 + 0.45 * np.sin(np.pi * step / 60)
            colour = (int(110 * tone), int(62 * tone), int(30 * tone), 255)
            draw.ellipse(_circle(middle, middle, middle - 4 - step), fill=colour)
        draw.ellipse(_circle(middle, middle, middle - 70), fill=(180, 150, 80, 255))
        draw.ellipse(_circle(middle, middle, middle - 80), fill=(246, 243, 232, 255))
        for minute in range(60):
            length, width = (34, 12) if minute % 5 == 0 else (16, 5)
            ends = [_on_face(middle, minute / 60, middle - 92 - r) for r in (0, length)]
            draw.line(ends, (25, 25, 25, 255), width)
        font = ImageFont.load_default(size=104)
        for hour in range(1, 13):
            place = _on_face(middle, hour / 12, middle - 195)
            draw.text(place, str(hour), (20, 20, 20, 255), font, anchor="mm")
        return face


class Wave(NamedTuple):
    """A sine on the water: wave numbers to the side and away, frequency, phase, height."""

    side: float
    away: float
    frequency: float
    phase: float
    height: float


class Sea:
    """Sky, a cape, waves in perspective that reflect the sky, surf, and sand."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.y, self.x = np.mgrid[0:H, 0:W].astype(np.float64)
        self.still, self.shore = self._still(rng)
        depth = (self.y - HORIZON + 0.7).clip(0.7)
        self.far = 700 / depth  # in metres
        self.side = (self.x - W / 2) * self.far / 420
        numbers, angles = np.geomspace(0.1, 6.0, 26), rng.normal(0, 0.5, 26)
        self.waves = [
            Wave(
                k * np.sin(a), k * np.cos(a), np.sqrt(9.8 * k), rng.uniform(0, 6.28), 0.5 / k**0.15
            )
            for k, a in zip(numbers, angles, strict=True)
        ]
        self.coarse, self.fine = noise(rng, H, 2 * W, 40), noise(rng, H, 2 * W, 8)

    def at(self, seconds: float) -> Picture:
        """The picture at a time."""
        shift = int(9 * seconds) % W
        coarse, fine = self.coarse[:, shift : shift + W], self.fine[:, shift : shift + W]
        water = _mixed(self._water(seconds), (246, 246, 242), self._foam(seconds, coarse, fine))
        edge = 306 + 10 * np.sin(2 * np.pi * seconds / PERIOD) + 24 * (coarse[300] - 0.5)
        edge = edge + 0.03 * (W / 2 - self.x)
        dry = _colour((206, 180, 140), 0.82 + 0.36 * fine)
        sand = _mixed(dry, dry * (0.62, 0.6, 0.6), (1 - (self.y - edge - 4) / 22).clip(0, 1))
        picture = _mixed(water, sand, ((self.y - edge) / 3).clip(0, 1))
        rim = np.exp(-(((self.y - edge) / 2.5) ** 2)) * (0.5 + fine)
        picture = _mixed(picture, (250, 250, 246), rim.clip(0, 1))
        picture = _mixed(picture, (215, 200, 180), 0.5 * np.exp(-900 / self.far))
        is_sea = (self.y >= HORIZON) & ((self.y >= self.shore) | (self.x <= CAPE))
        return _bytes(np.where(is_sea[..., None], picture, self.still))

    def _still(self, rng: np.random.Generator) -> tuple[Array, Array]:
        height = (self.y / HORIZON).clip(0, 1)
        sky = _mixed(np.array((70.0, 118, 178)), (228, 205, 178), height)
        cloud = ((noise(rng, 3 * H, W, 260)[::3] - 0.5) * 5).clip(0, 1)
        sky = _mixed(sky, (250, 240, 232), 0.85 * cloud)
        rough, inland = noise(rng, H, W, 90), self.x - CAPE
        ragged = 34 * (noise(rng, 2, W, 60)[0] - 0.5) * (inland / 60).clip(0, 1)
        top = 152 - 46 * (inland / 120).clip(0, 1) ** 0.6 - ragged
        shore = 162 + 26 * (inland / 245).clip(0, 1) + 6 * (noise(rng, 2, W, 24)[0] - 0.5)
        tone = 0.45 + 1.6 * noise(rng, H, W, 14) * rough
        grass = ((top + 16 + 16 * rough - self.y) / 8).clip(0, 1)
        land = _mixed(_colour((122, 104, 88), tone), _colour((92, 112, 58), tone), grass)
        is_land = (self.y > top) & (self.y < shore) & (inland > 0)
        return np.where(is_land[..., None], land, sky), shore

    def _water(self, seconds: float) -> Array:
        """The colour of the water: more of the sky the flatter one looks onto it (Fresnel)."""
        sideways, away = np.zeros_like(self.far), np.zeros_like(self.far)
        for wave in self.waves:
            number = np.hypot(wave.side, wave.away)
            phase = wave.side * self.side + wave.away * self.far + wave.frequency * seconds
            far_off = np.exp(-((number * self.far / 160) ** 2))
            slope = 0.11 * wave.height * np.cos(phase + wave.phase) * far_off / number
            sideways, away = sideways + wave.side * slope, away + wave.away * slope
        angle = np.arctan2(1.0, self.far / 14)
        facing = np.abs(np.sin(angle) + away * np.cos(angle)).clip(0.02, 1)
        up = (0.35 + 1.6 * away + 0.5 * np.abs(sideways)).clip(0, 1)
        sky = _mixed(np.array((226.0, 208, 186)), (84, 128, 180), up)
        deep = _mixed(np.array((24.0, 74, 98)), (30, 104, 112), 1 / (1 + self.far / 60))
        deep = deep * (0.8 + 1.6 * (away + 0.18).clip(0))[..., None]
        glint = np.exp(-(((self.x - 190) / 70) ** 2)) * ((away - 0.12) * 9).clip(0, 1)
        lit = _mixed(deep, sky, 0.03 + 0.97 * (1 - facing) ** 4)
        return lit + _colour((178, 158, 133), glint)

    def _foam(self, seconds: float, coarse: Array, fine: Array) -> Array:
        """How much foam there is: four crests that run ashore, and the line along the cape."""
        foam = np.zeros((H, W))
        for start in range(4):
            phase = (seconds / PERIOD + start / 4) % 1
            row = 196 + 118 * phase**1.15 + 5 * np.sin(self.x / 71 + 2 * start)
            behind = self.y - row - 28 * (coarse - 0.5) * (0.4 + phase)
            thick = 1.5 + 11 * phase
            sides = np.where(behind < 0, thick, 0.3 * thick)
            fading = 1 - np.clip((phase - 0.85) / 0.15, 0, 1)
            crest = np.exp(-((behind / sides) ** 2)) * (0.35 + 1.1 * fine)
            trail = np.exp(-(((behind + 2.2 * thick) / (2 * thick)) ** 2)) * (behind < 0)
            foam += crest * (0.25 + 0.9 * phase) * fading
            foam += 0.5 * trail * phase * ((fine - 0.42) * 6).clip(0, 1)
        ashore = np.exp(-(((self.y - self.shore - 3) / 5) ** 2)) * (self.x > CAPE)
        return (foam + 0.7 * ((fine - 0.56) * 9).clip(0, 1) * ashore).clip(0, 1)


def telephone(rng: np.random.Generator) -> Array:
    """An electronic ring in a small room, from the first to the fifth second."""
    t = np.arange(LENGTH * RATE) / RATE
    is_on = (t >= 1) & (t < 5) & (t % 1 < 0.5) & (t % 0.125 < 0.07)
    ring_N = (np.sin(2000 * np.pi * t) + np.sin(6000 * np.pi * t) / 3) * is_on
    n = int(0.3 * RATE)
    echo = rng.standard_normal(n) * np.exp(-np.arange(n) / (n / 5))
    echo *= 0.4 / np.sqrt((echo**2).sum())
    size = 2 * len(ring_N)
    echoed_N = np.fft.irfft(np.fft.rfft(ring_N, size) * np.fft.rfft(echo, size))[: len(ring_N)]
    return 0.1 * (ring_N + echoed_N)


def surf(rng: np.random.Generator) -> Array:
    """Noise that swells with the waves, from a second before they are seen."""
    t = np.arange(LENGTH * RATE) / RATE
    swell = 0.45 + 0.55 * np.abs(np.sin(np.pi * (t - 0.7) / PERIOD)) ** 1.5
    roar, hiss = _band(rng, len(t), 60, 1400), _band(rng, len(t), 1500, 9000)
    begins = ((t - CUT + 1) / 0.8).clip(0, 1)
    return 0.16 * begins * (roar * swell + 0.35 * hiss * swell**3)


def noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Array:
    """Smooth noise within 0..1, of bumps as large as `cell` pixels and finer ones."""
    total, weights, weight = np.zeros((height, width)), 0.0, 1.0
    while cell >= 1:
        size = [max(2, int(side / cell) + 2) for side in (height, width)]
        bumps = Image.fromarray((rng.random(size) * 255).astype(np.uint8))
        smooth = bumps.resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(smooth) / 255
        weights, weight, cell = weights + weight, weight / 2, cell / 2
    return total / weights


def _band(rng: np.random.Generator, length: int, low: float, high: float) -> Array:
    frequency = np.fft.rfftfreq(length, 1 / RATE).clip(1)
    shape = (
        frequency.clip(40) ** -0.5 / (1 + (low / frequency) ** 4) / (1 + (frequency / high) ** 4)
    )
    wave_N = np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * shape, length)
    return np.asarray(wave_N / wave_N.std())


def _colour(rgb: tuple[float, float, float], tone: Array) -> Array:
    return np.asarray(np.array(rgb) * tone[..., None])


def _mixed(one: Array, other: Array | tuple[float, float, float], share: Array) -> Array:
    share = share[..., None]
    return np.asarray(one * (1 - share) + np.asarray(other) * share)


def _bytes(picture: Array) -> Picture:
    return picture.clip(0, 255).astype(np.uint8)


def _circle(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)


def _on_face(middle: float, turn: float, radius: float) -> tuple[float, float]:
    angle = 2 * np.pi * turn
    return (middle + radius * np.sin(angle), middle - radius * np.cos(angle))


if __name__ == "__main__":
    sys.exit(main())
