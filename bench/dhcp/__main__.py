"""bench/dhcp: see `run`."""
import argparse
import os
import statistics
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
    parser.add_argument("--turns", type=int, default=5,
                        help="of what is compared by its tail, or with a part of a core, or a million leases")
    parser.add_argument("--seconds", type=float, default=5, help="of each single measurement")
    parser.add_argument("--common", type=int, default=150, help="a rate that all can carry")
    parser.add_argument("--busy", type=int, default=2500, help="one that those can carry that do not sync")
    parser.add_argument("--validate", type=int, default=1000, help="perfdhcp's rate, to compare")
    parser.add_argument("--patience", type=float, default=300,
                        help="seconds that a server may take until it serves again")
    parser.add_argument("--firmware", default="pxe", help="whose options: plain, pxe, ipxe")
    parser.add_argument("--skip", default="",
                        help="kinds of measurement: rates, leases, overload, many, validate, tails (which needs rates)")
    parser.add_argument("--quick", action="store_true", help="one round of 3 s, best rates to 15 %%, Kea by raw sockets only")
    parser.add_argument("--table", action="store_true", help="write the last run's table only")
    options = parser.parse_args()
    # How often a rate is tried, and how near to each other the last two are.
    options.steps, options.exact = 9, 0.06
    if options.quick:
        options.seconds, options.rounds, options.steps, options.exact = 3, 1, 5, 0.15
        options.turns = 2
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
    tops = {}
    for number in range(1, options.rounds + 1):
        for name in options.servers.split(","):
            for measure, result in measure_all(options, number, there[name]):
                if measure == "best":
                    tops.setdefault(name, []).append(result["rate"])
    if "tails" not in options.skip.split(","):
        tops = {name: statistics.median(tops[name]) for name in ("pxed", "kea") if name in tops}
        try:
            for server, result in measures.tails(options, there, tops):
                keep(0, server, "half, in turn", result)
        except Exception as error:  # what was measured before is not lost by it
            failed(0, " and ".join(tops), "tails", error)


def measure_all(options, number, server):
    """Each kind of measurement of a server: yields measures with their results."""
    kinds = {"rates": measures.rates, "leases": measures.leases}
    if server.name == "pxed":
        kinds |= {"overload": measures.overload, "many": measures.many, "validate": perfdhcp.validate}
    for kind in (kind for kind in kinds if kind not in options.skip.split(",")):
        try:
            for name, result in kinds[kind](options, server):
                keep(number, server, name, result)
                yield name, result
        except Exception as error:  # one server's failure is not the others'
            failed(number, server.name, kind, error)


def failed(number, name, kind, error):
    print(f"round {number} {name}: {kind}: {error!r}", file=sys.stderr)
    report.record({"round": number, "server": name, "failed": kind, "why": repr(error)})


def keep(number, server, name, result):
    report.record({"round": number, "server": server.name, "measure": name, "load": os.getloadavg()[0]}
                  | result)
    print(f"{time.strftime('%H:%M:%S')} round {number} {server.name:16} {name:18} {table.short(name, result)}")


main()
