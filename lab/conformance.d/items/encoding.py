"""Section 7: overload, long options, sizes."""
import bed as beds
import link
import wire
from client import BIOS, HTTP, WISHES, Client, expect
from verdict import check, item, same
from wire import ip


def overloaded(client, sname=b"", file=b"", options=()):
    """A message with options in `file` and `sname`."""
    message = client.discover(wishes=None)
    message.options, message.sname, message.file = list(options), sname, file
    return message


@item(94)
def options_in_file(bed):
    """Option 52 says 1: option 53 in file is read, and an option 61 that comes back is that one."""
    identifier = b"\1overload"
    message = overloaded(Client(bed), options=[(52, b"\1"), (55, WISHES)],
                         file=wire.tlv([(53, b"\1"), (61, identifier)]) + b"\xff")
    offer = expect(wire.OFFER, bed.ask(message))
    if offer.option(61) is not None:
        same("option 61", identifier, offer.option(61))


@item(95)
def options_in_both(bed):
    """Option 52 says 3: both fields are read; a malformed option 52 is ignored."""
    client, identifier = Client(bed), b"\1both"
    fields = dict(sname=wire.tlv([(12, b"bench-9")]) + b"\xff",
                  file=wire.tlv([(61, identifier)]) + b"\xff")
    offer = bed.ask(overloaded(client, options=[(53, b"\1"), (52, b"\3"), (55, WISHES)], **fields))
    taken = [(53, b"\3"), (52, b"\3"), (54, ip(link.SERVER)), (50, ip(offer.yiaddr)), (55, WISHES)]
    ack = client.ack(overloaded(client, options=taken, **fields))
    store = bed.server.store()
    check("bench-9" in store, "the host name in sname was not seen")
    check(ack.option(61) == identifier or any(form in store for form in forms(identifier)),
          "the identifier in file was not seen")
    for bad in (b"\0", b"\4", b"\1\1"):
        message = overloaded(Client(bed), options=[(53, b"\1"), (52, bad), (55, WISHES)])
        same(f"the answer to option 52 of {bad.hex()}", wire.OFFER, bed.ask(message).type)
    nested = overloaded(Client(bed), options=[(53, b"\1"), (52, b"\1"), (55, WISHES)],
                        file=wire.tlv([(52, b"\3")]) + b"\xff")
    same("the answer to option 52 in file", wire.OFFER, bed.ask(nested).type)


def forms(identifier):
    """How lease stores write octets."""
    return identifier.hex(), identifier.hex(":"), identifier[1:].decode()


@item(96)
def split_identifier(bed):
    """A client identifier in two parts is one, and comes back whole."""
    first, second = b"\1" + b"a" * 99, b"b" * 100
    offer = Client(bed).offer([(61, first), (61, second)])
    same("option 61", first + second, offer.option(61))


@item(97, "split")
def long_option(bed):
    """An option of 300 octets is sent in parts that join to it."""
    offer = Client(bed).offer([(57, b"\x05\xdc")], wishes=[1, 3, 224])
    same("option 224", beds.LONG_OPTION, offer.option(224))
    check(len([code for code in offer.codes() if code == 224]) > 1, "in one part")


@item(98, "wordy")
def budget(bed):
    """What does not fit 576 octets is left out from the end of the list; the rest is whole."""
    client = Client(bed)
    wanted = [1, 3, 6, *range(225, 233)]
    offer = client.offer([(61, b"\1" + wire.mac_bytes(client.mac))], wishes=wanted)
    check(offer.udp_length + 20 <= 576, f"{offer.udp_length + 20} octets")
    codes = set(offer.codes())
    check(codes >= {53, 54, 51, 1, 3, 6, 61}, f"only {sorted(codes)}")
    sent = [code for code in range(225, 233) if code in codes]
    same("of the long ones", list(range(225, 225 + len(sent))), sent)
    for code in sent:
        same(f"option {code}", bytes([code]) * 200, offer.option(code))
    return f"{len(sent)} of 8, {offer.udp_length + 20} octets"


@item(99, "wordy")
def maximum_size(bed):
    """Option 57 makes room, up to the link's MTU; less than 576 counts as 576."""
    sizes = {}
    for most in (0, 200, 1000, 1472, 65535):
        offer = Client(bed).offer([(57, most.to_bytes(2, "big"))], wishes=[1, 3, *range(225, 233)])
        check(not offer.fragmented, f"{most}: in fragments")
        sizes[most] = offer.udp_length + 20
        room = min(max(most, 576), wire.MTU)
        check(sizes[most] <= room, f"{most}: {sizes[most]} octets")
    check(sizes[1000] > 576 and sizes[1472] > 1000, f"the room is not used: {sizes}")
    return ", ".join(f"{most}: {size}" for most, size in sizes.items())


@item(100, "wordy")
def no_overload_of_file(bed):
    """Where room is short, file still holds the boot file."""
    offer = Client(bed).offer(BIOS, wishes=[*WISHES, *range(225, 233)])
    check(not (offer.option(52) or b"\0")[0] & 1, "options are in file")
    same("file", beds.FILE.encode(), offer.file_name())


@item(101)
def boot_file_twice(bed):
    """The boot file is in file and in option 67."""
    for wishes in (WISHES, [1, 3]):
        offer = Client(bed).offer(BIOS, wishes=wishes)
        same("file", beds.FILE.encode(), offer.file_name())
        name = (offer.option(67) or b"").rstrip(b"\0")
        same("option 67", beds.FILE.encode(), name)


@item(102)
def terminated(bed):
    """Option 67 ends in a NUL, or a pad follows it, for PXE ROMs; not for HTTP Boot."""
    offer = Client(bed).offer(BIOS)
    name = offer.option(67)
    check(name is not None, "no option 67")
    at = offer.payload.find(bytes([67, len(name)]) + name, 240) + 2 + len(name)
    check(name.endswith(b"\0") or offer.payload[at] == 0, "no NUL for a ROM")
    name = Client(bed).offer(HTTP).option(67) or b""
    check(not name.endswith(b"\0"), "a NUL for HTTP Boot")


@item(103, "long")
def long_file(bed):
    """A boot file that is too long for the field is in option 67 alone."""
    offer = Client(bed).offer(HTTP)
    same("option 67", bed.kind.file.encode(), offer.option(67))
    same("file", b"", offer.file_name())


@item(104, "edge")
def longest_file(bed):
    """A boot file of 127 octets fits the field."""
    offer = Client(bed).offer(BIOS)
    same("the file", bed.kind.file.encode(), offer.boot_file())
    same("file", bed.kind.file.encode(), offer.file_name())
