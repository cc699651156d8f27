"""ISC's perfdhcp beside our generator, at a rate that both can do: they must agree."""
import re
import subprocess

import bed
import measures


def validate(options, server):
    """The same rate by the one and by the other, each with an empty database."""
    for name, how in (("perfdhcp", by_perfdhcp), ("pxed-bench", by_pxed_bench)):
        server.start_empty()
        try:
            measures.first_offer(server, 60)
            yield name, how(options)
        finally:
            server.stop()


def by_perfdhcp(options):
    # -W: after the last DISCOVER, microseconds in which answers still count.
    command = ["taskset", "-c", str(bed.OUR_CORE), "perfdhcp", "-4", "-r", str(options.validate),
               "-p", str(round(options.seconds) or 1), "-R", str(measures.MACHINES),
               "-W", "1000000", "-l", bed.RELAY, bed.SERVER]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False,
                          env=bed.libraries()).stdout
    offers, acks = said.split("DISCOVER-OFFER")[1].split("REQUEST-ACK")
    sent, completed = number("sent packets", offers), number("received packets", acks)
    return {"rate": options.validate, "started": sent, "completed": completed,
            "offer_mean": number("avg delay", offers) * 1000,
            "ack_mean": number("avg delay", acks) * 1000}


def by_pxed_bench(options):
    report = measures.load(options, options.seconds, rate=options.validate, firmware="plain")
    return {"rate": options.validate, "started": report["started"],
            "completed": report["completed"], "offer_mean": report["offer"]["mean"],
            "ack_mean": report["ack"]["mean"]}


def number(name, text):
    return float(re.search(rf"{name}: ([\d.]+)", text)[1])
