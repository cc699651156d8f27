"""ISC dhcpd, set up for the list as its manual says."""
import os
import subprocess

import bed
import link
from servers.base import Process, read, size_on_disk


def version():
    done = subprocess.run(["dhcpd", "--version"], stderr=subprocess.STDOUT,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.split()[-1].removeprefix("isc-dhcpd-")


class Server(Process):
    holds = 120

    def environment(self):
        return {"LD_LIBRARY_PATH": os.environ.get("SERVER_LIBRARIES", "")}

    def command(self):
        interfaces = ["eth0", "eth1"] if self.kind.elsewhere else ["eth0"]
        return ["dhcpd", "-4", "-f", "-d", "--no-pid", "-user", "root", "-group", "root",
                "-cf", self.write("dhcpd.conf", self.configuration()),
                "-lf", self.touch("leases"), *interfaces]

    def configuration(self):
        return "\n".join([*self.rules(), *self.options(), *self.classes(), *self.subnets(),
                          *self.machines()]) + "\n"

    def rules(self):
        kind = self.kind
        yield "authoritative;"
        yield "default-lease-time 600; min-lease-time 60; max-lease-time 3600;"
        yield f"ping-check {'true' if kind.probe else 'false'};"
        yield "echo-client-id true;"
        if kind.identity == "mac":
            yield "ignore-client-uids true;"
        if kind.hold:
            yield f"abandon-lease-time {kind.hold};"
        if kind.min_secs:
            yield f"min-secs {kind.min_secs};"

    def options(self):
        def octets(name, code, value):
            yield f"option {name} code {code} = string; option {name} {value.hex(':')};"
        yield f"option domain-name-servers {link.SERVER}, 9.9.9.9;"
        yield f'option domain-name "{bed.DOMAIN}";'
        names = ", ".join(f'"{name}"' for name in bed.SEARCH)
        yield f"option domain-search {names};"
        yield from octets("v6-only", 108, bed.V6_ONLY.to_bytes(4, "big"))
        yield f'option portal code 114 = text; option portal "{bed.PORTAL}";'
        yield from octets("routes", 121, bed.encoded_routes())
        for code, value in bed.odd_options(self.kind):
            yield from octets(f"odd-{code}", code, value)
        if not self.kind.boots:
            yield self.boot(bed.NEXT_SERVER, self.kind.file)

    @staticmethod
    def boot(server, file):
        return f'next-server {server}; filename "{file}"; option bootfile-name "{file}";'

    def firmwares(self):
        def firmware(name, test, file, more=""):
            return f"""class "{name}" {{
                match if {test};
                {self.boot(bed.NEXT_SERVER, file)} {more}
            }}"""
        yield "option client-arch code 93 = unsigned integer 16;"
        yield firmware("ipxe", 'option user-class = "iPXE"', bed.SCRIPT)
        for name, number, file in (("bios", "00:00", bed.BIOS_FILE), ("uefi", "00:07", bed.UEFI_FILE)):
            test = f'option client-arch = {number} and not (option user-class = "iPXE")'
            yield firmware(name, test, file)
        yield firmware("http", "option client-arch = 00:10", bed.HTTP_FILE, """
                option vendor-class-identifier "HTTPClient";
                option dhcp-parameter-request-list =
                    concat(option dhcp-parameter-request-list, 3c);""")

    def classes(self):
        if self.kind.boots:
            yield from self.firmwares()
        yield f"""class "circuit" {{
            match if option agent.circuit-id = "{bed.CIRCUIT.decode()}";
            option domain-name "{bed.CIRCUIT_DOMAIN}";
        }}"""
        if self.kind.cap:
            yield f"""class "remote" {{
                spawn with option agent.remote-id; lease limit {self.kind.cap};
            }}"""

    def subnets(self):
        for network, first, last in (("192.0.2", self.kind.first, self.kind.last),
                                     ("198.51.100", 100, 249), ("198.51.101", 100, 249)):
            yield f"""subnet {network}.0 netmask 255.255.255.0 {{
                range {network}.{first} {network}.{last}; option routers {network}.1;
            }}"""

    def machines(self):
        def host(name, *lines):
            return f"host {name} {{ {' '.join(lines)} }}"
        for n, (mac, address) in enumerate(self.reservations(), 1):
            yield host(f"bench-{n}", f"hardware ethernet {mac};", f"fixed-address {address};",
                       f'option host-name "bench-{n}";')
        yield host("own", f"hardware ethernet {bed.OWN_FILE_MAC};",
                   f"fixed-address {bed.OWN_FILE};", self.boot("192.0.2.8", "own.0"))
        yield host("circuit",
                   f'host-identifier option agent.circuit-id "{bed.OWN_CIRCUIT.decode()}";',
                   f"fixed-address {bed.CIRCUIT_ADDRESS};")

    def store(self):
        return read(self.path("leases"))

    def written(self):
        return size_on_disk(self.path("leases"))
