"""Runs of Comity and of the yardstick: how they are started, watched and read. Both get the same launcher, cores and clock."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-torch and python3-mpi4py belong to


class Failed(Exception):
    """A run that did not end well; the text says which and how."""


@dataclass
class Run:
    rounds: list = field(default_factory=list)  # a dict a round: seconds, train, evaluate, accuracy, ...
    start: float = float("nan")  # seconds from exec to the begin of round 1
    wall: float = float("nan")  # seconds from exec to exit
    peak: dict = field(default_factory=dict)  # rank: MiB


def environment():
    env = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", LC_ALL="C")
    if os.geteuid() == 0:  # Open MPI asks whether root means it
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return env


def launcher(ranks):
    """mpirun itself, for programs that know nothing of Comity's scripts and are ended by their session."""
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout
    crowd = ["--oversubscribe"] if "Open MPI" in version or "OpenRTE" in version else []
    return ["mpirun", *crowd, "-n", str(ranks)]


def command(ranks, program):
    """Alone, a process keeps to one core, so that it is not moved about; ranks share all that there are."""
    if ranks == 0:
        core = max(os.sched_getaffinity(0))
        return ["taskset", "-c", str(core), *map(str, program)]
    return [*launcher(ranks), *map(str, program)]


def end(process):
    """End a run with all its ranks, whoever their parent is by now: they share the session that it was started in."""
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 1.0)):
        limit = time.monotonic() + patience
        while (left := members(process.pid)) and time.monotonic() < limit:
            for pid in left:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            process.poll()
            time.sleep(0.05)
    process.wait()


def members(session):
    """The processes of a session that have not ended."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            state, _, _, owner = text.rpartition(")")[2].split()[:4]
            if int(owner) == session and state != "Z":
                found.append(int(entry))
    return found


def peaks(session, peak):
    """Keep the largest resident memory of each rank in `peak`, in MiB. Rank 0 is also the process that runs alone."""
    for pid in members(session):
        try:
            env = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
            status = Path("/proc", str(pid), "status").read_text()
            name = Path("/proc", str(pid), "comm").read_text().strip()
        except OSError:
            continue
        rank = next((int(e.split(b"=")[1]) for e in env if e.startswith((b"OMPI_COMM_WORLD_RANK=", b"PMI_RANK="))), None)
        if rank is None and name not in ("comity", "python3", "torch_fedavg.py"):
            continue  # the launcher
        mark = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
        if mark:
            peak[rank or 0] = max(peak.get(rank or 0, 0), int(mark[1]) / 1024)


def finish(process, begin, watch, run):
    """Wait for the end; with `watch`, a function that says whether round 1 is over, look at memory and the first round, too."""
    seen = None
    try:
        while process.poll() is None:
            if watch is None:
                process.wait()
            else:
                if seen is None and watch():
                    seen = time.perf_counter() - begin
                if seen is not None:
                    peaks(process.pid, run.peak)
                time.sleep(0.002 if seen is None else 0.02)
    except BaseException:
        end(process)
        raise
    run.wall = time.perf_counter() - begin
    return seen if seen is not None else run.wall


def launch(arguments, log):
    with open(log, "wb") as output:
        return subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, env=environment(), start_new_session=True)


def check(process, arguments, log, run, ranks, watched):
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise Failed(f"{' '.join(arguments)} ended with {process.returncode}:\n{tail}")
    if watched and len(run.peak) < max(ranks, 1):
        raise Failed(f"{' '.join(arguments)}: the memory of only {len(run.peak)} of its processes was seen")


class Comity:
    name = "Comity"

    def __init__(self, program, folder, data):
        self.program, self.folder, self.data = program, folder, data

    def run(self, work, ranks, rounds, evaluate, watched=False, extra=()):
        where, log = self.folder / "run", self.folder / "comity.log"
        records = where / "metrics.jsonl"
        records.unlink(missing_ok=True)
        job = [self.program, "train", work.job, f"data.path={self.data[work.name]}", f"run.dir={where}", f"server.rounds={rounds}",
               f"evaluate.every={int(evaluate)}", "--quiet", *extra]
        arguments, run = command(ranks, job), Run()
        begin = time.perf_counter()
        process = launch(arguments, log)
        first = finish(process, begin, (lambda: records.exists() and b"\n" in records.read_bytes()) if watched else None, run)
        check(process, arguments, log, run, ranks, watched)
        for line in records.read_text().splitlines():
            record = json.loads(line)
            mine, others = record["seconds"], record["ranks"]
            slowest = {phase: max(mine[phase], others.get(phase, {}).get("max") or 0) for phase in ("train", "evaluate")}
            run.rounds.append({"seconds": mine["total"], "train": slowest["train"], "evaluate": slowest["evaluate"], "io": mine["io"],
                               "accuracy": record["test_accuracy"]})
        run.start = first - run.rounds[0]["seconds"]
        return run


class Yardstick:
    name = "PyTorch"

    def __init__(self, script, folder, data):
        self.script, self.folder, self.data = script, folder, data

    def run(self, work, ranks, rounds, evaluate, watched=False):
        log = self.folder / "yardstick.log"
        program = [PYTHON, self.script, "--data", self.data[work.name], "--model", work.model, "--per-round", work.per_round,
                   "--epochs", work.epochs, "--batch", work.batch, "--lr", work.rate, "--rounds", rounds,
                   "--eval-every", int(evaluate)] + (["--mpi"] if ranks > 0 else [])
        arguments, run = command(ranks, program), Run()
        begin = time.perf_counter()
        process = launch(arguments, log)
        first = finish(process, begin, (lambda: b"round 1 " in log.read_bytes()) if watched else None, run)
        check(process, arguments, log, run, ranks, watched)
        for line in log.read_text().splitlines():
            words = line.split()
            if words[:1] == ["round"]:
                run.rounds.append({key: float(value) for key, value in zip(words[2::2], words[3::2])})
        if not run.rounds:
            raise Failed(f"{self.script} printed no rounds")
        run.start = first - run.rounds[0]["seconds"]
        return run


def missing():
    """Why the yardstick cannot run here, or None."""
    test = subprocess.run([PYTHON, "-c", "import torch, mpi4py, h5py"], capture_output=True, text=True)
    return None if test.returncode == 0 else test.stderr.strip().splitlines()[-1]


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
