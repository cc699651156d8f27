"""pxed as it is started: one subnet, and what a benchmark sets beside it."""
import os

import bed


def command(server, last, keys="", profile=""):
    """The command for pxed in the server's directory. `last` is its pool's last address; keys of the
    configuration file and a profile are TOML."""
    return [os.environ["PXED"], "serve", "--config", server.write("pxed.toml", f"""
state-dir = "{server.path('state')}"
user = "root"
lease-time = "{bed.LEASE_SECONDS}s"
{keys}
{profile}
[[subnet]]
interface = "eth0"
network = "{bed.NETWORK}"
server-ip = "{bed.SERVER}"
range = ["{bed.FIRST}-{last}"]
router = ["{bed.SERVER}"]
""")]
