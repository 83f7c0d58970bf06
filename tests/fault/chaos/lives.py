"""The jobs whose silos come by themselves: what number n trains, with how many silos, and what each of them, the server, and
strangers do and suffer in which round.

Some of it stands in the job's schedule, so that it strikes in a stage of the round; the rest comes from outside at a moment after
a round was recorded: signals to the process that joined, to its mpirun, or to the command around both.
"""
import random

SILENCE, ROUNDS, EACH = 1.0, 36, 3  # clients of each silo
SERVER = 0
ENOUGH = 120  # seconds to wait for somebody: when one dies as MPI connects it, the next has to wait for a minute
MOMENTS = ["train", "report", "sum", "announce", "evaluate", "record", "save", "between"]
BY_SCHEDULE = ["kill", "abort", "exit", "hang"]
FROM_OUTSIDE = ["kill process", "kill mpirun", "kill command", "leave", "pause"]
AT_THE_SERVER = ["kill", "abort", "exit", "kill process", "kill mpirun", "kill command", "hang, then kill", "leave"]

YAML = """
model: {preset: mlp, hidden: [8]}
train: {epochs: 1, batch: 7, learning_rate: 0.05}
server: {rounds: %d}
comm: {silence: %g}
run: {progress: none}
""" % (ROUNDS, SILENCE)


class Act:
    """Somebody (rank) does or suffers something after a round is recorded, or, by schedule, in a stage of the next one."""

    def __init__(self, kind, rank, number, after=0.0, stage=None, lasting=0.0):
        self.kind, self.rank, self.number, self.after, self.stage, self.lasting = kind, rank, number, after, stage, lasting

    def scheduled(self):
        if self.stage is None:
            return None
        after = f" after {self.after:.4f} s" if self.after > 0 else ""
        kind = "stop" if self.kind == "hang" else self.kind
        return f"{kind} rank {self.rank} round {self.number + 1} {self.stage}{after}"

    def __str__(self):
        return self.scheduled() or f"{self.kind} rank {self.rank} {self.after:.3f} s after round {self.number}"


class Job:
    """What job number n is."""

    tcp, stands_in = True, False

    def __init__(self, number):
        dice = self.dice = random.Random(f"silos {number}")
        self.number, self.silos = number, dice.randint(3, 5)
        self.stateful = dice.random() < 0.4
        self.settings = [f"data.path=[{','.join(f'silo-{silo}.h5' for silo in self.ranks())}]",
                         f"clients.{dice.choice(['select=all', 'fraction=0.5'])}", "checkpoint.every=1"]
        if self.stateful:
            self.settings.append("algorithm.name=scaffold")
        if dice.random() < 0.3:
            self.settings += ["model.hidden=[400]", "comm.piece=0.002"]  # several pieces
        self.quorum = dice.random() < 0.15
        self.late = {} if self.quorum or dice.random() < 0.5 else {dice.randint(1, self.silos): dice.randint(1, 20)}
        self.by_script = {silo: dice.random() < 0.5 for silo in self.ranks()}  # jobs/silo/join.sh starts it again
        self.never = set()  # who comes back no more
        self.acts, self.strangers = [], []
        self.draw_lives()
        self.draw_trouble()
        self.begins_without = bool(self.late) or self.quorum or bool(self.never and any(act.rank == SERVER for act in self.acts))
        if self.begins_without:  # as long as a silo never came nobody knows its examples, and by whose number means are rounded
            self.settings.append("aggregate.weighting=equal")
        self.job_only = [f"faults.seed={number}", "round.max_retries=50", *self.quorum_settings()]

    def ranks(self):
        return range(1, self.silos + 1)

    def draw_lives(self):
        """Each silo leads up to three lives."""
        dice = self.dice
        for silo in self.ranks():
            number = self.late.get(silo, 0) + dice.randint(1, 12)
            for _ in range(dice.choice([0, 1, 1, 2, 2, 3])):
                if number >= ROUNDS:
                    break
                self.acts.append(self.draw_act(silo, number))
                number += dice.randint(8, 14)
        lost_for_good = [silo for silo in self.ranks() if not self.by_script[silo] and dice.random() < 0.15]
        self.never = set(lost_for_good[:self.silos - 2])
        if self.quorum:
            gone = dice.sample(list(self.ranks()), dice.randint(1, self.silos - 1))
            self.never |= set(gone)
            for silo in gone:
                self.by_script[silo] = False
                self.acts = [act for act in self.acts if act.rank != silo]
                self.acts.append(Act(dice.choice(BY_SCHEDULE[:3]), silo, dice.randint(0, 20), self.moment(), dice.choice(MOMENTS)))
        if dice.random() < 0.35:
            number, kind = dice.randint(0, 25), dice.choice(AT_THE_SERVER)
            stage = dice.choice(MOMENTS) if kind in BY_SCHEDULE else None
            self.acts.append(Act(kind, SERVER, number, self.moment() * (1 if stage else 10), stage))

    def draw_act(self, silo, number):
        dice = self.dice
        if dice.random() < 0.5:
            return Act(dice.choice(BY_SCHEDULE), silo, number, self.moment(), dice.choice(MOMENTS))
        return Act(dice.choice(FROM_OUTSIDE), silo, number, dice.uniform(0, 0.1),
                   lasting=dice.choice([dice.uniform(0.1, 0.6), dice.uniform(1.2, 2.5)]))

    def moment(self):
        return self.dice.uniform(0, 0.01) if self.dice.random() < 0.7 else 0

    def draw_trouble(self):
        dice = self.dice
        self.strangers = [Act(dice.choice(["a stranger", "garbage", "garbage", "silence"]), None, dice.randint(1, ROUNDS - 2), dice.uniform(0, 0.1))
                          for _ in range(dice.choice([0, 1, 1, 2]))]
        self.corrupt = dice.choice([0, 0, 0.001, 0.003])
        self.slow = [(dice.randint(0, self.silos), dice.randint(1, ROUNDS), dice.choice(MOMENTS), dice.uniform(0.01, 0.2))
                     for _ in range(dice.randint(0, 2))]
        self.drops = []
        for _ in range(dice.randint(0, 2)):
            start = dice.randint(1, ROUNDS)
            self.drops.append(f"drop client {dice.randrange(EACH * self.silos)} rounds {start}-{start + dice.randint(0, 3)}")

    def quorum_settings(self):
        """Who is late is not waited for; who is lost and comes back is."""
        if self.quorum:
            return [f"round.min_participants={self.silos - self.dice.randint(0, len(self.never) - 1)}", "round.wait=0.3"]
        return [f"round.wait={ENOUGH}"] if not self.late or self.never else [
            f"round.min_participants={self.silos - len(self.late)}", f"round.wait={ENOUGH}"]

    def waiting(self):
        """For how long the server waits for all before the first round."""
        return [f"silos.wait={3 if self.begins_without and self.never and not self.quorum else ENOUGH}"]

    def schedule(self):
        entries = self.drops + [act.scheduled() for act in self.acts if act.stage]
        entries += [f"delay rank {rank} round {number} {stage} constant {seconds:.3f} s" for rank, number, stage, seconds in self.slow]
        entries.append("delay client 0- uniform 0.005 to 0.025 s")  # rounds slow enough for whoever comes back
        if self.corrupt > 0:
            entries.append(f"corrupt {self.corrupt}")
        return entries

    def about(self):
        return (f"job {self.number}: {self.silos} silos, late {self.late}, by join.sh {[s for s in self.ranks() if self.by_script[s]]}, "
                f"never back {sorted(self.never)}, {' '.join(self.settings + self.job_only)}, {self.schedule()}, "
                f"{[str(act) for act in self.acts + self.strangers if not act.stage]}")
