"""Items 1 to 8: what holds for every reply, whatever the item that provoked it is about."""
import link
import wire
from verdict import show

MOST_OPTIONS = 576


def faults(message, reply):
    """(item, what is wrong) of a reply to a message."""
    yield from copied(message, reply)
    if reply.hops or reply.secs:
        yield 2, f"hops {reply.hops}, secs {reply.secs}"
    yield from who_speaks(message, reply)
    yield from no_doubles(reply)
    yield from identifier(message, reply)
    if len(reply.payload) < 300:
        yield 7, f"{wire.TYPES.get(reply.type)} of {len(reply.payload)} octets"
    yield from size(message, reply)


def copied(message, reply):
    expected = dict(op=2, htype=message.htype, hlen=message.hlen, xid=message.xid,
                    giaddr=message.giaddr, chaddr=message.chaddr.ljust(16, b"\0"))
    for name, value in expected.items():
        if getattr(reply, name) != value:
            yield 1, f"{reply}: {name} {show(getattr(reply, name))}, not {show(value)}"
    flags = message.flags
    if reply.type == wire.NAK and message.giaddr != wire.NOWHERE:
        flags |= 0x8000  # RFC 2131 section 4.3.2; item 45 insists on it
    if reply.flags not in (flags, message.flags):
        yield 1, f"{reply}: flags {reply.flags:04x} for {message.flags:04x}"
    if message.flags & 0x7fff and reply.flags & 0x7fff != message.flags & 0x7fff:
        yield 3, f"{reply}: flags {reply.flags:04x} for {message.flags:04x}"


def who_speaks(message, reply):
    if reply.type is None:  # BOOTP
        return
    if reply.options[:1] != [(53, bytes([reply.type]))]:
        yield 4, f"{reply}: option {reply.options[0][0]} comes first"
    identifier = reply.option(54)
    ours = [*map(wire.ip, link.OURS), override(message)]
    if identifier not in ours:
        yield 4, f"{reply}: option 54 is {show(identifier)}"


def override(message):
    """RFC 5107's server identifier, by which a relay agent has us called."""
    information = message.option(82) or b""
    return wire.joined(wire.read_options(information)[0], 11)


def no_doubles(reply):
    if not reply.ended:
        yield 5, f"{reply}: no end option"
    elif any(reply.behind):
        yield 5, f"{reply}: {show(reply.behind)} behind the end option"
    codes = [code for code, _ in reply.options]
    for code in sorted(set(codes)):
        if code in (50, 55, 57):
            yield 5, f"{reply}: option {code} is a client's"
        # Only what is too long for one option may be split (RFC 3396 section 5).
        if codes.count(code) > 1 and len(wire.joined(reply.options, code)) <= 255:
            yield 5, f"{reply}: option {code} is there {codes.count(code)} times"


def identifier(message, reply):
    """RFC 6842 section 3.  An identifier of less than two octets is none (item 113)."""
    sent = message.option(61)
    # What is in `file` and `sname` is looked at by the items about it.
    if reply.type is None or message.option(52) or (sent is not None and len(sent) < 2):
        return
    if reply.option(61) != sent:
        yield 6, f"{reply}: option 61 is {show(reply.option(61))}, not {show(sent)}"


def size(message, reply):
    asked = message.option(57)
    most = int.from_bytes(asked, "big") if asked and len(asked) == 2 else MOST_OPTIONS
    most = min(max(most, MOST_OPTIONS), wire.MTU)
    if reply.fragmented:
        yield 8, f"{reply}: in fragments"
    elif reply.udp_length + 20 > most:
        yield 8, f"{reply}: {reply.udp_length + 20} octets, where {most} were room"
