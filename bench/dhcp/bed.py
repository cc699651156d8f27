"""The network: the server's namespace, a cable, and here the relay agent with all its machines."""
import os
import subprocess

SERVER, RELAY, NETWORK = "10.0.0.1", "10.0.0.2", "10.0.0.0/8"
# From 10.128.0.0 on: for rates 65,536 addresses, and 262,144 for many leases.
FIRST, SMALL, LARGE = "10.128.0.0", "10.128.255.255", "10.131.255.255"
NAMESPACE, SERVER_CORE, OUR_CORE = "srv", 0, 1


def run(command):
    subprocess.run(command.split(), check=True)


def make():
    run(f"ip netns add {NAMESPACE}")
    run(f"ip link add cli type veth peer name eth0 netns {NAMESPACE}")
    for command in ("ip link set lo up", f"ip address add {SERVER}/8 dev eth0",
                    "ip link set eth0 up",
                    # Renewed leases are answered at their addresses, which are all here.
                    f"ip route add 10.128.0.0/9 via {RELAY}"):
        run(f"ip netns exec {NAMESPACE} {command}")
    for command in ("ip link set lo up", f"ip address add {RELAY}/8 dev cli",
                    "ip link set cli up", "ip route add local 10.128.0.0/9 dev lo"):
        run(command)


def libraries():
    """Those of the programs that were unpacked."""
    return os.environ | {"LD_LIBRARY_PATH": os.environ.get("SERVER_LIBRARIES", "")}


def at_the_server(command):
    return ["ip", "netns", "exec", NAMESPACE, "taskset", "-c", str(SERVER_CORE), *command]
