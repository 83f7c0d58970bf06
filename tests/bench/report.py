"""Figures and how they are written: one list for the terminal, bench.csv and bench.md."""
import csv
import statistics
from dataclasses import dataclass


@dataclass
class Spread:
    """Several values of the same thing."""
    median: float
    least: float
    most: float

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values)) if values else None


@dataclass
class Figure:
    part: str  # the heading that it stands under
    what: str
    unit: str
    comity: Spread
    other: Spread = None  # what it is compared with
    ratio: Spread = None
    bar: float = None  # what `judged` must reach, or stay under when `most` is set
    most: bool = False
    judged: str = "ratio"  # or "comity"
    note: str = ""

    def met(self):
        if self.bar is None:
            return ""
        value = getattr(self, self.judged).median
        return "met" if (value <= self.bar if self.most else value >= self.bar) else "MISSED"


def number(value):
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(s):
    if s is None:
        return ""
    return number(s.median) if s.least == s.most else f"{number(s.median)} ({number(s.least)}-{number(s.most)})"


COLUMNS = ["", "unit", "Comity", "compared with", "ratio", "bar", ""]


def cells(figure):
    bar = "" if figure.bar is None else f"{'<=' if figure.most else '>='} {number(figure.bar)}"
    return [figure.what, figure.unit, spread(figure.comity), spread(figure.other), spread(figure.ratio), bar, figure.met()]


def tables(figures):
    """part: rows of cells, in the order in which the parts came."""
    parts = {}
    for figure in figures:
        parts.setdefault(figure.part, []).append(figure)
    return parts


def text(figures):
    lines = []
    for part, rows in tables(figures).items():
        table = [COLUMNS] + [cells(figure) for figure in rows]
        width = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]
        lines += ["", part]
        lines += ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, width)).rstrip() for row in table]
    return "\n".join(lines)


def markdown(machine, figures, remarks):
    lines = ["# Comity, measured", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in machine]
    for part, rows in tables(figures).items():
        lines += ["", f"## {part}", "", "| " + " | ".join(COLUMNS) + " |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
        lines += ["| " + " | ".join(cells(figure)) + " |" for figure in rows]
    for heading, body in remarks:
        lines += ["", f"## {heading}", "", "```", body.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def write_csv(path, machine, figures):
    def three(s):
        return ["", "", ""] if s is None else [f"{v:.9g}" for v in (s.median, s.least, s.most)]

    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["part", "figure", "unit", "comity", "comity_min", "comity_max", "other", "other_min", "other_max", "ratio",
                      "ratio_min", "ratio_max", "bar", "verdict", "note"])
        for name, value in machine:
            out.writerow(["machine", name, "text", value] + [""] * 11)
        for f in figures:
            out.writerow([f.part, f.what, f.unit, *three(f.comity), *three(f.other), *three(f.ratio),
                          "" if f.bar is None else f.bar, f.met(), f.note])
