"""Section 5: DECLINE, RELEASE and INFORM."""
import time

import bed as beds
import link
import wire
from client import Client, is_unicast
from verdict import Unsure, check, item, same
from wire import ip

OTHER_SERVER = "192.0.2.99"
HERE = "192.0.2.77"  # outside the pool: an address that a client gave itself


def still_owned(bed, owner, after=""):
    """Nobody else is offered the address, and its owner may renew."""
    offered = Client(bed).offer_of(owner.address).yiaddr
    check(offered != owner.address, f"{after}{owner.address} is offered to another")
    reply = bed.hears(owner.renewing(owner.address), link.ANSWER)
    check(reply is not None, f"{after}its owner's renewal is not answered")
    check(reply.type == wire.ACK, f"{after}its owner's renewal is answered by {reply}")


@item(61)
def decline(bed):
    """A declined address is out of use, for its client and for others."""
    client = Client(bed)
    client.lease(bed.unused())
    bed.silent(client.decline(client.address))
    for who in (client, Client(bed)):
        offered = who.offer_of(client.address).yiaddr
        check(offered != client.address, f"{offered} is offered again")


@item(62)
def decline_by_another(bed):
    """A DECLINE by somebody else changes nothing."""
    owner = Client(bed)
    owner.lease()
    bed.silent(Client(bed).decline(owner.address))
    still_owned(bed, owner)


@item(63, "declined")
def decline_the_pool(bed):
    """DECLINEs of addresses that were never offered, one or 200, take none of them away."""
    liar, first, free = Client(bed), Client(bed), bed.unused()
    bed.silent(liar.decline(free))
    same("the OFFER of a free address that was declined", free, first.offer_of(free).yiaddr)
    for n in range(200):
        bed.link.send(liar.decline(f"192.0.2.{100 + n % 20}"))
    bed.silent(Client(bed).decline("192.0.2.100"))
    leased = set()
    for client in (first, *(Client(bed) for _ in range(19))):
        offer = bed.hears(client.discover(), link.SILENCE)
        check(offer is not None, f"{len(leased)} of 20 addresses are left")
        client.ack(client.selecting(offer.yiaddr))
        leased.add(offer.yiaddr)
    same("addresses", 20, len(leased))


@item(64, "brief")
def decline_of_a_reserved_address(bed):
    """A reserved address that was declined is not given at once, and comes back after a while."""
    client = Client(bed, beds.RESERVED_MAC)
    client.lease()
    bed.silent(client.decline(beds.RESERVED))
    offer = bed.hears(client.discover(), 1.0)
    check(offer is None or offer.yiaddr != beds.RESERVED, "it is offered at once")
    if bed.server.probation is not None:
        raise Unsure(f"it is out of use for {bed.server.probation} s, which can not be configured")
    time.sleep(bed.kind.hold + 1)
    same("after the probation: the OFFER", beds.RESERVED, client.offer().yiaddr)


@item(65)
def decline_of_another_server(bed):
    """A DECLINE without option 54, or with another server's, is ignored."""
    for server in (None, OTHER_SERVER):
        owner = Client(bed)
        owner.lease()
        bed.silent(owner.decline(owner.address, server))
        still_owned(bed, owner, f"with {server}: " if server else "without option 54: ")


@item(66)
def release(bed):
    """A released address is free, and remembered for its client."""
    client = Client(bed)
    client.lease()
    bed.silent(client.release(client.address))
    same("the OFFER to who had it", client.address, client.offer().yiaddr)
    other = Client(bed)
    other.lease()
    bed.silent(other.release(other.address))
    Client(bed).lease(other.address)


@item(67)
def release_by_another(bed):
    """A RELEASE with another hardware address and identifier is ignored."""
    owner, thief = Client(bed), Client(bed)
    owner.lease(options=[(61, b"the owner")])
    bed.silent(thief.release(owner.address, options=[(61, b"the thief")]))
    offered = Client(bed).offer_of(owner.address).yiaddr
    check(offered != owner.address, f"{owner.address} is offered to another")
    owner.ack(owner.renewing(owner.address, [(61, b"the owner")]))


@item(68)
def release_with_the_identifier(bed):
    """A RELEASE with the owner's identifier and another hardware address is ignored."""
    owner, thief = Client(bed), Client(bed)
    owner.lease(options=[(61, b"known to all")])
    bed.silent(thief.release(owner.address, options=[(61, b"known to all")]))
    offered = Client(bed).offer_of(owner.address).yiaddr
    check(offered != owner.address, f"{owner.address} is offered to another")


@item(69)
def release_to_another_server(bed):
    """A RELEASE without option 54, or with another server's, is ignored."""
    for server in (OTHER_SERVER, None):
        owner = Client(bed)
        owner.lease()
        bed.silent(owner.release(owner.address, server))
        still_owned(bed, owner, f"with {server}: " if server else "without option 54: ")


@item(70)
def release_from_elsewhere(bed):
    """A RELEASE by a relay agent or from another source is ignored; it never makes a lease."""
    owner = Client(bed)
    owner.lease()
    through = Client(bed, owner.mac, relay=link.RELAY)
    bed.silent(through.release(owner.address, envelope=through.relayed()))
    still_owned(bed, owner, "by a relay agent: ")
    bed.silent(owner.release(owner.address, envelope=owner.unicast(HERE)))
    still_owned(bed, owner, "from another source: ")
    stranger = Client(bed)
    bed.silent(stranger.release(bed.unused()))
    check(stranger.mac not in bed.server.store(), "a RELEASE made a lease")


@item(71)
def inform(bed):
    """INFORM: ACK by unicast to ciaddr, without an address or any time."""
    client = Client(bed)
    ack = client.ack(client.inform(HERE))
    is_unicast(ack, client.mac, HERE)
    same("yiaddr and ciaddr", [wire.NOWHERE, HERE], [ack.yiaddr, ack.ciaddr])
    codes = set(ack.codes())
    check(not codes & {51, 58, 59}, f"with {sorted(codes & {51, 58, 59})}")
    check(codes >= {3, 6, 15}, f"only {sorted(codes)}")


@item(72)
def inform_makes_no_lease(bed):
    """INFORM makes no lease, and needs none."""
    client = Client(bed)
    client.ack(client.inform(bed.unused()))
    check(client.mac not in bed.server.store(), "INFORM made a lease")


@item(73)
def inform_from_afar(bed):
    """INFORM with ciaddr of another network: silence, or an answer on the link."""
    client, away = Client(bed), "10.1.1.1"
    reply = bed.hears(client.inform(away))
    check(reply is None or reply.dst == wire.EVERYWHERE, f"{reply}")
    mixed = client.inform(away, envelope=client.unicast(HERE))
    reply = bed.hears(mixed)
    check(reply is None or reply.dst == wire.EVERYWHERE, f"from a source on the link: {reply}")


@item(74)
def inform_without_ciaddr(bed):
    """INFORM with ciaddr 0: silence without a source, an answer to the source with one."""
    client = Client(bed)
    bed.silent(client.inform(wire.NOWHERE, envelope=wire.Envelope(client.mac)))
    bed.link.owns(HERE, client.mac)
    ack = client.ack(client.inform(wire.NOWHERE, envelope=wire.Envelope(client.mac, src=HERE)))
    is_unicast(ack, client.mac, HERE)


@item(75)
def inform_for_another_server(bed):
    """INFORM that names another server: silence."""
    client = Client(bed)
    bed.silent(client.inform(HERE, [(54, ip(OTHER_SERVER))]))


@item(76)
def relayed_inform(bed):
    """INFORM through a relay agent: ACK to it or to ciaddr; giaddr and option 82 as they came."""
    agent = wire.tlv([(1, b"port"), (2, b"rid")])
    client, address = Client(bed, relay=link.RELAY, agent=agent), "198.51.100.77"
    ack = client.ack(client.inform(address, envelope=client.relayed()))
    check((ack.dst, ack.dport) in ((link.RELAY, 67), (address, 68)), f"{ack}")
    same("giaddr", link.RELAY, ack.giaddr)
    same("yiaddr", wire.NOWHERE, ack.yiaddr)
    same("option 82", agent, ack.option(82))
