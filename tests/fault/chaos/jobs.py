"""The jobs of one mpirun: what number n trains, on how many ranks, over which transport, and what strikes whom when."""
import random

SILENCE, ROUNDS, CLIENTS = 0.6, 12, 12
SERVER = 0
MOMENTS = ["train", "report", "sum", "announce", "evaluate", "record", "save", "between"]

YAML = """
model: {preset: mlp, hidden: [8]}
clients: {fraction: 0.5}
train: {epochs: 2, batch: 7, learning_rate: 0.05}
server: {rounds: %d}
comm: {silence: %g}
run: {progress: none}
""" % (ROUNDS, SILENCE)


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
        # By dice of its own, so that numbers go on to mean the jobs that they meant before there was this.
        self.respawn = random.Random(f"respawn {number}").random() < 0.25
        if self.respawn:
            self.job_only.append("round.respawn=true")
            self.dragging = True

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
