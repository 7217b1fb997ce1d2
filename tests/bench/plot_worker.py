#!/usr/bin/python3
"""Draws what several runs of `engram_bench worker --json` lost, as one SVG of two panels.

  plot_worker.py RUN.json... --output worker.svg

Each file holds one JSON object a line; other lines are passed over. On the left is the loss
against the part of the table that is RAM: a line for each set of runs that differ in that alone. On
the right it is the loss against the tokens a second of the same steps without fetches: a line for
each set of runs that differ in their sequences alone, and for each run with --find-max. Runs that
are alike count by their median. Runs nothing, and needs nothing but Python.
"""

import argparse
import collections
import json
import math
import os
import statistics
import sys
from xml.sax.saxutils import escape

COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
WIDTH, HEIGHT = 470, 330  # of a panel, with its axes
LEFT, TOP, RIGHT, BOTTOM = 55, 40, 15, 50
LEGEND_LINE = 16
LEAST_LOSS = 0.001  # what is below stands there
TARGET = 0.01

# What tells two runs apart beside what an axis shows, and how a legend says it.
SETTINGS = {
    "table_bytes": lambda value: f"{value / 1e9:.3g} GB",
    "step_ms": lambda value: f"{value:.3g} ms",
    "sequences": lambda value: f"{value} sequence{'s' * (value != 1)}",
    "prompt_tokens": lambda value: f"prompt {value}",
    "output_tokens": lambda value: f"output {value}",
    "ram_share": lambda value: f"RAM {value:.3g}",
    "warm_share": lambda value: f"warm {value:.3g}",
    "of_ngrams": lambda value: "of n-grams" if value else "of the table",
    "windows": lambda value: "windows" if value else "no windows",
    "lookahead": lambda value: f"announced {value} ahead" if value else "not announced",
    "rebalance": lambda value: "rebalanced" if value else "not rebalanced",
    "daemon_flags": " ".join,
}


def read_runs(paths):
    """Returns the objects of all files that are a worker's."""
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("{")]
        found = [run for run in map(json.loads, lines) if "loss_fraction" in run]
        if not found:
            sys.exit(f"plot_worker.py: {path} has no run of engram_bench worker")
        runs += found
    return runs


def points_of(runs, varies):
    """Returns {settings: {value of `varies`: [(x, loss)]}}, each transport for itself."""
    sets = collections.defaultdict(lambda: collections.defaultdict(list))
    for run in runs:
        loads = [run, *run.get("loss_by_load", [])] if varies == "sequences" else [run]
        for prefix, transport in [("", "shared memory"), ("grpc_", "gRPC")]:
            settings = {name: run.get(name) for name in SETTINGS if name != varies}
            key = json.dumps([settings, transport])
            for load in loads:
                if (loss := load.get(prefix + "loss_fraction")) is not None:
                    x = run["ram_share"] if varies == "ram_share" else load["baseline_tokens_per_s"]
                    sets[key][load[varies]].append((x, loss))
    return sets


def series_of(runs, varies):
    """Returns [(label, [(x, loss)])], of two points or more; labels say what the sets differ in."""
    sets = {key: points for key, points in points_of(runs, varies).items() if len(points) > 1}
    keys = [json.loads(key) for key in sets]
    differing = [name for name in SETTINGS
                 if len({json.dumps(settings.get(name)) for settings, _ in keys}) > 1]
    series = []
    for (settings, transport), points in zip(keys, sets.values()):
        words = [SETTINGS[name](settings[name]) for name in differing
                 if settings.get(name) is not None]
        line = sorted((statistics.median(x for x, _ in same), statistics.median(y for _, y in same))
                      for same in points.values())
        series.append((", ".join(filter(None, [transport, *words])), line))
    return series


class Panel:
    """One pair of logarithmic axes."""

    def __init__(self, left, title, x_label, series):
        self.left, self.title, self.x_label, self.series = left, title, x_label, series
        xs = [x for _, line in series for x, _ in line] or [1, 10]
        self.x_range = (min(xs) / 1.15, max(xs) * 1.15)

    def x(self, value):
        low, high = map(math.log, self.x_range)
        return self.left + LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, loss):
        low = math.log(LEAST_LOSS)
        part = (math.log(max(loss, LEAST_LOSS)) - low) / -low
        return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)

    def text(self, x, y, words, anchor="middle", more=""):
        return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}'
                "</text>")

    def axes(self):
        left, right = self.left + LEFT, self.left + WIDTH - RIGHT
        yield self.text((left + right) / 2, 22, self.title, more=' font-weight="bold"')
        yield self.text((left + right) / 2, HEIGHT - 12, self.x_label)
        for loss in [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]:
            color = "#d00" if loss == TARGET else "#ddd"
            yield (f'<line x1="{left}" x2="{right}" y1="{self.y(loss):.1f}" y2="{self.y(loss):.1f}"'
                   f' stroke="{color}"/>')
            yield self.text(left - 6, self.y(loss) + 4, f"{loss * 100:g} %", "end")
        for x in sorted({x for _, line in self.series for x, _ in line}):
            yield (f'<line x1="{self.x(x):.1f}" x2="{self.x(x):.1f}" y1="{HEIGHT - BOTTOM}" '
                   f'y2="{HEIGHT - BOTTOM + 4}" stroke="#000"/>')
        for x in self.labelled():
            rounded = float(f"{x:.3g}")
            yield self.text(self.x(x), HEIGHT - BOTTOM + 18, f"{rounded:,.12g}")

    def labelled(self):
        """The values of x whose labels do not touch one another."""
        chosen = []
        for x in sorted({x for _, line in self.series for x, _ in line}):
            if not chosen or self.x(x) - self.x(chosen[-1]) > 42:
                chosen.append(x)
        return chosen

    def lines(self):
        for index, (label, line) in enumerate(self.series):
            color = COLORS[index % len(COLORS)]
            dash = ' stroke-dasharray="5 3"' if label.startswith("gRPC") else ""
            at = [(self.x(x), self.y(loss)) for x, loss in line]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
            yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'
            yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in at)
            y = HEIGHT + 8 + index * LEGEND_LINE
            x = self.left + LEFT
            yield (f'<line x1="{x}" x2="{x + 24}" y1="{y}" y2="{y}" stroke="{color}" '
                   f'stroke-width="2"{dash}/>')
            yield self.text(x + 30, y + 4, label, "start")


def to_svg(runs):
    """Returns the figure's text."""
    panels = [Panel(0, "Loss against RAM", "part that is RAM", series_of(runs, "ram_share")),
              Panel(WIDTH, "Loss against load", "tokens/s without fetches",
                    series_of(runs, "sequences"))]
    height = HEIGHT + 8 + LEGEND_LINE * max(1, *(len(panel.series) for panel in panels))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{height}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" '
             'fill="#fff"/>']
    for panel in panels:
        parts += [*panel.axes(), *panel.lines()]
    return "\n".join([*parts, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN.json")
    parser.add_argument("--output", required=True, metavar="FILE.svg")
    arguments = parser.parse_args()
    svg = to_svg(read_runs(arguments.runs))
    temporary = arguments.output + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(svg)
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
