"""What MIP solvers and `switchyard place` knew over time, as a picture.

mip_picture.py FILE.csv > FILE.svg     FILE.csv has the columns of mip_solvers.py

One row of panels a problem, one column a form of its integer program; ours are the same in both.
"""

import csv
import math
import sys

PROBLEMS = {
    "mx4n2": "Mixtral-8x7B on 4 devices in nodes of 2",
    "ds8": "DeepSeek-V2-Lite on 8 devices",
    "gp8": "gpt-oss-20b on 8 devices",
}
FORMS = {"products": "tight and large", "compact": "loose and small"}
SOLVERS = {
    "highs": ("HiGHS", "#0072b2"),
    "cp-sat": ("CP-SAT", "#d55e00"),
    "cbc": ("CBC", "#009e73"),
}
OURS = {
    "search": ("place: search", "#000000"),
    "exact": ("place: exact, proved", "#a0208c"),
    "bound": ("place: bound", "#000000"),
}
WIDTH, HEIGHT = 400, 230  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 58, 54, 34, 44  # around it
LEGEND = 50
SECONDS = (0.1, 100.0)


def number(text):
    return float(text) if text else None


def read(file):
    """(problem, form, solver) -> rows of (seconds, incumbent, bound)."""
    runs = {}
    with open(file, newline="") as text:
        for row in csv.DictReader(text):
            if row["problem"] == "problem":
                continue  # files put together
            key = row["problem"], row["form"], row["solver"]
            values = float(row["seconds"]), number(row["incumbent"]), number(row["bound"])
            runs.setdefault(key, []).append(values)
    return runs


def ticks(low, high, most=6):
    """Round numbers from low to high."""
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Panel:
    """One problem in one form, its top left corner at (left, top)."""

    def __init__(self, number, left, top, low, high, best):
        self.left, self.top, self.low, self.high, self.best = left, top, low, high, best
        self.clip, self.svg = f"panel{number}", []

    def x(self, seconds):
        low, high = map(math.log10, SECONDS)
        place = (math.log10(max(seconds, SECONDS[0])) - low) / (high - low)
        return self.left + WIDTH * place

    def y(self, cost):
        return self.top + HEIGHT * (self.high - cost) / (self.high - self.low)

    def text(self, x, y, words, anchor="middle", more=""):
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self.svg.append(f"<text {place}{more}>{words}</text>")

    def line(self, x1, y1, x2, y2, colour="#ddd", more=""):
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.svg.append(f'<line {ends} stroke="{colour}"{more}/>')

    def axes(self, title):
        right, bottom = self.left + WIDTH, self.top + HEIGHT
        middle = self.top + HEIGHT / 2
        self.text(self.left, self.top - 10, title, "start", ' font-weight="bold"')
        for exponent in range(-1, 3):
            for digit in range(1, 10):
                seconds = digit * 10.0**exponent
                if seconds <= SECONDS[1]:
                    x = self.x(seconds)
                    self.line(x, self.top, x, bottom, "#ccc" if digit == 1 else "#f2f2f2")
            self.text(self.x(10.0**exponent), bottom + 16, f"{10.0**exponent:g}")
        self.text(self.left + WIDTH / 2, bottom + 34, "seconds of processor time")
        values = ticks(self.low, self.high)
        digits = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
        for value in values:
            self.line(self.left, self.y(value), right, self.y(value))
            self.text(self.left - 6, self.y(value) + 4, f"{value:.{digits}f}", "end")
        shares = ticks((self.low / self.best - 1) * 100, (self.high / self.best - 1) * 100)
        for share in shares:
            y = self.y(self.best * (1 + share / 100))
            self.line(right, y, right + 4, y, "#666")
            self.text(right + 6, y + 4, f"{share:+g} %" if share else "best", "start")
        turn = f' transform="rotate(-90 {self.left - 44} {middle})"'
        self.text(self.left - 44, middle, "ms an iteration", "middle", turn)
        frame = f'x="{self.left}" y="{self.top}" width="{WIDTH}" height="{HEIGHT}"'
        self.svg.append(f'<rect {frame} fill="none" stroke="#666"/>')
        self.svg.append(f'<clipPath id="{self.clip}"><rect {frame}/></clipPath>')

    def path(self, points, colour, isBound, isStepped=True):
        """A value that stands until it changes."""
        known = [(s, v) for s, v in points if v is not None]
        if not known:
            return
        words = f"M{self.x(known[0][0]):.1f} {self.y(known[0][1]):.1f}"
        for seconds, value in known[1:]:
            x, y = self.x(seconds), self.y(value)
            words += f"H{x:.1f}V{y:.1f}" if isStepped else f"L{x:.1f} {y:.1f}"
        dash = ' stroke-dasharray="6 4"' if isBound else ""
        self.svg.append(
            f'<path d="{words}" fill="none" stroke="{colour}" stroke-width="2"{dash} '
            f'clip-path="url(#{self.clip})"/>'
        )

    def dot(self, seconds, value, colour, radius=3):
        if self.low <= value <= self.high:
            place = f'cx="{self.x(seconds):.1f}" cy="{self.y(value):.1f}"'
            self.svg.append(f'<circle {place} r="{radius}" fill="{colour}"/>')


def legend(left, top):
    svg = []
    for name, colour in SOLVERS.values():
        svg.append(f'<path d="M{left} {top}h28" stroke="{colour}" stroke-width="2"/>')
        svg.append(f'<text x="{left + 34}" y="{top + 4}">{name}</text>')
        left += 48 + 8 * len(name)
    for key, (name, colour) in OURS.items():
        if key != "exact":
            dash = ' stroke-dasharray="6 4"' if key == "bound" else ""
            svg.append(f'<path d="M{left} {top}h28" stroke="{colour}" stroke-width="2"{dash}/>')
        if key != "bound":
            radius = 3 if key == "search" else 5
            svg.append(f'<circle cx="{left + 14}" cy="{top}" r="{radius}" fill="{colour}"/>')
        svg.append(f'<text x="{left + 34}" y="{top + 4}">{name}</text>')
        left += 52 + 7 * len(name)
    words = "solid: the best placement's cost, dashed: the bound under all placements"
    svg.append(f'<text x="{LEFT}" y="{top + 24}" fill="#444">{words}</text>')
    return svg


def draw(panel, runs, problem, form):
    silent, below = {"placement": [], "bound": []}, []
    for solver, (name, colour) in SOLVERS.items():
        rows = runs.get((problem, form, solver))
        if not rows:
            continue
        for kind, column in (("placement", 1), ("bound", 2)):
            panel.path([(r[0], r[column]) for r in rows], colour, kind == "bound")
            if rows[-1][column] is None:
                silent[kind].append(name)
            elif rows[-1][column] < panel.low:
                below.append(f"{name} {rows[-1][column]:.3g} ms")
        seconds, incumbent, bound = rows[-1]
        if None not in (incumbent, bound) and incumbent - bound <= 1e-6 * incumbent:
            panel.dot(seconds, incumbent, colour, 5)
    end = max(r[-1][0] for key, r in runs.items() if key[0] == problem)
    for seconds, _, bound in runs.get((problem, "", "bound"), []):
        panel.path([(seconds, bound), (end, bound)], OURS["bound"][1], True)
    search = [(s, v) for s, v, _ in runs.get((problem, "", "search"), [])]
    panel.path(search, OURS["search"][1], False, isStepped=False)
    for seconds, value in search:
        panel.dot(seconds, value, OURS["search"][1])
    for seconds, value, _ in runs.get((problem, "", "exact"), []):
        panel.dot(seconds, value, OURS["exact"][1], 5)
    notes = [f"no {kind}: {', '.join(names)}" for kind, names in silent.items() if names]
    if below:
        notes.append(f"bound below the panel: {', '.join(below)}")
    for position, note in enumerate(reversed(notes)):
        y = panel.top + HEIGHT - 8 - 15 * position
        panel.text(panel.left + 8, y, note, "start", ' fill="#444"')


def main(file):
    runs = read(file)
    # A problem whose placements nobody found has no scale.
    found = {key[0] for key, rows in runs.items() if any(r[1] is not None for r in rows)}
    problems = [p for p in PROBLEMS if p in found]
    across, down = WIDTH + LEFT + RIGHT, HEIGHT + TOP + BOTTOM
    size = len(FORMS) * across, LEGEND + len(problems) * down
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="12">',
        f'<rect width="{size[0]}" height="{size[1]}" fill="white"/>',
        *legend(LEFT, 18),
    ]
    for row, problem in enumerate(problems):
        last = {key: r[-1] for key, r in runs.items() if key[0] == problem}
        costs = [r[1] for key in last for r in runs[key] if r[1] is not None]
        best = min(costs)
        bounds = [r[2] for r in last.values() if r[2] is not None]
        # What is farther away than that leaves the panel.
        low = max(min(bounds), 0.8 * best)
        high = min(max(costs), best + 1.2 * (best - low))
        low, high = low - 0.08 * (high - low), high + 0.08 * (high - low)
        for column, (form, words) in enumerate(FORMS.items()):
            left, top = LEFT + column * across, LEGEND + TOP + row * down
            panel = Panel(row * len(FORMS) + column, left, top, low, high, best)
            panel.axes(f"{PROBLEMS[problem]}: {form}")
            draw(panel, runs, problem, form)
            svg += panel.svg
    print("\n".join([*svg, "</svg>"]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
