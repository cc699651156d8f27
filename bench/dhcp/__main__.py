"""bench/dhcp: see `run`."""
import argparse
import json
import os
import pathlib
import sys
import time

import bed
import measures
import perfdhcp
import servers
import table

RESULTS = pathlib.Path(os.environ.get("CELL", ".")) / "results.jsonl"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/dhcp/run")
    names = list(servers.all_servers()) if "CELL" in os.environ else []
    parser.add_argument("--servers", help="some of them, with commas", default=",".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each single measurement")
    parser.add_argument("--common", type=int, default=150, help="a rate that all can carry")
    parser.add_argument("--validate", type=int, default=1000, help="perfdhcp's rate, to compare")
    parser.add_argument("--firmware", default="pxe", help="whose options: plain, pxe, ipxe")
    parser.add_argument("--skip", default="", help="kinds of measurement: rates, leases, validate")
    parser.add_argument("--table", action="store_true", help="write the last run's table only")
    return parser.parse_args()


def main():
    options = arguments()
    if options.table:
        return table.write()
    bed.make()
    there = servers.all_servers()
    record({"environment": measures.environment(), "seconds": options.seconds,
            "rounds": options.rounds, "common": options.common, "firmware": options.firmware})
    for number in range(1, options.rounds + 1):
        for name in options.servers.split(","):
            measure(options, number, there[name])


def measure(options, number, server):
    kinds = {"rates": measures.rates, "leases": measures.leases}
    if server.name == "pxed":
        kinds["validate"] = perfdhcp.validate
    for kind in (kind for kind in kinds if kind not in options.skip.split(",")):
        try:
            for name, result in kinds[kind](options, server):
                record({"round": number, "server": server.name, "measure": name,
                        "load": os.getloadavg()[0]} | result)
                print(f"{time.strftime('%H:%M:%S')} round {number} {server.name:16} {name:10} "
                      f"{table.short(name, result)}")
        except Exception as error:  # one server's failure is not the others'
            print(f"round {number} {server.name}: {kind}: {error!r}", file=sys.stderr)
            record({"round": number, "server": server.name, "failed": kind, "why": repr(error)})


def record(line):
    with open(RESULTS, "a") as file:
        file.write(json.dumps(line) + "\n")


main()
