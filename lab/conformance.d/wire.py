"""DHCP messages and the frames that carry them, octet by octet.

Addresses are text ("192.0.2.1", "02:00:00:00:00:01"); values of options are bytes.  Nothing
here knows what is right: a message is sent as the test wrote it, however odd.
"""
import random
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address

COOKIE = bytes([99, 130, 83, 99])
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
TYPES = dict(enumerate("DISCOVER OFFER REQUEST DECLINE ACK NAK RELEASE INFORM".split(), 1))
NOWHERE, EVERYWHERE = "0.0.0.0", "255.255.255.255"
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
MTU = 1500


def ip(text):
    return IPv4Address(text).packed


def dotted(octets):
    return str(IPv4Address(octets))


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(octets):
    return octets.hex(":")


@dataclass
class Envelope:
    """What is around a datagram."""
    eth_src: str
    eth_dst: str = BROADCAST_MAC
    src: str = NOWHERE
    dst: str = EVERYWHERE
    sport: int = 68
    dport: int = 67
    checksum: str = "right"  # or "none", "wrong": UDP's
    ip_options: bytes = b""
    vlan: int = None
    trailer: bytes = b""  # behind the datagram, as Ethernet padding is


@dataclass
class Message:
    """What a client or relay agent sends, in RFC 2131's words."""
    envelope: Envelope
    chaddr: bytes
    options: list = field(default_factory=list)  # (code, value), in their order
    op: int = 1
    htype: int = 1
    hlen: int = 6
    hops: int = 0
    xid: int = field(default_factory=lambda: random.randrange(1, 1 << 32))
    secs: int = 0
    flags: int = 0
    ciaddr: str = NOWHERE
    giaddr: str = NOWHERE
    sname: bytes = b""
    file: bytes = b""
    cookie: bytes = COOKIE
    tail: bytes = b"\xff"  # behind the options
    name: str = None       # what a note calls it

    def header(self):
        fixed = struct.pack("!BBBBIHH", self.op, self.htype, self.hlen, self.hops, self.xid,
                            self.secs, self.flags)
        addresses = ip(self.ciaddr) + bytes(8) + ip(self.giaddr)
        return fixed + addresses + self.chaddr.ljust(16, b"\0") + \
            self.sname.ljust(64, b"\0") + self.file.ljust(128, b"\0")

    def pack(self):
        return self.header() + self.cookie + tlv(self.options) + self.tail

    def option(self, code):
        """The value as RFC 3396 joins it, or None."""
        return joined(self.options, code)

    def called(self):
        """For a note."""
        if self.name:
            return self.name
        value = self.option(53)
        return TYPES.get(value[0], f"type {value[0]}") if value else "BOOTP"


def tlv(options):
    return b"".join(bytes([code, len(value)]) + value for code, value in options)


def joined(options, code):
    parts = [value for other, value in options if other == code]
    return b"".join(parts) if parts else None


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp(envelope, payload):
    """The UDP datagram, with its checksum or without."""
    head = struct.pack("!HHHH", envelope.sport, envelope.dport, 8 + len(payload), 0)
    pseudo = ip(envelope.src) + ip(envelope.dst) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    right = checksum(pseudo + head + payload) or 0xffff
    said = {"right": right, "none": 0, "wrong": right ^ 0x5555}[envelope.checksum]
    return head[:6] + struct.pack("!H", said) + payload


def frames(envelope, payload):
    """The Ethernet frames of one datagram: several when it must be fragmented."""
    datagram, ident = udp(envelope, payload), random.randrange(1 << 16)
    room = (MTU - 20 - len(envelope.ip_options)) // 8 * 8
    for at in range(0, len(datagram), room):
        part = datagram[at:at + room]
        more = at + room < len(datagram)
        yield frame(envelope, ident, at // 8 | (0x2000 if more else 0), part)


def frame(envelope, ident, fragment, part):
    words = 5 + len(envelope.ip_options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(part), ident, fragment,
                       64, 17, 0)
    head += ip(envelope.src) + ip(envelope.dst) + envelope.ip_options
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    tag = b"" if envelope.vlan is None else struct.pack("!HH", 0x8100, envelope.vlan)
    ethernet = mac_bytes(envelope.eth_dst) + mac_bytes(envelope.eth_src) + tag + b"\x08\x00"
    return ethernet + head + part + envelope.trailer


@dataclass
class Reply:
    """What came back, from its frame to its options."""
    eth_dst: str
    eth_src: str
    src: str
    dst: str
    sport: int
    dport: int
    udp_length: int
    fragmented: bool
    payload: bytes
    at: float  # seconds, of a monotonic clock

    def __post_init__(self):
        p = self.payload
        self.op, self.htype, self.hlen, self.hops, self.xid, self.secs, self.flags = \
            struct.unpack("!BBBBIHH", p[:12])
        self.ciaddr, self.yiaddr, self.siaddr, self.giaddr = \
            (dotted(p[at:at + 4]) for at in (12, 16, 20, 24))
        self.chaddr, self.sname, self.file = p[28:44], p[44:108], p[108:236]
        self.options, self.behind = read_options(p[240:])
        self.ended = self.behind is not None

    def all_options(self):
        """With those in `file` and `sname`, where option 52 says so (RFC 2131 section 4.1)."""
        overload = joined(self.options, 52) or b"\0"
        more = [f for bit, f in ((1, self.file), (2, self.sname)) if overload[0] & bit]
        return self.options + [option for f in more for option in read_options(f)[0]]

    def option(self, code):
        return joined(self.all_options(), code)

    def codes(self):
        return [code for code, _ in self.all_options()]

    def seconds(self, code):
        value = self.option(code)
        return None if value is None else int.from_bytes(value, "big")

    @property
    def type(self):
        value = self.option(53)
        return value[0] if value else None

    def file_name(self):
        """In the field."""
        return self.file.split(b"\0")[0]

    def boot_file(self):
        """In the field or in option 67, where firmware looks first."""
        return (self.option(67) or b"").rstrip(b"\0") or self.file_name()

    def __str__(self):
        name = TYPES.get(self.type, "BOOTREPLY" if self.type is None else f"type {self.type}")
        what = f" {self.yiaddr}" if self.yiaddr != NOWHERE else ""
        link = "broadcast" if self.eth_dst == BROADCAST_MAC else "unicast"
        return f"{name}{what} to {self.dst}:{self.dport} ({link})"


def read_options(area):
    """((code, value) ..., what follows the end option or None without one)."""
    options, at = [], 0
    while at < len(area):
        code = area[at]
        if code == 255:
            return options, area[at + 1:]
        if code == 0:
            at += 1
            continue
        if at + 1 >= len(area) or at + 2 + area[at + 1] > len(area):
            break
        options.append((code, area[at + 2:at + 2 + area[at + 1]]))
        at += 2 + area[at + 1]
    return options, None


def reply(raw, at):
    """The Reply in a frame, or None: not UDP over IPv4, or too short for BOOTP."""
    if raw[12:14] != b"\x08\x00" or raw[23] != 17:
        return None
    words = (raw[14] & 15) * 4
    fragment = struct.unpack("!H", raw[20:22])[0] & 0x3fff
    if fragment & 0x1fff:
        return None
    sport, dport, length = struct.unpack("!HHH", raw[14 + words:20 + words])
    payload = raw[22 + words:14 + words + length]
    if len(payload) < 240:
        return None
    return Reply(mac_text(raw[:6]), mac_text(raw[6:12]), dotted(raw[26:30]), dotted(raw[30:34]),
                 sport, dport, length, bool(fragment), payload, at)
