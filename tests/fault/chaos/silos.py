"""Jobs whose silos come by themselves: a server and silos, each with an mpirun of its own, over TCP, started by jobs/silo/serve.sh and
join.sh or by hand, and struck by schedule and by signals from outside; see lives.py.

A client's state that is lost with its silo after its update counted and before it was saved is the one of the round before; where
that happens to one that comes back, the rounds up to that are compared.
"""
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
from comity import QUORUM, Trouble, absences, comity, events, generate, records
from federation import PATIENCE, Run
from lives import EACH, ENOUGH, ROUNDS, SERVER, SILENCE, YAML, Job
from outcome import Outcome
from references import check

SLOWEST = ENOUGH + 10  # seconds that a job may take longer than it should, should all have to wait for one who dies as MPI connects it
MOST_SILOS = 5
draw = Job


def prepare():
    Path("job.yaml").write_text(YAML)
    for silo in range(1, MOST_SILOS + 1):
        generate(f"silo-{silo}.h5", EACH, 5 + silo)
        comity("keygen", "--out", f"silo-{silo}.key")
    comity("keygen", "--out", "server.key")
    comity("keygen", "--out", "stranger.key")


def undisturbed_seconds(at_once):
    def one(number):
        job = Job(number)
        job.acts, job.strangers, job.late, job.never, job.corrupt, job.slow, job.drops = [], [], {}, set(), 0, [], []
        job.job_only = []
        run = Run(job, f"base-{number}")
        code = run.to_the_end()
        if code != 0:
            raise Trouble(f"undisturbed it ends with {code}: {run.said()}")
        return run.seconds

    with ThreadPoolExecutor(at_once) as pool:
        return max(pool.map(one, range(-at_once, 0)))


# ---------------------------------------------------------------------------------------------- what it came to


def count_faults(run, outcome):
    job, folder = run.job, run.folder
    lost = [(event["rank"], event["round"]) for event in events(folder, "lost", "corrupt")]
    outcome.restarts = len(events(folder, "resumed")) - 1
    struck_server = [act for act in run.performed if act.rank == SERVER]
    for act in job.acts:
        if act.stage is None:
            continue
        if act.rank == SERVER:
            struck = outcome.restarts > len(struck_server)
        else:
            struck = next((entry for entry in lost if entry[0] == act.rank and 0 <= entry[1] - act.number <= 1), None)
            if struck:
                lost.remove(struck)
        outcome.count(f"{act.kind}{' (server)' if act.rank == SERVER else ''}", 1 if struck else 0)
    for act in run.performed:
        outcome.count(f"{act.kind}{' (server)' if act.rank == SERVER else ''}")
    joined = events(folder, "joined")
    outcome.count("late", len([rank for rank in job.late if any(event["rank"] == rank for event in joined)]))
    outcome.count("corrupt message", len(events(folder, "asked_again")))
    reached = len(records(folder))
    outcome.count("delay", len([1 for _, number, *_ in job.slow if number < reached]))
    outcome.count_drops(job.drops, absences(folder))
    outcome.came_back = len(events(folder, "rejoined")) + max(0, len(joined) - job.silos)
    outcome.lost = len(events(folder, "lost", "corrupt"))


def compared_rounds(job, folder):
    absent = {(number, client // EACH + 1) for number, client in absences(folder)}
    compared, doubtful = ROUNDS, {}  # rank: round in which its clients' states may have been lost
    for event in events(folder):
        rank, number = event["rank"], event["round"]
        if event["kind"] in ("lost", "corrupt") and (number, rank) not in absent:
            doubtful.setdefault(rank, number)
        elif job.stateful and event["kind"] == "joined" and rank in doubtful:
            compared = min(compared, doubtful[rank])
    return compared


def check_quorum(run):
    """It may leave below the quorum; then a checkpoint was written, and with everybody back the job ends well."""
    done = records(run.folder)
    if not events(run.folder, "lost", "corrupt", "left"):
        raise Trouble("below the quorum, but nobody is recorded as lost")
    if done and not list(Path(run.folder).glob(f"checkpoint-{done[-1]['round']:08d}")):
        raise Trouble(f"below the quorum in round {done[-1]['round']} + 1, but that round has no checkpoint")
    job = run.job
    again = Job(job.number)
    again.acts, again.strangers, again.late, again.never, again.slow, again.corrupt = [], [], {}, set(), [], 0
    again.job_only = [f"round.wait={ENOUGH}"]
    rest = Run(again, run.folder)
    code = rest.to_the_end()
    if code != 0:
        raise Trouble(f"everybody is back, but the job ended with {code}: {rest.said()}")
    rest.check_all_end()


def run_job(job, references, base):
    outcome, folder = Outcome(job), f"job-{job.number}"
    run = Run(job, folder)
    try:
        code = outcome.code = run.to_the_end()
        outcome.seconds = run.seconds
        if code is None:
            outcome.seconds = PATIENCE
            raise Trouble(f"it hangs: {run.said()}")
        count_faults(run, outcome)
        delays = sum(seconds for *_, seconds in job.slow) + sum(act.lasting for act in run.performed)
        outcome.over = outcome.seconds - ((1 + outcome.restarts) * base + delays + (outcome.lost + 2 * outcome.restarts) * (SILENCE + 0.1))
        # Who is selected does not depend on who is here, so a round may also find nobody whom it selected.
        if code != 0 and not (code == QUORUM and (job.quorum or "round.min_clients" in Path(run.server.output).read_text())):
            raise Trouble(f"the server ended with {code}: {run.said()}")
        run.hang_up()
        run.check_all_end()
        if code == QUORUM:
            check_quorum(run)
        check(references, job.settings, folder, ROUNDS, compared_rounds(job, folder))
        shutil.rmtree(folder)
        for path in Path(".").glob(f"{folder}-*.txt"):
            path.unlink()
    except Trouble as trouble:
        outcome.trouble = str(trouble)
        processes.end(folder)
    return outcome
