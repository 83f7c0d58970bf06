"""The processes of a job, on this machine: each of them, and all that they start, has the job's name in its environment."""
import os
import shutil
import signal
import subprocess
from pathlib import Path

from comity import run

NAME = "COMITY_CHAOS"  # of the variable


def full(name):
    """With this run's folder before it, which tells its jobs from those of another run."""
    return os.path.join(os.getcwd(), name) if name else os.getcwd()


def environment(name, **more):
    return dict(os.environ, **{NAME: full(name)}, **more)


def named(name=""):
    """Ids of the processes of that name, those of `name/...` included; of the whole run without one."""
    mark, found = f"{NAME}={full(name)}".encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word == mark or word.startswith(mark + b"/") for word in words):
            found.append(int(entry.name))
    return found


def program(pid):
    """What runs there, "" when it has ended."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def is_rank(pid):
    """Whether a launcher started it."""
    return program(pid) == "comity" and program(parent(pid)) in ("mpirun", "orterun", "orted")


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except OSError:
        return False


def end(name=""):
    for pid in named(name):
        send(pid, signal.SIGKILL)


def stacks(name, path):
    """Where the processes are, for whoever looks for the reason of a hang."""
    with open(path, "w") as file:
        for pid in named(name):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().split()[2]
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            file.write(f"== {pid} {state} {words}\n")
            if program(pid) == "comity" and shutil.which("gdb"):
                try:
                    file.write(run("gdb", "-batch", "-p", pid, "-ex", "thread apply all bt", timeout=60).stdout[-4000:])
                except subprocess.TimeoutExpired:
                    file.write("stopped\n")
