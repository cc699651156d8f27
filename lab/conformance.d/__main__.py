"""conformance.d SERVER [ITEM...] --results FILE [--expect FILE] --work DIR

Runs the items against SERVER, in namespaces that this run makes: it must itself be in namespaces
of its own (lab/lib/enter.sh), which end with it.  Beds of different kinds, and several of the
plain kind, run side by side; the items of one bed run one after the other.
"""
import argparse
import importlib
import os
import traceback
from concurrent.futures import ThreadPoolExecutor

import verdict
from bed import Bed, Faults
from verdict import ITEMS, Unsure, Wrong

CHAPTERS = ["replies", "discover", "selecting", "returning", "release", "relay", "encoding",
            "parser", "more", "pxe"]
# So many servers of the plain kind share its items: most items wait for silence.
PLAIN_BEDS = 12
ORACLE = range(1, 9)


def main():
    options = arguments()
    server = importlib.import_module(f"servers.{options.server}")
    for chapter in CHAPTERS:
        importlib.import_module(f"items.{chapter}")
    wanted = options.items or list(ITEMS)
    faults, results = Faults(), {}
    with ThreadPoolExecutor(64) as pool:
        jobs = [pool.submit(run_bed, kind, server.Server, f"{options.work}/{n}-{kind}", faults,
                            share) for n, (kind, share) in enumerate(beds(wanted))]
        for job in jobs:
            results.update(job.result())
    judge(results, faults)
    write(options.results, f"{options.server} {server.version()}", results)
    report(results)
    os._exit(lost(results, passing(options.expect), options.items))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=["pxed", "dnsmasq", "kea", "isc"])
    parser.add_argument("items", nargs="*", type=int)
    parser.add_argument("--results", required=True)
    parser.add_argument("--expect")
    parser.add_argument("--work", required=True)
    return parser.parse_intermixed_args()


def beds(wanted):
    """(kind, its items); the plain kind more than once, each with a share."""
    kinds = {}
    for number in wanted:
        kinds.setdefault(ITEMS[number].kind, []).append(number)
    plain = kinds.pop("plain", [])
    shares = [plain[n::PLAIN_BEDS] for n in range(PLAIN_BEDS)]
    return list(kinds.items()) + [("plain", share) for share in shares if share]


def run_bed(kind, server, directory, faults, numbers):
    try:
        bed = Bed(kind, server, directory, faults)
    except Wrong as wrong:
        return {number: ("fail", f"it does not start: {wrong}") for number in numbers}
    try:
        return {number: run_item(ITEMS[number], bed) for number in numbers}
    finally:
        bed.close()


def run_item(item, bed):
    try:
        return "pass", item.test(bed) or ""
    except Wrong as wrong:
        return "fail", str(wrong)
    except Unsure as unsure:
        return "unsure", str(unsure)
    except Exception as error:  # the test's own mistake: said, and never taken for a verdict
        traceback.print_exc()
        return "unsure", f"the test broke off: {error!r}"


def judge(results, faults):
    """Items 1 to 8 are about every reply of the run."""
    for number in ORACLE:
        if number in results and faults.of.get(number):
            found = faults.of[number]
            results[number] = "fail", f"{found[0]} ({len(found)} of {faults.replies} replies)"


def write(path, title, results):
    with open(path, "w") as file:
        file.write(f"# {title}\n")
        for number in sorted(results):
            file.write("\t".join([str(number), *map(clean, results[number])]) + "\n")


def clean(text):
    """One field: no tabs, and nothing that a server wrote goes to a terminal as it is."""
    return "".join(c if c.isprintable() else "?" for c in text)


def report(results):
    for number in sorted(results):
        word, note = results[number]
        print(f"{word:6}  {number:3}  {verdict.title(number)}{': ' if note else ''}{clean(note)}")
    words = [word for word, _ in results.values()]
    print(", ".join(f"{words.count(word)} {word}" for word in ("pass", "fail", "unsure")))


def lost(results, expected, wanted):
    """1, and says so, if an item does not pass that is expected to."""
    status = 0
    for number in expected:
        word, note = results.get(number, ("missing", "it was not tried"))
        if word != "pass" and (not wanted or number in wanted):
            print(f"item {number} does not pass any more: {clean(note)}")
            status = 1
    return status


def passing(path):
    """The items that a file of results says pass."""
    if path is None:
        return []
    with open(path) as file:
        fields = [line.split("\t") for line in file if not line.startswith("#")]
    return [int(number) for number, word, *_ in fields if word == "pass"]


if __name__ == "__main__":
    main()
