"""Draws results as SVG for docs/: of the brokers bars by load, of growth lines with the band within which cost should stay.

Without a file the newest committed result of each of them is drawn."""
import argparse
import html
import json
import math
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runs"))
from measuring import ROOT, last_result_file, median  # noqa: E402

import other_brokers  # noqa: E402

KINDS = ("peers", "growth")
WIDTH = 1000
INK, FAINT, GRID = "#1f2933", "#616e7c", "#d9dee3"
ACK_COLOURS = {"on disk": "#0b6e75", "in the page cache": "#9db4c0", "in memory": "#d9a441"}
LINE_COLOURS = ("#0b6e75", "#c2571a", "#5b5ea6", "#7a9e3b", "#8c4a6b")
BAND = "#e3f1ee"
WITHIN = 0.2


class Drawing:
    """SVG text, element by element."""

    def __init__(self, height: float):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif" font-size="13" fill="{INK}">',
                      f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>']

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" fill="{colour}"/>')

    def text(self, x: float, y: float, text: str, anchor: str = "start", colour: str = INK, is_bold: bool = False):
        weight = ' font-weight="bold"' if is_bold else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{html.escape(text)}</text>')

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def dot(self, x: float, y: float, colour: str):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def finish(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def shown(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def draw_bars(drawing: Drawing, top: float, title: str, bars: list[tuple[str, float, str]], unit: str) -> float:
    """One bar a line from `top`; where the next thing may begin."""
    left, right, pitch = 290, WIDTH - 90, 24
    most = max(value for _, value, _ in bars)
    drawing.text(20, top + 16, title, is_bold=True)
    for number, (name, value, ack) in enumerate(bars):
        y = top + 28 + number * pitch
        drawing.text(left - 10, y + 13, name, "end", is_bold=name.startswith("Millrace"))
        width = (right - left) * value / most
        drawing.rectangle(left, y, width, pitch - 7, ACK_COLOURS[ack])
        drawing.text(left + width + 6, y + 13, f"{shown(value)}{unit}", colour=FAINT)
    return top + 28 + len(bars) * pitch + 22


def acks_of(result: dict) -> dict[str, str]:
    """What the ack of each means; results of earlier days do not say it."""
    known = {name: peer.ack for name, peer in {**other_brokers.FROM_DEBIAN, **other_brokers.FROM_MAVEN, **other_brokers.FROM_GO}.items()}
    names = [name for name, figures in result["rounds"][0].items() if isinstance(figures, dict) and "1 x 1" in figures]
    return result.get("acks") or {name: known.get(name, "on disk") for name in names}


def draw_peers(result: dict) -> str:
    rounds, acks = result["rounds"], acks_of(result)
    panels = [(f"256 B events a second, {load} outstanding", (load, "events_per_second"), "") for load in ("1 x 1024", "16 x 64")]
    panels.append(("one event outstanding: microseconds to its ack, p50 (less is better)", ("1 x 1", "latency", "p50_us"), " us"))
    drawing = Drawing(70 + len(panels) * (50 + 24 * len(acks)))
    drawing.text(20, 26, "An ack means the event is", is_bold=True)
    for number, (ack, colour) in enumerate(ACK_COLOURS.items()):
        drawing.rectangle(220 + number * 170, 14, 14, 14, colour)
        drawing.text(240 + number * 170, 26, ack)
    top = 44
    for title, path, unit in panels:
        top = draw_bars(drawing, top, title, [(name, median(rounds, name, *path), ack) for name, ack in acks.items()], unit)
    drawing.text(20, top, caption(result), colour=FAINT)
    return drawing.finish()


def caption(result: dict) -> str:
    return f"commit {result['commit']}, {result['cpus']} cores, median of {len(result['rounds'])}"


class Panel:
    """Ratios to the first column, on a logarithmic scale, in a place of its own."""

    def __init__(self, drawing: Drawing, left: float, top: float, columns: list[str], ratios: list[float]):
        self.drawing, self.left, self.top = drawing, left, top
        self.width, self.height = 390, 170
        self.columns = columns
        self.low = math.floor(math.log2(min(*ratios, 1 - WITHIN)))
        self.high = max(math.ceil(math.log2(max(*ratios, 1 + WITHIN))), self.low + 2)

    def x(self, column: str) -> float:
        return self.left + (self.columns.index(column) + 0.5) * self.width / len(self.columns)

    def y(self, ratio: float) -> float:
        return self.top + self.height * (self.high - math.log2(ratio)) / (self.high - self.low)

    def frame(self, title: str):
        drawing = self.drawing
        drawing.text(self.left, self.top - 10, title, is_bold=True)
        drawing.rectangle(self.left, self.y(1 + WITHIN), self.width, self.y(1 - WITHIN) - self.y(1 + WITHIN), BAND)
        for power in range(self.low, self.high + 1):
            drawing.line([(self.left, self.y(2.0 ** power)), (self.left + self.width, self.y(2.0 ** power))], GRID)
            drawing.text(self.left - 6, self.y(2.0 ** power) + 4, f"{2.0 ** power:g}x", "end", FAINT)
        for column in self.columns:
            drawing.text(self.x(column), self.top + self.height + 16, f"{int(column):,}", "middle", FAINT)


def draw_growth(result: dict) -> str:
    titles = {"partitions": "partitions", "stored": "stored events", "connections": "connections", "bytes": "bytes of a message (MB/s)"}
    axes = {axis: rows for axis, rows in result["figures"].items() if len(next(iter(rows.values()))["columns"]) > 1}
    names = list(dict.fromkeys(name for rows in axes.values() for name in rows))
    drawing = Drawing(90 + 240 * math.ceil(len(axes) / 2))
    for number, name in enumerate(names):
        drawing.rectangle(20 + number * 192, 14, 14, 14, LINE_COLOURS[number % len(LINE_COLOURS)])
        drawing.text(40 + number * 192, 26, name)
    for number, (axis, rows) in enumerate(axes.items()):
        columns = list(next(iter(rows.values()))["columns"])
        panel = Panel(drawing, 70 + number % 2 * 490, 76 + number // 2 * 240, columns, [ratio for row in rows.values() for ratio in row["ratios"].values()])
        panel.frame(titles[axis])
        for name, row in rows.items():
            colour = LINE_COLOURS[names.index(name) % len(LINE_COLOURS)]
            points = [(panel.x(column), panel.y(ratio)) for column, ratio in row["ratios"].items()]
            drawing.line(points, colour, 2)
            for point in points:
                drawing.dot(*point, colour)
    drawing.text(20, 76 + 240 * math.ceil(len(axes) / 2), f"times of the first column, above 1 is better; the band is 20 %; {caption(result)}", colour=FAINT)
    return drawing.finish()


def kind_of(path: pathlib.Path) -> str:
    for kind in KINDS:
        if path.stem.endswith(f"-{kind}"):
            return kind
    sys.exit(f"bench: {path} is not a result of {' or '.join(KINDS)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", metavar="RESULT", type=pathlib.Path, nargs="*", help="<date>-<commit>-peers.json or -growth.json")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "docs", help="where performance-<kind>.svg goes; docs without")
    options = parser.parse_args()
    for path in options.files or filter(None, map(last_result_file, KINDS)):
        kind = kind_of(path)
        drawn = (draw_peers if kind == "peers" else draw_growth)(json.loads(path.read_text()))
        target = options.folder / f"performance-{kind}.svg"
        target.write_text(drawn)
        print(f"{os.path.relpath(path)} is drawn in {os.path.relpath(target)}")


if __name__ == "__main__":
    main()
