# shellcheck shell=bash
# enter COMMAND...: run COMMAND in namespaces of its own: network, mounts, processes.
#
# The kernel cleans up, however it ends: when the first process of the process namespace
# dies, everything in it dies, and with the last process go its network and its mounts.
# --kill-child and --pdeathsig pass the death of our own caller on, even by SIGKILL.
enter() {
    exec setpriv --pdeathsig KILL \
        unshare --net --mount --pid --fork --mount-proc --kill-child=KILL -- \
        "$LAB/lib/inside" "$@"
}
