"""What was measured, and on what: processor, memory, kernel, load, and the versions of everything that takes part."""
import os
import platform
import re
import subprocess
from pathlib import Path

from runs import PYTHON


def output(*arguments):
    try:
        return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def first(pattern, text, default="unknown"):
    found = re.search(pattern, text, re.M)
    return found[1].strip() if found else default


def caches():
    sizes = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes) or "unknown"


def vectors(flags):
    return " ".join(name for name in ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve") if name in flags.split())


def describe(source, build, comity):
    """(name, value) pairs."""
    cpu, memory = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    cache = (build / "CMakeCache.txt").read_text()
    version = output(comity, "version")
    compiler = first(r"^CMAKE_C_COMPILER:\w+=(.*)", cache)
    changed = output("git", "-C", source, "status", "--porcelain", "--untracked-files=no")
    commit = output("git", "-C", source, "rev-parse", "--short=12", "HEAD") or "unknown"
    torch = output(PYTHON, "-c", "import torch; print(torch.__version__)")
    mpi4py = output(PYTHON, "-c", "import mpi4py; print(mpi4py.__version__)")
    name = first(r"^comity (.*)", version)
    build_type = first(r"^CMAKE_BUILD_TYPE:\w+=(.*)", cache)
    gibibytes = int(first(r"^MemTotal:\s+(\d+)", memory, "0")) / 2**20
    return [
        ("processor", first(r"^(?:model name|Model|Hardware)\s*:(.*)", cpu, platform.processor() or platform.machine())),
        ("cores", f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"),
        ("caches", caches()),
        ("vectors", vectors(first(r"^(?:flags|Features)\s*:(.*)", cpu, ""))),
        ("memory", f"{gibibytes:.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("load at start", " ".join(f"{x:.2f}" for x in os.getloadavg())),
        ("Comity", f"{name}, commit {commit}{' and changes' if changed else ''}"),
        ("compiler", f"{(output(compiler, '--version').splitlines() or [compiler])[0]}, {build_type}"),
        ("kernels", first(r"^kernels: (.*)", version)),
        ("oneDNN", first(r"oneDNN (\S+)", version, "not used")),
        ("MPI", first(r"^((?:Open MPI|MPICH|Intel).*)", version)),
        ("HDF5", first(r"^HDF5 (.*)", version)),
        ("PyTorch", torch or "missing"),
        ("mpi4py", mpi4py or "missing"),
    ]
