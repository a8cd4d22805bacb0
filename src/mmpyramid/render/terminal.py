"""A timeline in the terminal: lanes over its whole width, then the list of events."""

from __future__ import annotations

import io
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.wording import INFERRED, MODALITY_WORDS, clock, printable, title_of
from mmpyramid.formats import Format, register
from mmpyramid.render.lanes import Lane, remarks, span, ticks, to_lanes

# Half blocks add up: what is heard fills the lower half, what is seen the upper, both all of it.
GLYPHS = {Modality.AUDIO: "▄", Modality.VISUAL: "▀", Modality.AUDIO_VISUAL: "█"}
STYLES = {Modality.AUDIO: "yellow", Modality.VISUAL: "blue", Modality.AUDIO_VISUAL: "green"}
EMPTY = "·"
NOTHING = "Nothing found: no label is sure enough. A higher sensitivity shows weaker ones."
LONGEST_LABEL = 24
WORD_WIDTH = max(map(len, MODALITY_WORDS.values()))


@dataclass(frozen=True)
class TerminalView:
    """A timeline for `rich.print`, as wide as the terminal.

    Attributes:
        timeline: what to show.
        max_events: how many events to list under the lanes; `None` for all of them.

    Example:
        >>> from rich import print
        >>> print(TerminalView(Timeline(source="clip.mp4", duration=10)))
        clip.mp4  0:10
        Nothing found: no label is sure enough. A higher sensitivity shows weaker ones.
    """

    timeline: Timeline
    max_events: int | None = 40

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, each as wide as the console at most."""
        yield self._header()
        for remark in remarks(self.timeline):
            style = "dim" if remark.details else "yellow"
            yield Text(f"! {printable(remark.gist)}", style=style)
        if not self.timeline.events:
            yield Text(NOTHING)
            return
        yield Text()
        yield from _lanes(self.timeline, options.max_width)
        yield Text()
        yield from self._events()

    def _header(self) -> Text:
        header = Text(printable(self.timeline.source) or "Timeline", style="bold")
        header.append(f"  {clock(self.timeline.duration)}", style="not bold")
        if self.timeline.model:
            header.append(f"  {printable(self.timeline.model)}", style="not bold dim")
        return header

    def _events(self) -> list[Text]:
        events = self.timeline.events[: self.max_events]
        width = max((len(clock(event.end)) for event in events), default=0)
        lines = [_event_line(event, width) for event in events]
        if hidden := len(self.timeline) - len(events):
            lines.append(Text(f"... and {hidden} more events", style="dim"))
        return lines


def to_text(timeline: Timeline, *, width: int = 80, max_events: int | None = None) -> str:
    """Write the terminal view as plain text, without colors, for files and pipes.

    Args:
        timeline: what to show.
        width: characters per line.
        max_events: how many events to list under the lanes; `None` for all of them.

    Example:
        >>> event = Event(3.0, 5.0, "Dog", Modality.AUDIO, 0.9)
        >>> timeline = Timeline(events=(event,), duration=10.0, labels=("Dog",), source="a.mp4")
        >>> print(to_text(timeline, width=34).splitlines()[-1])
        0:03 - 0:05  ▄ audible  0.90  Dog
    """
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(TerminalView(timeline, max_events))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _lanes(timeline: Timeline, width: int) -> list[Text]:
    lanes = to_lanes(timeline)
    widest = max(cell_len(title_of(lane.label)) for lane in lanes)
    names = min(widest, LONGEST_LABEL, width // 3)
    gutter = names + WORD_WIDTH + 3
    columns = max(width - gutter, 10)
    lines = [Text(" " * gutter + row, style="dim") for row in _axis(span(timeline), columns)]
    previous = ""
    for lane in lanes:
        name = Text("" if lane.label == previous else title_of(lane.label), style="bold")
        name.truncate(names, overflow="ellipsis", pad=True)
        line = Text(no_wrap=True)
        line.append_text(name)
        line.append(f"  {MODALITY_WORDS[lane.modality]:<{WORD_WIDTH}} ", style="dim")
        lines.append(line.append_text(_track(lane, span(timeline), columns)))
        previous = lane.label
    return lines


def _axis(duration: float, columns: int) -> tuple[str, str]:
    """Two lines: clock times, as many as fit, and a rule with a mark under each."""
    # The last time stands left of its mark, so between two marks there has to be room for two.
    widest = 2 * len(clock(duration)) + 1
    labels, rule = [" "] * columns, ["─"] * columns
    free = columns
    for time in reversed(ticks(duration, most=max(columns // widest, 1))):
        column = min(round(time / duration * columns), columns - 1)
        rule[column] = "┬"
        start = min(column, columns - len(clock(time)))
        end = start + len(clock(time))
        if end <= free:
            labels[start:end] = clock(time)
            free = start - 1
    return "".join(labels), "".join(rule)


def _track(lane: Lane, duration: float, columns: int) -> Text:
    """Every event takes at least one column, however long the video."""
    cells = [EMPTY] * columns
    for event in lane.events:
        start = min(max(round(event.start / duration * columns), 0), columns - 1)
        end = min(max(round(event.end / duration * columns), start + 1), columns)
        cells[start:end] = GLYPHS[lane.modality] * (end - start)
    text = Text("".join(cells), style=STYLES[lane.modality])
    text.highlight_regex(f"{EMPTY}+", style="bright_black")
    return text


def _event_line(event: Event, width: int) -> Text:
    line = Text(f"{clock(event.start):>{width}} - {clock(event.end):>{width}}  ", no_wrap=True)
    line.append(f"{GLYPHS[event.modality]} ", style=STYLES[event.modality])
    line.append(f"{MODALITY_WORDS[event.modality]:<{WORD_WIDTH}}")
    line.append(f"  {event.score:.2f}  ", style="dim").append(title_of(event.label))
    return line.append(f" ({INFERRED})", style="dim") if event.inferred else line


register(
    Format(name="txt", description="the view of the terminal", programs="terminals", write=to_text)
)
