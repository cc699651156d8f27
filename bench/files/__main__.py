"""bench/files: see `run`."""
import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time

import bed
import cases
import process
import report
import servers
import table
import web


def arguments():
    parser = argparse.ArgumentParser(prog="bench/files/run")
    parser.add_argument("--kinds", default="tftp,http,https", help="some of these, with commas")
    parser.add_argument("--servers", default="", help="some of them, with commas")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement by HTTP(S)")
    parser.add_argument("--all", action="store_true", help="every combination: hours")
    parser.add_argument("--quick", action="store_true", help="HTTP(S) for 1 s each")
    parser.add_argument("--only", default="", help="cases whose name this regular expression finds")
    parser.add_argument("--table", action="store_true", help="write the last run's table only")
    options = parser.parse_args()
    if options.quick:
        options.seconds = 1
    return options


def main():
    options = arguments()
    if options.table:
        return table.write()
    bed.make(by_relay=True)
    folder = web.Folder()
    for name, size in cases.FILES.items():
        folder.make(name, size)
    report.record({"environment": report.environment(), "rounds": options.rounds,
                   "seconds": options.seconds})
    there = servers.all_servers(folder)
    for server in (server for kind in there.values() for server in kind.values()):
        server.forget()
    for number in range(1, options.rounds + 1):
        for kind in options.kinds.split(","):
            for case in cases.KINDS[kind](options.all):
                for server in chosen(options, there[kind]):
                    measure(options, {"round": number, "server": server.name, "kind": kind, "case": case},
                            server)


def chosen(options, there):
    names = options.servers.split(",") if options.servers else there
    return [there[name] for name in names if name in there]


def measure(options, line, server):
    """A case with one server, which starts for it: those that are compared follow each other at once, for the
    machine is another one after a minute."""
    kind, case = line["kind"], line["case"]
    name = cases.name(kind, case)
    if not re.search(options.only, name) or kind == "tftp" and case["window"] > 1 and not server.windows:
        return
    server.start()
    try:
        wait(server, kind)
        for _ in range(times(kind, case)):
            one(options, line, name, server)
    except Exception as error:  # one server's failure is not the others'
        print(f"round {line['round']} {server.name} {kind}: {error!r}", file=sys.stderr)
        report.record({key: line[key] for key in ("round", "server", "kind")}
                      | {"failed": f"{kind}, {name}", "why": repr(error)})
    finally:
        server.stop()


def times(kind, case):
    """How often it is measured in a round: a transfer without delay or loss is over in half a second."""
    return 3 if kind == "tftp" and not case["rtt"] and not case["loss"] else 1


def one(options, line, name, server):
    server.settle()
    before = server.cpu()
    with process.Peak(server) as peak:
        result = MEASURES[line["kind"]](options, line["case"], server)
    gibibytes = result["octets_in_all"] / 2**30
    result |= {"cpu": server.cpu() - before, "peak": peak.octets, "load": os.getloadavg()[0]}
    result["cpu_per_gib"] = result["cpu"] / gibibytes if gibibytes else 0
    report.record(line | result)
    print(f"{time.strftime('%H:%M:%S')} round {line['round']} {server.name:10} {line['kind']:5} "
          f"{name}: {table.short(line['kind'], result)}")


def tftp(options, case, server):
    flags = {"server": f"{bed.SERVER}:69", "file": case["file"], "from": bed.FIRST,
             "clients": case["clients"], "block-size": case["block"],
             "window-size": case["window"] if case["window"] > 1 else 0, "delay": case["rtt"] / 2,
             "loss": case["loss"], "seed": 1, "original": server.folder / case["file"]}
    result = generator("tftp", flags)
    return result | {"octets_in_all": result["octets"],
                     "whole": result["complete"] * cases.FILES[case["file"]]}


def http(options, case, server):
    flags = {"server": f"{bed.SERVER}:{servers.HTTP}", "path": server.http_path(case["file"]),
             "from": bed.FIRST, "connections": case["connections"], "seconds": options.seconds,
             "warm-up": 0.2, "original": server.folder / case["file"]}
    if case["range"]:
        flags["range"] = case["range"]
    return generator("http", flags)


def generator(command, flags):
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    done = subprocess.run([os.environ["PXED_BENCH"], command, "--json", "--cpu", str(bed.OUR_CORE),
                           *words], stdout=subprocess.PIPE, timeout=300, check=True)
    return json.loads(done.stdout)


def https(options, case, server):
    """By wrk, which deciphers all of it."""
    url = f"https://{bed.SERVER}:{servers.HTTPS}{server.http_path(case['file'])}"
    command = ["taskset", "-c", str(bed.OUR_CORE), "wrk", "-t", "1", "-c", str(case["connections"]),
               "-d", str(max(1, round(options.seconds))), "--timeout", "30s", url]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300,
                          env=bed.libraries()).stdout
    answers, seconds, octets = re.search(r"(\d+) requests in ([\d.]+)s, ([\d.]+\w+) read", said).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    octets, seconds = size(octets), float(seconds)
    return {"seconds": seconds, "octets": octets, "octets_in_all": octets,
            "mb_per_second": octets / 1e6 / seconds, "answers": int(answers),
            "answers_per_second": int(answers) / seconds, "failures": int(bad[1]) if bad else 0}


def size(text):
    """wrk's sizes, which count in 1024."""
    number, unit = re.fullmatch(r"([\d.]+)(\w?)B", text).groups()
    return float(number) * 1024 ** " KMGT".index(unit or " ")


MEASURES = {"tftp": tftp, "http": http, "https": https}


def wait(server, kind):
    """Until it answers."""
    end = time.monotonic() + 30
    while time.monotonic() < end and server.running():
        try:
            return serves_tftp() if kind == "tftp" else socket.create_connection(
                (bed.SERVER, servers.HTTPS if kind == "https" else servers.HTTP), 1).close()
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"it does not serve: see {server.path('log')}")


def serves_tftp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        asker.sendto(b"\0\x01none\0octet\0", (bed.SERVER, 69))
        asker.recv(600)


main()
