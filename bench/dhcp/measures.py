"""What is measured of one server, each as a line of the results."""
import json
import os
import pathlib
import socket
import struct
import subprocess
import time

import bed

MACHINES, LEASES = 50_000, 100_000
# How often a rate is tried, and how near to each other the last two are.
BEST_STEPS, EXACT = 9, 0.06


def load(options, seconds, **flags):
    """Runs the generator; its report."""
    flags = {"server": bed.SERVER, "relay": bed.RELAY, "cpu": bed.OUR_CORE, "machines": MACHINES,
             "seconds": seconds, "firmware": options.firmware} | flags
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}",
                                                                 str(value))]
    command = [os.environ.get("PXED_BENCH", "pxed-bench"), "dhcp", "--json", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds * 4 + 200, check=True)
    return json.loads(done.stdout)


def at_rate(options, server, rate):
    """A report with the server's CPU time; what came before is over first."""
    server.settle()
    before = server.cpu()
    warm_up = min(1, options.seconds / 2)
    report = load(options, options.seconds, rate=max(1, round(rate)), warm_up=warm_up)
    # What the warm-up took is in it, and so are its exchanges.
    exchanges = report["generator"]["sent"] / 2
    return report | {"rate": rate, "cpu_us": (server.cpu() - before) * 1e6 / max(exchanges, 1)}


def best(options, server):
    """The highest rate with less than 1 % incomplete. A closed loop says where to begin; twice that
    until it is too much, then halfway between what is and what is not."""
    closed = load(options, options.seconds, in_flight=128)["per_second"]
    rate, low, high, found = max(closed, 20), 0, None, None
    for _ in range(BEST_STEPS):
        report = at_rate(options, server, rate)
        if report["incomplete"] < 0.01:
            low, found = rate, report
        else:
            high = rate
        if high and high - low < high * EXACT:
            break
        rate = (low + high) / 2 if high else rate * 2
    return (found or report) | {"closed": closed, "found": found is not None}


def rates(options, server):
    """Everything about speed, from an empty database on: yields measures with their reports."""
    server.start_empty()
    try:
        first_offer(server, 60)
        top = best(options, server)
        yield "best", top
        for name, share in (("half", 0.5), ("twice", 2), ("four times", 4)):
            report = at_rate(options, server, top["rate"] * share)
            yield name, report | {"goodput": report["per_second"] / max(top["rate"], 1)}
        yield "common", at_rate(options, server, options.common)
    finally:
        server.stop()


def leases(options, server):
    """Memory with many leases, and the restart with them."""
    if not server.keeps_leases:
        return
    server.start_empty(bed.LARGE)
    try:
        first_offer(server, 60)
        empty = server.memory()
        filled = fill(options, server) if server.is_filled_by == "exchanges" else None
    finally:
        server.stop()
    if filled is None:
        server.preload(LEASES)
    begun = time.monotonic()
    server.start()
    try:
        took = first_offer(server, 300, begun)
        server.settle()
        loaded = server.memory()
    finally:
        server.stop()
    yield "leases", {"restart": took, "per_lease": ((filled or loaded) - empty) / LEASES,
                     "per_lease_loaded": (loaded - empty) / LEASES,
                     "empty": empty, "filled": filled, "loaded": loaded}


def fill(options, server):
    """Asks for all leases; how much memory the server has then."""
    report = load(options, 100, in_flight=32, machines=LEASES, count=LEASES, timeout=5)
    if report["leases"] < LEASES * 0.999:
        raise RuntimeError(f"only {report['leases']} leases")
    server.settle()
    return server.memory()


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
    raise RuntimeError(f"no OFFER: see {server.path('log')}")


def discover():
    """Of a machine that is none of the generator's."""
    header = struct.pack("!4BIHH4s4s4s4s16s192s", 1, 1, 6, 1, 7, 0, 0, bytes(4), bytes(4), bytes(4),
                         socket.inet_aton(bed.RELAY), b"\x02\xaa\0\0\0\1", b"")
    return header + b"\x63\x82\x53\x63\x35\x01\x01\xff" + bytes(52)


def environment():
    """What the machine was."""
    cpu = next(line.partition(":")[2].strip()
               for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
               if line.startswith("model name"))
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": os.uname().release,
            "date": time.strftime("%Y-%m-%d", time.gmtime())}
