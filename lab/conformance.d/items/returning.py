"""Section 4: REQUEST in the INIT-REBOOT, RENEWING and REBINDING states."""
import bed as beds
import link
import wire
from client import Client, is_broadcast, is_relayed, is_unicast
from verdict import check, item, same
from wire import ip

FAR_AWAY = "10.9.9.9"


def nothing_to(bed, address):
    """Nothing was sent to an address that no subnet contains."""
    sent = [reply for reply in bed.link.heard if reply.dst == address]
    check(not sent, f"{sent[0] if sent else ''}")


@item(46)
def reboot(bed):
    """INIT-REBOOT with the client's own address: ACK."""
    client = Client(bed)
    client.lease()
    same("yiaddr", client.address, client.ack(client.init_reboot(client.address)).yiaddr)


@item(47)
def another_address(bed):
    """A known client that remembers another address: NAK."""
    client = Client(bed)
    client.lease()
    client.nak(client.init_reboot(bed.unused()))


@item(48)
def wrong_network(bed):
    """INIT-REBOOT with an address of another network: NAK by broadcast."""
    client = Client(bed)
    is_broadcast(client.nak(client.init_reboot(FAR_AWAY)))


@item(49)
def no_record(bed):
    """INIT-REBOOT of a client without a record: silence."""
    client = Client(bed)
    bed.silent(client.init_reboot(bed.unused()))
    check(client.mac not in bed.server.store(), "a lease is in the store")


@item(50)
def moved(bed):
    """INIT-REBOOT behind a relay agent with an address of another link: NAK, broadcast bit."""
    client = Client(bed, relay=link.RELAY)
    nak = client.nak(client.init_reboot("192.0.2.150"))
    is_relayed(nak)
    same("flags", 0x8000, nak.flags)


@item(51)
def renew(bed):
    """RENEWING: ACK by unicast to ciaddr, which is also yiaddr."""
    client = Client(bed)
    client.lease()
    ack = client.ack(client.renewing(client.address))
    is_unicast(ack, client.mac, client.address)
    same("yiaddr", client.address, ack.yiaddr)
    check(ack.ciaddr in (client.address, wire.NOWHERE), f"ciaddr {ack.ciaddr}")
    check((ack.seconds(51) or 0) > 0, "no lease time")


@item(52)
def renew_with_server(bed):
    """RENEWING with option 54, as broken clients send it: a renewal all the same."""
    client = Client(bed)
    client.lease()
    ack = client.ack(client.renewing(client.address, [(54, ip(link.SERVER))]))
    is_unicast(ack, client.mac, client.address)


@item(53)
def renew_unknown(bed):
    """RENEWING of a client without a record: silence."""
    client = Client(bed)
    bed.silent(client.renewing(bed.unused()))


@item(54)
def renew_from_afar(bed):
    """RENEWING with ciaddr of another network: NAK by broadcast, or silence; nothing to ciaddr."""
    client = Client(bed)
    reply = bed.hears(client.renewing(FAR_AWAY))
    nothing_to(bed, FAR_AWAY)
    if reply is None:
        return "silence"
    same("the answer", wire.NAK, reply.type)
    is_broadcast(reply)
    return "NAK by broadcast"


@item(55)
def renew_somebody_elses(bed):
    """RENEWING or REBINDING another client's address: NAK by broadcast; the owner keeps it."""
    owner, thief = Client(bed), Client(bed)
    owner.lease()
    is_broadcast(thief.nak(thief.renewing(owner.address)))
    is_broadcast(thief.nak(thief.rebinding(owner.address)))
    owner.ack(owner.renewing(owner.address))


@item(56)
def rebind(bed):
    """REBINDING: ACK by unicast to ciaddr."""
    client = Client(bed)
    client.lease()
    is_unicast(client.ack(client.rebinding(client.address)), client.mac, client.address)


@item(58, "quiet")
def early_renewal(bed):
    """A renewal right after the ACK: ACK, and nothing is written."""
    client = Client(bed)
    granted = client.lease().seconds(51)
    before = bed.server.written()
    ack = client.ack(client.renewing(client.address))
    check(before == bed.server.written(), "the lease store was written")
    check(ack.seconds(51) <= granted, "a longer lease than the one that is stored")


@item(59)
def stash(bed):
    """A renewal without option 82: the options of the circuit stay."""
    agent = wire.tlv([(1, beds.CIRCUIT)])
    client = Client(bed, relay=link.RELAY, agent=agent)
    domain = beds.CIRCUIT_DOMAIN.encode()
    same("the circuit's domain", domain, client.lease().option(15))
    direct = client.renewing(client.address, giaddr=wire.NOWHERE, hops=0, envelope=wire.Envelope(
        link.RELAY_MAC, link.SERVER_MAC, client.address, link.SERVER))
    direct.options = [option for option in direct.options if option[0] != 82]
    same("the domain in the renewal", domain, client.ack(direct).option(15))


@item(60)
def request_for_nothing(bed):
    """REQUEST without 50, 54 and ciaddr: NAK by broadcast or silence, no lease."""
    client = Client(bed)
    reply = bed.hears(client.request())
    check(client.mac not in bed.server.store(), "a lease is in the store")
    if reply is None:
        return "silence"
    same("the answer", wire.NAK, reply.type)
    is_broadcast(reply)
    return "NAK by broadcast"
