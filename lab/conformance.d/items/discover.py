"""Section 2: DISCOVER and OFFER."""
import time

import bed as beds
import link
import wire
from client import BIOS, Client, expect, in_pool, is_broadcast, is_unicast
from verdict import Unsure, check, item, same
from wire import ip


@item(9)
def offer_to_the_client(bed):
    """OFFER to yiaddr and chaddr, from S:67, of an address of the pool, with a lease time."""
    client = Client(bed)
    offer = client.offer()
    is_unicast(offer, client.mac, offer.yiaddr)
    same("the source", (link.SERVER, 67), (offer.src, offer.sport))
    in_pool(bed, offer.yiaddr)
    same("ciaddr", wire.NOWHERE, offer.ciaddr)
    check((offer.seconds(51) or 0) >= 1, "no lease time")
    # Boot parameters are for firmware, by item 154: so it is a ROM that asks for siaddr.
    same("siaddr, as a ROM sees it,", beds.NEXT_SERVER, Client(bed).offer(BIOS).siaddr)
    other = Client(bed)
    moved = other.discover(envelope=wire.Envelope("02:00:00:bb:00:01"))
    offer = expect(wire.OFFER, bed.ask(moved))
    same("from a frame of another MAC: the link layer destination", other.mac, offer.eth_dst)


@item(10)
def broadcast_flag(bed):
    """With the broadcast flag, OFFER by broadcast on both layers."""
    is_broadcast(Client(bed).offer(flags=0x8000))


@item(11)
def source_port(bed):
    """The reply goes to port 68, whatever the client's port."""
    client = Client(bed)
    offer = expect(wire.OFFER, bed.ask(
        client.discover(envelope=wire.Envelope(client.mac, sport=1068))))
    same("the port", 68, offer.dport)


@item(12)
def ciaddr_in_discover(bed):
    """ciaddr of a DISCOVER is neither copied nor written to."""
    client = Client(bed)
    bed.link.owns("192.0.2.77", client.mac)
    offer = client.offer(ciaddr="192.0.2.77")
    same("ciaddr", wire.NOWHERE, offer.ciaddr)
    is_unicast(offer, client.mac, offer.yiaddr)


@item(13)
def requested_address(bed):
    """A free address that is asked for is offered."""
    wish = bed.unused()
    same("the OFFER", wish, Client(bed).offer_of(wish).yiaddr)


@item(14)
def impossible_wishes(bed):
    """Instead of an address that nobody can have, another one is offered."""
    for wish in ("192.0.2.0", "192.0.2.255", link.SERVER, "10.9.9.9", beds.RESERVED,
                 wire.NOWHERE, wire.EVERYWHERE):
        in_pool(bed, Client(bed).offer_of(wish, name=f"DISCOVER of {wish}").yiaddr)


@item(15)
def old_address(bed):
    """A client is offered its lease, and after its end the same address again."""
    client = Client(bed)
    client.lease()
    same("with a lease, asking for another address: the OFFER", client.address,
         client.offer_of(bed.unused()).yiaddr)
    bed.silent(client.release(client.address))
    for _ in range(5):
        Client(bed).lease()
    same("after RELEASE: the OFFER", client.address, client.offer().yiaddr)


@item(16)
def one_offer(bed):
    """Two DISCOVERs of one client get the same address."""
    client = Client(bed)
    same("the second OFFER", client.offer().yiaddr, client.offer().yiaddr)


@item(17)
def offers_are_held(bed):
    """What is offered to one is not offered to another."""
    offered = Client(bed).offer().yiaddr
    again = Client(bed).offer_of(offered).yiaddr
    check(again != offered, f"{offered} is offered to both")


@item(18, "brief")
def holds_end(bed):
    """An offer that nobody took is free after a while, and was never stored."""
    client, address = Client(bed), bed.unused()
    same("the OFFER", address, client.offer_of(address).yiaddr)
    check(client.mac not in bed.server.store(), "an offer is in the lease store")
    if bed.server.holds is not None:
        raise Unsure(f"an offer is held for {bed.server.holds} s, which can not be configured")
    time.sleep(bed.kind.hold + 1)
    same("after the hold: the OFFER", address, Client(bed).offer_of(address).yiaddr)


@item(19)
def retransmissions(bed):
    """Four copies of a DISCOVER within 50 ms: offers of one address."""
    discover = Client(bed).discover()
    replies = bed.exchange([discover] * 4, link.SILENCE, 99)[0]
    check(replies, "no OFFER")
    same("addresses", 1, len({reply.yiaddr for reply in replies}))
    return f"{len(replies)} OFFERs"


@item(20, "one")
def exhausted(bed):
    """With no address left: silence for a new client, renewals, and recovery after RELEASE."""
    holder, other = Client(bed), Client(bed)
    holder.lease()
    bed.silent(other.discover())
    holder.ack(holder.renewing(holder.address))
    bed.silent(holder.release(holder.address))
    same("after RELEASE: the OFFER", holder.address, other.offer().yiaddr)


@item(21, "twenty")
def holes(bed):
    """With the last address taken, all the others are found."""
    Client(bed).lease("192.0.2.119")
    leased = {Client(bed).lease().yiaddr for _ in range(19)}
    same("different addresses for 19 clients", 19, len(leased))


@item(22, "nowhere")
def no_subnet(bed):
    """On a link without a subnet: silence, whatever comes."""
    client, address = Client(bed), "203.0.113.9"
    by_unicast = client.unicast(address, link.ELSEWHERE)
    bed.silent(client.discover(), client.init_reboot(address), client.inform(address),
               client.discover(envelope=by_unicast), where=bed.elsewhere)
    bed.silent(client.renewing(address, envelope=by_unicast), where=bed.elsewhere)
    bed.still_serves()


@item(23)
def reservation(bed):
    """A reserved machine gets its address, and its own next server and file."""
    reserved = Client(bed, beds.RESERVED_MAC)
    same("the OFFER", beds.RESERVED, reserved.offer_of(bed.unused()).yiaddr)
    own = Client(bed, beds.OWN_FILE_MAC).offer(BIOS)
    same("siaddr", "192.0.2.8", own.siaddr)
    same("the file", b"own.0", own.boot_file())


@item(24, "reserving")
def late_reservation(bed):
    """A reservation is stronger than a lease, also of a client with an identifier."""
    client = Client(bed)
    options = [(61, b"id of one")]
    client.lease(options=options)
    bed.restart(late=((client.mac, "192.0.2.60"),))
    same("after the reservation: the OFFER", "192.0.2.60", client.offer(options).yiaddr)
    client.lease("192.0.2.60", options)


def faces(bed):
    """The addresses of a ROM, an installer and a system of one machine."""
    client = Client(bed)
    rom = [(61, b"\1" + wire.mac_bytes(client.mac))]
    installer = [(61, b"\xff\1\2\3\4\0\1\0\1" + wire.mac_bytes(client.mac))]
    return [client.lease(options=options).yiaddr for options in (rom, installer, [])]


@item(25, "machines")
def machines(bed):
    """ROM, installer and system are one client, or by their identifiers several, as is wanted."""
    same("addresses of one machine", 1, len(set(faces(bed))))
    bed.restart(identity="client-id")
    check(len(set(faces(bed))) > 1, "identifiers make no difference where they are to")


@item(26)
def lease_times(bed):
    """Wishes of 1 s, 0, for ever and a day become 1 m, 1 m or the default, 1 h and 1 h."""
    granted = [Client(bed).offer([(51, wish.to_bytes(4, "big"))]).seconds(51)
               for wish in (1, 0, 0xffffffff, 86400)]
    check(granted[1] in (60, 600), f"for 0: {granted[1]}")
    same("lease times", [60, 3600, 3600], [granted[0], *granted[2:]])


@item(27)
def renewal_times(bed):
    """Options 58 and 59 lie within the lease, also within a short one."""
    for options in ([], [(51, ip("0.0.0.60"))]):
        offer = Client(bed).offer(options)
        lease, renewal, rebinding = (offer.seconds(code) for code in (51, 58, 59))
        check(renewal and rebinding, "no options 58 and 59")
        check(renewal < rebinding < lease, f"{renewal}, {rebinding} of {lease} s")


@item(28)
def requested_options(bed):
    """What is configured and asked for is there, what is not configured is not."""
    offer = Client(bed).offer(wishes=[1, 3, 6, 15, 42, 44, 51, 54])
    codes = set(offer.codes())
    check(codes >= {1, 3, 6, 15, 51, 54}, f"only {sorted(codes)}")
    check(not codes & {42, 44}, f"{sorted(codes & {42, 44})} were not configured")
    Client(bed).offer(wishes=range(1, 255))


@item(29)
def split_wishes(bed):
    """A parameter request list in two options is one."""
    # 108 and 114 are only for those who ask; some servers send the others to everybody.
    offer = Client(bed).offer([(55, b"\1\3\x72"), (55, b"\6\x0f\x6c")], wishes=None)
    missing = {1, 3, 6, 15, 108, 114} - set(offer.codes())
    check(not missing, f"without {sorted(missing)}")


@item(30)
def no_wishes(bed):
    """A client that asks for no parameter gets mask, router, lease time and server."""
    for name, options in (("no", []), ("an empty", [(55, b"")])):
        codes = set(Client(bed).offer(options, wishes=None).codes())
        check(codes >= {1, 3, 51, 54}, f"with {name} option 55: only {sorted(codes)}")


@item(31, "standby")
def standby(bed):
    """A standby server answers those who have asked for long enough."""
    client = Client(bed)
    bed.silent(client.discover())
    client.offer(secs=4)


@item(32, "probing")
def conflict(bed):
    """An address that answers ARP or a ping is not offered; nobody else waits for the probe."""
    patient = Client(bed)
    patient.lease()
    bed.link.squatters["192.0.2.102"] = "02:00:00:cc:00:01"
    newcomer = Client(bed)
    start = time.monotonic()
    discover = newcomer.discover([(50, ip("192.0.2.102"))])
    renewal = patient.renewing(patient.address)
    offers, acks = bed.exchange([discover, renewal], link.ANSWER, 2)
    check(acks, "a renewal beside the probe is not answered")
    waited = int((acks[0].at - start) * 1000)
    check(waited < 1000, f"a renewal beside the probe waits {waited} ms")
    address = offers[0].yiaddr if offers else newcomer.offer().yiaddr
    check(address != "192.0.2.102", "the address is offered")
    check(any(target == "192.0.2.102" for _, target in bed.link.probes), "no probe")


@item(33, "probing")
def no_second_probe(bed):
    """The address is not probed again when the client takes it."""
    client = Client(bed)
    address = client.offer().yiaddr
    before = time.monotonic()
    client.ack(client.selecting(address))
    time.sleep(0.3)
    late = [target for at, target in bed.link.probes if at > before and target == address]
    same("probes after the REQUEST", 0, len(late))
    return None if bed.link.probes else "it never probes"
