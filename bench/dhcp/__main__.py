"""bench/dhcp: see `run`."""
import argparse
import os
import sys
import time

import bed
import measures
import perfdhcp
import report
import servers
import table


def arguments():
    parser = argparse.ArgumentParser(prog="bench/dhcp/run")
    names = list(servers.all_servers()) if "CELL" in os.environ else []
    parser.add_argument("--servers", help="some of them, with commas", default=",".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each single measurement")
    parser.add_argument("--common", type=int, default=150, help="a rate that all can carry")
    parser.add_argument("--busy", type=int, default=2500, help="one that those can carry that do not sync")
    parser.add_argument("--validate", type=int, default=1000, help="perfdhcp's rate, to compare")
    parser.add_argument("--patience", type=float, default=300,
                        help="seconds that a server may take until it serves again")
    parser.add_argument("--firmware", default="pxe", help="whose options: plain, pxe, ipxe")
    parser.add_argument("--skip", default="", help="kinds of measurement: rates, leases, overload, many, validate")
    parser.add_argument("--quick", action="store_true", help="one round of 3 s, best rates to 15 %%, Kea by raw sockets only")
    parser.add_argument("--table", action="store_true", help="write the last run's table only")
    options = parser.parse_args()
    # How often a rate is tried, and how near to each other the last two are.
    options.steps, options.exact = 9, 0.06
    if options.quick:
        options.seconds, options.rounds, options.steps, options.exact = 3, 1, 5, 0.15
        options.patience = 30
        options.servers = ",".join(n for n in options.servers.split(",") if not n.endswith("-udp"))
    return options


def main():
    options = arguments()
    if options.table:
        return table.write()
    bed.make(by_relay=True)
    there = servers.all_servers()
    report.record({"environment": report.environment(), "seconds": options.seconds,
                   "rounds": options.rounds, "common": options.common,
                   "busy": options.busy, "exact": options.exact,
                   "firmware": options.firmware})
    for number in range(1, options.rounds + 1):
        for name in options.servers.split(","):
            measure(options, number, there[name])


def measure(options, number, server):
    kinds = {"rates": measures.rates, "leases": measures.leases}
    if server.name == "pxed":
        kinds |= {"overload": measures.overload, "many": measures.many, "validate": perfdhcp.validate}
    for kind in (kind for kind in kinds if kind not in options.skip.split(",")):
        try:
            for name, result in kinds[kind](options, server):
                report.record({"round": number, "server": server.name, "measure": name,
                               "load": os.getloadavg()[0]} | result)
                print(f"{time.strftime('%H:%M:%S')} round {number} {server.name:16} {name:10} "
                      f"{table.short(name, result)}")
        except Exception as error:  # one server's failure is not the others'
            print(f"round {number} {server.name}: {kind}: {error!r}", file=sys.stderr)
            report.record({"round": number, "server": server.name, "failed": kind,
                           "why": repr(error)})


main()
