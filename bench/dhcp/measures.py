"""What is measured of one server, each as a line of the results."""
import contextlib
import json
import os
import socket
import struct
import subprocess
import time

import bed
import servers

MACHINES, LEASES = 50_000, 100_000
FEW_LEASES, MANY_LEASES = 1_000, 1_000_000
# Of a core: four times what a server carries then is less than half of what the generator can do.
SLOWED_TO = 0.15
OVERLOADS = (("twice", 2), ("four times", 4))


def load(options, seconds, **flags):
    """Runs the generator; its report."""
    flags = {"server": bed.SERVER, "relay": bed.RELAY, "cpu": bed.OUR_CORE, "machines": MACHINES,
             "seconds": seconds, "firmware": options.firmware} | flags
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}",
                                                                 str(value))]
    command = [os.environ.get("PXED_BENCH", "pxed-bench"), "dhcp", "--json", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds * 4 + 200, check=True)
    return json.loads(done.stdout)


def at_rate(options, server, rate, **flags):
    """A report with the server's CPU time; what came before is over first."""
    server.settle()
    before = server.cpu()
    warm_up = min(1, options.seconds / 2)
    report = load(options, options.seconds, rate=max(1, round(rate)), warm_up=warm_up,
                  **flags)
    # What the warm-up took is in it, and so are its exchanges.
    exchanges = report["generator"]["sent"] / 2
    return report | {"rate": rate, "cpu_us": (server.cpu() - before) * 1e6 / max(exchanges, 1)}


def best(options, server):
    """The highest rate with less than 1 % incomplete. A closed loop says where to begin; twice that
    until it is too much, then halfway between what is and what is not. `most` is what was completed in
    a second of the best of all these runs, whatever was not."""
    most = closed = load(options, options.seconds, in_flight=128)["per_second"]
    rate, low, high, found = max(closed, 20), 0, None, None
    for _ in range(options.steps):
        report = at_rate(options, server, rate)
        most = max(most, report["per_second"])
        if report["incomplete"] < 0.01:
            low, found = rate, report
        else:
            high = rate
        if high and high - low < high * options.exact:
            break
        rate = (low + high) / 2 if high else rate * 2
    return (found or report) | {"closed": closed, "most": most, "found": found is not None}


def overloaded(options, server, top):
    """It is offered twice and four times the most that it completed: yields measures with their reports."""
    for name, factor in OVERLOADS:
        report = at_rate(options, server, top["most"] * factor)
        yield name, report | {"goodput": report["per_second"] / max(top["most"], 1)}


def rates(options, server):
    """Everything about speed, from an empty database on: yields measures with their reports."""
    server.start_empty()
    try:
        first_offer(server, 60)
        top = best(options, server)
        yield "best", top
        yield "half", at_rate(options, server, top["rate"] / 2)
        yield from overloaded(options, server, top)
        yield "common", at_rate(options, server, options.common)
        if top["rate"] >= options.busy:
            yield "busy", at_rate(options, server, options.busy)
    finally:
        server.stop()
    if server.name == "pxed":
        yield "floor", floor(options, top["rate"] / 2)


def floor(options, rate):
    """What the generator and the machine take at this rate, with a server that has nothing to do."""
    server = servers.Null("null")
    server.start_empty()
    try:
        first_offer(server, 60)
        return at_rate(options, server, rate)
    finally:
        server.stop()


def overload(options, server):
    """What is left at two and four times the best, where the generator could not do so much: the
    server has a part of its core. In turn with what it does when nobody asks for more."""
    server.start_empty()
    first_offer(server, 60)
    with server.slowed_to(SLOWED_TO):
        top = best(options, server)
        yield "slowed", top
        for turn in range(options.turns):
            yield "slowed, closed", load(options, options.seconds, in_flight=128) | {"turn": turn}
            for name, factor in OVERLOADS:
                yield f"slowed, {name}", at_rate(options, server, top["most"] * factor) | {"turn": turn}


def leases(options, server):
    """Memory with many leases, and the restart with them."""
    if not server.keeps_leases:
        return
    server.start_empty(servers.LARGE)
    try:
        first_offer(server, 60)
        empty = server.memory()
        filled = fill(options, server, LEASES) if server.is_filled_by == "exchanges" else None
    finally:
        server.stop()
    if filled is None:
        server.preload(LEASES)
    yield "leases", restart(options, server, LEASES, (empty, filled))


def restart(options, server, count, memory):
    """How soon it serves with so many leases, and what they take; then it is stopped."""
    empty, filled = memory
    begun = time.monotonic()
    server.start()
    try:
        took = first_offer(server, options.patience, begun)
        server.settle()
        loaded = server.memory()
    finally:
        server.stop()
    return {"leases": count, "restart": took, "per_lease": ((filled or loaded) - empty) / count,
            "per_lease_loaded": (loaded - empty) / count,
            "empty": empty, "filled": filled, "loaded": loaded}


def fill(options, server, count):
    """Asks for so many leases; how much memory the server has then."""
    report = load(options, 200, in_flight=64, machines=count, count=count, timeout=5)
    if report["leases"] < count * 0.999:
        raise RuntimeError(f"only {report['leases']} leases")
    server.settle()
    return server.memory()


def many(options, server):
    """What a million leases change: the rate, the restart, and the tail of latencies while the store
    works, also beside another program that keeps the disk busy."""
    few = servers.Pxed("pxed-few")
    filled_with(options, few, FEW_LEASES)
    few.stop()
    memory = filled_with(options, server, MANY_LEASES)
    try:
        half = load(options, options.seconds, in_flight=128, machines=MANY_LEASES)["per_second"] / 2
        yield "tail", at_rate(options, server, half, machines=MANY_LEASES)
        with busy_disk(server):
            yield "tail, busy disk", at_rate(options, server, half, machines=MANY_LEASES)
        size = sum(path.stat().st_size for path in server.directory.rglob("leases.db*"))
    finally:
        server.stop()
    yield "million", restart(options, server, MANY_LEASES, memory) | {"database": size}
    for turn in range(options.turns):
        for name, which, count in (("few leases", few, FEW_LEASES), ("many leases", server, MANY_LEASES)):
            which.start()
            try:
                first_offer(which, 60)
                which.settle()
                load(options, 1, in_flight=128, machines=count)
                report = load(options, options.seconds, in_flight=128, machines=count)
                yield name, report | {"turn": turn}
            finally:
                which.stop()


def filled_with(options, server, count):
    """Has it give so many leases; its memory without and with them. It runs on."""
    server.start_empty(servers.HUGE)
    try:
        first_offer(server, 60)
        return server.memory(), fill(options, server, count)
    except Exception:
        server.stop()
        raise


def tails(options, there, tops):
    """OFFERs at half of the own best rate, of several servers in turn: yields servers with reports."""
    for turn in range(options.turns):
        for name, top in tops.items():
            server = there[name]
            server.start_empty()
            try:
                first_offer(server, 60)
                load(options, options.seconds / 2, in_flight=128)
                yield server, at_rate(options, server, top / 2) | {"turn": turn}
            finally:
                server.stop()


@contextlib.contextmanager
def busy_disk(server):
    """Another program writes beside the server's files, a MiB at a time, each synced."""
    path = server.path("busy")
    loop = f"while :; do dd if=/dev/zero of={path} bs=1M count=64 oflag=dsync conv=notrunc; done"
    with subprocess.Popen(["taskset", "-c", str(bed.OUR_CORE), "sh", "-c", f"exec 2>/dev/null; {loop}"],
                          start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, 9)


def first_offer(server, patience, begun=None):
    """Seconds until it answers a DISCOVER, asked every 10 ms."""
    begun = begun or time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind((bed.RELAY, 67))
        asker.settimeout(0.01)
        while time.monotonic() < begun + patience and server.running():
            asker.sendto(discover(), (bed.SERVER, 67))
            try:
                asker.recv(2000)
                return time.monotonic() - begun
            except (TimeoutError, ConnectionRefusedError):
                pass
    raise RuntimeError(f"no OFFER within {patience} s: see {server.path('log')}")


def discover():
    """Of a machine that is none of the generator's."""
    header = struct.pack("!4BIHH4s4s4s4s16s192s", 1, 1, 6, 1, 7, 0, 0, bytes(4), bytes(4), bytes(4),
                         socket.inet_aton(bed.RELAY), b"\x02\xaa\0\0\0\1", b"")
    return header + b"\x63\x82\x53\x63\x35\x01\x01\xff" + bytes(52)
