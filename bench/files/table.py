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
    how = (f"{run['rounds']} rounds, TFTP without delay or loss three times in each, HTTP and HTTPS for "
           f"{run['seconds']:g} s each; TCP with {run['environment']['congestion']}")
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
    """What the tables come to, pxed against the best or the named one of the others, by median."""
    yield "| measure | pxed | others | ratio |"
    yield "|---|---|---|---|"
    w1 = {"block": 1468, "window": 1, "rtt": 0, "clients": 1, "loss": 0}
    windows = w1 | {"window": 16}
    many = w1 | {"clients": 200}
    for clients in (1, 16, 200):
        case = w1 | {"clients": clients}
        best = middle(lines, "tftp", case, "mb_per_second", ("tftpd-hpa", "atftpd", "dnsmasq"))
        yield compare(f"TFTP, no windows, {clients} clients, MB/s",
                      middle(lines, "tftp", case, "mb_per_second"), best, max)
    # tftpd-hpa refuses windows, so its own way is what it has to offer.
    hpa = middle(lines, "tftp", w1, "cpu_per_gib", ("tftpd-hpa",))
    yield compare("TFTP, windowsize 16, CPU s/GiB, against tftpd-hpa without",
                  middle(lines, "tftp", windows, "cpu_per_gib"), hpa, min)
    for window in (1, 4, 16):
        slow = [ratio(line) for line in found(lines, "tftp", many | {"window": window}, "pxed")]
        yield f"| TFTP, 200 clients, windowsize {window}, slowest / median | {spread(slow, '{:.2f}')} | | |"
    for kind, connections in (("http", (1, 16)), ("https", (1, 16))):
        for count in connections:
            case = {"file": "64m", "range": 0, "connections": count}
            for key, unit in (("mb_per_second", "MB/s"), ("cpu_per_gib", "CPU s/GiB")):
                yield compare(f"{TITLES[kind]}, 64 MiB, {count} connections, {unit}, against nginx",
                              middle(lines, kind, case, key), middle(lines, kind, case, key, ("nginx",)),
                              max)


def found(lines, kind, case, server):
    return [line for line in lines if line["kind"] == kind and line["server"] == server
            and "case" in line and case.items() <= line["case"].items()]


def middle(lines, kind, case, key, servers=("pxed",)):
    """Median by server."""
    values = {server: [line[key] for line in found(lines, kind, case, server)] for server in servers}
    return {server: statistics.median(value) for server, value in values.items() if value}


def compare(name, ours, others, best):
    if not ours or not others:
        return f"| {name} | - | - | - |"
    mine, server = ours["pxed"], best(others, key=others.get)
    ratio_ = mine / others[server] if others[server] else 0
    return f"| {name} | {mine:.3g} | {others[server]:.3g} ({server}) | {ratio_:.2f} |"
