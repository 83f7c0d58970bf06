"""One federation from its first process to its last: it starts the server and the silos of a job of lives.py, lets happen what the job
says when its round has come, and starts again whoever comes back.
"""
import signal
import socket
import subprocess
import time
from pathlib import Path

import processes
from comity import COMITY, QUORUM, SCRIPTS, Trouble, events, records, schedule
from lives import EACH, SERVER, SILENCE

PATIENCE, STILL = 240, 25  # seconds after which a job that has not ended hangs, on whatever machine; and after which to look why no round ends
LOOK = 0.03
FAREWELL = 100  # whoever MPI was connecting when the server ended is ended by its launcher after half a minute, and looks again
REQUEUE, MPI_LOST, EXCLUDED, GONE, REFUSED = 75, 76, 81, 82, 83
WELL_KNOWN = {0, QUORUM, REQUEUE, MPI_LOST, EXCLUDED, GONE, *(code for number in (signal.SIGKILL, signal.SIGTERM)
                                                             for code in (128 + number, -number))}


class Member:
    """The server, or a silo: the command that runs for it, and those that hang and have been given up."""

    def __init__(self, folder, rank):
        self.rank, self.name = rank, f"{folder}/{'server' if rank == SERVER else f'silo-{rank}'}"
        self.output = f"{folder}-{'server' if rank == SERVER else rank}.txt"
        self.process, self.not_before, self.hung, self.codes = None, 0.0, [], []

    def start(self, command):
        with open(self.output, "a") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                env=processes.environment(self.name, OMPI_MCA_btl="tcp,self", OMPI_MCA_pmix_base_exchange_timeout="6",
                                          COMITY_RESTARTS="5", COMITY_RESTART_PAUSE="0"))

    def ended(self):
        return self.process is not None and self.process.poll() is not None

    def pids(self, what):
        """Of those that do not hang: the ranks, the launchers, or the commands around both."""
        found = [pid for pid in processes.named(self.name) if pid not in self.hung]
        if what == "mpirun":
            return [pid for pid in found if processes.program(pid) in ("mpirun", "orterun")]
        ranks = [pid for pid in found if processes.is_rank(pid)]
        if what == "process":
            return ranks
        return [pid for pid in found if processes.program(pid) == "comity" and pid not in ranks]


class Run:
    """One job from its first process to its last."""

    def __init__(self, job, folder):
        self.job, self.folder = job, folder
        self.server = Member(folder, SERVER)
        self.silos = {rank: Member(folder, rank) for rank in job.ranks()}
        self.later = []  # (when, what to do then)
        self.performed, self.paused = [], []  # acts from outside, and processes that they stopped for a while
        self.asked_server = False
        self.code, self.seconds, self.talk = None, 0.0, []
        self.acts = sorted([act for act in job.acts + job.strangers if act.stage is None], key=lambda act: act.number)
        self.hangs = [act for act in job.acts if act.kind == "hang" and act.rank != SERVER]
        self.seen_lost = 0
        self.last = (0, time.monotonic())  # the last round, and when it ended

    def said(self):
        return " / ".join(Path(member.output).read_text()[-500:] for member in [self.server, *self.silos.values()]
                          if Path(member.output).exists())

    # -------------------------------------------------------------------------------------------- starting

    def start_server(self, *settings):
        keys = ",".join(f"silo-{rank}.key.pub" for rank in self.job.ranks())
        self.server.start(["bash", SCRIPTS / "silo" / "serve.sh", "job.yaml", *self.job.settings, f"silos.keys=[{keys}]",
                           "silos.server_key=server.key", f"silos.clients={EACH}", *self.job.waiting(), f"run.dir={self.folder}", "--quiet",
                           *settings])

    def start_silo(self, rank, by_hand=False):
        arguments = ["--server", f"{self.folder}/server.addr", "--data", f"silo-{rank}.h5", "--key", f"silo-{rank}.key", "--server-key",
                     "server.key.pub", "--quiet"]
        if self.job.by_script[rank] and not by_hand:
            self.silos[rank].start(["bash", SCRIPTS / "silo" / "join.sh", *arguments])
        else:
            self.silos[rank].start([COMITY, "join", *arguments, "--wait", "60"])

    # -------------------------------------------------------------------------------------------- going on

    def to_the_end(self):
        """The server's exit code; None when it hangs."""
        since = time.monotonic()
        job = self.job
        self.start_server(*job.job_only, *schedule(job.schedule()))
        for rank in job.ranks():
            if rank not in job.late:
                self.start_silo(rank)
        while True:
            now = time.monotonic()
            if self.server.ended() and not self.server_comes_again():
                break
            if now - since > PATIENCE:
                self.give_up()
                return None
            self.look_after(now, len(records(self.folder)))
            time.sleep(LOOK)
        self.seconds = time.monotonic() - since
        self.end_pauses()
        self.code = self.server.process.returncode
        return self.code

    def look_after(self, now, recorded):
        if recorded > self.last[0]:
            self.last = (recorded, now)
        elif self.last[1] < now - STILL:
            processes.stacks(self.folder, f"{self.folder}.stacks")
            self.last = (recorded, now + PATIENCE)
        for rank, number in self.job.late.items():
            if self.silos[rank].process is None and recorded >= number:
                self.start_silo(rank)
        while self.acts and recorded >= self.acts[0].number:
            act = self.acts.pop(0)
            self.later.append((now + act.after, lambda act=act: self.perform(act)))
        due = [what for when, what in self.later if when <= now]
        self.later = [entry for entry in self.later if entry[0] > now]
        for what in due:
            what()
        self.look_for_hanging()
        for rank, silo in self.silos.items():
            if silo.ended():
                self.note_end(silo)
                silo.not_before = now + 0.3
                silo.process = None
                if rank not in self.job.never:
                    self.later.append((silo.not_before, lambda rank=rank: self.come_back(rank)))

    def come_back(self, rank):
        if not self.silos[rank].process:
            self.start_silo(rank)

    def note_end(self, silo):
        code = silo.process.returncode
        silo.codes.append(code)
        if code not in WELL_KNOWN and not (code == REFUSED and silo.hung):  # who hung finds another in his place, or he him
            raise Trouble(f"silo {silo.rank} ended with {code}: {Path(silo.output).read_text()[-500:]}")

    def server_comes_again(self):
        """It was asked to stop and did; its owner starts it again."""
        if self.asked_server and self.server.process.returncode == REQUEUE:
            self.asked_server = False
            self.start_server(*self.job.job_only, *schedule(self.job.schedule()))
            return True
        return False

    def look_for_hanging(self):
        """Who has been stopped for ever and is missed by the others is given up by its owner, who may start another in its place."""
        lost = events(self.folder, "lost") if self.hangs else []
        for event in lost[self.seen_lost:]:
            act = next((act for act in self.hangs if act.rank == event["rank"] and act.number < event["round"] + 1), None)
            if act is None:
                continue
            silo = self.silos[act.rank]
            self.hangs.remove(act)
            stopped = silo.pids("process")
            silo.hung += processes.named(silo.name)
            silo.process = None
            if act.rank not in self.job.never:
                self.start_silo(act.rank, by_hand=True)
            if act.lasting < 1:  # he finds another in his place
                self.later.append((time.monotonic() + act.lasting + 2, lambda: [processes.send(pid, signal.SIGCONT) for pid in stopped]))
        self.seen_lost = len(lost)

    # --------------------------------------------------------------------------------------------- striking

    def perform(self, act):
        if act.rank is None:
            done = self.trouble_at_the_door(act)
        elif act.kind == "leave":
            member = self.server if act.rank == SERVER else self.silos[act.rank]
            done = bool(member.process and member.pids("process")) and processes.send(member.process.pid, signal.SIGTERM)
            self.asked_server = self.asked_server or (done and act.rank == SERVER)
        elif act.kind in ("pause", "hang, then kill"):
            done = self.pause(act)
        else:
            member = self.server if act.rank == SERVER else self.silos[act.rank]
            done = any([processes.send(pid, signal.SIGKILL) for pid in member.pids(act.kind.split()[1])])
        if done:
            self.performed.append(act)

    def pause(self, act):
        member = self.server if act.rank == SERVER else self.silos[act.rank]
        pids = member.pids("process")
        number, after = (signal.SIGCONT, act.lasting) if act.kind == "pause" else (signal.SIGKILL, 2 * SILENCE)
        self.later.append((time.monotonic() + after, lambda: [processes.send(pid, number) for pid in pids]))
        self.paused += pids if act.kind == "pause" else []
        return any([processes.send(pid, signal.SIGSTOP) for pid in pids])

    def end_pauses(self):
        for pid in self.paused:
            processes.send(pid, signal.SIGCONT)

    def trouble_at_the_door(self, act):
        if act.kind == "a stranger":
            command = [COMITY, "join", "--server", f"{self.folder}/server.addr", "--data", "silo-1.h5", "--key", "stranger.key"]
            output = open(f"{self.folder}-stranger.txt", "a")
            self.talk.append(subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                              env=processes.environment(f"{self.folder}/stranger", OMPI_MCA_btl="tcp,self")))
            return True
        try:
            door = next(line for line in Path(f"{self.folder}/server.addr").read_text().splitlines() if line.startswith("door "))
            caller = socket.create_connection(("127.0.0.1", int(door.split()[1])), 2)
            if act.kind == "garbage":
                caller.sendall(self.job.dice.randbytes(self.job.dice.choice([1, 4, 5, 100, 3000])))
            self.talk.append(caller)
        except (OSError, StopIteration):
            return False
        return True

    # ------------------------------------------------------------------------------------------------ ending

    def give_up(self):
        processes.stacks(self.folder, f"{self.folder}.stacks")
        processes.end(self.folder)

    def hang_up(self):
        for talk in self.talk:
            if isinstance(talk, socket.socket):
                talk.close()
                continue
            try:
                code = talk.wait(30)
            except subprocess.TimeoutExpired:
                talk.kill()
                raise Trouble("a stranger waits for ever")
            if code not in (REFUSED, GONE, MPI_LOST, 0):  # 0: the job was done; the others: the server just ended
                raise Trouble(f"a stranger ended with {code}: {Path(f'{self.folder}-stranger.txt').read_text()[-500:]}")
        self.talk = []

    def check_all_end(self):
        """Who hung and was given up is killed, and below the quorum whoever still looks for a server is told to stop; all others end by
        themselves."""
        if self.code == QUORUM:
            for silo in self.silos.values():
                if silo.process and not silo.ended():
                    processes.send(silo.process.pid, signal.SIGTERM)
        for member in [self.server, *self.silos.values()]:
            for pid in member.hung:
                processes.send(pid, signal.SIGKILL)
        since = time.monotonic()
        while (left := processes.named(self.folder)) and time.monotonic() < since + FAREWELL:
            for silo in self.silos.values():  # otherwise they stay as zombies
                silo.ended()
            time.sleep(0.05)
        if left:
            names = ", ".join(processes.program(pid) for pid in left)
            self.give_up()
            raise Trouble(f"{len(left)} processes are left ({names}): {self.said()}")
        for silo in self.silos.values():
            if silo.ended():
                self.note_end(silo)
                silo.process = None
