"""The test bed: kinds of network, and a server in one of them.

Every bed has what section 0 of the list asks for: the server 192.0.2.1 with a second address
192.0.2.3, a pool, a reserved machine at .50, a next server and a file for PXE, and two networks
behind a relay agent.  A Kind says what is different.
"""
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import link
import oracle
import wire
from client import Client
from verdict import Wrong

RESERVED_MAC, RESERVED = "02:00:00:aa:ff:01", "192.0.2.50"
OWN_FILE_MAC, OWN_FILE = "02:00:00:aa:ff:02", "192.0.2.51"
# Asks only whether the server still answers: what it gets is nobody's.
WITNESS_MAC, WITNESS = "02:00:00:aa:ff:0f", "192.0.2.59"
NEXT_SERVER, FILE = "192.0.2.9", "pxelinux.0"
# What the firmwares load where each has its own file.
BIOS_FILE, UEFI_FILE = "pxelinux.0", "shim.efi"
HTTP_FILE, SCRIPT = "http://192.0.2.9/shim.efi", "http://192.0.2.9/boot.ipxe"
DOMAIN, SEARCH = "lab.example", ["lab.example", "sub.lab.example"]
PORTAL = "https://portal.lab.example/api"
ROUTES = [("0.0.0.0/0", "192.0.2.1"), ("10.0.0.0/8", "192.0.2.4"),
          ("172.16.128.0/17", "192.0.2.5"), ("203.0.113.7/32", "192.0.2.6")]
V6_ONLY = 1800
LONG_OPTION = bytes(n % 251 for n in range(300))
CIRCUIT, CIRCUIT_DOMAIN = b"port-7", "circuit.example"
OWN_CIRCUIT, CIRCUIT_ADDRESS = b"port-9", "198.51.100.60"


def encoded_routes():
    """Option 121, as RFC 3442 writes it."""
    return b"".join(one_route(*route) for route in ROUTES)


def one_route(network, router):
    address, _, width = network.partition("/")
    return bytes([int(width)]) + wire.ip(address)[:(int(width) + 7) // 8] + wire.ip(router)


@dataclass(frozen=True)
class Kind:
    """How a bed differs from the plain one."""
    first: int = 100  # of 192.0.2.0/24: the pool
    last: int = 249
    file: str = FILE
    second_address: bool = False # where a server has to be told to listen to it
    identity: str = None         # "mac" or "client-id"; None: as the server comes
    hold: int = None             # seconds: of an offer, of a declined address
    min_secs: int = 0
    rapid: bool = False          # rapid commit
    boots: bool = False          # each firmware has its own file, and nobody else one
    bootp: bool = False          # BOOTP, where a server has to be told
    cache: bool = False          # early renewals are not written, where a server has to be told
    probe: bool = False          # whether the server looks if an address is in use
    choose_subnet: bool = False  # option 118 is obeyed
    cap: int = None              # addresses for one remote-id
    long_option: bool = False    # option 224, of 300 octets
    wordy: bool = False          # eight options of 200 octets
    elsewhere: bool = False      # a second link, whose network is not configured
    late: tuple = ()             # more reservations: (MAC, address)


KINDS = {
    "plain": Kind(),
    "one": Kind(last=100),
    "twenty": Kind(last=119),
    "declined": Kind(last=119),
    "brief": Kind(hold=2),
    "second": Kind(second_address=True),
    "machines": Kind(identity="mac"),
    "standby": Kind(min_secs=4),
    "nowhere": Kind(elsewhere=True),
    "rapid": Kind(rapid=True),
    "bootp": Kind(bootp=True),
    "booting": Kind(boots=True),
    "probing": Kind(probe=True, last=104),
    "restarted": Kind(),
    "unplugged": Kind(),
    "reserving": Kind(),
    "quiet": Kind(cache=True),
    "split": Kind(long_option=True),
    "wordy": Kind(wordy=True),
    "long": Kind(file="http://192.0.2.9/" + "x" * 200),
    "edge": Kind(file="f" * 127),
    "choosing": Kind(choose_subnet=True),
    "capped": Kind(cap=2),
}


def odd_options(kind):
    """(code, octets) of the options that only some beds have."""
    if kind.long_option:
        yield 224, LONG_OPTION
    if kind.wordy:
        yield from ((code, bytes([code]) * 200) for code in range(225, 233))


class Bed:
    """One server in its own namespace, and the ways to ask it."""

    def __init__(self, kind, server, directory, faults):
        self.kind, self.directory, self.faults = KINDS[kind], Path(directory), faults
        self.directory.mkdir(parents=True, exist_ok=True)
        self.link = link.Link()
        if self.kind.elsewhere:
            self.elsewhere = link.Link(self.link.namespace, "eth1", [link.ELSEWHERE])
        self.asked_for = set()
        self.server = server(self)
        self.server.start()
        self.still_serves(30)

    def restart(self, **changes):
        """The server again, with its leases, and perhaps with something different."""
        self.kind = replace(self.kind, **changes)
        self.server.stop()
        self.server.start()
        self.still_serves(30)

    def kill(self):
        self.server.kill()

    def close(self):
        self.server.stop()

    def unused(self, network="192.0.2"):
        """An address of the pool that nobody was given or asked for, to ask for it."""
        seen = {address for reply in self.link.heard
                for address in (reply.yiaddr, reply.ciaddr)} | self.asked_for
        last, first = (self.kind.last, self.kind.first) if network == "192.0.2" else (249, 100)
        middle = range((first + last) // 2, last + 1)
        free = [f"{network}.{n}" for n in [*middle, *range(first, middle[0])]]
        address = next(address for address in free if address not in seen)
        self.asked_for.add(address)
        return address

    def exchange(self, messages, seconds, enough, where=None):
        replies = (where or self.link).exchange(messages, seconds, enough)
        for message, got in zip(messages, replies):
            for reply in got:
                self.faults.look(message, reply)
        return replies

    def hears(self, message, seconds=link.SILENCE):
        """The reply, or None."""
        return (self.exchange([message], seconds, 1)[0] or [None])[0]

    def ask(self, message):
        """The reply that must come."""
        reply = self.hears(message, link.ANSWER)
        if reply is None:
            raise Wrong(f"no answer to {message.called()}")
        return reply

    def silent(self, *messages, where=None):
        """Nothing at all comes of these."""
        for message, replies in zip(messages, self.exchange(messages, link.SILENCE, 99, where)):
            if replies:
                raise Wrong(f"{message.called()} answered by {replies[0]}")

    def still_serves(self, seconds=link.ANSWER):
        """A machine that has nothing to do with what was sent gets its OFFER."""
        start = time.monotonic()
        witness = Client(self, WITNESS_MAC).discover(secs=60)
        while time.monotonic() < start + seconds and self.server.running():
            if self.hears(witness, 0.3):
                return
        raise Wrong("no answer to a plain DISCOVER" if self.server.running() else
                    f"the server ended: {self.server.last_words()}")


class Faults:
    """What the oracle found, from all beds."""

    def __init__(self):
        self.lock, self.of, self.replies = threading.Lock(), {}, 0

    def look(self, message, reply):
        with self.lock:
            self.replies += 1
            for item, text in oracle.faults(message, reply):
                self.of.setdefault(item, []).append(text)
