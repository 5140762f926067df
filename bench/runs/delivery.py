"""Delivery at scale: a backlog acked record by record, many dead letters and parked keys, an outage, and a replay beside live traffic."""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from measuring import bench, metric, resident_mib, write_result

from harness import Broker, binary


def timed_ms(times: int, call) -> float:
    """Median; starting the command-line tool counts too."""
    took = []
    for _ in range(times):
        begin = time.monotonic()
        call()
        took.append((time.monotonic() - begin) * 1000)
    return statistics.median(took)


def run_acks(directory: str, options) -> dict:
    with Broker(directory=directory) as broker:
        figures = bench("--brokers", broker.native, "queue", "--events", str(options.acks))[0]
        figures["command_bytes_per_ack"] = metric(broker, "millrace_delivery_command_bytes_total") / figures["deliveries"]
        return figures


def ask_letters(broker: Broker) -> dict:
    """How long questions take, and what the broker holds meanwhile."""
    def asked(times: int, subscription: str, *filters: str) -> float:
        return timed_ms(times, lambda: broker.ask("dlq", "ls", subscription, *filters))

    return {"by_cause_ms": asked(9, "bench-queue", "--cause", "mapping"), "no_match_ms": asked(9, "bench-queue", "--cause", "poison"),
            "parked_by_cause_ms": asked(9, "bench-parked", "--cause", "mapping"), "version_ms": timed_ms(9, lambda: broker.millrace("version")),
            "group_by_error_ms": asked(1, "bench-queue", "--group-by", "error"), "resident_mib": resident_mib(broker)}


def run_letters(directory: str, options) -> dict:
    """Letters of one subscription, and beside them another one whose keys wait behind theirs."""
    with Broker(directory=directory, arguments=["--letters-max", str(2 * options.letters)]) as broker:
        idle = resident_mib(broker)
        queue = ("--brokers", broker.native, "queue", "--letters")
        figures = bench(*queue, "--events", str(options.letters), "--unordered")[0]
        bench(*queue, "--topic", "bench.parked.event.made", "--subscription", "bench-parked", "--events", str(2 * options.parked_keys),
              "--keys", str(options.parked_keys), "--deliveries", str(options.parked_keys), "--window", "65536")
        describe = broker.ask("subscription", "describe", "bench-queue")
        parked = broker.ask("subscription", "describe", "bench-parked")
        before = ask_letters(broker)
        begin = time.monotonic()
        broker.kill()
        broker.start(wait_seconds=300)
        restart_s = time.monotonic() - begin
        return {"letters_open": describe["letters_open"], "parked_keys": parked["parked_keys"], "parked_records": parked["parked_records"],
                "letters_per_second": figures["deliveries_per_second"], "idle_mib": idle, "before_the_kill": before, "restart_s": restart_s,
                "after_it": ask_letters(broker)}


def run_outage(directory: str, options) -> dict:
    with Broker(directory=directory) as broker:
        figures = bench("--brokers", broker.native, "queue", "--events", "100000", "--outage", str(options.outage_seconds))[0]
        figures["letters_open"] = broker.ask("subscription", "describe", "bench-queue")["letters_open"]
        return figures


def digests(broker: Broker, *command: str) -> list[bytes]:
    """Of each line that a command prints: place, key, event time and value of a record."""
    with subprocess.Popen([binary("millrace"), "--quiet", "--brokers", broker.native, *command], stdout=subprocess.PIPE) as printing:
        found = sorted(hashlib.blake2b(line, digest_size=16).digest() for line in printing.stdout)
    if printing.returncode != 0:
        raise AssertionError(f"millrace {' '.join(command)} ended with {printing.returncode}")
    return found


def run_replay(directory: str, options) -> dict:
    """A tenth of the log, by append time, into a topic; compared with a direct scan record by record."""
    history = "bench.history.event.made"
    paced = ["--brokers", None, "paced", "--rate", str(options.live_rate), "--seconds"]
    with Broker(directory=directory) as broker:
        paced[1] = broker.native
        begin = time.time()
        bench("--brokers", broker.native, "queue", "--topic", history, "--subscription", "none-reads", "--events", str(options.history),
              "--deliveries", "1", "--window", "1")
        length = time.time() - begin
        window = (f"{int((begin + length * 0.45) * 1e6)}", f"{int((begin + length * 0.55) * 1e6)}")
        broker.millrace("subscription", "rm", "none-reads")
        alone = bench(*paced, "10")[0]
        took = []

        def run_job():
            replay_begin = time.monotonic()
            broker.millrace("replay", "create", "--topic", history, "--from", window[0], "--to", window[1],
                            "--to-topic", "bench.copy.event.made", "--wait", timeout=600)
            took.append(time.monotonic() - replay_begin)

        replay = threading.Thread(target=run_job)
        broker.millrace("topic", "create", "bench.copy.event.made", "--partitions", "16")
        replay.start()
        beside = bench(*paced, "10")[0]
        replay.join()
        contents = "{key} {event_time_us} {value}"
        expected = digests(broker, "replay", "print", "--topic", history, "--from", window[0], "--to", window[1],
                           "--format", "{topic}/{partition}@{offset} " + contents)
        copied = digests(broker, "consume", "bench.copy.event.made", "--format", "{header.millrace-origin} " + contents)
        return {"history": options.history, "window_records": len(expected), "replayed": len(copied), "replay_s": took[0],
                "same_records": copied == expected,
                "alone": alone["latency"], "beside": beside["latency"], "live_rate": options.live_rate}


WORKS = {"acks": run_acks, "letters": run_letters, "outage": run_outage, "replay": run_replay}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acks", type=int, default=1_000_000, help="records acked one by one")
    parser.add_argument("--letters", type=int, default=1_000_000, help="dead letters")
    parser.add_argument("--parked-keys", type=int, default=100_000, help="keys that wait behind a letter each")
    parser.add_argument("--outage-seconds", type=int, default=300)
    parser.add_argument("--history", type=int, default=10_000_000, help="events in the log that is replayed from")
    parser.add_argument("--live-rate", type=int, default=50_000, help="events per second beside the replay")
    parser.add_argument("--only", choices=WORKS, action="append", help="just this work; may come again")
    options = parser.parse_args()
    results = {}
    for name in options.only or WORKS:
        print(f"== {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory:
            results[name] = WORKS[name](directory, options)
            print(json.dumps(results[name]))
    write_result("delivery", {"settings": vars(options), "results": results})


if __name__ == "__main__":
    main()
