"""The right model: that of an undisturbed run on one rank in which the clients that were absent, as the disturbed run
recorded it, are dropped by schedule.
"""
import shutil
import threading

from comity import Trouble, absences, comity, losses, model, records, schedule


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
                comity("train", "job.yaml", *settings, *schedule(drops), f"run.dir={folder}", "--quiet")
                self.known[key] = model(folder), losses(folder)
                shutil.rmtree(folder)
            return self.known[key]


def ranges(absent):
    """Entries of a schedule that drop these (round, client), which are sorted."""
    spans = {}
    for number, client in absent:
        of = spans.setdefault(client, [])
        if of and of[-1][1] == number - 1:
            of[-1][1] = number
        else:
            of.append([number, number])
    return [f"drop client {client} rounds {first}-{last}" for client, of in sorted(spans.items()) for first, last in of]


def check(references, settings, folder, rounds, compared):
    """That the run has all rounds, and that the first `compared` of them, and if that is all the model, are right."""
    if len(records(folder)) != rounds:
        raise Trouble(f"{len(records(folder))} records instead of {rounds}")
    right, loss = references.get(settings, ranges(absences(folder)))
    if losses(folder)[:compared] != loss[:compared]:
        raise Trouble("the rounds are not those of a run with the recorded absences")
    if compared == rounds and model(folder) != right:
        raise Trouble("the model is not that of a run with the recorded absences")
