"""Section 10: firmware, where the server gives addresses too."""
import bed as beds
from client import BIOS, HTTP, IPXE, UEFI, Client
from verdict import check, item, same, show

UUID = dict(UEFI)[97]
# What EDK2 asks for (PxeBcDhcp4.c), and of it what no server here is configured to say.
EDK2_WISHES = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59,
               60, 66, 67, 97, *range(128, 136)]
NOT_CONFIGURED = {2, 4, 5, 13, 17, 18, 22, 23, 40, 41, 42, 50, *range(128, 136)}


def without(options, code):
    return [option for option in options if option[0] != code]


@item(138, "booting")
def machine_identifier(bed):
    """Option 97 comes back in OFFER and ACK; of a length that can not be, it is ignored."""
    client = Client(bed)
    offer = client.offer(UEFI)
    ack = client.ack(client.selecting(offer.yiaddr, options=UEFI))
    for reply in (offer, ack):
        same("option 97", UUID, reply.option(97))
    for value in (b"", b"\0\1\2"):
        offer = Client(bed).offer([*without(UEFI, 97), (97, value)])
        check(offer.option(97) is None, f"option 97 of {len(value)} octets comes back")


@item(143, "booting")
def no_boot_server_discovery(bed):
    """OFFER to a PXE ROM: option 60 with 43.6 = 8, or neither, so that it does not look on."""
    for firmware in (BIOS, UEFI):
        offer = Client(bed).offer(firmware, wishes=EDK2_WISHES)
        discovery = b"\6\1\x08" in (offer.option(43) or b"")
        named = (offer.option(60) or b"").startswith(b"PXEClient")
        check(named == discovery, f"option 60 {'without' if named else 'missing for'} 43.6")


@item(147, "booting")
def stages(bed):
    """One machine as a ROM, then as iPXE: each gets its own file."""
    client = Client(bed)
    same("the ROM's file", beds.UEFI_FILE.encode(), client.offer(UEFI).boot_file())
    script = client.offer(IPXE).boot_file()
    check(b"://" in script and b".ipxe" in script, f"iPXE is told {show(script)}")
    same("a BIOS's file", beds.BIOS_FILE.encode(), client.offer(BIOS).boot_file())
    foreign = [*without(IPXE, 77), (77, b"another")]
    same("the file of a ROM with option 175 and another user class", beds.UEFI_FILE.encode(),
         client.offer(foreign).boot_file())


@item(148, "booting")
def http_boot(bed):
    """HTTP Boot: option 60 says HTTPClient, and the OFFER has the URL."""
    for wishes in (EDK2_WISHES, [1, 3, 67]):
        offer = Client(bed).offer(HTTP, wishes=wishes)
        check((offer.option(60) or b"").startswith(b"HTTPClient"), "no HTTPClient in option 60")
        same("the URL", beds.HTTP_FILE.encode(), offer.boot_file())


@item(149)
def files_and_urls(bed):
    """HTTP Boot is not told a file name, nor PXE a URL."""
    told = Client(bed).offer(HTTP).boot_file()
    check(b"://" in told or not told, f"HTTP Boot is told {show(told)}")


@item(150, "booting")
def absent_options(bed):
    """What EDK2 asks for and nobody configured is absent."""
    offer = Client(bed).offer([*UEFI, (57, b"\5\xc0")], wishes=EDK2_WISHES)
    there = sorted(set(offer.codes()) & NOT_CONFIGURED)
    check(not there, f"with {there}")


@item(153, "booting")
def boot_in_ack(bed):
    """The ACK says again what to boot."""
    client = Client(bed)
    offer = client.offer(UEFI)
    ack = client.ack(client.selecting(offer.yiaddr, options=UEFI))
    for name in ("siaddr", "file"):
        same(name, getattr(offer, name), getattr(ack, name))
    for code in (43, 60, 66, 67):
        same(f"option {code}", offer.option(code), ack.option(code))
    same("the file", beds.UEFI_FILE.encode(), ack.boot_file())


@item(154, "booting")
def plain_clients(bed):
    """A plain client that asks for 66 and 67 is told nothing of booting."""
    offer = Client(bed).offer(wishes=[1, 3, 43, 60, 66, 67])
    there = sorted(set(offer.codes()) & {43, 60, 66, 67})
    check(not there and not offer.boot_file(), f"with {there or 'a file'}")
