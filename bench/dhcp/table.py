"""The table in docs/benchmarks.md, from the raw results."""
import json
import pathlib
import statistics

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results" / "last.jsonl"
DOCUMENT = HERE.parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench/dhcp: begin -->", "<!-- bench/dhcp: end -->"


def short(name, result):
    """One result, for whoever watches."""
    if "offer_mean" in result:
        return (f"{result['completed']:.0f} of {result['started']:.0f} at {result['rate']}/s, OFFER "
                f"{result['offer_mean']:.0f} µs, ACK {result['ack_mean']:.0f} µs")
    if name == "leases":
        return f"{result['per_lease']:.0f} B a lease, first OFFER after {result['restart']:.3f} s"
    offer, own = result["offer"], result["generator"]
    return (f"{result['rate']:.0f}/s: {result['per_second']:.0f}/s, {result['incomplete']:.2%} "
            f"incomplete, {result['cpu_us']:.1f} µs CPU, OFFER {offer['p50']:.0f} {offer['p99']:.0f} "
            f"{offer['p999']:.0f} µs, late p99 {own['late']['p99']:.0f} µs, free {own['free']:.0%}")


def write():
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables(lines[0], lines[1:])}{END}{after}")


def tables(run, lines):
    names = list(dict.fromkeys(line["server"] for line in lines))
    where = run["environment"]
    loads = [line["load"] for line in lines if "load" in line]
    out = [f"{where['date']}, {where['cpu']}, {where['cores']} cores, Linux {where['kernel']}; "
           f"{run['rounds']} rounds of {run['seconds']:g} s for each figure, options of "
           f"`{run['firmware']}`; load average {min(loads):.1f} to {max(loads):.1f}. Median, and "
           "least to most where there are several rounds.", ""]
    for part in (rates(names, lines, run), memory(names, lines), validation(lines)):
        out += [*part, ""]
    failed = [line for line in lines if "failed" in line]
    out += [f"\nRound {line['round']}, {line['server']}, {line['failed']}: {line['why']}"
            for line in failed]
    return "\n".join(out) + "\n"


def rates(names, lines, run):
    common = f"OFFER at {run['common']}/s: p50 / p99 / p99.9 µs"
    yield from ("| server | exchanges/s | CPU/exchange µs | OFFER at half of that: p50 / p99 / p99.9 µs "
                f"| {common} | at 2x | at 4x |", "|---|---|---|---|---|---|---|")
    measured = {line["server"] for line in lines if line.get("measure") == "best"}
    for name in (name for name in names if name in measured):
        def of(measure, read, number="{:.0f}"):
            return spread([read(line) for line in lines
                           if line["server"] == name and line.get("measure") == measure], number)

        def latency(measure):
            return " / ".join(of(measure, lambda line, p=p: line["offer"][p])
                              for p in ("p50", "p99", "p999"))
        yield (f"| {name} | {of('best', lambda line: line['rate'] * line['found'])} | "
               f"{of('half', lambda line: line['cpu_us'], '{:.1f}')} | {latency('half')} | "
               f"{latency('common')} | {of('twice', lambda line: 100 * line['goodput'])} % | "
               f"{of('four times', lambda line: 100 * line['goodput'])} % |")


def memory(names, lines):
    yield from ("| server | octets a lease | the same after a restart | first OFFER after a restart, s |",
                "|---|---|---|---|")
    for name in names:
        found = [line for line in lines
                 if line["server"] == name and line.get("measure") == "leases"]
        if found:
            yield (f"| {name} | {spread([line['per_lease'] for line in found if line['filled']])} | "
                   f"{spread([line['per_lease_loaded'] for line in found])} | "
                   f"{spread([line['restart'] for line in found], '{:.2f}')} |")


def validation(lines):
    yield from ("| generator, against pxed | exchanges/s | completed | OFFER, mean µs | ACK, mean µs |",
                "|---|---|---|---|---|")
    for name in ("perfdhcp", "pxed-bench"):
        found = [line for line in lines if line.get("measure") == name]
        if found:
            share = [100 * line["completed"] / line["started"] for line in found]
            yield (f"| {name} | {found[0]['rate']} | {spread(share, '{:.2f}')} % | "
                   f"{spread([line['offer_mean'] for line in found])} | "
                   f"{spread([line['ack_mean'] for line in found])} |")


def spread(values, number="{:.0f}"):
    if not values:
        return "-"
    middle, least, most = (number.format(value) for value in (
        statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"
