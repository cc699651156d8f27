"""bench/storm: see `run`."""
import argparse
import json
import os
import socket
import subprocess
import sys
import time

import bed
import dnsmasq
import process
import pxed
import report
import web
from report import spread

PORT = 8067
LOADER, KERNEL, INITRD = "ipxe.efi", "vmlinuz", "initrd.gz"
# Addresses for a rack, and some.
LAST = "10.128.31.255"


class Pxed(process.Server):
    """As it is by default, but for the probes of addresses, which are all somebody's here."""

    def __init__(self, folder):
        super().__init__("pxed")
        self.folder = folder

    def command(self):
        return pxed.command(self, LAST, f"""
http-port = {PORT}
boot-dir = "{self.folder.path}"
loader = {{ uefi-x64 = "{LOADER}" }}
boot = "lab"
conflict-probe = "off"
""", f"""
[profile.lab]
kernel = "{self.folder.path}/{KERNEL}"
initrd = ["{self.folder.path}/{INITRD}"]
""")


class Usual(process.Server):
    """dnsmasq for DHCP and TFTP, nginx for HTTP."""

    def __init__(self, folder):
        super().__init__("dnsmasq + nginx")
        self.folder = folder

    def commands(self):
        files, url = self.folder.path, f"http://{bed.SERVER}:{PORT}"
        (files / "boot.ipxe").write_text(f"""#!ipxe
kernel {url}/{KERNEL} initrd={INITRD} || goto failed
initrd --name {INITRD} {url}/{INITRD} || goto failed
boot || goto failed
:failed
exit 1
""")
        loaders = f"""
dhcp-leasefile={self.path('leases')}
dhcp-match=set:ipxe,175
dhcp-boot=tag:!ipxe,{LOADER},,{bed.SERVER}
dhcp-boot=tag:ipxe,{url}/boot.ipxe,,{bed.SERVER}
"""
        return [dnsmasq.command(self, dnsmasq.addresses(LAST), dnsmasq.files(files), loaders),
                web.nginx(self, files, PORT)]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/storm/run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machines", type=int, default=500)
    parser.add_argument("--kernel", type=float, default=12, help="MiB")
    parser.add_argument("--initrd", type=float, default=50, help="MiB")
    parser.add_argument("--patience", type=float, default=180, help="seconds")
    parser.add_argument("--servers", default="pxed,dnsmasq + nginx")
    parser.add_argument("--quick", action="store_true", help="one round of 50 machines")
    parser.add_argument("--table", action="store_true", help="write the last run's table only")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.machines = 1, 50
    return options


def main():
    options = arguments()
    if options.table:
        run, *lines = report.last("storm")
        return report.put("storm", tables(run, lines))
    bed.make(by_relay=False)
    mebibytes = {KERNEL: options.kernel, INITRD: options.initrd, LOADER: 1}
    folder = web.Folder()
    for name, size in mebibytes.items():
        folder.make(name, int(size * 2**20))
    report.record({"environment": report.environment(), "rounds": options.rounds,
                   "machines": options.machines, "mebibytes": mebibytes})
    there = {server.name: server for server in (Pxed(folder), Usual(folder))}
    for number in range(1, options.rounds + 1):
        for windows in (4, 0):
            for name in options.servers.split(","):
                measure(options, number, windows, there[name])


def measure(options, number, windows, server):
    line = {"round": number, "server": server.name, "windows": windows}
    try:
        result = storm(options, windows, server)
        report.record(line | {"load": os.getloadavg()[0]} | result)
        print(f"{time.strftime('%H:%M:%S')} round {number} {server.name:16} windowsize {windows} "
              f"{short(result)}")
    except Exception as error:  # one server's failure is not the other's
        print(f"round {number} {server.name}: {error!r}", file=sys.stderr)
        report.record(line | {"failed": "storm", "why": repr(error)})


def storm(options, windows, server):
    server.forget()
    server.start()
    try:
        wait_for_http(server)
        server.settle()
        before = server.cpu()
        command = [os.environ["PXED_BENCH"], "storm", "--json", "--interface", "cli", "--cpu",
                   str(bed.OUR_CORE), "--machines", str(options.machines), "--window-size",
                   str(windows), "--originals", str(server.folder.path), "--patience",
                   str(options.patience)]
        with process.Peak(server) as peak:
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True,
                                  timeout=options.patience + 60)
        return json.loads(done.stdout) | {"cpu": server.cpu() - before, "peak": peak.octets}
    finally:
        server.stop()


def wait_for_http(server):
    """The last thing that servers begin with, so the rest is there too."""
    end = time.monotonic() + 30
    while time.monotonic() < end and server.running():
        try:
            socket.create_connection((bed.SERVER, PORT), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"it does not serve: see {server.path('log')}")


def short(result):
    failed = sum(sum(phase["failed"].values()) for phase in result["phases"])
    again = sum(phase["resent"] + phase["refused"] for phase in result["phases"])
    return (f"{result['booted']} booted, last script {result['last_script']:.2f} s, last files "
            f"{result['last_files']:.2f} s, {failed} failed, {again} sent again or refused, CPU "
            f"{result['cpu']:.2f} s, peak {result['peak'] / 2**20:.0f} MiB, generator free "
            f"{result['generator']['free_scripts']:.0%} {result['generator']['free_files']:.0%}")


def tables(run, lines):
    sizes = ", ".join(f"{name} {size:g} MiB" for name, size in run["mebibytes"].items())
    how = f"{run['rounds']} rounds of {run['machines']} machines; {sizes}"
    out = [report.head(run, lines, how), "",
           "| server | windowsize | booted | last script s | p99 script s | last kernel and initrd s | "
           "p99 s | sent again | refused | server CPU s | peak PSS MiB | generator free, scripts / files |",
           "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    kinds = dict.fromkeys((line["server"], line["windows"]) for line in lines if "booted" in line)
    for server, windows in sorted(kinds, key=lambda kind: -kind[1]):
        rounds = [line for line in lines
                  if (line["server"], line["windows"]) == (server, windows) and "booted" in line]

        def of(read, number="{:.2f}"):
            return spread([read(line) for line in rounds], number)

        def phase(name, key):
            return of(lambda line: next(p for p in line["phases"] if p["name"] == name)[key])
        again = " | ".join(of(lambda line, k=k: sum(p[k] for p in line["phases"]), "{:.0f}")
                           for k in ("resent", "refused"))
        free = " / ".join(of(lambda line, k=k: 100 * line["generator"][k], "{:.0f}")
                          for k in ("free_scripts", "free_files"))
        out.append(f"| {server} | {windows or 'none'} | {of(lambda line: line['booted'], '{:.0f}')} | "
                   f"{of(lambda line: line['last_script'])} | {phase('script', 'p99')} | "
                   f"{of(lambda line: line['last_files'])} | {phase('initrds', 'p99')} | {again} | "
                   f"{of(lambda line: line['cpu'])} | {of(lambda line: line['peak'] / 2**20, '{:.1f}')} | "
                   f"{free} % |")
    for line in lines:
        for part in line.get("phases", ()):
            for why, count in part["failed"].items():
                out.append(f"\nRound {line['round']}, {line['server']}, windowsize {line['windows']}: "
                           f"{count} failed at {part['name']}: {why}")
    return "\n".join(out + report.failures(lines)) + "\n"


main()
