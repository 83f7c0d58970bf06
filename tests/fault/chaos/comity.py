"""The comity command, and what its runs leave behind."""
import json
import os
import subprocess
from pathlib import Path

COMITY, MPIEXEC = os.environ["COMITY"], os.environ["MPIEXEC"]
SCRIPTS = Path(os.environ["COMITY_SOURCE_DIR"]) / "jobs"
QUORUM = 69


class Trouble(Exception):
    """What a job did wrong."""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)


def comity(*arguments, **options):
    done = run(COMITY, *arguments, **options)
    if done.returncode != 0:
        raise Trouble(f"comity {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def generate(name, clients, seed):
    comity("data", "generate", "blobs", "--clients", clients, "--examples", 20, "--features", 8, "--classes", 3, "--separation", 2,
           "--test-fraction", 0.2, "--seed", seed, "--out", name)


def schedule(entries):
    return [f"faults.schedule={json.dumps(entries)}"] if entries else []


# What a run folder holds. A line that is just being written is left out.


def lines(path):
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]


def records(folder):
    return lines(f"{folder}/metrics.jsonl")


def events(folder, *kinds):
    return [event for event in lines(f"{folder}/events.jsonl") if not kinds or event["kind"] in kinds]


def losses(folder):
    return [record["train_loss"] for record in records(folder)]


def absences(folder):
    return sorted({(record["round"], absent["client"]) for record in records(folder) for absent in record["absent"]})


def model(folder):
    return comity("inspect", "--hash", f"{folder}/model.h5")
