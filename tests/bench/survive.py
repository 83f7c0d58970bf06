"""What it costs an undisturbed run that it could survive losses: W1 on three ranks, in turn with and without.

  survive.py IMAGES.h5 [-n CYCLES] [--before COMITY]

Without means no signs of life and no checksums (comm.silence=1e6 comm.checksum=false); --before names the command of a version
that could not survive anything. The default is the command in COMITY, or else this checkout's release build. Prints the median seconds
of a round of each run and the ratios to the default, cycle by cycle.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMITY = os.environ.get("COMITY", ROOT / "build/release/comity")
MPIRUN, MPIEXEC = os.environ.get("MPIRUN", ROOT / "tests/support/mpirun.sh"), os.environ.get("MPIEXEC", "mpiexec")


def round_seconds(folder, command, images, rounds, settings):
    """Median over the rounds; the first ones warm up."""
    done = subprocess.run([MPIRUN, MPIEXEC, "3", command, "train", HERE / "W1.yaml", f"data.path={images}", f"server.rounds={rounds}",
                           f"run.dir={folder}/run", "--quiet", *settings], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr}")
    records = [json.loads(line) for line in open(f"{folder}/run/metrics.jsonl")]
    return median(record["seconds"]["total"] for record in records[3:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("images")
    parser.add_argument("-n", "--cycles", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--before")
    given = parser.parse_args()
    ways = {"default": (COMITY, []), "without": (COMITY, ["comm.silence=1e6", "comm.checksum=false"])}
    if given.before:
        ways["before"] = (given.before, [])
    images, ratios = Path(given.images).resolve(), {way: [] for way in ways if way != "default"}
    with tempfile.TemporaryDirectory() as folder:
        for cycle in range(given.cycles):
            order = list(ways) if cycle % 2 == 0 else list(reversed(ways))
            seconds = {way: round_seconds(folder, ways[way][0], images, given.rounds, ways[way][1]) for way in order}
            for way, of in ratios.items():
                of.append(seconds["default"] / seconds[way])
            print(", ".join(f"{way} {seconds[way] * 1e3:.2f} ms" for way in ways)
                  + "; " + ", ".join(f"default / {way} {of[-1]:.3f}" for way, of in ratios.items()), flush=True)
    for way, of in ratios.items():
        print(f"default / {way}: median {median(of):.3f}, {min(of):.3f} to {max(of):.3f}, {len(of)} times")


if __name__ == "__main__":
    main()
