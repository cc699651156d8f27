"""Section 1: requests that provoke what the oracle looks at in every reply."""
import wire
from client import Client, is_unicast
from verdict import check, item


def all_three(bed, **fields):
    """OFFER, ACK and NAK to a client whose messages are odd."""
    one, two = Client(bed), Client(bed)
    offer = one.offer(**fields)
    ack = one.ack(one.selecting(offer.yiaddr, **fields))
    nak = bed.hears(two.selecting(offer.yiaddr, **fields))
    return offer, ack, nak


@item(1)
def copied_fields(bed):
    """op, htype, hlen, xid, all of chaddr, giaddr and flags come back."""
    client = Client(bed)
    chaddr = wire.mac_bytes(client.mac) + b"\xee" * 10
    offer = client.offer(chaddr=chaddr, xid=0xdeadbeef)
    client.ack(client.selecting(offer.yiaddr, chaddr=chaddr))


@item(2)
def hops_and_secs(bed):
    """hops and secs of a reply are 0."""
    all_three(bed, hops=3, secs=100)


@item(3)
def reserved_flags(bed):
    """Reserved bits of flags are copied and mean nothing."""
    offer, *_ = all_three(bed, flags=0x7fff)
    is_unicast(offer, wire.mac_text(offer.chaddr[:6]), offer.yiaddr)


@item(4)
def who_speaks(bed):
    """Options 53 and 54 are there, 53 first, and 54 is an address of the server."""
    all_three(bed)


@item(5)
def no_doubles(bed):
    """No client's option, none twice, an end option, and only pads behind it."""
    every = bytes(range(1, 255))
    all_three(bed, options=[(57, b"\x05\xdc"), (55, every)], wishes=every[:1])


@item(6)
def client_identifier(bed):
    """Option 61 comes back in OFFER, ACK and NAK, whatever its length."""
    duid = b"\xff\1\2\3\4\0\1\0\1" + b"\x09" * 10
    for identifier in (b"\1\2\0\0\0\0\1", duid, b"\xab" * 255):
        one, two = Client(bed), Client(bed)
        options = [(61, identifier[:-2] + wire.mac_bytes(one.mac)[-2:])]
        offer = one.offer(options, name=f"DISCOVER with an identifier of {len(identifier)} octets")
        one.ack(one.selecting(offer.yiaddr, options=options))
        other = [(61, b"\1" + wire.mac_bytes(two.mac))]
        nak = bed.hears(two.selecting(offer.yiaddr, options=other))
        check(nak is not None, "no answer to a REQUEST of another's address")


@item(7)
def at_least_bootp(bed):
    """No reply is shorter than 300 octets."""
    all_three(bed, wishes=None)


@item(8)
def fits(bed):
    """A reply is no longer than the client (option 57) and the link take."""
    for most in (0, 200, 576, 1472, 65535):
        all_three(bed, options=[(57, most.to_bytes(2, "big"))], wishes=range(1, 255))
