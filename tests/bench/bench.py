#!/usr/bin/python3
"""All measurements in turn, and the table. run.sh builds, makes the data and calls this."""
import argparse
import atexit
import csv
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import machine
import report
from report import Figure, Spread
from runs import HERE, Comity, Failed, Yardstick, command, end, environment, missing, say

SOURCE = HERE.parent.parent
PARAMETERS = {"2nn": 199210, "cnn": 1663370, "logistic": 610}
PRESETS = {"mnist_2nn": "2nn", "mnist_cnn": "cnn", "logistic": "logistic"}
# name: times faster than the yardstick in training, in whole rounds on three ranks
BARS = {"W1": (4.5, 3.5), "W2": (2, 2), "W3": (1.4, 1.6), "W4": (25, 20)}
EXAMPLES = {"W1": 600, "W2": 600, "W3": 600, "W4": 300}  # a client
# Pairs of runs, and rounds of each run; the first round is dropped. `few` pairs are for what takes long or varies little. Seconds are
# for each figure of the roofline.
FORMS = {
    "quick": {"pairs": 3, "few": 2, "rounds": {"W1": 5, "W2": 4, "W3": 2, "W4": 6}, "seconds": 0.1},
    "full": {"pairs": 7, "few": 4, "rounds": {"W1": 11, "W2": 7, "W3": 3, "W4": 11}, "seconds": 0.3},
}
LONG = "W3"


@dataclass
class Workload:
    """What a job file says, for the yardstick's command line."""
    name: str
    job: Path
    model: str
    epochs: str
    batch: str
    rate: str
    per_round: str

    @staticmethod
    def read(name):
        job = HERE / f"{name}.yaml"
        said = dict(re.findall(r"(\w+): ([\w.]+)", re.sub(r"#.*", "", job.read_text())))
        return Workload(name, job, PRESETS[said["preset"]], said["epochs"], said["batch"], said["learning_rate"], said["per_round"])

    def steps(self):
        """Training steps a round, of all clients."""
        return int(self.per_round) * int(self.epochs) * -(-EXAMPLES[self.name] // int(self.batch))


class Bench:
    def __init__(self, options):
        self.name, self.form = options.form, FORMS[options.form]
        self.build, self.out = options.build, options.out
        self.data = {name: self.out / "data" / ("tabular.h5" if name == "W4" else "images.h5") for name in BARS}
        self.works = [Workload.read(name) for name in BARS if name in options.workloads.split(",")]
        self.representatives = [work for work in self.works if work.name in ("W1", "W3")]  # of their models
        self.scratch = Path(tempfile.mkdtemp(prefix="run.", dir=self.out))
        atexit.register(shutil.rmtree, self.scratch, ignore_errors=True)
        self.comity = Comity(self.build / "comity", self.scratch, self.data)
        self.yardstick = Yardstick(options.yardstick, self.scratch, self.data)
        self.figures, self.remarks, self.training = [], [], {}

    def pairs(self, work, ranks, rounds, evaluate, watched=False):
        """Runs of the yardstick and of Comity that take turns: (yardstick or None, Comity) each."""
        made = []
        for _ in range(self.form["few" if watched or work.name == LONG else "pairs"]):
            theirs = self.yardstick.run(work, ranks, rounds, evaluate, watched) if self.yardstick else None
            made.append((theirs, self.comity.run(work, ranks, rounds, evaluate, watched)))
        return made

    def compare(self, part, what, unit, made, value, bar=None, **more):
        """A figure that is better when smaller. Ratios are those of neighbouring runs."""
        ours = [value(run) for _, run in made]
        theirs = [value(run) for run, _ in made if run]
        ratio = Spread.of(t / o for t, o in zip(theirs, ours))
        self.figures.append(Figure(part, what, unit, Spread.of(ours), Spread.of(theirs), ratio, bar if ratio else None, **more))

    # ------------------------------------------------------------------------------------------- side by side

    def local_training(self):
        for work in self.works:
            say(f"{work.name}: local training")
            made = self.pairs(work, 0, self.form["rounds"][work.name], False)
            self.compare("Training a round, one process", work.name, "ms", made,
                         lambda run: 1e3 * statistics.median(r["train"] for r in run.rounds[1:]), BARS[work.name][0])
            self.training[work.name] = self.figures[-1].comity.median * 1e-3

    def whole_rounds(self):
        accuracy = []
        for work in self.works:
            say(f"{work.name}: whole rounds on three ranks")
            rounds = self.form["rounds"][work.name]
            made = self.pairs(work, 3, rounds, True)
            self.compare("Whole rounds with evaluation, server and two participants", work.name, "ms", made,
                         lambda run: 1e3 * statistics.median(r["seconds"] for r in run.rounds[1:]), BARS[work.name][1])
            reached = [Spread.of(run.rounds[-1]["accuracy"] for run in side if run) for side in zip(*made)]
            accuracy.append(Figure("Same work: test accuracy at the end of these runs", f"{work.name} after {rounds} rounds", "",
                                   reached[1], reached[0]))
        self.figures += accuracy

    # ---------------------------------------------------------------------------------------- everything else

    def bare(self, ranks, floats):
        arguments = command(ranks, [self.build / "tests/bench/bench_bare", 15, floats])
        return [float(line.split(",")[2]) for line in self.output(arguments).splitlines()]

    def everything_else(self):
        """With small clients and one step each: what is looked for must not drown in the training's own ups and downs."""
        for work in self.representatives:
            for ranks in (2, 3, 4):
                say(f"{work.model}: everything else on {ranks} ranks")
                for clients in (ranks - 1, 10):
                    self.everything_else_of(work, ranks, clients)

        for ranks in (2, 3, 4):
            self.collectives(ranks)

    def collectives(self, ranks):
        """Comity's broadcast and exact sum without a round around them; both sides take turns in one program."""
        sizes = [str(PARAMETERS[work.model]) for work in self.representatives]
        found = {}
        for _ in range(self.form["few"]):
            text = self.output(command(ranks, [self.build / "tests/bench/bench_comm", *sizes]))
            for row in csv.DictReader(text.splitlines()):
                found.setdefault((row["parameters"], row["what"]), []).append(1e3 * float(row["seconds"]))
        for work, size in zip(self.representatives, sizes):
            ours, theirs = found[size, "comity_round"], found[size, "mpi_round"]
            self.figures.append(Figure("Of that, broadcast and exact sum; compared with MPI_Bcast + MPI_Reduce",
                                       f"{work.model}, {ranks} ranks", "ms", Spread.of(ours), Spread.of(theirs),
                                       Spread.of(o / t for o, t in zip(ours, theirs))))

    def everything_else_of(self, work, ranks, clients):
        part = "A round but for training, evaluation and I/O; compared with a bare MPI_Bcast + MPI_Reduce"
        extra = [f"data.path={self.out / 'data' / 'small.h5'}", "train.batch=5", "train.steps=1", f"clients.per_round={clients}"]
        ours, theirs = [], []
        for _ in range(self.form["few"]):
            theirs.append(1e3 * statistics.median(self.bare(ranks, PARAMETERS[work.model])))
            run = self.comity.run(work, ranks, 12, False, extra=extra)
            ours.append(1e3 * statistics.median(r["seconds"] - r["train"] - r["evaluate"] - r["io"] for r in run.rounds[2:]))
        what = f"{work.model}, {ranks} ranks, {clients} client{'s' * (clients > 1)} a round"
        self.figures.append(Figure(part, what, "ms", Spread.of(ours), Spread.of(theirs),
                                   Spread.of(o / t for o, t in zip(ours, theirs)), 1.5, True))

    # --------------------------------------------------------------------------------------- start and memory

    def memory_bound(self, work, ranks):
        """MiB: 1.5 times what a participant needs, and 40 for the libraries. It needs the global model, its own, the update and
        the exact sum of updates in 64 bits; and its part of the examples."""
        copies = 5 * 4 * PARAMETERS[work.model]
        data = self.data[work.name].stat().st_size / (ranks - 1)
        return 1.5 * (copies + data) / 2**20 + 40

    def empty(self, ranks):
        begin = time.perf_counter()
        self.output(command(ranks, [self.build / "tests/bench/bench_bare", 0]))
        return time.perf_counter() - begin

    def start_and_memory(self):
        part = "From exec to the begin of round 1"
        empty = Spread.of(self.empty(3) for _ in range(3))
        self.figures.append(Figure(part, "an MPI program that does nothing, three ranks", "s", None, empty))
        for work in self.representatives:
            say(f"{work.name}: start and memory")
            alone = self.pairs(work, 0, 1, False, watched=True)
            made = self.pairs(work, 3, 2, True, watched=True)
            for where, runs in (("alone", alone), ("three ranks", made)):
                self.compare(part, f"{work.name}, {where}", "s", runs, lambda run: run.start)
                last = self.figures[-1]
                last.bar, last.most, last.judged = 0.5, True, "comity"
            self.compare("Largest resident memory of a rank", f"{work.name}, server", "MiB", made, lambda run: run.peak[0])
            self.compare("Largest resident memory of a rank", f"{work.name}, participants", "MiB", made,
                         lambda run: max(run.peak[r] for r in run.peak if r > 0))
            last = self.figures[-1]
            last.bar, last.most, last.judged = self.memory_bound(work, 3), True, "comity"

    # ---------------------------------------------------------------------------------------------- the roofs

    def roofline(self):
        say("roofline")
        table = self.out / "roofline.csv"
        program = [self.build / "tests/bench/bench_roofline", table, self.form["seconds"]]
        for work in self.works:
            program += [work.job, self.data[work.name]]
        self.remarks.append(("Roofline, one core", self.output(command(0, program))))
        with open(table, newline="") as file:
            rows = {(row["kind"], row["name"]): (float(row["value"]), row["unit"]) for row in csv.DictReader(file)}
        part = "Roofline, one core (convolutions count as direct ones)"
        for (kind, name), (value, unit) in rows.items():
            if kind in ("peak", "bandwidth") or (kind == "gemm" and name.startswith("best")):
                self.figures.append(Figure(part, f"{kind} {name}", unit, Spread(value, value, value)))
        for work in self.works:
            for what in ("rate", "of the peak", "of the best product", "of the roof"):
                value, unit = rows["step", f"{work.name} {what}"]
                bar = 75 if (work.name, what) == ("W3", "of the best product") else None
                self.figures.append(Figure(part, f"{work.name} step, {what}", unit, Spread(value, value, value), bar=bar, judged="comity"))
            if work.name in self.training:
                rate = rows["step", f"{work.name} operations"][0] * work.steps() / self.training[work.name] * 1e-9
                self.figures.append(Figure(part, f"{work.name} rate in the rounds above", "GFLOP/s", Spread(rate, rate, rate)))

    # ---------------------------------------------------------------------------------------------- scale/

    def scale(self):
        script = HERE / "scale" / "run.sh"
        if not script.exists() or not shutil.which("smpirun"):
            say("no scaling by simulation: SimGrid's smpirun is missing (libsimgrid-dev)")
            return
        say("scaling by simulation")
        flagged = 1  # a point that grows faster than it should, which its table shows
        table = self.out / "scale" / "scale.csv"
        table.unlink(missing_ok=True)
        text = self.output(["bash", script, self.name, "-o", self.out / "scale"], (0, flagged))
        if not table.exists():
            raise Failed(f"{script} wrote no {table}:\n{text}")
        self.remarks.append(("Scaling, simulated", text))
        with open(table, newline="") as file:
            for point in csv.DictReader(file):
                if point["operation"] != "round" or point["implementation"] != "tree":
                    continue
                taken, model = 1e3 * float(point["seconds"]), 1e3 * float(point["model"])
                what = f"{point['network']}, {point['ranks']} ranks, {float(point['parameters']) / 1e6:g} M parameters"
                self.figures.append(Figure("A round's communication, simulated; compared with the model of a tree", what, "ms",
                                           *(Spread(x, x, x) for x in (taken, model, taken / model)), note=point["flag"]))

    # ------------------------------------------------------------------------------------------------- helpers

    def output(self, arguments, fine=(0,)):
        process = subprocess.Popen(list(map(str, arguments)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment(), start_new_session=True)
        try:
            text, errors = process.communicate()
        except BaseException:
            end(process)
            raise
        if process.returncode not in fine:
            raise Failed(f"{' '.join(map(str, arguments))} ended with {process.returncode}:\n{(text + errors).strip()[-2000:]}")
        return text


PARTS = {"training": Bench.local_training, "rounds": Bench.whole_rounds, "else": Bench.everything_else,
         "start": Bench.start_and_memory, "roofline": Bench.roofline, "scale": Bench.scale}


def stop(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=list(FORMS), default="quick")
    for name in ("build", "out", "yardstick"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--only")
    parser.add_argument("--workloads", default=",".join(BARS))
    options = parser.parse_args()
    parts = options.only.split(",") if options.only else [p for p in PARTS if (options.form, p) != ("quick", "scale")]
    wrong = [p for p in parts if p not in PARTS] + [w for w in options.workloads.split(",") if w not in BARS]
    if wrong:
        parser.error(f"there is no {', '.join(wrong)}; parts are {', '.join(PARTS)}, workloads {', '.join(BARS)}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    about = machine.describe(SOURCE, options.build, options.build / "comity") + [("images", options.images), ("form", options.form)]
    for name, value in about:
        print(f"{name:14} {value}")
    bench, failures = Bench(options), []
    reason = missing()
    if reason:
        bench.yardstick = None
        say(f"no comparison with PyTorch, the columns stay empty: {reason}")
    for name in parts:
        try:
            PARTS[name](bench)
        except Failed as error:
            failures.append(f"{name}: {error}")
            say(f"FAILED {failures[-1]}")
    print(report.text(bench.figures))
    for heading, body in bench.remarks:
        print(f"\n{heading}\n{body}")
    report.write_csv(options.out / "bench.csv", about, bench.figures)
    (options.out / "bench.md").write_text(report.markdown(about, bench.figures, bench.remarks))
    verdicts = [figure.met() for figure in bench.figures if figure.met()]
    print(f"\n{verdicts.count('met')} of {len(verdicts)} bars met; {options.out}/bench.md, bench.csv and roofline.csv have the rest")
    return 1 if failures else 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    say("stopped; all runs were ended")
    sys.exit(130)
