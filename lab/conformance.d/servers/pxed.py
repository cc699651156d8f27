"""pxed, from $PXED."""
import os
import sqlite3
import subprocess
import time

import bed
import link
from servers.base import Process

SELF = os.environ.get("PXED", "pxed")


def version():
    return subprocess.check_output([SELF, "--version"], text=True).split()[1]


class Server(Process):
    def command(self):
        return [SELF, "serve", "--config", self.write("pxed.toml", self.configuration())]

    def configuration(self):
        routes = ", ".join(f'"{network} via {router}"' for network, router in bed.ROUTES)
        odd = "\n".join(f'{code} = "hex:{octets.hex()}"'
                        for code, octets in bed.odd_options(self.kind))
        return f"""
state-dir = "{self.path('state')}"
user = "root"
min-lease-time = "1m"
lease-time = "10m"
max-lease-time = "1h"
dns = ["{link.SERVER}", "9.9.9.9"]
domain = "{bed.DOMAIN}"
tftp-server = "{bed.NEXT_SERVER}"
{self.boot()}

[options]
ipv6-only-preferred = {bed.V6_ONLY}
captive-portal = "{bed.PORTAL}"
domain-search = ["{'", "'.join(bed.SEARCH)}"]
classless-static-routes = [{routes}]
{odd}

[[subnet]]
interface = "eth0"
network = "192.0.2.0/24"
server-ip = "{link.SERVER}"
range = ["192.0.2.{self.kind.first}-192.0.2.{self.kind.last}"]
router = ["{link.SERVER}"]
{self.rules()}
{self.far()}
{self.firmwares()}
{self.machines()}
"""

    def boot(self):
        return "" if self.kind.boots else f'bootfile = "{self.kind.file}"'

    def firmwares(self):
        if not self.kind.boots:
            return ""
        # iPXE is given pxed's own script.
        files = [("bios", 'arch = "bios"', bed.BIOS_FILE),
                 ("uefi", 'arch = "uefi-x64"', bed.UEFI_FILE),
                 ("http", 'firmware = "http-boot"', bed.HTTP_FILE)]
        return "\n".join(f'[[class]]\nname = "{name}"\nmatch = {{ {match} }}\nbootfile = "{file}"\n'
                         for name, match, file in files)

    def rules(self):
        kind, rules = self.kind, []
        if kind.identity:
            rules.append(f'identity = "{kind.identity}"')
        if kind.hold:
            rules.append(f'offer-hold = "{kind.hold}s"\ndecline-probation = "{kind.hold}s"')
        if kind.min_secs:
            rules.append(f"min-secs = {kind.min_secs}")
        if kind.rapid:
            rules.append("rapid-commit = true")
        if kind.cache:
            rules.append("lease-cache = 25")
        if kind.choose_subnet:
            rules.append('subnet-selection = "choosers"')
        return "\n".join(rules)

    def far(self):
        cap = f"max-per-remote-id = {self.kind.cap}" if self.kind.cap else ""
        return "\n".join(f"""
[[subnet]]
{cap}
network = "{network}.0/24"
range = ["{network}.100-{network}.249"]
router = ["{network}.1"]
""" for network in ("198.51.100", "198.51.101"))

    def machines(self):
        own = [f'[[reservation]]\nmac = ["{mac}"]\naddress = "{address}"\nhost-name = "bench-1"\n'
               for mac, address in self.reservations()]
        return "\n".join(own) + f"""
[[reservation]]
mac = ["{bed.OWN_FILE_MAC}"]
address = "{bed.OWN_FILE}"
tftp-server = "192.0.2.8"
bootfile = "own.0"

[[reservation]]
circuit-id = "{bed.OWN_CIRCUIT.decode()}"
relay = "{link.RELAY}"
address = "{bed.CIRCUIT_ADDRESS}"

[[class]]
name = "choosers"
match = {{ option = {{ subnet-selection = true }} }}

[[class]]
name = "circuit"
match = {{ circuit-id = "{bed.CIRCUIT.decode()}" }}
domain = "{bed.CIRCUIT_DOMAIN}"
"""

    def store(self):
        """The lease database, as text: what outlives the process."""
        return "\n".join(map(str, self.rows("SELECT * FROM leases")))

    def written(self):
        """How often a lease was written."""
        [(written,)] = self.rows("SELECT total(version) FROM leases")
        return written

    def rows(self, query):
        # The database follows the commits within a second.
        time.sleep(1.5)
        database = f"file:{self.path('state')}/leases.db?mode=ro"
        with sqlite3.connect(database, uri=True, timeout=5) as connection:
            return connection.execute(query).fetchall()
