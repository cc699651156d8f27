"""A server under test: its processes, its files, and what it takes of the machine."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import bed

CELL = pathlib.Path(os.environ.get("CELL", "."))
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Server:
    """Subclasses say `commands()`, or `command()` where there is one, and write their configuration
    in it."""

    def __init__(self, name):
        # Without spaces: not every configuration can say them.
        self.name, self.directory, self.processes = name, CELL / re.sub(r"\W+", "-", name), []
        self.directory.mkdir(parents=True, exist_ok=True)

    def commands(self):
        return [self.command()]

    def environment(self):
        return {}

    def start(self):
        environment = bed.libraries() | self.environment()
        self.processes = []
        for command in self.commands():
            with open(self.directory / "log", "ab") as log:
                self.processes.append(subprocess.Popen(
                    bed.at_the_server(command), env=environment, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log))

    def stop(self, how=signal.SIGTERM):
        for process in self.processes:
            process.send_signal(how)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

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
        """Seconds of all its processes, user and system, with those of children that have ended and
        were waited for (proc(5), stat)."""
        return sum(map(int, (field for pid in self.pids() for field in stat(pid)[11:15]))) * TICK

    def memory(self):
        """The proportional share of resident memory of all its processes, in octets."""
        return sum(map(proportional_share, self.pids()))

    def pids(self):
        """Its processes and all below them."""
        found = [process.pid for process in self.processes]
        for pid in found:
            found += children(pid)
        return found

    def settle(self, seconds=10):
        """Waits until it has nothing to do any more; says whether that came."""
        for _ in range(seconds * 4):
            before = self.cpu()
            time.sleep(0.25)
            if self.cpu() - before <= TICK:
                return True
        return False


def read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_text()
    except OSError:  # it has ended meanwhile
        return ""


def stat(pid):
    return read(pid, "stat").rpartition(")")[2].split()


def children(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task")
    try:
        return [int(child) for task in tasks.iterdir()
                for child in (task / "children").read_text().split()]
    except OSError:
        return []


def proportional_share(pid):
    lines = read(pid, "smaps_rollup").splitlines()
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
