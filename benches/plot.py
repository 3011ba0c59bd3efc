"""Plots as SVG, for pages in light and in dark: each brings its own background."""

import math
from html import escape

STYLE = """
  svg { font: 13px system-ui, sans-serif } .paper { fill: #fff }
  text { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d0d7de }
  .a { fill: #0550ae; stroke: #0550ae } .b { fill: #bc4c00; stroke: #bc4c00 }
  .c { fill: #1a7f37; stroke: #1a7f37 } .d { fill: #8250df; stroke: #8250df }
  .e { fill: #bf3989; stroke: #bf3989 }
  .other { fill: #8c959f; stroke: none } .own { fill: #0550ae; stroke: none }
  .line { fill: none; stroke-width: 2 } .title { font-weight: 600; font-size: 14px }
  text.a, text.b, text.c, text.d, text.e { stroke: none }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 }
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #3d444d }
    .a { fill: #79c0ff; stroke: #79c0ff } .b { fill: #ffa657; stroke: #ffa657 }
    .c { fill: #3fb950; stroke: #3fb950 } .d { fill: #d2a8ff; stroke: #d2a8ff }
    .e { fill: #ff9bce; stroke: #ff9bce }
    .other { fill: #6e7681 } .own { fill: #58a6ff } .line { fill: none }
    text.a, text.b, text.c, text.d, text.e { stroke: none }
  }
"""


def svg(width, height, parts, description):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(description)}">'
    )
    # (Not every viewer paints a background that the root element is given by its style.)
    paper = f'<rect width="{width}" height="{height}" class="paper"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *parts, "</svg>", ""])


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(str(words))}</text>'


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="grid"/>'


def bars(title, unit, rows, path):
    """Horizontal bars. Rows: (name, value, is it ours?), or a heading as (name, None, _)."""
    width, left, right, step = 760, 300, 90, 26
    top, height = 52, 52 + step * len(rows) + 14
    most = max(value for _, value, _ in rows if value)
    parts = [text(16, 24, title, "title"), text(16, 42, unit, "faint")]
    for number, (name, value, own) in enumerate(rows):
        y = top + step * number
        if value is None:
            parts.append(text(16, y + 18, name, "title"))
            continue
        length = (width - left - right) * value / most
        kind = "own" if own else "other"
        parts += [
            text(left - 10, y + 18, name, anchor="end"),
            f'<rect x="{left}" y="{y + 5}" width="{max(length, 1):.1f}" height="{step - 8}" '
            f'class="{kind}"/>',
            text(left + max(length, 1) + 6, y + 18, f"{value:,.0f}"),
        ]
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(width, height, parts, title))


def lines(title, x_title, y_title, series, path):
    """Lines over a logarithmic axis. Series: name → [(x, y)], five at most."""
    width, height, left, right, top, bottom = 760, 380, 64, 150, 60, 52
    xs = [x for points in series.values() for x, _ in points]
    most = max(y for points in series.values() for _, y in points)
    step = nice_step(most)
    highest = step * math.ceil(most / step)
    names = spread({name: points[-1][1] for name, points in series.items()}, highest)
    low, high = math.log10(min(xs)), math.log10(max(xs))

    def place(x, y):
        across = (math.log10(x) - low) / (high - low)
        return (
            left + (width - left - right) * across,
            height - bottom - (height - top - bottom) * y / highest,
        )

    parts = [text(16, 24, title, "title"), text(16, 44, y_title, "faint")]
    for number in range(math.ceil(most / step) + 1):
        y = step * number
        x1, at = place(min(xs), y)
        parts += [line(x1, at, width - right, at), text(x1 - 8, at + 4, f"{y:,g}", "faint", "end")]
    for power in range(round(low), round(high) + 1):
        at, _ = place(10**power, 0)
        parts.append(text(at, height - bottom + 20, f"{10**power:,}", "faint", "middle"))
    parts.append(text((left + width - right) / 2, height - 10, x_title, "faint", "middle"))
    for kind, (name, points) in zip("abcde", series.items()):
        places = [place(*point) for point in points]
        path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path_of}" class="{kind} line"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind}"/>' for x, y in places]
        _, y = place(points[-1][0], names[name])
        parts.append(text(places[-1][0] + 10, y + 4, name, kind))
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(width, height, parts, title))


def spread(ends, highest):
    """Where the names of lines are written that end at these heights: next to them, apart."""
    apart, last, places = highest / 17, -highest, {}
    for name, end in sorted(ends.items(), key=lambda item: item[1]):
        places[name] = last = max(end, last + apart)
    return places


def nice_step(highest):
    """A step of one digit, 1, 2 or 5, of which some six make the axis."""
    power = 10 ** math.floor(math.log10(highest / 6))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= highest / 6)
    return int(step) if step >= 1 else step
