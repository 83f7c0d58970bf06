"""Many short jobs with random faults. Each must end in time, with the right model or below its quorum.

A job is a function of its number: what it trains, on how many ranks, over which transport, and what strikes whom when.
The right model is that of an undisturbed run on one rank in which the clients that were absent, as the disturbed run
recorded it, are dropped by schedule; where others stand in for lost participants nobody may be absent unless dropped.
Clients with a state of their own that come back to a job that was started again have the state of the newest checkpoint, which no
schedule of drops describes: there all rounds up to that checkpoint are compared.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

COMITY, MPIEXEC = os.environ["COMITY"], os.environ["MPIEXEC"]
JOBS = Path(os.environ["COMITY_SOURCE_DIR"]) / "jobs"
SILENCE, ROUNDS, CLIENTS = 0.6, 12, 12
QUORUM, SERVER = 69, 0
MOMENTS = ["train", "report", "sum", "announce", "evaluate", "record", "save", "between"]
PATIENCE = 60  # seconds after which a job that has not ended hangs, on whatever machine

JOB = """
model: {preset: mlp, hidden: [8]}
clients: {fraction: 0.5}
train: {epochs: 2, batch: 7, learning_rate: 0.05}
server: {rounds: %d}
comm: {silence: %g}
run: {progress: none}
""" % (ROUNDS, SILENCE)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)


class Trouble(Exception):
    pass


def comity(*arguments, **options):
    done = run(COMITY, *arguments, **options)
    if done.returncode != 0:
        raise Trouble(f"comity {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


# --------------------------------------------------------------------------------------------------- what is drawn


class Job:
    """What job number n is."""

    def __init__(self, number):
        dice = self.dice = random.Random(number)
        self.number = number
        self.ranks = dice.randint(4, 6)
        self.tcp = dice.random() < 0.4
        self.data = dice.choice(["reassign", "reassign", "shared", "silos"])
        self.settings = [f"checkpoint.every={dice.choice([1, 1, 3])}"]
        self.stateful = dice.random() < 0.4
        if self.stateful:
            self.settings.append("algorithm.name=scaffold")
        if self.data == "silos":
            self.settings += ["data.path=silo-{rank}.h5", f"data.silos={self.ranks - 1}"]
        else:
            # With a state that clients keep, others can stand in, but not with the same bits, so it is not asked for.
            self.stands_in = self.data == "reassign" and not self.stateful
            self.settings += ["data.path=data.h5", f"round.reassign={str(self.stands_in).lower()}"]
        if dice.random() < 0.3:
            self.settings += ["model.hidden=[400]", "comm.piece=0.002"]  # several pieces
        self.job_only = [f"faults.seed={number}", "round.max_retries=50"]
        self.drops, self.strikes = [], []
        self.draw_faults()

    stands_in = False

    def moment(self):
        return random.Random.uniform(self.dice, 0, 0.01) if self.dice.random() < 0.7 else 0

    def strike(self, kind, rank, number, stage, after=0.0, lasting=None):
        lasting = "" if lasting is None else f" for {lasting:.2f} s"
        after = f" after {after:.4f} s" if after > 0 else ""
        self.strikes.append((kind, rank, number, f"{kind} rank {rank} round {number} {stage}{after}{lasting}"))

    def draw_faults(self):
        dice = self.dice
        victims = list(range(1, self.ranks))
        dice.shuffle(victims)
        quorum = dice.random() < 0.12
        losses = dice.randint(1, self.ranks - 2)
        if quorum:
            self.job_only.append(f"round.min_participants={self.ranks - 1 - dice.randint(0, losses - 1)}")
        first = dice.randint(1, ROUNDS - 1)
        while losses > 0 and victims:
            first = first if dice.random() < 0.3 else dice.randint(1, ROUNDS)
            stage = dice.choice(MOMENTS)
            how = dice.random()
            count = 2 if how < 0.5 and losses > 1 and len(victims) > 1 else 1
            for i in range(count):
                kind = dice.choice(["kill", "kill", "abort", "exit", "stop"])
                if i == 1 and how < 0.25:  # while the others recover from the first
                    self.strike(kind, victims.pop(), first, "regroup", self.moment() / 10)
                else:  # the second within milliseconds of the first
                    self.strike(kind, victims.pop(), first, stage, self.moment() / (1 + 3 * i))
            losses -= count
        for _ in range(dice.randint(0, 2)):  # hangs, and goes on: for less than the silence, or for longer
            if victims:
                lasting = dice.choice([dice.uniform(0.05, 0.4), dice.uniform(0.7, 1.5)])
                self.strike("stop", victims.pop(), dice.randint(1, ROUNDS), dice.choice(MOMENTS), self.moment(), lasting)
        if dice.random() < 0.25:
            kind = dice.choice(["kill", "kill", "abort", "exit", "stop", "pause"])
            lasting = dice.choice([0.2, 1.5]) if kind == "pause" else None
            self.strike("stop" if kind == "pause" else kind, SERVER, dice.randint(1, ROUNDS), dice.choice(MOMENTS),
                        self.moment(), lasting)
        self.slow = []
        for _ in range(dice.randint(0, 2)):
            rank = dice.randint(0, self.ranks - 1)
            self.slow.append((rank, dice.randint(1, ROUNDS), dice.choice(MOMENTS), dice.uniform(0.01, 0.2)))
        self.dragging = dice.random() < 0.4  # rounds slow enough for whoever comes back
        self.corrupt = dice.choice([0, 0, 0.001, 0.003, 0.01])
        clients = 3 * (self.ranks - 1) if self.data == "silos" else CLIENTS
        for _ in range(dice.randint(0, 2)):
            start = dice.randint(1, ROUNDS)
            self.drops.append(f"drop client {dice.randrange(clients)} rounds {start}-{start + dice.randint(0, 3)}")

    def schedule(self):
        entries = self.drops + [text for *_, text in self.strikes]
        entries += [f"delay rank {rank} round {number} {stage} constant {seconds:.3f} s"
                    for rank, number, stage, seconds in self.slow]
        if self.dragging:
            entries.append("delay client 0- uniform 0.01 to 0.03 s")
        if self.corrupt > 0:
            entries.append(f"corrupt {self.corrupt}")
        return entries

    def needs_restarts(self):
        return any(rank == SERVER for _, rank, *_ in self.strikes)

    def about(self):
        return (f"job {self.number}: {self.ranks} ranks, {'tcp' if self.tcp else 'shared memory'}, {self.data}, "
                f"{' '.join(self.settings + self.job_only)}, {self.schedule()}")


# ------------------------------------------------------------------------------------------------- undisturbed runs


class References:
    """Undisturbed runs on one rank, each made once: the hash of the model, and the loss of each round."""

    def __init__(self):
        self.lock, self.known, self.made = threading.Lock(), {}, 0

    def get(self, settings, drops):
        key = (*settings, *sorted(drops))
        with self.lock:
            if key not in self.known:
                folder = f"reference-{self.made}"
                self.made += 1
                schedule = [f"faults.schedule={json.dumps(drops)}"] if drops else []
                comity("train", "job.yaml", *settings, *schedule, f"run.dir={folder}", "--quiet")
                self.known[key] = comity("inspect", "--hash", f"{folder}/model.h5"), losses(folder)
                shutil.rmtree(folder)
            return self.known[key]


def lines(path):
    try:
        return [json.loads(line) for line in Path(path).read_text().splitlines()]
    except FileNotFoundError:
        return []


def losses(folder):
    return [record["train_loss"] for record in lines(f"{folder}/metrics.jsonl")]


def absences(folder):
    return [(record["round"], absent["client"]) for record in lines(f"{folder}/metrics.jsonl") for absent in record["absent"]]


# ------------------------------------------------------------------------------------------------------- one job


class Outcome:
    def __init__(self, job):
        self.job, self.trouble = job, None
        self.code = self.seconds = self.over = self.restarts = 0
        self.struck = {}

    def count(self, what, number=1):
        if number > 0:
            self.struck[what] = self.struck.get(what, 0) + number


def launch(job, folder, arguments, restarts):
    environment = dict(os.environ, COMITY_RESTARTS=str(restarts), COMITY_RESTART_PAUSE="0", COMITY_END_WAIT="2",
                       COMITY_LAUNCHER=f"{MPIEXEC} --bind-to none --mca btl_vader_single_copy_mechanism none "
                                     f"--mca btl {'tcp,self' if job.tcp else 'vader,self'}")
    if job.needs_restarts() and not any("min_participants" in setting for setting in job.job_only):
        environment["COMITY_RESTART_ALSO"] = str(QUORUM)  # a server that hung comes back to nobody
    script = JOBS / ("run.sh" if restarts > 0 else "mpirun.sh")
    command = ["bash", script, job.ranks, COMITY, "train", "job.yaml", *job.settings, *arguments, f"run.dir={folder}",
               "--quiet", "--resume"]
    output = open(f"{folder}.txt", "a+")
    process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                               env=environment, start_new_session=True)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        code = None
        stacks(folder)
        end(process, folder)
    output.seek(0)
    return code, output.read()


def ours(folder):
    """Process ids of the ranks of this job."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"run.dir={folder}".encode() in words:
            found.append(int(entry.name))
    return found


def stacks(folder):
    """Where the ranks of a job that hangs are, for whoever looks for the reason."""
    with open(f"{folder}.stacks", "w") as file:
        for pid in ours(folder):
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            file.write(f"== {pid} {name} {Path(f'/proc/{pid}/stat').read_text().split()[2]}\n")
            if Path(name).name == "comity" and shutil.which("gdb"):
                try:
                    file.write(run("gdb", "-batch", "-p", pid, "-ex", "bt", timeout=60).stdout[-3000:])
                except subprocess.TimeoutExpired:
                    file.write("stopped\n")


def end(process, folder):
    for pid in ours(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    process.wait()


def count_faults(job, outcome, folder, said):
    """What really struck, from the records. Restarts strike nobody again, so each entry counts once at most."""
    events = lines(f"{folder}/events.jsonl")
    lost = {}
    explained = False
    for event in events:
        kind = event["kind"]
        if kind in ("lost", "corrupt", "excluded", "slow"):
            lost.setdefault(event["rank"], event["round"])
            explained = True
        elif kind in ("rejoined", "joined"):
            explained = True
        elif kind == "repeated":
            outcome.count("corrupt message", 0 if explained or job.corrupt == 0 else 1)
            explained = False
    reached = len(lines(f"{folder}/metrics.jsonl")) + (outcome.code == 0)
    for kind, rank, number, text in job.strikes:
        if rank == SERVER:
            continue
        pause = " for " in text
        if rank in lost and not pause:
            outcome.count(f"{kind}{' in recovery' if 'regroup' in text else ''}")
        elif pause and (rank in lost or number < reached):
            outcome.count("stop and continue")
    outcome.restarts = said.count("starting it again")
    struck = min(outcome.restarts, sum(rank == SERVER for _, rank, *_ in job.strikes))
    outcome.count("server lost", struck)
    outcome.unasked = outcome.restarts - struck
    for rank, number, *_ in job.slow:
        if number < reached and lost.get(rank, ROUNDS) > number:
            outcome.count("delay")
    dropped = {(record, client) for record, client in absences(folder)}
    for drop in job.drops:
        client, start, last = map(int, re.match(r"drop client (\d+) rounds (\d+)-(\d+)", drop).groups())
        outcome.count("drop", any((number, client) in dropped for number in range(start, last + 1)))
    outcome.rejoined = sum(event["kind"] == "rejoined" for event in events)
    outcome.lost = len([event for event in events if event["kind"] in ("lost", "corrupt")])


def check_model(job, references, folder):
    absent = sorted(set(absences(folder)))
    rounds = len(lines(f"{folder}/metrics.jsonl"))
    if rounds != ROUNDS:
        raise Trouble(f"{rounds} records instead of {ROUNDS}")
    found = comity("inspect", "--hash", f"{folder}/model.h5")
    if job.stands_in and found != references.get(job.settings, job.drops)[0]:
        raise Trouble("others stood in, but the model is not that of an undisturbed run")
    drops = [f"drop client {client} rounds {number}-{number}" for number, client in absent]
    model, loss = references.get(job.settings, drops)
    compared = compared_rounds(job, folder)
    if losses(folder)[:compared] != loss[:compared]:
        raise Trouble("the rounds are not those of a run with the recorded absences")
    if compared == ROUNDS and found != model:
        raise Trouble("the model is not that of a run with the recorded absences")


def compared_rounds(job, folder):
    lost = False
    for event in lines(f"{folder}/events.jsonl"):
        lost = lost or event["kind"] in ("lost", "corrupt")
        if job.stateful and lost and event["kind"] == "resumed":
            return event["round"]
    return ROUNDS


def check_quorum(job, outcome, folder):
    """It may leave below the quorum; then a checkpoint was written, and with everybody back the job ends well."""
    records = lines(f"{folder}/metrics.jsonl")
    here = [event for event in lines(f"{folder}/events.jsonl") if event["kind"] in ("lost", "corrupt", "slow")]
    if not here:
        raise Trouble("below the quorum, but nobody is recorded as lost")
    if records and not list(Path(folder).glob(f"checkpoint-{records[-1]['round']:08d}")):
        raise Trouble(f"below the quorum in round {records[-1]['round']} + 1, but that round has no checkpoint")
    code, said = launch(job, folder, [f"faults.schedule={json.dumps(job.drops)}"] if job.drops else [], 0)
    if code != 0:
        raise Trouble(f"everybody is back, but the job ended with {code}: {said[-600:]}")


def run_job(job, references, base):
    outcome, folder = Outcome(job), f"job-{job.number}"
    restarts = 4
    since = time.monotonic()
    try:
        code, said = launch(job, folder, [*job.job_only, f"faults.schedule={json.dumps(job.schedule())}"], restarts)
        outcome.seconds, outcome.code = time.monotonic() - since, code
        if code is None:
            raise Trouble(f"it hangs: {said[-600:]}")
        count_faults(job, outcome, folder, said)
        delays = sum(seconds for *_, seconds in job.slow) + job.dragging * ROUNDS * CLIENTS * 0.02 / 2
        delays += sum(float(text.split(" for ")[1].split()[0]) for *_, text in job.strikes if " for " in text)
        outcome.allowed = (1 + outcome.restarts) * base + delays + (outcome.lost + 2 * outcome.restarts) * (SILENCE + 0.1)
        outcome.over = outcome.seconds - outcome.allowed
        if code == QUORUM:
            check_quorum(job, outcome, folder)
        elif code != 0:
            raise Trouble(f"it ended with {code}: {said[-600:]}")
        check_model(job, references, folder)
        since = time.monotonic()
        while (left := ours(folder)) and time.monotonic() < since + 5:
            time.sleep(0.05)
        if left:
            raise Trouble(f"{len(left)} processes are left")
        shutil.rmtree(folder)
        Path(f"{folder}.txt").unlink()
    except Trouble as trouble:
        outcome.trouble = str(trouble)
    return outcome


# -------------------------------------------------------------------------------------------------------- all jobs


def prepare():
    Path("job.yaml").write_text(JOB)
    options = ["--features", 8, "--classes", 3, "--separation", 2, "--test-fraction", 0.2]
    comity("data", "generate", "blobs", "--clients", CLIENTS, "--examples", 20, *options, "--seed", 5, "--out", "data.h5")
    for silo in range(1, 6):
        comity("data", "generate", "blobs", "--clients", 3, "--examples", 20, *options, "--seed", 5 + silo, "--out", f"silo-{silo}.h5")


def undisturbed_seconds(at_once):
    """Of the whole command, with as many at once as later."""
    def one(number):
        job = Job(number)
        since = time.monotonic()
        code, said = launch(job, f"base-{number}", [], 0)
        if code != 0:
            raise Trouble(f"undisturbed it ends with {code}: {said}")
        return time.monotonic() - since

    with ThreadPoolExecutor(at_once) as pool:
        return max(pool.map(one, range(-max(4, at_once), 0)))


def report(outcomes, base):
    struck, failed = {}, [outcome for outcome in outcomes if outcome.trouble]
    unasked = sum(getattr(outcome, "unasked", 0) for outcome in outcomes)  # MPI itself may hang when a peer dies while it connects
    for outcome in outcomes:
        for what, number in outcome.struck.items():
            struck[what] = struck.get(what, 0) + number
    for outcome in failed:
        print(f"\nFAILED {outcome.job.about()}\n  after {outcome.seconds:.1f} s: {outcome.trouble}")
    ended = [outcome for outcome in outcomes if not outcome.trouble]
    over = sorted(outcome.over for outcome in ended) or [0]
    print(f"\n{len(outcomes)} jobs, {sum(struck.values())} faults: "
          + ", ".join(f"{number} {what}" for what, number in sorted(struck.items(), key=lambda item: -item[1])))
    print(f"{sum(outcome.code == QUORUM for outcome in ended)} ended below the quorum, "
          f"{sum(getattr(outcome, 'rejoined', 0) for outcome in outcomes)} participants came back, "
          f"{sum(outcome.restarts for outcome in outcomes)} restarts, {unasked} of which nobody had asked for; {sum(outcome.job.tcp for outcome in outcomes)} jobs over TCP, "
          f"{sum(outcome.job.stands_in for outcome in outcomes)} with others standing in, "
          f"{sum(outcome.job.stateful for outcome in outcomes)} with clients' states")
    print(f"an undisturbed job takes {base:.2f} s; others took, beyond that, their delays and {SILENCE + 0.1:.1f} s a loss, "
          f"{over[0]:.2f} to {over[-1]:.2f} s more, median {median(over):.2f} s; the worst is job "
          f"{max(ended or outcomes, key=lambda outcome: outcome.over).job.number}")
    return sum(struck.values()), failed, unasked


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--faults", type=int, default=0, help="fewest that have to strike")
    parser.add_argument("again", type=int, nargs="*", help="more jobs, which run first")
    given = parser.parse_args()
    os.chdir(given.folder)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    prepare()
    references, base = References(), undisturbed_seconds(given.at_once)
    new = range(given.first, given.first + given.jobs)
    numbers = [number for number in given.again if number not in new] + list(new)
    with ThreadPoolExecutor(given.at_once) as pool:
        outcomes = list(pool.map(lambda number: run_job(Job(number), references, base), numbers))
    faults, failed, unasked = report(outcomes, base)
    if failed and os.environ.get("KEEP"):
        shutil.copytree(".", os.environ["KEEP"], dirs_exist_ok=True)
    slowest = max(outcome.over for outcome in outcomes)
    if slowest > 20:
        print(f"a job took {slowest:.1f} s longer than it may")
    if faults < given.faults:
        print(f"only {faults} faults, not {given.faults}")
    return 1 if failed or slowest > 20 or unasked > 1 + len(numbers) / 50 or faults < given.faults else 0


if __name__ == "__main__":
    sys.exit(main())
