"""dnsmasq as it is started: without DNS, its log in a file."""
import bed


def command(server, *lines):
    """The command for dnsmasq in the server's directory; lines: what it serves."""
    served = "\n".join(lines)
    return ["dnsmasq", "--keep-in-foreground", "--conf-file=" + server.write("dnsmasq.conf", f"""
port=0
no-resolv
no-hosts
no-ping
user=root
pid-file=
interface=eth0
log-facility={server.path('dnsmasq.log')}
{served}
""")]


def addresses(last):
    """It gives addresses: `last` is its pool's last one."""
    return f"""
dhcp-authoritative
dhcp-lease-max=1000000
dhcp-range={bed.FIRST},{last},255.0.0.0,{bed.LEASE_SECONDS}s
dhcp-option=option:router,{bed.SERVER}
"""


def files(folder):
    """It serves a folder by TFTP."""
    return f"""
enable-tftp
tftp-root={folder}
tftp-max=1000
"""
