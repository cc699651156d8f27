"""Raw results as JSON lines, and tables in docs/benchmarks.md made from them."""
import json
import os
import pathlib
import statistics
import time

import bed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"
RAW = pathlib.Path(os.environ.get("CELL", ".")) / "results.jsonl"


def record(line):
    with open(RAW, "a") as file:
        file.write(json.dumps(line) + "\n")


def last(bench):
    """The lines of the last run of bench/NAME."""
    path = ROOT / "bench" / bench / "results" / "last.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def put(bench, text):
    """Between the marks of bench/NAME."""
    begin, end = f"<!-- bench/{bench}: begin -->", f"<!-- bench/{bench}: end -->"
    before, rest = DOCUMENT.read_text().split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{text}{end}{after}")


def environment():
    """What the machine was."""
    cpu = next(line.partition(":")[2].strip()
               for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
               if line.startswith("model name"))
    return {"cpu": cpu, "congestion": bed.CONGESTION, "cores": os.cpu_count(), "kernel": os.uname().release,
            "date": time.strftime("%Y-%m-%d", time.gmtime())}


def head(run, lines, rest):
    """The sentence above a table."""
    where = run["environment"]
    loads = [line["load"] for line in lines if "load" in line] or [0]
    return (f"{where['date']}, {where['cpu']}, {where['cores']} cores, Linux {where['kernel']}; {rest}; "
            f"load average {min(loads):.1f} to {max(loads):.1f}. Median, and least to most where there "
            "are several rounds.")


def failures(lines):
    """What could not be measured, one line each."""
    return [f"Round {line['round']}, {line['server']}, {line['failed']}: {line['why']}"
            for line in lines if "why" in line]


def spread(values, number="{:.0f}"):
    if not values:
        return "-"
    middle, least, most = (number.format(value) for value in (
        statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"
