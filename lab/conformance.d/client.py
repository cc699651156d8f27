"""A client, or a relay agent that speaks for one: its messages, and what it expects."""
import itertools
from dataclasses import replace

import link
import wire
from verdict import Wrong, check, same
from wire import Envelope, Message, ip

# The parameter request list of section 0.
WISHES = bytes([1, 3, 6, 12, 15, 28, 43, 51, 54, 58, 59, 60, 66, 67, 97])
BIOS = [(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, b"\0\0"), (94, b"\1\2\1"),
        (97, b"\0" + bytes(range(1, 17)))]
UEFI = [(60, b"PXEClient:Arch:00007:UNDI:003001"), (93, b"\0\7"), (94, b"\1\3\1"),
        (97, b"\0" + bytes(range(1, 17)))]
# iPXE is a PXE ROM that has a user class of its own and encapsulated options.
IPXE = [(60, b"PXEClient:Arch:00007:UNDI:003010"), (93, b"\0\7"), (94, b"\1\3\x0a"),
        (97, b"\0" + bytes(range(1, 17))), (77, b"iPXE"), (175, b"\xb1\5\1\x1a\xf4\0\1\x18\1\1")]
HTTP = [(60, b"HTTPClient:Arch:00016:UNDI:003001"), (93, b"\0\x10"), (94, b"\1\3\1"),
        (97, b"\0" + bytes(range(1, 17)))]

_number = itertools.count(1)


def fresh_mac():
    return wire.mac_text(bytes([2, 0, 0]) + next(_number).to_bytes(3, "big"))


class Client:
    """With a MAC of its own.  `relay` is the address of a relay agent that passes its messages on,
    `agent` the option 82 that this puts into them."""

    def __init__(self, bed, mac=None, relay=None, agent=None):
        self.bed, self.mac, self.relay, self.agent = bed, mac or fresh_mac(), relay, agent
        self.address = None

    def message(self, kind, options=(), wishes=WISHES, envelope=None, **fields):
        """A message of this type; `wishes` None leaves option 55 out."""
        said = [(53, bytes([kind])), *options]
        if wishes is not None and kind in (wire.DISCOVER, wire.REQUEST, wire.INFORM):
            said.append((55, bytes(wishes)))
        if self.relay:
            fields = dict(giaddr=self.relay, hops=1) | fields
            envelope = envelope or self.relayed()
            if self.agent is not None:
                said.append((82, self.agent))
        chaddr = fields.pop("chaddr", wire.mac_bytes(self.mac))
        return Message(envelope or Envelope(self.mac), chaddr, said, **fields)

    def relayed(self, dst=link.SERVER, **changes):
        envelope = Envelope(link.RELAY_MAC, link.SERVER_MAC, self.relay, dst, 67, 67)
        return replace(envelope, **changes)

    def unicast(self, src, dst=link.SERVER):
        return Envelope(self.mac, link.SERVER_MAC, src, dst)

    def uses(self, address):
        if not self.relay and address not in self.bed.link.owners:
            self.bed.link.owns(address, self.mac)

    def discover(self, options=(), **fields):
        return self.message(wire.DISCOVER, options, **fields)

    def request(self, options=(), **fields):
        return self.message(wire.REQUEST, options, **fields)

    def selecting(self, address, server=link.SERVER, options=(), **fields):
        return self.request([(54, ip(server)), (50, ip(address)), *options], **fields)

    def init_reboot(self, address, options=(), **fields):
        return self.request([(50, ip(address)), *options], **fields)

    def renewing(self, address, options=(), **fields):
        """By unicast from the address, which answers ARP from now on."""
        self.uses(address)
        fields = dict(ciaddr=address, envelope=self.unicast(address)) | fields
        return self.request(options, **fields)

    def rebinding(self, address, options=(), **fields):
        self.uses(address)
        fields = dict(ciaddr=address, envelope=Envelope(self.mac, src=address)) | fields
        return self.request(options, **fields)

    def decline(self, address, server=link.SERVER, options=(), **fields):
        return self.message(wire.DECLINE, [*named(server), (50, ip(address)), *options], **fields)

    def release(self, address, server=link.SERVER, options=(), **fields):
        fields = dict(ciaddr=address, envelope=self.unicast(address)) | fields
        return self.message(wire.RELEASE, [*named(server), *options], **fields)

    def inform(self, address, options=(), **fields):
        self.uses(address)
        fields = dict(ciaddr=address, envelope=self.unicast(address)) | fields
        return self.message(wire.INFORM, options, **fields)

    # What must come back.

    def offer(self, options=(), **fields):
        return expect(wire.OFFER, self.bed.ask(self.discover(options, **fields)))

    def offer_of(self, address, **fields):
        """An OFFER to a client that asks for this address."""
        return self.offer([(50, ip(address))], **fields)

    def ack(self, message):
        return expect(wire.ACK, self.bed.ask(message))

    def nak(self, message):
        return expect(wire.NAK, self.bed.ask(message))

    def lease(self, address=None, options=(), **fields):
        """DISCOVER to ACK; the ACK.  With an address, that one."""
        wish = [] if address is None else [(50, ip(address))]
        offer = self.offer([*wish, *options], **fields)
        if address is not None:
            same("the OFFER of the address that was asked for:", address, offer.yiaddr)
        ack = self.ack(self.selecting(offer.yiaddr, options=options, **fields))
        same("the ACK's yiaddr", offer.yiaddr, ack.yiaddr)
        self.address = ack.yiaddr
        self.bed.link.owns(ack.yiaddr, self.mac)
        return ack


def named(server):
    return [] if server is None else [(54, ip(server))]


def expect(kind, reply):
    if reply.type != kind:
        raise Wrong(f"{reply} instead of {wire.TYPES[kind]}")
    return reply


def is_unicast(reply, mac, address):
    """To one client's port 68, on both layers."""
    check((reply.eth_dst, reply.dst, reply.dport) == (mac, address, 68),
          f"{wire.TYPES.get(reply.type)} to {reply.eth_dst}, {reply.dst}:{reply.dport}; "
          f"not to {mac}, {address}:68")


def is_broadcast(reply):
    check((reply.eth_dst, reply.dst, reply.dport) == (wire.BROADCAST_MAC, wire.EVERYWHERE, 68),
          f"{wire.TYPES.get(reply.type)} to {reply.eth_dst}, {reply.dst}:{reply.dport}; "
          "not broadcast on both layers")


def is_relayed(reply, relay=link.RELAY, port=67):
    check((reply.dst, reply.dport) == (relay, port),
          f"{wire.TYPES.get(reply.type)} to {reply.dst}:{reply.dport}; not to {relay}:{port}")
    same("giaddr", relay, reply.giaddr)


def in_pool(bed, address, network="192.0.2"):
    first, last = (bed.kind.first, bed.kind.last) if network == "192.0.2" else (100, 249)
    head, _, tail = address.rpartition(".")
    check(head == network and first <= int(tail) <= last,
          f"{address} is not in the pool of {network}.0/24")
