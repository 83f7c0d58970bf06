"""Many short jobs with random faults, struck at random moments. Each must end in time, with the right model or below its quorum.

A job is a function of its number: what it trains, with whom, and what strikes whom when. Two modes: `mpirun` runs all ranks of a job
in one mpirun (jobs.py, mpirun.py), `silos` a server and silos that come by themselves, each with its own (lives.py, silos.py).
"""
import argparse
import importlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import processes
from outcome import report
from references import References


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["mpirun", "silos"])
    parser.add_argument("--folder", required=True)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--faults", type=int, default=0, help="fewest that have to strike")
    parser.add_argument("again", type=int, nargs="*", help="more jobs, which run first")
    given = parser.parse_intermixed_args()
    mode = importlib.import_module(given.mode)
    os.chdir(given.folder)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    mode.prepare()
    references, base = References(), mode.undisturbed_seconds(given.at_once)
    new = range(given.first, given.first + given.jobs)
    numbers = [number for number in given.again if number not in new] + list(new)

    def one(number):
        outcome = mode.run_job(mode.draw(number), references, base)
        if outcome.trouble:
            print(f"FAILED {outcome.job.about()}\n  after {outcome.seconds:.1f} s: {outcome.trouble}\n", flush=True)
        return outcome

    with ThreadPoolExecutor(given.at_once) as pool:
        outcomes = list(pool.map(one, numbers))
    faults, failed = report(outcomes, base)
    if failed and os.environ.get("KEEP"):
        shutil.copytree(".", os.environ["KEEP"], dirs_exist_ok=True)
    slowest = max(outcome.over for outcome in outcomes)
    if slowest > mode.SLOWEST:
        print(f"a job took {slowest:.1f} s longer than it may")
    if faults < given.faults:
        print(f"only {faults} faults, not {given.faults}")
    unasked, most = sum(outcome.unasked for outcome in outcomes), 1 + len(numbers) // 50
    if unasked > most:
        print(f"{unasked} restarts that nobody had asked for, more than {most}")
    return 1 if failed or slowest > mode.SLOWEST or unasked > most or faults < given.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:  # whatever went wrong, nothing of this run goes on
        processes.end()
