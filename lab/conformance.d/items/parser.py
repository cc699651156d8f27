"""Section 8: what is malformed costs no more than itself."""
import random
from dataclasses import replace

import link
import wire
from client import BIOS, UEFI, WISHES, Client, expect, is_broadcast
from verdict import check, item, same
from wire import ip


def typed(bed, *values):
    """A message whose options 53 have these values."""
    message = Client(bed).discover(name=" and ".join(
        f"option 53 of {value.hex() or 'nothing'}" for value in values) or "no option 53")
    message.options = [*((53, value) for value in values), (55, WISHES)]
    return message


@item(105)
def only_requests(bed):
    """op 2 and op 7: silence."""
    bed.silent(*(Client(bed).discover(op=op, name=f"op {op}") for op in (2, 7, 0, 255)))
    bed.still_serves()


@item(106)
def no_cookie(bed):
    """Without the magic cookie it is BOOTP, of an unknown host: silence."""
    bed.silent(*(Client(bed).discover(cookie=cookie)
                 for cookie in (bytes(4), b"\x63\x82\x53\x64")))
    bed.still_serves()


@item(107)
def message_types(bed):
    """Option 53 that is missing, malformed, twice or not a client's: silence."""
    odd = [typed(bed, *values) for values in ([], [b""], [b"\0"], [b"\1\1"], [b"\1", b"\1"])]
    strange = [typed(bed, bytes([kind])) for kind in (2, 5, 6, 9, *range(10, 19), 200)]
    bed.silent(*odd, *strange)
    bed.still_serves()


@item(108)
def no_end(bed):
    """No end option, 30 pads first, a length past the end: what was read counts."""
    expect(wire.OFFER, bed.ask(Client(bed).discover(tail=b"", name="no end option")))
    pads = Client(bed).discover(name="30 pads")
    expect(wire.OFFER, bed.ask(replace(pads, cookie=pads.cookie + b"\0" * 30)))
    past_the_end = Client(bed).discover(tail=b"\x0c\xc8short", name="length past the end")
    expect(wire.OFFER, bed.ask(past_the_end))


@item(109)
def cut(bed):
    """Messages that are cut: silence."""
    clients = [Client(bed) for _ in range(7)]
    messages = [client.discover() for client in clients]
    lengths = (1, 28, 235, 236, 239, 240, 242)
    payloads = [message.pack()[:length] for message, length in zip(messages, lengths)]
    answers = bed.link.exchange(messages, link.SILENCE, 99, payloads)
    loud = [length for length, replies in zip(lengths, answers) if replies]
    check(not loud, f"answered: cut at {loud}")
    bed.still_serves()


@item(110)
def hardware_lengths(bed):
    """hlen 0 without an identifier, 17 and 255: silence; with one, and 16: an answer."""
    none = dict(hlen=0, chaddr=b"")
    bed.silent(Client(bed).discover(**none, name="hlen 0"),
               *(Client(bed).discover(hlen=hlen, name=f"hlen {hlen}") for hlen in (17, 255)))
    one, two = (bed.ask(Client(bed).discover([(61, name)], **none))
                for name in (b"\0one", b"\0two"))
    is_broadcast(expect(wire.OFFER, one))
    check(one.yiaddr != two.yiaddr, "two identifiers get one address")
    client = Client(bed)
    uuid = random.randbytes(16)
    offer = bed.ask(client.discover(UEFI, hlen=16, chaddr=uuid))
    expect(wire.OFFER, offer)
    check(offer.eth_dst in (wire.BROADCAST_MAC, client.mac), f"hlen 16: to {offer.eth_dst}")
    bed.still_serves()


@item(111)
def infiniband(bed):
    """IP over InfiniBand (RFC 4390): OFFER by broadcast, chaddr zero."""
    offer = Client(bed).offer([(61, b"\0" + random.randbytes(19))], htype=32, hlen=0, chaddr=b"",
                              flags=0x8000)
    is_broadcast(offer)
    same("chaddr", bytes(16), offer.chaddr)
    bed.still_serves()


@item(112)
def group_addresses(bed):
    """chaddr that is multicast, broadcast, or zero without an identifier: silence."""
    bed.silent(*(Client(bed).discover(chaddr=chaddr, name=f"chaddr {chaddr.hex(':')}")
                 for chaddr in (b"\xff" * 6, b"\1\0\x5e\0\0\1", b"\x33\x33\0\0\0\1", bytes(6))))
    bed.still_serves()


MALFORMED = [
    (50, b"\xc0\0\2"), (50, b"\xc0\0\2\x82\0"), (51, b"\0\x09"), (57, b"\1"), (12, b""), (55, b""),
    (60, b""), (61, b""), (61, b"\1"), (77, b"\xc8"), (81, b"\0\0"), (81, b"\4\0\0\xc8x"),
    (93, b"\7"), (94, b"\1\2"), (97, b"\0\1\2"), (124, b"\0\0"), (125, b"\0\0\0\x09\xc8"),
    (43, b"\6\xc8"), (43, b""),
]


@item(113)
def malformed_options(bed):
    """An option that is malformed is ignored, and the client is served."""
    messages = []
    for code, value in MALFORMED:
        message = Client(bed).discover(BIOS)
        message.options = [option for option in message.options if option[0] != code]
        message.options.append((code, value))
        messages.append(message)
    answers = bed.exchange(messages, link.ANSWER, len(messages))
    silent = [f"{code} {value.hex() or 'empty'}"
              for (code, value), replies in zip(MALFORMED, answers) if not replies]
    check(not silent, f"no answer with option {', '.join(silent)}")


NAMES = [b"a;$(id)", b"A" * 255, b"b\0c", b"../../etc/passwd", "\u00fc\u4e2d".encode(),
         b"\7\n\r", b"\x1b[2J\x1b]0;x\7", b"<script>alert(1)</script>", b"$();'`|&", b""]


@item(114)
def host_names(bed):
    """Host names meant for shells, terminals and logs: served, and nowhere written as they are."""
    for name in NAMES:
        Client(bed).lease(options=[(12, name)], name=f"option 12 of {name[:20].hex()}")
        qualified = b"\0\0\0" + name[:250]
        Client(bed).lease(options=[(81, qualified)], name=f"option 81 of {name[:20].hex()}")
    bed.server.stop()  # so that everything is written
    for where, text in (("the log", bed.server.log()), ("the lease store", bed.server.store())):
        text = text.encode("latin-1", "replace")
        for raw in (b"\x1b[2J", b"\x1b]0;", b"\7\n", b"$(id)", b"<script>", b"b\0c"):
            check(raw not in text, f"{raw!r} is in {where}")
    bed.server.start()
    bed.still_serves()


@item(115)
def bombs(bed):
    """280 options, option 43 255 times, a datagram of 64 kB, nested overload: no harm."""
    many = [(100 + n % 140, b"abc") for n in range(280)]
    again = wire.tlv([(52, b"\3")])
    nested = Client(bed).discover([(52, b"\3")], sname=again, file=again)
    wide = Client(bed).discover([(43, b"\7" * 250)] * 255)
    big = Client(bed).discover(tail=b"\xff" + bytes(65_000))
    for message in (Client(bed).discover(many), wide, big, nested):
        bed.link.send(message)
    bed.still_serves()


@item(117)
def odd_datagrams(bed):
    """UDP checksum 0, IP options, padding: answered; a wrong checksum, another VLAN: silence."""
    def discover(**changes):
        client = Client(bed)
        return client.discover(envelope=wire.Envelope(client.mac, **changes))
    for name, changes in (("checksum 0", dict(checksum="none")),
                          ("padding", dict(trailer=bytes(18))),
                          ("IP options", dict(ip_options=b"\x94\4\0\0"))):
        reply = bed.hears(discover(**changes), link.ANSWER)
        check(reply is not None, f"{name}: no answer")
    damaged, tagged = discover(checksum="wrong"), discover(vlan=10)
    damaged.name, tagged.name = "a wrong checksum", "a frame of another VLAN"
    bed.silent(damaged, tagged)
    bed.still_serves()


@item(118)
def own_transmissions(bed):
    """What looks like the server's own reply is not processed."""
    client = Client(bed)
    bed.silent(*(client.message(wire.OFFER, [(54, ip(link.SERVER))], op=2, envelope=wire.Envelope(
        link.SERVER_MAC, src=link.SERVER, sport=67, dport=port)) for port in (67, 68)))
    bed.still_serves()
