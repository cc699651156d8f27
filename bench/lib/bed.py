"""The network: the server's namespace, a cable, and here the relay agent and all machines."""
import os
import subprocess

SERVER, RELAY, NETWORK = "10.0.0.1", "10.0.0.2", "10.0.0.0/8"
# All addresses from 10.128.0.0 on are machines', and so they are here.
FIRST, MACHINES = "10.128.0.0", "10.128.0.0/9"
LEASE_SECONDS = 3600
NAMESPACE, SERVER_CORE, OUR_CORE = "srv", 0, 1
# What Linux chooses by default; a machine of somebody's may choose another.
CONGESTION = "cubic"


def run(command):
    subprocess.run(command.split(), check=True)


# Machines have MAC addresses of their own, and some servers send there before they ask for it by ARP.
MACHINES_MACS = """
table netdev rack {
  chain machines {
    type filter hook ingress device cli priority 0;
    ether daddr & ff:ff:00:00:00:00 == 02:be:00:00:00:00 meta pkttype set host
  }
}
"""


def make(by_relay):
    """by_relay: what goes to machines goes to the relay agent; otherwise they are on the server's own
    link, and it asks for each by ARP."""
    run(f"ip netns add {NAMESPACE}")
    run(f"ip link add cli type veth peer name eth0 netns {NAMESPACE}")
    by = f"congctl {CONGESTION}"
    for command in ("ip link set lo up", f"ip address add {SERVER}/8 dev eth0",
                    "ip link set eth0 up", f"ip route replace {NETWORK} dev eth0 src {SERVER} {by}",
                    *([f"ip route add {MACHINES} via {RELAY} {by}"] if by_relay else [])):
        run(f"ip netns exec {NAMESPACE} {command}")
    for command in ("ip link set lo up", f"ip address add {RELAY}/8 dev cli",
                    "ip link set cli up", f"ip route add local {MACHINES} dev lo"):
        run(command)
    if not by_relay:
        subprocess.run(["nft", "-f", "-"], input=MACHINES_MACS, text=True, check=True, env=libraries())


def libraries():
    """Those of the programs that were unpacked."""
    return os.environ | {"LD_LIBRARY_PATH": os.environ.get("SERVER_LIBRARIES", "")}


def at_the_server(command):
    return ["ip", "netns", "exec", NAMESPACE, "taskset", "-c", str(SERVER_CORE), *command]
