"""The tables in docs/benchmarks.md, from the raw results."""
import statistics

import cases
import report
from report import spread

TITLES = {"tftp": "TFTP", "http": "HTTP", "https": "HTTPS"}


def short(kind, result):
    """One result, for whoever watches."""
    more = (f"{result['complete']} of {result['clients']}, slowest {result['slowest']:.2f} s, median "
            f"{result['median']:.2f} s, sent again {result['resent']}"
            if kind == "tftp" else f"{result['answers_per_second']:.0f} answers/s")
    free = f", free {result['free']:.0%}" if "free" in result else ""
    return (f"{result['mb_per_second']:.1f} MB/s, {result['cpu_per_gib']:.3f} CPU s/GiB, peak "
            f"{result['peak'] / 2**20:.1f} MiB, {more}{free}")


def write():
    run, *lines = report.last("files")
    how = (f"{run['rounds']} rounds, in each of them every case with one server after the other, TFTP without "
           f"delay or loss three times, HTTP and HTTPS for {run['seconds']:g} s; "
           f"TCP with {run['environment']['congestion']}")
    out = [report.head(run, lines, how), ""]
    for part in (bars, *(lambda lines, kind=kind: of_kind(kind, lines) for kind in TITLES)):
        out += [*part(lines), ""]
    report.put("files", "\n".join(out + report.failures(lines)).rstrip() + "\n")


def of_kind(kind, lines):
    lines = [line for line in lines if line["kind"] == kind and "case" in line]
    last = "slowest / median" if kind == "tftp" else "answers/s"
    yield f"| {TITLES[kind]} | server | MB/s | CPU s/GiB | peak PSS MiB | {last} | generator free |"
    yield "|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(cases.name(kind, line["case"]) for line in lines):
        found = [line for line in lines if cases.name(kind, line["case"]) == name]
        for server in dict.fromkeys(line["server"] for line in found):
            yield row(kind, name, server, [line for line in found if line["server"] == server])


def row(kind, name, server, lines):
    def of(read, number="{:.0f}"):
        return spread([read(line) for line in lines], number)
    if kind == "tftp":
        missing = sum(line["clients"] - line["complete"] for line in lines)
        last = of(ratio, "{:.2f}") + (f"; {missing} not complete" if missing else "")
    else:
        failed = sum(line["failures"] for line in lines)
        last = of(lambda line: line["answers_per_second"]) + (f"; {failed} failed" if failed else "")
    free = of(lambda line: 100 * line["free"]) + " %" if all("free" in line for line in lines) else "-"
    return (f"| {name} | {server} | {of(lambda line: line['mb_per_second'], '{:.1f}')} | "
            f"{of(lambda line: line['cpu_per_gib'], '{:.3f}')} | "
            f"{of(lambda line: line['peak'] / 2**20, '{:.1f}')} | {last} | {free} |")


def ratio(line):
    return line["slowest"] / line["median"] if line["median"] else 0


def bars(lines):
    """What was asked for, and what was seen: pxed against the best or the named one of the others."""
    yield "| measure | pxed | others | bar | seen |"
    yield "|---|---|---|---|---|"
    w1 = {"block": 1468, "window": 1, "rtt": 0, "clients": 1, "loss": 0}
    for clients in (1, 16, 200):
        case = w1 | {"clients": clients}
        best = max(("tftpd-hpa", "atftpd", "dnsmasq"),
                   key=lambda server: middle(found(lines, "tftp", case, server), "mb_per_second"))
        yield compare(f"TFTP, no windows, {clients} clients, MB/s", "1.0", "mb_per_second",
                      found(lines, "tftp", case, "pxed"), found(lines, "tftp", case, best))
    # tftpd-hpa refuses windows, so its own way is what it has to offer.
    yield compare("TFTP, windowsize 16, CPU s/GiB, against tftpd-hpa without", "0.33",
                  "cpu_per_gib", found(lines, "tftp", w1 | {"window": 16}, "pxed"),
                  found(lines, "tftp", w1, "tftpd-hpa"))
    for window in (1, 4, 16):
        slow = [ratio(line) for line in found(lines, "tftp", w1 | {"clients": 200, "window": window}, "pxed")]
        yield f"| TFTP, 200 clients, windowsize {window}, slowest / median | | | 1.5 | {spread(slow, '{:.2f}')} |"
    for kind, key, unit, bar in (("http", "mb_per_second", "MB/s", "1.0"),
                                 ("http", "cpu_per_gib", "CPU s/GiB", "1.1"),
                                 ("https", "mb_per_second", "MB/s", "0.9"),
                                 ("https", "cpu_per_gib", "CPU s/GiB", "-")):
        for connections in (1, 16):
            case = {"file": "64m", "range": 0, "connections": connections}
            yield compare(f"{TITLES[kind]}, 64 MiB, {connections} connections, {unit}, against nginx", bar, key,
                          found(lines, kind, case, "pxed"), found(lines, kind, case, "nginx"))


def found(lines, kind, case, server):
    return [line for line in lines if line["kind"] == kind and line["server"] == server
            and "case" in line and case.items() <= line["case"].items()]


def middle(lines, key):
    return statistics.median(line[key] for line in lines) if lines else 0


def compare(name, bar, key, ours, others):
    """The ratio is of what was measured in turn: that of each round, and of these the median."""
    if not ours or not others:
        return f"| {name} | - | - | {bar} | - |"
    def of(lines, round_):
        return middle([line for line in lines if line["round"] == round_], key)
    rounds = {line["round"] for line in ours} & {line["round"] for line in others}
    ratios = [of(ours, round_) / of(others, round_) for round_ in rounds]
    return (f"| {name} | {middle(ours, key):.3g} | {middle(others, key):.3g} ({others[0]['server']}) | {bar} | "
            f"{spread(ratios, '{:.2f}')} |")
