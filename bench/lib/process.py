"""A server under test: its processes, its files, and what it takes of the machine."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

import bed

CELL = pathlib.Path(os.environ.get("CELL", "."))


def control_groups():
    """Where the kernel's control groups are, of version 2: they count a server's time with that of
    children that nobody waited for, and by the nanosecond."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return pathlib.Path(line.split()[1])
    raise RuntimeError("no control groups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup")


def first_version(controller):
    """Where the control groups of version 1 with this controller are."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, how, *_ = line.split()
        if kind == "cgroup" and controller in how.split(","):
            return pathlib.Path(where)
    raise RuntimeError(f"no control groups limit the {controller} here")


class Server:
    """Subclasses say `commands()`, or `command()` where there is one, and write their configuration
    in it."""

    def __init__(self, name):
        # Without spaces: not every configuration can say them.
        self.name, self.directory, self.processes = name, CELL / re.sub(r"\W+", "-", name), []
        self.group = None
        self.directory.mkdir(parents=True, exist_ok=True)

    def commands(self):
        return [self.command()]

    def environment(self):
        return {}

    def start(self):
        environment = bed.libraries() | self.environment()
        self.processes = []
        self.group = pathlib.Path(tempfile.mkdtemp(prefix="pxed-bench-", dir=control_groups()))
        for command in self.commands():
            with open(self.directory / "log", "ab") as log:
                self.processes.append(subprocess.Popen(
                    bed.at_the_server(command), env=environment, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, preexec_fn=self.join))

    def join(self):
        (self.group / "cgroup.procs").write_text("0")

    @contextlib.contextmanager
    def slowed_to(self, share):
        """Has no more than so much of a core meanwhile: what its threads share, ten times in 100 ms."""
        period, group = 10_000, None
        try:
            if (self.group / "cpu.max").exists():
                (self.group / "cpu.max").write_text(f"{int(period * share)} {period}")
            else:
                group = pathlib.Path(tempfile.mkdtemp(prefix="pxed-bench-", dir=first_version("cpu")))
                (group / "cpu.cfs_period_us").write_text(str(period))
                (group / "cpu.cfs_quota_us").write_text(str(int(period * share)))
                for process in self.processes:
                    (group / "cgroup.procs").write_text(str(process.pid))
            yield
        finally:
            self.stop()
            if group:
                group.rmdir()

    def stop(self, how=signal.SIGTERM):
        for process in self.processes:
            process.send_signal(how)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for _ in range(50):
            try:
                return self.group.rmdir()
            except OSError:  # a child of its is not quite gone
                time.sleep(0.1)

    def forget(self):
        """Removes all leases, and what was logged."""
        for path in sorted(self.directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def write(self, name, text):
        (self.directory / name).write_text(text)
        return str(self.directory / name)

    def path(self, name):
        return str(self.directory / name)

    def running(self):
        return all(process.poll() is None for process in self.processes)

    def cpu(self):
        """Seconds of all its processes, user and system, also of those that have ended."""
        usage = (self.group / "cpu.stat").read_text().split()
        return int(usage[usage.index("usage_usec") + 1]) / 1e6

    def memory(self):
        """The proportional share of resident memory of all its processes, in octets."""
        return sum(map(proportional_share, (self.group / "cgroup.procs").read_text().split()))

    def settle(self, seconds=10):
        """Waits until it has nothing to do any more; says whether that came."""
        for _ in range(seconds * 4):
            before = self.cpu()
            time.sleep(0.25)
            if self.cpu() - before < 0.01:
                return True
        return False


def proportional_share(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class Peak:
    """The most memory that a server has while this lasts, seen ten times a second."""

    def __init__(self, server):
        self.server, self.octets, self.over = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while True:
            self.octets = max(self.octets, self.server.memory())
            if self.over.wait(0.1):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
