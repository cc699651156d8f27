"""Section 9: BOOTP, rapid commit, options with a form of their own, and interfaces."""
import time

import bed as beds
import link
import wire
from client import Client, expect
from verdict import check, item, same
from wire import Envelope, Message


def bootp(mac, **fields):
    """A BOOTP request of 300 octets."""
    return Message(Envelope(mac), wire.mac_bytes(mac), [], tail=b"\xff" + bytes(59), **fields)


@item(119, "bootp")
def bootp_reserved(bed):
    """BOOTP of a reserved machine: its address, next server and file, and no option 53."""
    reply = bed.ask(bootp(beds.RESERVED_MAC))
    same("option 53", None, reply.option(53))
    same("yiaddr", beds.RESERVED, reply.yiaddr)
    same("siaddr", beds.NEXT_SERVER, reply.siaddr)
    same("file", beds.FILE.encode(), reply.file_name())
    check(len(reply.payload) >= 300, f"{len(reply.payload)} octets")
    check(reply.option(51) in (None, b"\xff" * 4), "the binding ends")


@item(120, "bootp")
def bootp_unknown(bed):
    """BOOTP of a machine that nobody knows: silence."""
    bed.silent(bootp(Client(bed).mac))


@item(121, "bootp")
def bootp_for_another(bed):
    """BOOTP that names another server in sname: silence."""
    bed.silent(bootp(beds.RESERVED_MAC, sname=b"another-server.example"))
    bed.ask(bootp(beds.RESERVED_MAC))


@item(122, "rapid")
def rapid_commit(bed):
    """Rapid commit: ACK with option 80 where it is enabled, else OFFER without it."""
    client = Client(bed)
    ack = bed.ask(client.discover([(80, b"")]))
    expect(wire.ACK, ack)
    same("option 80", b"", ack.option(80))
    check(ack.seconds(51) and ack.option(54), "without options 51 and 54")
    check(client.mac in bed.server.store(), "the lease is not in the store")
    same("without asking: option 80", None, Client(bed).offer().option(80))
    bed.restart(rapid=False)
    same("where it is not enabled: option 80", None, Client(bed).offer([(80, b"")]).option(80))


@item(124)
def ipv6_only(bed):
    """Option 108 for who asks for it, of at least 300 s, and for nobody else."""
    client = Client(bed)
    offer = client.offer(wishes=[1, 3, 108])
    ack = client.ack(client.selecting(offer.yiaddr, wishes=[1, 3, 108]))
    for reply in (offer, ack):
        check((reply.seconds(108) or 0) >= 300, "no option 108")
    same("without asking: option 108", None, Client(bed).offer().option(108))


@item(125)
def routes(bed):
    """Option 121 has the default route too, and each destination in its shortest form."""
    same("option 121", beds.encoded_routes(), Client(bed).offer(wishes=[1, 121, 3]).option(121))


@item(126)
def portal_and_search(bed):
    """Option 114 as it was written, without a NUL; option 119 reads as it was written."""
    offer = Client(bed).offer(wishes=[1, 114, 119])
    same("option 114", beds.PORTAL.encode(), offer.option(114))
    same("option 119", beds.SEARCH, names(offer.option(119) or b""))


@item(127)
def no_nul(bed):
    """Options 12, 15 and 119 do not end in a NUL that is not theirs."""
    offer = Client(bed, beds.RESERVED_MAC).offer(wishes=[1, 12, 15, 119])
    same("option 15", beds.DOMAIN.encode(), offer.option(15))
    name = offer.option(12) or b""
    check(name.split(b".")[0] == b"bench-1", f"option 12 {name!r}")
    same("option 119", beds.SEARCH, names(offer.option(119) or b""))


@item(130, "unplugged")
def interfaces(bed):
    """An interface that goes down, loses its address or is made anew is served again by itself."""
    def changed(*command):
        link.on(bed.link.namespace, "ip", *command, "dev", "eth0")

    def served(after):
        # A client asks again and again: 2 s are allowed, and the machine may be a slow one.
        discover = Client(bed).discover(name="DISCOVER")
        check(any(bed.hears(discover, 0.5) for _ in range(10)), f"not served {after}")
    changed("link", "set", "down")
    changed("link", "set", "up")
    served("after it went down and up")
    changed("addr", "flush")
    for address in bed.link.addresses:
        changed("addr", "add", f"{address}/24")
    served("after its address went and came back")
    bed.link.remove()
    time.sleep(0.5)
    bed.link.make()
    served("after it was made anew")


def names(octets):
    """The domain names of a list that is compressed as RFC 1035 section 4.1.4 says."""
    found, at = [], 0
    while at < len(octets):
        name, at = one_name(octets, at)
        found.append(name)
    return found


def one_name(octets, at):
    labels, behind = [], None
    while at < len(octets) and octets[at]:
        if octets[at] >= 0xc0:
            behind = behind or at + 2
            at = (octets[at] & 0x3f) << 8 | octets[at + 1]
            continue
        labels.append(octets[at + 1:at + 1 + octets[at]].decode())
        at += 1 + octets[at]
    return ".".join(labels), behind or at + 1
