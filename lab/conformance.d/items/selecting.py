"""Section 3: REQUEST in the SELECTING state, and NAK."""
import time

import bed as beds
import link
import wire
from client import Client, is_broadcast, is_relayed, is_unicast
from verdict import Unsure, check, item, same

OTHER_SERVER = "192.0.2.99"
CIRCUIT = b"\1\4port\2\3rid"


def impossible(bed, address):
    """A REQUEST for an address that this client cannot have is refused."""
    client = Client(bed)
    nak = client.nak(client.selecting(address))
    same("the NAK's yiaddr", wire.NOWHERE, nak.yiaddr)


@item(34, "restarted")
def durable(bed):
    """ACK of what was offered, with the same parameters; the lease outlives a kill right then."""
    client = Client(bed)
    wish = bed.unused()
    offer = client.offer_of(wish)
    ack = client.ack(client.selecting(offer.yiaddr))
    bed.kill()
    same("yiaddr", offer.yiaddr, ack.yiaddr)
    same("ciaddr", wire.NOWHERE, ack.ciaddr)
    is_unicast(ack, client.mac, ack.yiaddr)
    # Times may have run on; everything else is what was offered.
    times = (51, 53, 58, 59)
    parameters = [{code: reply.option(code) for code in reply.codes() if code not in times}
                  for reply in (offer, ack)]
    same("the ACK's parameters", *parameters)
    bed.restart()
    again = client.ack(client.init_reboot(wish))
    same("after the kill: yiaddr", wish, again.yiaddr)


@item(35)
def other_server(bed):
    """The choice of another server: silence, and the offer is no longer held."""
    client, wish = Client(bed), bed.unused()
    offered = client.offer_of(wish).yiaddr
    bed.silent(client.selecting(bed.unused(), OTHER_SERVER))
    same("after the choice of another server: the OFFER to the next", offered,
         Client(bed).offer_of(offered).yiaddr)


@item(36, "second")
def own_other_address(bed):
    """Option 54 may be any address of the server."""
    client = Client(bed)
    client.ack(client.selecting(client.offer().yiaddr, link.SECOND))


@item(37)
def no_address(bed):
    """SELECTING without an address: NAK or silence, no lease."""
    client = Client(bed)
    reply = bed.hears(client.request([(54, wire.ip(link.SERVER))]))
    check(reply is None or reply.type == wire.NAK, f"{reply}")
    check(client.mac not in bed.server.store(), "a lease is in the store")


@item(38)
def never_offered(bed):
    """A free address that was never offered, asked of this server: ACK or NAK."""
    client, wish = Client(bed), bed.unused()
    reply = bed.ask(client.selecting(wish))
    check(reply.type in (wire.ACK, wire.NAK), f"{reply}")
    if reply.type == wire.ACK:
        same("yiaddr", wish, reply.yiaddr)
    return f"{wire.TYPES[reply.type]}"


@item(39)
def somebody_elses(bed):
    """An address that is leased to another: NAK."""
    owner = Client(bed)
    owner.lease()
    impossible(bed, owner.address)


@item(40)
def out_of_pool(bed):
    """Outside the pool, reserved for another, the server's own, .0 and .255: NAK."""
    for address in ("192.0.2.20", beds.RESERVED, link.SERVER, "192.0.2.0", "192.0.2.255"):
        client = Client(bed)
        reply = bed.hears(client.selecting(address), link.ANSWER)
        check(reply is not None, f"{address}: silence")
        check(reply.type == wire.NAK, f"{address}: {reply}")


@item(41)
def sent_again(bed):
    """The same REQUEST again: the same ACK."""
    client = Client(bed)
    request = client.selecting(client.offer().yiaddr)
    first, second = client.ack(request), client.ack(request)
    same("yiaddr", first.yiaddr, second.yiaddr)
    check(second.seconds(51) >= first.seconds(51) - 5, "the lease became shorter")


@item(42, "brief")
def too_late(bed):
    """Whose offer ran out and went to another is refused."""
    slow, quick, wish = Client(bed), Client(bed), bed.unused()
    slow.offer_of(wish)
    if bed.server.holds is not None:
        raise Unsure(f"an offer is held for {bed.server.holds} s, which can not be configured")
    time.sleep(bed.kind.hold + 1)
    quick.lease(wish)
    slow.nak(slow.selecting(wish))


@item(43)
def nak_content(bed):
    """A NAK has 53, 54, 56, and 61 and 82 as they came; addresses, file and sname are zero."""
    owner, client = Client(bed), Client(bed)
    owner.lease()
    identifier = b"\1" + wire.mac_bytes(client.mac)
    nak = client.nak(client.selecting(owner.address, options=[(61, identifier)]))
    codes = set(nak.codes()) - {60}
    check(56 in codes, "no message (option 56)")
    same("options", [53, 54, 56, 61], sorted(codes))
    same("ciaddr, yiaddr, siaddr", [wire.NOWHERE] * 3, [nak.ciaddr, nak.yiaddr, nak.siaddr])
    check(not any(nak.sname + nak.file), "sname or file is not zero")
    through = Client(bed, relay=link.RELAY, agent=CIRCUIT)
    nak = through.nak(through.selecting(owner.address))
    same("option 82 of a relayed NAK", CIRCUIT, nak.option(82))


@item(44)
def nak_is_broadcast(bed):
    """A NAK to a client on the link is broadcast, whatever flags and ciaddr say."""
    owner, client = Client(bed), Client(bed)
    owner.lease()
    is_broadcast(client.nak(client.selecting(owner.address)))
    is_broadcast(client.nak(client.rebinding(
        owner.address, envelope=wire.Envelope(client.mac, src=owner.address))))


@item(45)
def relayed_nak(bed):
    """A NAK through a relay agent goes to it, with the broadcast bit."""
    client = Client(bed, relay=link.RELAY)
    nak = client.nak(client.selecting("192.0.2.150"))
    is_relayed(nak)
    same("flags", 0x8000, nak.flags)
