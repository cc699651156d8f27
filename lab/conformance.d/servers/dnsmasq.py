"""dnsmasq, set up for the list as its manual says."""
import subprocess

import bed
import link
from servers.base import Process, read, size_on_disk


def version():
    return subprocess.check_output(["dnsmasq", "--version"], text=True).split()[2]


class Server(Process):
    probation = 600

    def command(self):
        return ["dnsmasq", "--keep-in-foreground", "--log-facility=-",
                f"--conf-file={self.write('dnsmasq.conf', self.configuration())}"]

    def configuration(self):
        return "\n".join([*self.process_lines(), *self.subnets(), *self.options(),
                          *self.machines()]) + "\n"

    def process_lines(self):
        kind = self.kind
        yield from ("port=0", "no-resolv", "no-hosts", "user=root", "pid-file=",
                    "interface=eth0", "interface=eth1", f"dhcp-leasefile={self.path('leases')}")
        yield "dhcp-authoritative"
        switches = {"no-ping": not kind.probe,
                    "dhcp-rapid-commit": kind.rapid, "dhcp-ignore-clid": kind.identity == "mac"}
        yield from (name for name, wanted in switches.items() if wanted)

    def subnets(self):
        mask = "255.255.255.0,10m"
        yield f"dhcp-range=set:lan,192.0.2.{self.kind.first},192.0.2.{self.kind.last},{mask}"
        yield f"dhcp-option=tag:lan,option:router,{link.SERVER}"
        for network in ("198.51.100", "198.51.101"):
            tag = f"far{network[-1]}"
            yield f"dhcp-range=set:{tag},{network}.100,{network}.249,{mask}"
            yield f"dhcp-option=tag:{tag},option:router,{network}.1"

    def options(self):
        yield f"dhcp-option=option:dns-server,{link.SERVER},9.9.9.9"
        yield f"domain={bed.DOMAIN}"
        yield from self.boot()
        yield f"dhcp-option=108,{bed.V6_ONLY}i"
        yield f"dhcp-option=114,{bed.PORTAL}"
        yield f"dhcp-option=option:domain-search,{','.join(bed.SEARCH)}"
        routes = ",".join(f"{network},{router}" for network, router in bed.ROUTES)
        yield f"dhcp-option=option:classless-static-route,{routes}"
        for code, octets in bed.odd_options(self.kind):
            yield f"dhcp-option={code},{octets.hex(':')}"

    def boot(self):
        if not self.kind.boots:
            yield f"dhcp-boot={self.kind.file},,{bed.NEXT_SERVER}"
            return
        yield "dhcp-userclass=set:ipxe,iPXE"
        yield "dhcp-match=set:bios,option:client-arch,0"
        yield "dhcp-match=set:uefi,option:client-arch,7"
        yield "dhcp-match=set:http,option:client-arch,16"
        yield "dhcp-option-force=tag:http,60,HTTPClient"
        for tags, file in (("tag:bios,tag:!ipxe", bed.BIOS_FILE),
                           ("tag:uefi,tag:!ipxe", bed.UEFI_FILE),
                           ("tag:http", bed.HTTP_FILE), ("tag:ipxe", bed.SCRIPT)):
            yield f"dhcp-boot={tags},{file},,{bed.NEXT_SERVER}"

    def machines(self):
        for n, (mac, address) in enumerate(self.reservations(), 1):
            yield f"dhcp-host={mac},{address},bench-{n}"
        yield f"dhcp-host={bed.OWN_FILE_MAC},{bed.OWN_FILE},set:own"
        yield "dhcp-boot=tag:own,own.0,,192.0.2.8"
        yield f"dhcp-circuitid=set:circuit,{bed.CIRCUIT.decode()}"
        yield f"dhcp-option=tag:circuit,option:domain-name,{bed.CIRCUIT_DOMAIN}"
        yield f"dhcp-circuitid=set:own-circuit,{bed.OWN_CIRCUIT.decode()}"
        address = bed.CIRCUIT_ADDRESS
        yield f"dhcp-range=tag:own-circuit,{address},{address},255.255.255.0,10m"

    def store(self):
        return read(self.path("leases"))

    def written(self):
        return size_on_disk(self.path("leases"))
