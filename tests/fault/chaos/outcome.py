"""What became of one job, and of all: the faults that really struck, and what went wrong."""
import re
from statistics import median

from comity import QUORUM


class Outcome:
    def __init__(self, job):
        self.job, self.trouble = job, None
        self.code = self.seconds = self.over = self.restarts = self.unasked = self.came_back = 0
        self.struck = {}

    def count(self, what, number=1):
        if number > 0:
            self.struck[what] = self.struck.get(what, 0) + number

    def count_drops(self, drops, absent):
        for drop in drops:
            client, first, last = map(int, re.match(r"drop client (\d+) rounds (\d+)-(\d+)", drop).groups())
            self.count("drop", any((number, client) in absent for number in range(first, last + 1)))


def report(outcomes, base):
    """Print it. Returns the number of faults, and who failed. `base`: what an undisturbed job takes."""
    struck, failed = {}, [outcome for outcome in outcomes if outcome.trouble]
    for outcome in outcomes:
        for what, number in outcome.struck.items():
            struck[what] = struck.get(what, 0) + number
    ended = [outcome for outcome in outcomes if not outcome.trouble]
    over = sorted(outcome.over for outcome in ended) or [0]
    unasked = sum(outcome.unasked for outcome in outcomes)  # MPI itself may hang when a peer dies while it connects
    print(f"{len(outcomes)} jobs, {sum(struck.values())} faults: "
          + ", ".join(f"{number} {what}" for what, number in sorted(struck.items(), key=lambda item: -item[1])))
    print(f"{len(failed)} failed, {sum(outcome.code == QUORUM for outcome in ended)} ended below the quorum, "
          f"participants came back {sum(outcome.came_back for outcome in outcomes)} times, "
          f"{sum(outcome.restarts for outcome in outcomes)} restarts, {unasked} of which nobody had asked for; "
          + ", ".join(f"{sum(map(has, outcomes))} {what}" for what, has in
                      [("over TCP", lambda one: one.job.tcp), ("with others standing in", lambda one: one.job.stands_in),
                       ("with clients' states", lambda one: one.job.stateful)]))
    print(f"an undisturbed job takes {base:.2f} s; others took, beyond that, their delays and the silence of each loss, "
          f"{over[0]:.2f} to {over[-1]:.2f} s more, median {median(over):.2f} s; the worst is job "
          f"{max(ended or outcomes, key=lambda outcome: outcome.over).job.number}")
    return sum(struck.values()), failed
