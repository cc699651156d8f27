"""Section 6: relay agents and option 82."""
from dataclasses import replace

import bed as beds
import link
import wire
from client import Client, expect, in_pool, is_relayed
from verdict import check, item, same
from wire import ip

FAR, FARTHER = "198.51.100", "198.51.101"
AGENT = b"\1\4port\2\3rid"
# RFC 3527's link selection, RFC 5107's server identifier override, RFC 8357's source port.
LINK_SELECTION, SERVER_ID, SOURCE_PORT = 5, 11, 19


def through(bed, agent=None, relay=link.RELAY):
    return Client(bed, relay=relay, agent=agent)


def offer_far(bed, client, network=FAR):
    """The OFFER by the relay agent, of an address of the network behind it."""
    offer = client.offer()
    is_relayed(offer, client.relay)
    in_pool(bed, offer.yiaddr, network)
    return offer


def offer_ack_nak(bed, client):
    """All three, to a client behind a relay agent."""
    offer = client.offer()
    ack = client.ack(client.selecting(offer.yiaddr))
    return [offer, ack, client.nak(client.init_reboot("192.0.2.150"))]


@item(77)
def relayed(bed):
    """OFFER to the relay agent, of an address and with the mask of the network behind it."""
    offer = offer_far(bed, through(bed))
    same("the source", (link.SERVER, 67), (offer.src, offer.sport))
    same("mask", ip("255.255.255.0"), offer.option(1))
    same("router", ip(link.RELAY), offer.option(3))


@item(78)
def information(bed):
    """Option 82 comes back in OFFER, ACK and NAK, as it was and last."""
    for reply in offer_ack_nak(bed, through(bed, AGENT)):
        name = wire.TYPES[reply.type]
        same(f"option 82 of the {name}", AGENT, reply.option(82))
        same(f"the {name}'s last option", 82, reply.codes()[-1])


@item(79)
def long_information(bed):
    """A long option 82 with an unknown sub-option comes back whole, or not at all."""
    agent = wire.tlv([(1, b"port"), (200, b"\x5a" * 242)])
    same("octets", 250, len(agent))
    offer = through(bed, agent).offer()
    check(offer.udp_length + 20 <= 576, f"the reply has {offer.udp_length + 20} octets")
    same("option 82", agent, offer.option(82))


@item(80)
def information_stays_in_the_options(bed):
    """Option 82 is never in file or sname, however little room there is."""
    agent = wire.tlv([(1, b"port"), (200, b"\x5a" * 242)])
    client = through(bed, agent)
    offer = client.offer([(61, b"\1" * 200)], wishes=range(1, 255))
    overload = (offer.option(52) or b"\0")[0]
    inside = [code for bit, area in ((1, offer.file), (2, offer.sname)) if overload & bit
              for code, _ in wire.read_options(area)[0]]
    check(82 not in inside, "option 82 is in file or sname")


@item(81)
def malformed_information(bed):
    """A malformed or empty option 82 is not echoed, and the client is served."""
    for agent in (b"\1\xc8port", b""):
        offer = offer_far(bed, through(bed, agent))
        check(offer.option(82) is None, f"option 82 of {agent.hex() or 'nothing'} is echoed")


@item(82)
def information_without_relay(bed):
    """Option 82 without a relay agent: echoed, and no reason for anything."""
    circuit = wire.tlv([(1, beds.CIRCUIT)])
    offer = Client(bed).offer([(82, circuit)])
    same("option 82", circuit, offer.option(82))
    same("domain", beds.DOMAIN.encode(), offer.option(15))


@item(83)
def impossible_relays(bed):
    """An unknown giaddr, one of the server's own, loopback, broadcast, multicast: silence."""
    clients = [through(bed, relay=relay) for relay in
               ("10.9.9.9", link.SERVER, "127.0.0.1", wire.EVERYWHERE, "224.0.0.1")]
    # The frame comes from a possible address, or the kernel would drop it.
    bed.silent(*(client.discover(envelope=replace(client.relayed(), src=link.RELAY),
                                 name=f"giaddr {client.relay}") for client in clients))


@item(84)
def other_source(bed):
    """A relay agent with several addresses: the reply goes to giaddr."""
    client = through(bed)
    envelope = replace(client.relayed(), src="198.51.100.9")
    is_relayed(expect(wire.OFFER, bed.ask(client.discover(envelope=envelope))))


@item(85)
def hops(bed):
    """hops 0 and 17 behind a relay agent, hops 3 without one: answered."""
    for count in (0, 17):
        is_relayed(through(bed).offer(hops=count))
    same("the port, without a relay agent", 68, Client(bed).offer(hops=3).dport)


@item(86)
def link_selection(bed):
    """Link selection: an address of that network; the reply goes to giaddr."""
    agent = wire.tlv([(1, b"port"), (LINK_SELECTION, ip("198.51.101.0"))])
    client = through(bed, agent, relay=link.RELAY_HERE)
    offer = offer_far(bed, client, FARTHER)
    same("option 82", agent, offer.option(82))
    same("yiaddr", offer.yiaddr, client.ack(client.selecting(offer.yiaddr)).yiaddr)


@item(87)
def unknown_link(bed):
    """Link selection of a network that is not served: silence."""
    agent = wire.tlv([(LINK_SELECTION, ip("10.77.0.0"))])
    bed.silent(through(bed, agent, relay=link.RELAY_HERE).discover())


@item(88, "choosing")
def subnet_selection(bed):
    """Option 118: obeyed where it is allowed, and echoed."""
    chosen = ip("198.51.101.0")
    offer = Client(bed).offer([(118, chosen)])
    in_pool(bed, offer.yiaddr, FARTHER)
    same("option 118", chosen, offer.option(118))
    bed.restart(choose_subnet=False)
    address = Client(bed).offer([(118, chosen)]).yiaddr
    check(address.startswith("192.0.2."), f"where nothing allows it: {address}")


@item(89)
def server_identifier_override(bed):
    """Server identifier override: option 54 of all replies, and a REQUEST to it is ours."""
    agent = wire.tlv([(1, b"port"), (SERVER_ID, ip(link.RELAY))])
    client = through(bed, agent)
    offer = offer_far(bed, client)
    same("option 54 of the OFFER", ip(link.RELAY), offer.option(54))
    ack = client.ack(client.selecting(offer.yiaddr, server=link.RELAY))
    same("option 54 of the ACK", ip(link.RELAY), ack.option(54))
    nak = client.nak(client.init_reboot("192.0.2.150"))
    same("option 54 of the NAK", ip(link.RELAY), nak.option(54))


@item(90)
def relay_source_port(bed):
    """Relay source port: the reply goes to the port that the relay agent sent from."""
    client = through(bed, wire.tlv([(1, b"port"), (SOURCE_PORT, b"")]))
    envelope = replace(client.relayed(), sport=9067)
    is_relayed(expect(wire.OFFER, bed.ask(client.discover(envelope=envelope))), port=9067)


@item(91)
def circuit(bed):
    """A circuit is one relay agent's: another's of the same name is another."""
    agent = wire.tlv([(1, beds.OWN_CIRCUIT)])
    same("the circuit's OFFER", beds.CIRCUIT_ADDRESS, through(bed, agent).offer().yiaddr)
    longer = through(bed, wire.tlv([(1, beds.OWN_CIRCUIT + b"0")])).offer().yiaddr
    check(longer != beds.CIRCUIT_ADDRESS, "a circuit whose name only begins alike gets it too")
    other = through(bed, agent, relay=link.FAR_RELAY)
    offer_far(bed, other, FARTHER)


@item(92, "capped")
def cap(bed):
    """With two addresses for a remote-id, the third client behind it: silence."""
    agent = wire.tlv([(1, b"port"), (2, b"customer")])
    for _ in range(2):
        through(bed, agent).lease()
    bed.silent(through(bed, agent).discover())
    through(bed, wire.tlv([(1, b"port"), (2, b"another")])).offer()


@item(93, "second")
def asked_address(bed):
    """What came to the second address is answered from it, and option 54 is it."""
    client = through(bed)
    envelope = client.relayed(dst=link.SECOND)
    offer = expect(wire.OFFER, bed.ask(client.discover(envelope=envelope)))
    same("the source", link.SECOND, offer.src)
    same("option 54", ip(link.SECOND), offer.option(54))
