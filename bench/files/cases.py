"""What is measured: cases of each kind, as the flags of the generator."""
import itertools

KIB, MIB, GIB = 2**10, 2**20, 2**30
SIZES = {"128k": 128 * KIB, "1m": MIB, "4m": 4 * MIB, "16m": 16 * MIB, "64m": 64 * MIB}
FILES = {name: size for name, size in SIZES.items()} | {"64k": 64 * KIB, "1g": GIB}

# block size, window (1 is none), RTT in ms, clients, loss in percent
TFTP = [(512, 1, 0, 1, 0), (512, 16, 0, 1, 0),
        *((1468, window, 0, 1, 0) for window in (1, 4, 16, 64)),
        (1468, 1, 0, 16, 0), (1468, 16, 0, 16, 0),
        *((1468, window, 0, 200, 0) for window in (1, 4, 16)),
        *((1468, window, 2, 1, 0) for window in (1, 4, 16, 64)),
        (1468, 1, 2, 200, 0),
        *((1468, window, 0, 16, 2) for window in (1, 4, 16))]
TFTP_ALL = list(itertools.product((512, 1468), (1, 4, 16, 64), (0, 2), (1, 16, 200), (0, 2)))

# file, octets of a range (0 is the whole file), connections
HTTP = [*(("64k", 0, connections) for connections in (1, 16, 200)),
        *(("64m", 0, connections) for connections in (1, 16, 200)), ("1g", 0, 1), ("1g", 64 * KIB, 16)]
HTTP_ALL = list(itertools.product(("64k", "64m", "1g"), (0, 64 * KIB), (1, 16, 200)))
HTTPS = [("64k", 0, 16), ("64m", 0, 1), ("64m", 0, 16)]


def tftp(wants_all):
    for block, window, rtt, clients, loss in TFTP_ALL if wants_all else TFTP:
        yield {"block": block, "window": window, "rtt": rtt, "clients": clients, "loss": loss,
               "file": tftp_file(block, window, rtt, clients, loss)}


def tftp_file(block, window, rtt, clients, loss):
    """The largest file with which such a run takes a few seconds."""
    most = 64 * MIB // clients if block > 512 else 16 * MIB // clients
    if rtt:
        most = min(most, block * window * 1000)
    if loss:  # each lost block may cost a server's time-out where there are no windows
        most = min(most, 200 * KIB if window == 1 else 2 * MIB)
    fits = [name for name, size in SIZES.items() if size <= most]
    return fits[-1] if fits else "128k"


def http(wants_all):
    for file, octets, connections in HTTP_ALL if wants_all else HTTP:
        yield {"file": file, "range": octets, "connections": connections}


def https(_):
    for file, octets, connections in HTTPS:
        yield {"file": file, "range": octets, "connections": connections}


KINDS = {"tftp": tftp, "http": http, "https": https}


def name(kind, case):
    """For people."""
    if kind == "tftp":
        return (f"{case['block']}, windowsize {case['window'] if case['window'] > 1 else 'none'}, "
                f"RTT {case['rtt']} ms, {case['clients']} x {case['file']}, {case['loss']} % lost")
    part = f"{case['range'] // KIB} KiB ranges of " if case["range"] else ""
    return f"{part}{case['file']}, {case['connections']} connections"
