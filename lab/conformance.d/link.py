"""The wire between the server's namespace and us: a veth whose near end speaks raw Ethernet."""
import itertools
import socket
import subprocess
import threading
import time

import wire

SERVER, SECOND, SERVER_MAC = "192.0.2.1", "192.0.2.3", "02:00:00:00:00:01"
# Its address on a link that nobody configured.
ELSEWHERE = "203.0.113.1"
OURS = [SERVER, SECOND, ELSEWHERE]
# The relay agent: its address on the far network, and its own on the server's.
RELAY, RELAY_HERE, RELAY_MAC = "198.51.100.1", "192.0.2.2", "02:00:00:00:00:02"
FAR_RELAY = "198.51.101.1"

# How long an answer may take on a loaded machine, and how long silence lasts.
ANSWER, SILENCE = 5.0, 1.5

_number = itertools.count(1)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")


def on(namespace, *command):
    run("ip", "netns", "exec", namespace, *command)


class Asked:
    """A message that waits for its replies."""

    def __init__(self, message):
        self.message, self.replies = message, []

    def answered_by(self, reply, xids):
        # A reply with an xid that nobody sent is still found, and item 1 tells of it.
        hardware = self.message.chaddr.ljust(16, b"\0")
        return reply.xid == self.message.xid or (
            reply.xid not in xids and any(hardware) and reply.chaddr == hardware)


class Link:
    """A veth between us and `interface` of the server's namespace, which is made if it is not
    given."""

    def __init__(self, namespace=None, interface="eth0", addresses=(SERVER, SECOND)):
        self.namespace, self.interface = namespace or self.new_namespace(), interface
        self.near = f"{interface}-{self.namespace}"
        self.heard, self.probes, self.waiting, self.xids = [], [], [], set()
        self.owners = {RELAY_HERE: RELAY_MAC}  # who answers ARP for which address
        self.squatters = {}                    # the same, and answers probes and pings too
        self.lock = threading.Condition()
        self.addresses = addresses
        self.make()

    @staticmethod
    def new_namespace():
        name = f"srv{next(_number)}"
        run("ip", "netns", "add", name)
        on(name, "sh", "-ec", """
            echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
            echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
            ip link set lo up""")
        return name

    def make(self):
        run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.interface,
            "address", SERVER_MAC, "netns", self.namespace)
        with open(f"/proc/sys/net/ipv6/conf/{self.near}/disable_ipv6", "w") as switch:
            switch.write("1")
        # Checksums are computed, not left to hardware that is not there.
        run("ethtool", "-K", self.near, "tx", "off")
        run("ip", "link", "set", self.near, "promisc", "on", "up")
        add = "\n".join(f"ip addr add {address}/24 brd + dev {self.interface}"
                        for address in self.addresses)
        on(self.namespace, "sh", "-ec", f"""
            ethtool -K {self.interface} tx off >/dev/null
            ip link set {self.interface} up
            {add}
            ip route replace default via {RELAY_HERE} || true""")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((self.near, 0))
        threading.Thread(target=self.hear, args=[self.socket], daemon=True).start()

    def remove(self):
        """The server's interface and ours are gone; `make` brings them back."""
        run("ip", "link", "del", self.near)
        self.socket.close()

    def hear(self, wire_end):
        while True:
            try:
                raw, address = wire_end.recvfrom(65536)
            except OSError:  # the interface was removed
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if raw[12:14] == b"\x08\x06":
                self.hear_arp(raw)
            elif raw[12:14] == b"\x08\x00" and raw[23] == 1:
                self.hear_ping(raw)
            else:
                self.hear_reply(wire.reply(raw, time.monotonic()))

    def owns(self, address, mac):
        """From now on this client answers ARP for it, and says so (RFC 5227 section 2.3)."""
        self.owners[address] = mac
        octets = wire.mac_bytes(mac)
        self.socket.send(wire.mac_bytes(wire.BROADCAST_MAC) + octets + b"\x08\x06" +
                         b"\0\1\x08\0\6\4\0\1" + octets + wire.ip(address) + bytes(6) +
                         wire.ip(address))

    def hear_arp(self, raw):
        asker, target = raw[28:32], wire.dotted(raw[38:42])
        if raw[20:22] != b"\0\1":
            return
        if asker == bytes(4):
            self.probes.append((time.monotonic(), target))
        owner = self.squatters.get(target) or (asker != bytes(4) and self.owners.get(target))
        if owner:
            mac = wire.mac_bytes(owner)
            self.socket.send(raw[6:12] + mac + raw[12:20] + b"\0\2" + mac + raw[38:42] +
                             raw[22:32])

    def hear_ping(self, raw):
        """An echo request: a server that looks whether an address is in use."""
        target = wire.dotted(raw[30:34])
        if raw[34] != 8:
            return
        self.probes.append((time.monotonic(), target))
        if target in self.squatters:
            self.socket.send(echo_reply(raw))

    def hear_reply(self, reply):
        if reply is None:
            return
        with self.lock:
            self.heard.append(reply)
            for asked in self.waiting:
                if asked.answered_by(reply, self.xids):
                    asked.replies.append(reply)
            self.lock.notify_all()

    def send(self, message, payload=None):
        for frame in wire.frames(message.envelope, message.pack() if payload is None else payload):
            self.socket.send(frame)

    def exchange(self, messages, seconds, enough, payloads=None):
        """Sends all at once; the replies to each, when `enough` of them came or time is over."""
        asked = [Asked(message) for message in messages]
        with self.lock:
            self.waiting += asked
            self.xids |= {message.xid for message in messages}
        for n, message in enumerate(messages):
            self.send(message, payloads[n] if payloads else None)
        deadline = time.monotonic() + seconds
        with self.lock:
            while sum(bool(one.replies) for one in asked) < enough:
                left = deadline - time.monotonic()
                if left <= 0 or not self.lock.wait(left):
                    break
            for entry in asked:
                self.waiting.remove(entry)
        return [one.replies for one in asked]


def echo_reply(raw):
    """The answer to an ICMP echo request."""
    head = raw[14:24] + b"\0\0" + raw[30:34] + raw[26:30]
    head = head[:10] + wire.checksum(head).to_bytes(2, "big") + head[12:]
    body = b"\0\0\0\0" + raw[38:]
    body = body[:2] + wire.checksum(body).to_bytes(2, "big") + body[4:]
    return raw[6:12] + raw[:6] + raw[12:14] + head + body
