#!/usr/bin/env python3
"""report.py FOLDER: put beside each measured point of FOLDER/measured.csv what a tree should take, flag what grows faster, and
write FOLDER/scale.csv, scale.svg (by gnuplot, when there is one) and a table on stdout. Exit code 1 if a point is flagged."""
import csv
import math
import os
import shutil
import subprocess
import sys

GROWTH = 2.0  # times by which seconds / model may grow from few ranks to many
SLOW = 6.0    # times the model that nothing may take
LONGEST_SLEEP = 200e-6 # seconds between looks of a rank that has waited long (src/comm/wait.c)
OPERATIONS = ["broadcast", "sum", "round", "agree", "agree_late", "report", "synchronise"]
HOPS = {"broadcast": 1, "sum": 1, "agree": 2, "agree_late": 2, "report": 2, "synchronise": 5, "round": 7}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def networks(folder):
    found = {}
    with open(os.path.join(folder, "networks.csv"), newline="") as file:
        for name, bandwidth, latency, overhead, eager in csv.reader(file):
            found[name] = {"bandwidth": float(bandwidth), "latency": 2 * float(latency), "overhead": 2 * float(overhead),
                           "eager": int(eager)}
    return found


def model(point, network):
    """Seconds that a binomial tree takes: ceil(log2 ranks) levels of one message's latency and, where a vector is cut into
    pieces, of one piece, then all bytes over one link. And the bound by the bytes alone."""
    levels = math.ceil(math.log2(point["ranks"]))
    bound = point["bytes"] / network["bandwidth"]
    piece = min(point["piece"] or point["bytes"], point["bytes"])
    long = point["operation"] in ("broadcast", "sum", "round") and piece > network["eager"]
    level = network["latency"] + network["overhead"]
    if point["operation"] == "round":
        rendezvous = 3 * network["latency"] + network["overhead"] + piece / network["bandwidth"]
        return levels * (2 * rendezvous + 5 * level) + bound, bound
    if long:
        level += 2 * network["latency"] + piece / network["bandwidth"]
    if point["operation"] == "agree_late":
        level += LONGEST_SLEEP
    return HOPS[point["operation"]] * levels * level + bound, bound


def complete(points, known):
    for point in points:
        for key in ("ranks", "piece", "parameters", "bytes"):
            point[key] = int(point[key])
        point["seconds"] = float(point["seconds"])
        point["model"], point["bound"] = model(point, known[point["network"]])
        point["ratio"] = point["seconds"] / point["model"]
    few = {}
    for point in sorted(points, key=lambda p: p["ranks"]):
        series = tuple(point[k] for k in ("network", "implementation", "piece", "operation", "parameters"))
        if point["ranks"] <= 8:
            few[series] = max(few.get(series, 0), point["ratio"])
        grows = series in few and point["ratio"] > GROWTH * max(few[series], 1)
        point["flag"] = "grows" if grows else "slow" if point["ratio"] > SLOW else ""
    order = {name: i for i, name in enumerate(OPERATIONS)}
    points.sort(key=lambda p: (p["network"], order[p["operation"]], p["parameters"], p["implementation"], p["ranks"]))


def milliseconds(seconds):
    return f"{1e3 * seconds:.3g}"


def table(points):
    """A row for each network, operation, size and implementation; a column for each number of ranks."""
    ranks = sorted({p["ranks"] for p in points})
    rows = {}
    for p in points:
        rows.setdefault((p["network"], p["operation"], p["parameters"], p["implementation"]), {})[p["ranks"]] = p
    head = ["network", "operation", "parameters", "how"] + [f"{n} ranks" for n in ranks] + ["x tree", "x bytes", ""]
    print("Simulated milliseconds; x tree, x bytes: the largest run against the logarithmic model and the bandwidth bound")
    lines = [head]
    for (network, operation, parameters, how), row in rows.items():
        last = row[max(row)]
        big = f"{last['seconds'] / last['bound']:.3g}" if parameters else ""
        flags = " ".join(sorted({f"{p['flag']} at {n}" for n, p in row.items() if p["flag"]}))
        size = f"{parameters / 1e6:g} M" if parameters else ""
        lines.append([network, operation, size, how] + [milliseconds(row[n]["seconds"]) if n in row else "" for n in ranks]
                     + [f"{last['ratio']:.2g}", big, flags])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for i, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def write(points, path):
    columns = ["network", "ranks", "implementation", "piece", "operation", "parameters", "bytes", "seconds", "model", "bound",
               "ratio", "flag"]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for point in points:
            writer.writerow({c: f"{point[c]:.6g}" if c in ("model", "bound", "ratio") else point[c] for c in columns})


def plot(points, folder):
    """Broadcast, sum and synchronisation against ranks, with the model dashed; one panel a network."""
    blocks, panels = [], []
    for network in sorted({p["network"] for p in points}):
        lines = []
        for operation, parameters in (("broadcast", 1700000), ("sum", 1700000), ("synchronise", 0)):
            series = [p for p in points if (p["network"], p["operation"], p["parameters"], p["implementation"])
                      == (network, operation, parameters, "tree")]
            if not series:
                continue
            name = f"$data{len(blocks)}"
            blocks.append(f"{name} << EOD\n" + "".join(f"{p['ranks']} {p['seconds']} {p['model']}\n" for p in series) + "EOD\n")
            title = operation + (" of 1.7 M parameters" if parameters else " (small messages of a round)")
            color = len(lines) // 2 + 1
            lines.append(f"{name} using 1:2 with linespoints lc {color} pt 7 title '{title}'")
            lines.append(f"{name} using 1:3 with lines lc {color} dt 2 notitle")
        panels.append(f"set title '{network}'\nplot " + ", \\\n  ".join(lines) + "\n")
    script = ("set terminal svg size 1000,420 background 'white'\nset output '" + os.path.join(folder, "scale.svg") + "'\n"
              + "".join(blocks) + f"set multiplot layout 1,{len(panels)}\nset logscale xy\nset xlabel 'ranks'\n"
              "set ylabel 'simulated seconds (dashed: model of a tree)'\nset key bottom right\nset grid\n"
              + "".join(panels) + "unset multiplot\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    folder = sys.argv[1]
    points = read(os.path.join(folder, "measured.csv"))
    complete(points, networks(folder))
    write(points, os.path.join(folder, "scale.csv"))
    table(points)
    if shutil.which("gnuplot"):
        plot(points, folder)
        print("plot:", os.path.join(folder, "scale.svg"))
    flagged = [p for p in points if p["flag"] and p["implementation"] == "tree"]
    print("table:", os.path.join(folder, "scale.csv"))
    return 1 if flagged else 0


sys.exit(main())
