"""Kea's kea-dhcp4, set up for the list as its manual says."""
import json
import os
import subprocess

import bed
import link
from servers.base import Process, read, size_on_disk


def libraries():
    return {"LD_LIBRARY_PATH": os.environ.get("SERVER_LIBRARIES", "")}


def version():
    return subprocess.check_output(["kea-dhcp4", "-v"], text=True,
                                   env=os.environ | libraries()).split()[0]


def hook(name):
    """A hook library, unpacked or installed."""
    machine = os.uname().machine
    folders = (os.environ.get("SERVER_LIBRARIES", ""), f"/usr/lib/{machine}-linux-gnu")
    there = [f"{folder}/kea/hooks/{name}" for folder in folders]
    return next((path for path in there if os.path.exists(path)), there[-1])


class Server(Process):
    def environment(self):
        there = str(self.bed.directory)
        return libraries() | {"KEA_PIDFILE_DIR": there, "KEA_LOCKFILE_DIR": there}

    def command(self):
        text = json.dumps({"Dhcp4": self.configuration()}, indent=1)
        return ["kea-dhcp4", "-c", self.write("kea.json", text)]

    def configuration(self):
        kind = self.kind
        # With one address: Kea opens a raw socket for each, and would answer twice.
        interfaces = ["eth0" if kind.second_address else f"eth0/{link.SERVER}"]
        interfaces += ["eth1"] * kind.elsewhere
        settings = {
            "interfaces-config": {"interfaces": interfaces, "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "name": self.path("leases.csv"),
                               "lfc-interval": 0},
            "multi-threading": {"enable-multi-threading": False},
            "valid-lifetime": 600, "min-valid-lifetime": 60, "max-valid-lifetime": 3600,
            "calculate-tee-times": True, "authoritative": True,
            "cache-threshold": 0.25,
            "host-reservation-identifiers": ["hw-address", "circuit-id"],
            "option-def": [{"name": f"o{code}", "code": code, "type": "binary"}
                           for code, _ in bed.odd_options(kind)],
            "option-data": self.options(), "client-classes": self.classes(),
            "subnet4": [self.lan(), self.far(2, "198.51.100"), self.far(3, "198.51.101")],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO",
                         "output_options": [{"output": "stdout"}]}],
        } | ({} if kind.boots else self.boot(kind.file))
        if kind.bootp:
            settings["hooks-libraries"] = [{"library": hook("libdhcp_bootp.so")}]
        if kind.identity:
            settings["match-client-id"] = kind.identity == "client-id"
        if kind.hold:
            settings["decline-probation-period"] = kind.hold
        return settings

    @staticmethod
    def boot(file, server=bed.NEXT_SERVER):
        """In its field, if it is not too long for that; and in option 67."""
        field = {"boot-file-name": file} if len(file) < 128 else {}
        return field | {"next-server": server}

    def options(self):
        def plain(name, data):
            return {"name": name, "data": data}

        def octets(code, data):
            return {"code": code, "csv-format": False, "data": data.hex()}
        options = [plain("domain-name-servers", f"{link.SERVER}, 9.9.9.9"),
                   plain("domain-name", bed.DOMAIN), plain("domain-search", ", ".join(bed.SEARCH)),
                   octets(108, bed.V6_ONLY.to_bytes(4, "big")),
                   octets(114, bed.PORTAL.encode()), octets(121, bed.encoded_routes())]
        if not self.kind.boots:
            options.append(plain("boot-file-name", self.kind.file) | {"always-send": True})
        return options + [octets(*option) for option in bed.odd_options(self.kind)]

    def classes(self):
        """Clients of a circuit; and those who may have an address of the pool, which BOOTP
        clients would keep for ever."""
        circuit = {"name": "circuit", "test": f"relay4[1].hex == '{bed.CIRCUIT.decode()}'",
                   "option-data": [{"name": "domain-name", "data": bed.CIRCUIT_DOMAIN}]}
        dynamic = {"name": "dynamic", "test": "not member('BOOTP')"}
        return [circuit, dynamic, *(self.firmwares() if self.kind.boots else [])]

    def firmwares(self):
        def firmware(name, test, file, *options):
            named = {"name": "boot-file-name", "data": file, "always-send": True}
            return {"name": name, "test": test, "option-data": [named, *options]} | self.boot(file)
        ours = {"name": "vendor-class-identifier", "data": "HTTPClient", "always-send": True}
        return [firmware("ipxe", "option[77].hex == 'iPXE'", bed.SCRIPT),
                firmware("bios", "option[93].hex == 0x0000 and not member('ipxe')", bed.BIOS_FILE),
                firmware("uefi", "option[93].hex == 0x0007 and not member('ipxe')", bed.UEFI_FILE),
                firmware("http", "option[93].hex == 0x0010", bed.HTTP_FILE, ours)]

    def lan(self):
        machines = [{"hw-address": mac, "ip-address": address, "hostname": f"bench-{n}"}
                    for n, (mac, address) in enumerate(self.reservations(), 1)]
        own = {"hw-address": bed.OWN_FILE_MAC, "ip-address": bed.OWN_FILE,
               "option-data": [{"name": "boot-file-name", "data": "own.0"}],
               } | self.boot("own.0", "192.0.2.8")
        return {"id": 1, "subnet": "192.0.2.0/24", "interface": "eth0",
                "pools": [{"pool": f"192.0.2.{self.kind.first} - 192.0.2.{self.kind.last}",
                           "client-class": "dynamic"}],
                "option-data": [{"name": "routers", "data": link.SERVER}],
                "reservations": [*machines, own]}

    @staticmethod
    def far(number, network):
        circuit = {"circuit-id": f"'{bed.OWN_CIRCUIT.decode()}'", "ip-address": bed.CIRCUIT_ADDRESS}
        return {"id": number, "subnet": f"{network}.0/24",
                "pools": [{"pool": f"{network}.100 - {network}.249"}],
                "option-data": [{"name": "routers", "data": f"{network}.1"}],
                "reservations": [circuit] if bed.CIRCUIT_ADDRESS.startswith(network + ".") else []}

    def store(self):
        return read(self.path("leases.csv"))

    def written(self):
        return size_on_disk(self.path("leases.csv"))
