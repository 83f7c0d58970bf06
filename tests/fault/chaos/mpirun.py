"""Jobs of one mpirun each, started by jobs/run.sh.

Where others stand in for lost participants nobody may be absent unless dropped. Clients with a state of their own that come back to a
job that was started again, or with a new process, have the state of the newest checkpoint, which no schedule of drops describes:
there all rounds up to that are compared.
"""
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
from comity import COMITY, MPIEXEC, QUORUM, SCRIPTS, Trouble, absences, events, generate, model, records, schedule
from jobs import CLIENTS, ROUNDS, SERVER, SILENCE, YAML, Job
from outcome import Outcome
from references import check

PATIENCE = 60  # seconds after which a job that has not ended hangs, on whatever machine
RESTARTS = 4
SLOWEST = 20  # seconds that a job may take longer than it should
draw = Job


def prepare():
    Path("job.yaml").write_text(YAML)
    generate("data.h5", CLIENTS, 5)
    for silo in range(1, 6):
        generate(f"silo-{silo}.h5", 3, 5 + silo)


def undisturbed_seconds(at_once):
    """Of the whole command, with as many at once as later."""
    def one(number):
        since = time.monotonic()
        code, said = launch(Job(number), f"base-{number}", [], 0)
        if code != 0:
            raise Trouble(f"undisturbed it ends with {code}: {said}")
        return time.monotonic() - since

    with ThreadPoolExecutor(at_once) as pool:
        return max(pool.map(one, range(-max(4, at_once), 0)))


def launch(job, folder, arguments, restarts):
    more = dict(COMITY_RESTARTS=str(restarts), COMITY_RESTART_PAUSE="0", COMITY_END_WAIT="2",
                COMITY_LAUNCHER=f"{MPIEXEC} --bind-to none --mca btl_vader_single_copy_mechanism none "
                                f"--mca btl {'tcp,self' if job.tcp else 'vader,self'}")
    if job.needs_restarts() and not any("min_participants" in setting for setting in job.job_only):
        more["COMITY_RESTART_ALSO"] = str(QUORUM)  # a server that hung comes back to nobody
    script = SCRIPTS / ("run.sh" if restarts > 0 else "mpirun.sh")
    command = ["bash", script, job.ranks, COMITY, "train", "job.yaml", *job.settings, *arguments, f"run.dir={folder}",
               "--quiet", "--resume"]
    output = open(f"{folder}.txt", "a+")
    process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                               env=processes.environment(folder, **more), start_new_session=True)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        code = None
        processes.stacks(folder, f"{folder}.stacks")
        processes.end(folder)
        process.wait()
    output.seek(0)
    return code, output.read()


def count_faults(job, outcome, folder, said):
    """What really struck, from the records. Restarts strike nobody again, so each entry counts once at most."""
    lost = {}
    explained = False
    for event in events(folder):
        kind = event["kind"]
        if kind in ("lost", "corrupt", "excluded", "slow"):
            lost.setdefault(event["rank"], event["round"])
            explained = True
        elif kind in ("rejoined", "joined"):
            explained = True
        elif kind == "repeated":
            outcome.count("corrupt message", 0 if explained or job.corrupt == 0 else 1)
            explained = False
    reached = len(records(folder)) + (outcome.code == 0)
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
    outcome.count_drops(job.drops, absences(folder))
    outcome.came_back = len(events(folder, "rejoined", "joined"))
    outcome.lost = len(events(folder, "lost", "corrupt"))


def compared_rounds(job, folder):
    lost = set()
    for event in events(folder):
        if event["kind"] in ("lost", "corrupt"):
            lost.add(event["rank"])
        elif job.stateful and lost and (event["kind"] == "resumed" or (event["kind"] == "joined" and event["rank"] in lost)):
            return event["round"] - (event["kind"] == "joined")  # it may take part in the round that has begun
    return ROUNDS


def check_model(job, references, folder):
    if job.stands_in and model(folder) != references.get(job.settings, job.drops)[0]:
        raise Trouble("others stood in, but the model is not that of an undisturbed run")
    check(references, job.settings, folder, ROUNDS, compared_rounds(job, folder))


def check_quorum(job, folder):
    """It may leave below the quorum; then a checkpoint was written, and with everybody back the job ends well."""
    done = records(folder)
    if not events(folder, "lost", "corrupt", "slow"):
        raise Trouble("below the quorum, but nobody is recorded as lost")
    if done and not list(Path(folder).glob(f"checkpoint-{done[-1]['round']:08d}")):
        raise Trouble(f"below the quorum in round {done[-1]['round']} + 1, but that round has no checkpoint")
    code, said = launch(job, folder, schedule(job.drops), 0)
    if code != 0:
        raise Trouble(f"everybody is back, but the job ended with {code}: {said[-600:]}")


def check_nothing_left(folder):
    since = time.monotonic()
    while (left := processes.named(folder)) and time.monotonic() < since + 5:
        time.sleep(0.05)
    if left:
        processes.stacks(folder, f"{folder}.stacks")
        processes.end(folder)
        raise Trouble(f"{len(left)} processes are left")


def run_job(job, references, base):
    outcome, folder = Outcome(job), f"job-{job.number}"
    since = time.monotonic()
    try:
        code, said = launch(job, folder, [*job.job_only, *schedule(job.schedule())], RESTARTS)
        outcome.seconds, outcome.code = time.monotonic() - since, code
        if code is None:
            raise Trouble(f"it hangs: {said[-600:]}")
        count_faults(job, outcome, folder, said)
        delays = sum(seconds for *_, seconds in job.slow) + job.dragging * ROUNDS * CLIENTS * 0.02 / 2
        delays += sum(float(text.split(" for ")[1].split()[0]) for *_, text in job.strikes if " for " in text)
        outcome.over = outcome.seconds - ((1 + outcome.restarts) * base + delays
                                          + (outcome.lost + 2 * outcome.restarts) * (SILENCE + 0.1))
        if code == QUORUM:
            check_quorum(job, folder)
        elif code != 0:
            raise Trouble(f"it ended with {code}: {said[-600:]}")
        check_model(job, references, folder)
        check_nothing_left(folder)
        shutil.rmtree(folder)
        Path(f"{folder}.txt").unlink()
    except Trouble as trouble:
        outcome.trouble = str(trouble)
    return outcome
