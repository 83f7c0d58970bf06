"""What each kind of fault costs in each stage of a round, as a table in markdown: median seconds that the job took longer than
an undisturbed one, on four ranks with comm.silence=0.5, and whether the model was that of the undisturbed run."""
import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent / "chaos"))
from comity import Trouble, events, model, records, schedule
from jobs import SERVER
from mpirun import launch, prepare

STAGES = ["train", "report", "sum", "announce", "evaluate", "record", "save", "between"]
ROUND = 5
# Name, entry of the schedule for a rank and a stage, whom it strikes, and what is seen.
KINDS = [
    ("killed (SIGKILL)", "kill", 2), ("crashes (SIGABRT)", "abort", 2), ("ends by itself", "exit", 2),
    ("hangs for ever", "stop", 2), ("hangs for 1 s, comes back", "stop for 1 s", 2), ("hangs for 0.2 s", "stop for 0.2 s", 2),
    ("server killed, job restarted", "kill", SERVER), ("server hangs, job restarted", "stop", SERVER),
]
SEEN = ("lost", "rejoined", "corrupt", "stalled", "asked_again", "repeated", "resumed")


def entry(kind, rank, stage):
    verb, _, lasting = kind.partition(" ")
    return f"{verb} rank {rank} round {ROUND} {stage}" + (f" {lasting}" if lasting else "")


class TableJob:
    """As a job of the chaos test, for its launch."""

    ranks, tcp, job_only = 4, False, []
    settings = ["data.path=data.h5", "checkpoint.every=1", "comm.silence=0.5"]

    def __init__(self, server):
        self.server = server

    def needs_restarts(self):
        return self.server


def seconds_of(folder):
    """Of all rounds, on the server."""
    return sum(record["seconds"]["total"] for record in records(folder))


def one(folder, entries, server):
    since = time.monotonic()
    code, said = launch(TableJob(server), folder, schedule(entries), 2 if server else 0)
    wall = time.monotonic() - since
    if code != 0:
        raise Trouble(f"{entries}: ended with {code}: {said}")
    seen = [event["kind"] for event in events(folder, *SEEN) if event["kind"] in SEEN[:-1] or event["round"] > 0]
    found, seconds = model(folder), seconds_of(folder)
    shutil.rmtree(folder)
    return wall if server else seconds, found, seen


def several(name, entries, server, times):
    return [one(f"{name}-{i}", entries, server) for i in range(times)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--rows", default="1-9", help="FIRST-LAST of the table")
    given = parser.parse_args()
    os.chdir(given.folder)
    prepare()
    rows = [(name, [(stage, [entry(kind, rank, stage)]) for stage in STAGES]
             + ([("regroup", ["kill rank 1 round 5 sum", entry(kind, rank, "regroup")])] if rank != SERVER else []),
             rank == SERVER) for name, kind, rank in KINDS]
    rows.append(("a message in a hundred corrupt", [("any", ["corrupt 0.01"])], False))
    first, last = map(int, given.rows.split("-"))
    rows = rows[first - 1:last]
    with ThreadPoolExecutor(given.at_once) as pool:
        calm = {server: several(f"calm-{server}", [], server, given.times) for server in (False, True)}
        cells = {}
        for row, (_, schedules, server) in enumerate(rows):
            for stage, entries in schedules:
                cells[row, stage] = pool.submit(several, f"row{row}-{stage}", entries, server, given.times)
        print(f"| | {' | '.join(STAGES)} | in a recovery | model | events |")
        print(f"| --- {'| ---: ' * (len(STAGES) + 1)}| --- | --- |")
        for row, (name, schedules, server) in enumerate(rows):
            text, same, seen = [], True, set()
            for stage in [*STAGES, "regroup"] if len(schedules) > 1 else ["any"]:
                if (row, stage) not in cells:
                    text.append("")
                    continue
                runs = cells[row, stage].result()
                text.append(f"{max(0, median(run[0] for run in runs) - median(run[0] for run in calm[server])):.2f}")
                same = same and all(run[1] == calm[server][0][1] for run in runs)
                seen.update(kind for run in runs for kind in run[2])
            text += [""] * (len(STAGES) + 1 - len(text))
            print(f"| {name} | {' | '.join(text)} | {'same' if same else 'OTHER'} | {', '.join(kind for kind in SEEN if kind in seen)} |", flush=True)
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
