"""The servers: one network each, no conflict probes, logs as they are by default, into a file."""
import json
import os
import shutil
import time

import bed
import dnsmasq
import process
import pxed

# Pools' last addresses: for rates 65,536 addresses, for many leases 262,144 and 1,048,576.
SMALL, LARGE, HUGE = "10.128.255.255", "10.131.255.255", "10.143.255.255"


class Server(process.Server):
    """Subclasses say `command()`, and write their configuration in it."""
    keeps_leases = True   # beyond its end
    is_filled_by = "exchanges"

    def __init__(self, name):
        super().__init__(name)
        self.last = SMALL

    def start_empty(self, last=SMALL):
        """Starts without any lease, with a pool that ends there."""
        self.forget()
        self.last = last
        self.start()

    def preload(self, leases):
        """Writes so many leases into its database, where that is quicker than to ask for them."""
        raise NotImplementedError


class Pxed(Server):
    def command(self):
        return pxed.command(self, self.last, f"""
dns = ["{bed.SERVER}"]
bootfile = "ipxe.efi"
conflict-probe = "off"
# One relay agent stands for thousands of switch ports here.
machine-rate = 0
newcomer-rate = 0
port-rate = 0
max-port-offers = 4096
""")


class Null(Server):
    """Answers at once and remembers nothing."""
    keeps_leases = False

    def command(self):
        return [os.environ["PXED_BENCH"], "null", "--listen", f"{bed.SERVER}:67", "--seconds", "600"]


class Kea(Server):
    def __init__(self, name, socket, threads):
        super().__init__(name)
        self.socket, self.threads = socket, threads

    def environment(self):
        there = str(self.directory)
        return {"KEA_PIDFILE_DIR": there, "KEA_LOCKFILE_DIR": there,
                "KEA_LFC_EXECUTABLE": shutil.which("kea-lfc")}

    def command(self):
        boot = {"boot-file-name": "ipxe.efi", "next-server": bed.SERVER}
        options = [{"name": "domain-name-servers", "data": bed.SERVER},
                   {"name": "routers", "data": bed.SERVER}]
        subnet = {"id": 1, "subnet": bed.NETWORK, "pools": [{"pool": f"{bed.FIRST} - {self.last}"}],
                  "option-data": options} | boot
        log = {"output": self.path("kea.log"), "maxsize": 0}
        settings = {
            "interfaces-config": {"interfaces": [f"eth0/{bed.SERVER}"],
                                  "dhcp-socket-type": self.socket},
            "lease-database": {"type": "memfile", "persist": True,
                               "name": self.path("leases.csv")},
            "multi-threading": {"enable-multi-threading": self.threads},
            "valid-lifetime": bed.LEASE_SECONDS, "authoritative": True, "subnet4": [subnet],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [log]}],
        }
        return ["kea-dhcp4", "-c", self.write("kea.json", json.dumps({"Dhcp4": settings}))]


class Dnsmasq(Server):
    is_filled_by = "file"

    def __init__(self, name, lease_file):
        super().__init__(name)
        self.lease_file = self.keeps_leases = lease_file

    def command(self):
        return dnsmasq.command(self, dnsmasq.addresses(self.last), f"""
dhcp-option=option:dns-server,{bed.SERVER}
dhcp-boot=ipxe.efi,,{bed.SERVER}
""", f"dhcp-leasefile={self.path('leases')}" if self.lease_file else "leasefile-ro")

    def preload(self, leases):
        ends = int(time.time()) + bed.LEASE_SECONDS
        line = f"{ends} {{mac}} {{address}} * 01:{{mac}}\n"
        self.write("leases", "".join(line.format(mac=mac, address=address)
                                     for mac, address in machines(leases)))


class Isc(Server):
    is_filled_by = "file"

    def command(self):
        config = self.write("dhcpd.conf", f"""
authoritative;
ping-check false;
default-lease-time {bed.LEASE_SECONDS};
max-lease-time {bed.LEASE_SECONDS};
option domain-name-servers {bed.SERVER};
next-server {bed.SERVER};
filename "ipxe.efi";
subnet 10.0.0.0 netmask 255.0.0.0 {{
    range {bed.FIRST} {self.last};
    option routers {bed.SERVER};
}}
""")
        leases = self.directory / "leases"
        leases.touch()
        return ["dhcpd", "-4", "-f", "-d", "--no-pid", "-user", "root", "-group", "root",
                "-cf", config, "-lf", str(leases), "eth0"]

    def preload(self, leases):
        now = time.gmtime()
        ends = time.gmtime(time.time() + bed.LEASE_SECONDS)
        stamp = "%w %Y/%m/%d %H:%M:%S"
        begun, over = time.strftime(stamp, now), time.strftime(stamp, ends)
        self.write("leases", "".join(f"""lease {address} {{
  starts {begun};
  ends {over};
  cltt {begun};
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet {mac};
}}
""" for mac, address in machines(leases)))


def machines(count):
    """The generator's machines, each with an address; all over the pool, as servers choose them."""
    network = int.from_bytes(bytes(map(int, bed.FIRST.split("."))))
    for number in range(count):
        mac = (0x02be << 32 | number).to_bytes(6)
        address = network + number * 2654435761 % 2**18
        yield mac.hex(":"), ".".join(map(str, address.to_bytes(4)))


def all_servers():
    return {server.name: server for server in (
        Pxed("pxed"), Kea("kea", "raw", False), Kea("kea-udp", "udp", False),
        Kea("kea-threads", "raw", True), Kea("kea-threads-udp", "udp", True),
        Dnsmasq("dnsmasq", True), Dnsmasq("dnsmasq-no-file", False), Isc("isc-dhcpd"))}
