"""What the four servers have in common: a process in the bed's namespace, a log, a store."""
import os
import signal
import subprocess


class Process:
    """Subclasses say `command()`, write their configuration in it, and read the store."""
    # Seconds that the server holds an offer, and a declined address back, where it can not be
    # told; None: as the bed says.
    holds = probation = None

    def __init__(self, bed):
        self.bed, self.kind, self.process = bed, bed.kind, None
        self.log_file = self.path("server.log")

    def path(self, name):
        return str(self.bed.directory / name)

    def start(self):
        self.kind = self.bed.kind
        command = ["ip", "netns", "exec", self.bed.link.namespace, *self.command()]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=os.environ | self.environment())

    def environment(self):
        return {}

    def running(self):
        return self.process.poll() is None

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how):
        self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        return read(self.log_file)

    def last_words(self):
        lines = [line for line in self.log().splitlines() if any(map(str.isalpha, line))]
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or ["without a word"])[-1][-160:].strip()

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def touch(self, name):
        open(self.path(name), "a").close()
        return self.path(name)

    def reservations(self):
        """(MAC, address) of the machines that are known by nothing but their MAC."""
        import bed
        return [(bed.RESERVED_MAC, bed.RESERVED), (bed.WITNESS_MAC, bed.WITNESS), *self.kind.late]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("latin-1")
    except FileNotFoundError:
        return ""


def size_on_disk(*paths):
    """What is written changes it: sizes and times of the files."""
    return [(os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in paths
            if os.path.exists(path)]
