"""The tables in docs/benchmarks.md, from the raw results."""
import report
from report import spread


def short(name, result):
    """One result, for whoever watches."""
    if "offer_mean" in result:
        return (f"{result['completed']:.0f} of {result['started']:.0f} at {result['rate']}/s, OFFER "
                f"{result['offer_mean']:.0f} µs, ACK {result['ack_mean']:.0f} µs")
    if name in ("leases", "million"):
        return f"{result['per_lease']:.0f} B a lease, first OFFER after {result['restart']:.3f} s"
    offer, own = result["offer"], result["generator"]
    if "rate" not in result:
        return f"{result['per_second']:.0f}/s, as fast as answered"
    return (f"{result['rate']:.0f}/s: {result['per_second']:.0f}/s, {result['incomplete']:.2%} "
            f"incomplete, {result['cpu_us']:.1f} µs CPU, OFFER {offer['p50']:.0f} {offer['p99']:.0f} "
            f"{offer['p999']:.0f} µs, late p99 {own['late']['p99']:.0f} µs, free {own['free']:.0%}")


def write():
    run, *lines = report.last("dhcp")
    report.put("dhcp", tables(run, lines))


def tables(run, lines):
    names = list(dict.fromkeys(line["server"] for line in lines))
    how = (f"{run['rounds']} rounds of {run['seconds']:g} s for each figure, best rates to "
           f"{run['exact']:.0%}, options of `{run['firmware']}`")
    out = [report.head(run, lines, how), ""]
    there = {line.get("measure") for line in lines}
    parts = [bars(lines, run), rates(names, lines, run)]
    parts += [floor(lines)] if "floor" in there else []
    parts += [memory(names, lines)]
    parts += [overload(lines)] if "slowed" in there else []
    parts += [many(lines)] if "many leases" in there else []
    for part in (*parts, validation(lines)):
        out += [*part, ""]
    return "\n".join(out + report.failures(lines)).rstrip() + "\n"


def bars(lines, run):
    """What was asked for, and what was seen: of what was measured in turn, the ratios of the turns."""
    def values(server, measure, read):
        return {(line["round"], line.get("turn", 0)): read(line) for line in lines
                if line["server"] == server and line.get("measure") == measure}

    def against(ours, others):
        """The ratios of the rounds, or of the turns."""
        both = [ours[when] / others[when] for when in ours if others.get(when)]
        return spread(both, "{:.2f}")

    def ratio(other, measure, read):
        return against(values("pxed", measure, read), values(other, measure, read))

    def rate(line):
        return line["rate"] * line["found"]

    def done(line):
        return line["per_second"]

    def p99(line):
        return line["offer"]["p99"]

    closed, few = (values("pxed", measure, done) for measure in ("slowed, closed", "few leases"))
    yield from ("| measure | bar | seen |", "|---|---|---|")
    yield ("| durable exchanges a second, against Kea memfile, which syncs nothing | 3 | "
           f"{ratio('kea', 'best', rate)} |")
    yield f"| CPU for each exchange, against Kea | 0.33 | {ratio('kea', 'half', lambda line: line['cpu_us'])} |"
    for other in ("dnsmasq", "isc-dhcpd"):
        yield f"| exchanges a second, against {other} | 50 | {ratio(other, 'best', rate)} |"
    yield f"| with 1,000,000 leases, against 1,000 | 0.8 | {against(values('pxed', 'many leases', done), few)} |"
    for name in ("twice", "four times"):
        yield (f"| goodput when {name} the most is offered, on a part of a core, against what 128 at once get | "
               f"0.9 | {against(values('pxed', f'slowed, {name}', done), closed)} |")
    yield ("| OFFER p99 at half of the own best, against Kea's at half of Kea's, in turn | 1.0 | "
           f"{ratio('kea', 'half, in turn', p99)} |")
    yield f"| OFFER p99, both at {run['busy']} a second | - | {ratio('kea', 'busy', p99)} |"
    per_lease = values("pxed", "leases", lambda line: line["per_lease"])
    yield f"| octets a lease, of 100,000 | 200 | {spread(list(per_lease.values()))} |"


def rates(names, lines, run):
    yield from ("| server | exchanges/s | CPU/exchange µs | OFFER at half of that: p50 / p99 / p99.9 µs "
                f"| at {run['busy']}/s | at {run['common']}/s | most exchanges/s | of these at 2x | at 4x |",
                "|---|---|---|---|---|---|---|---|---|")
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
               f"{latency('busy')} | {latency('common')} | {of('best', lambda line: line['most'])} | "
               f"{of('twice', lambda line: 100 * line['goodput'])} % | "
               f"{of('four times', lambda line: 100 * line['goodput'])} % |")


def floor(lines):
    """pxed beside a responder that has nothing to do, at the same rate."""
    yield from ("| at half of pxed's best rate | CPU/exchange µs | OFFER p50 µs | p99 | p99.9 | ACK p50 | p99 |",
                "|---|---|---|---|---|---|---|")
    for name, measure in (("pxed", "half"), ("a responder without any state", "floor")):
        found = [line for line in lines if line["server"] == "pxed" and line.get("measure") == measure]
        cells = [spread([line["cpu_us"] for line in found], "{:.1f}")]
        cells += [spread([line[answer][p] for line in found])
                  for answer, p in (("offer", "p50"), ("offer", "p99"), ("offer", "p999"), ("ack", "p50"),
                                    ("ack", "p99"))]
        yield f"| {name} | {' | '.join(cells)} |"


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


def overload(lines):
    yield from ("| pxed with a part of its core | offered | exchanges/s |", "|---|---|---|")
    for measure in ("slowed, closed", "slowed", "slowed, twice", "slowed, four times"):
        found = [line for line in lines if line.get("measure") == measure]
        offered = spread([line["rate"] for line in found]) if measure != "slowed, closed" else "128 at once"
        yield f"| {measure} | {offered} | {spread([line['per_second'] for line in found])} |"


def many(lines):
    yield from ("| pxed, leases before | exchanges/s, 128 at once | octets a lease | first OFFER after a "
                "restart, s |", "|---|---|---|---|")
    def of(measure, read, number="{:.0f}"):
        return spread([read(line) for line in lines if line.get("measure") == measure], number)
    yield f"| 1,000 | {of('few leases', lambda line: line['per_second'])} | - | - |"
    yield (f"| 1,000,000 | {of('many leases', lambda line: line['per_second'])} | "
           f"{of('million', lambda line: line['per_lease'])} | "
           f"{of('million', lambda line: line['restart'], '{:.2f}')} |")
    yield ""
    yield from ("| pxed, 1,000,000 leases, at half of that | p50 µs | p99 | p99.9 | p99.99 | most |",
                "|---|---|---|---|---|---|")
    for measure in ("tail", "tail, busy disk"):
        for answer in ("offer", "ack"):
            cells = [of(measure, lambda line, p=p: line[answer][p])
                     for p in ("p50", "p99", "p999", "p9999", "max")]
            beside = " beside a busy disk" if "busy" in measure else ""
            yield f"| {answer.upper()}{beside} | {' | '.join(cells)} |"


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
