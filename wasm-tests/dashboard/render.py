"""Draws operations/grafana-dashboard.json from the answers that a test got from Prometheus: render.py ANSWERS PICTURE.

It is no Grafana: places, titles, units, thresholds and legends are those of the dashboard, and the rest is this program's.
"""

import io
import json
import math
import re
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

BACKGROUND, PANEL, TEXT, GRID = "#111217", "#181b1f", "#d8d9da", "#2c3235"
COLOURS = {"green": "#3d8b40", "yellow": "#b58900", "red": "#c4162a"}
LINES = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5794f2", "#ba43a9", "#b877d9", "#fade2a", "#8ab8ff"]
# Legends are cut there, and tables, as a screen would make one scroll.
MOST_LEGENDS, MOST_ROWS = 6, 9


def legend(form, labels):
    text = re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), form).strip()
    return text if len(text) < 48 else text[:22] + "…" + text[-22:]


def written(value, unit):
    if math.isnan(value):
        return "–"
    if unit == "s":
        for name, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
            if abs(value) >= 2 * seconds:
                return f"{value / seconds:.0f} {name}"
        return f"{value:.1f} s"
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" + {"reqps": " req/s", "ms": " ms"}.get(unit, "")


def colour(value, steps):
    name = "green"
    for step in steps:
        if step["value"] is None or value >= step["value"]:
            name = step["color"]
    return COLOURS[name]


def draw_series(axes, panel, answers, begin):
    defaults = panel["fieldConfig"]["defaults"]
    lines = []
    for target, series in zip(panel["targets"], answers):
        for one in series:
            points = [(float(time) - begin, float(value)) for time, value in one["values"]]
            lines.append((legend(target["legendFormat"], one["metric"]), points))
    lines.sort(key=lambda line: -max((value for _, value in line[1] if not math.isnan(value)), default=0))
    for number, (name, points) in enumerate(lines):
        label = name if number < MOST_LEGENDS else None
        times, values = zip(*points)
        axes.plot(times, values, linewidth=1, color=LINES[number % len(LINES)], label=label)
    if "min" in defaults:
        axes.set_ylim(bottom=defaults["min"])
    if "max" in defaults:
        axes.set_ylim(top=defaults["max"])
    axes.yaxis.set_major_formatter(lambda value, _: written(value, defaults["unit"]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    axes.grid(color=GRID, linewidth=0.5)
    axes.tick_params(colors=TEXT, labelsize=6, length=0)
    if lines:
        more = f" and {len(lines) - MOST_LEGENDS} more" if len(lines) > MOST_LEGENDS else ""
        drawn = axes.legend(loc="upper left", fontsize=5, ncol=2, frameon=False, labelcolor=TEXT, title=more, title_fontsize=5)
        drawn.get_title().set_color(TEXT)


def last(series):
    return float(series["values"][-1][1] if "values" in series else series["value"][1])


def draw_stat(axes, panel, answers):
    defaults = panel["fieldConfig"]["defaults"]
    value = last(answers[0][0])
    axes.set_facecolor(colour(value, defaults["thresholds"]["steps"]))
    axes.text(0.5, 0.45, written(value, defaults["unit"]), color="white", fontsize=15, ha="center", va="center", transform=axes.transAxes)


def draw_table(axes, panel, answers):
    names = panel["transformations"][0]["options"]["include"]["names"][:-1]
    properties = {one["id"]: one["value"] for one in panel["fieldConfig"]["overrides"][0]["properties"]}
    rows = sorted(answers[0], key=lambda one: (last(one), one["metric"].get(names[0], "")))
    cell = dict(fontsize=6, va="center", transform=axes.transAxes)
    for row, one in enumerate(rows[:MOST_ROWS]):
        height = 0.94 - row / (MOST_ROWS + 1)
        for column, name in enumerate(names):
            text = one["metric"].get(name, "")
            # The first column is twice as wide.
            left = 0.02 + 0.8 * (column + (column > 0)) / (len(names) + 1)
            axes.text(left, height, text[:44], color=TEXT, **cell)
        value = last(one)
        fill = dict(facecolor=colour(value, properties["thresholds"]["steps"]), edgecolor="none", pad=1.5)
        axes.text(0.97, height, written(value, properties["unit"]), color="white", ha="right", bbox=fill, **cell)
    if len(rows) > MOST_ROWS:
        axes.text(0.02, 0.03, f"and {len(rows) - MOST_ROWS} more", color=TEXT, **cell)


def main(answers, picture):
    with open(answers, encoding="utf-8") as file:
        told = json.load(file)
    bottom = max(one["panel"]["gridPos"]["y"] + one["panel"]["gridPos"]["h"] for one in told["panels"])
    figure = plt.figure(figsize=(14, bottom * 0.27), facecolor=BACKGROUND)
    for one in told["panels"]:
        panel, place = one["panel"], one["panel"]["gridPos"]
        x, width = place["x"] / 24, place["w"] / 24
        y, height = 1 - (place["y"] + place["h"]) / bottom, place["h"] / bottom
        if panel["type"] == "row":
            figure.text(x + 0.006, y + height / 2, panel["title"], color="white", fontsize=9, va="center")
            continue
        is_series = panel["type"] == "timeseries"
        left, title = (0.034 if is_series else 0.004), 0.3 * 4 / bottom
        axes = figure.add_axes((x + left, y + (0.012 if is_series else 0.003), width - left - 0.004, height - title - 0.006))
        axes.set_facecolor(PANEL)
        axes.set_title(panel["title"], color=TEXT, fontsize=7.5, loc="left", pad=3)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if is_series:
            draw_series(axes, panel, one["answers"], told["from"])
            continue
        axes.set_xticks([])
        axes.set_yticks([])
        {"stat": draw_stat, "table": draw_table}[panel["type"]](axes, panel, one["answers"])
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90, facecolor=BACKGROUND)
    # A palette will do, and takes a third of the room.
    Image.open(drawn).convert("RGB").quantize(96).save(picture, optimize=True)


main(*sys.argv[1:])
