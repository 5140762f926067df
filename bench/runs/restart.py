"""How long a start takes with many events stored: after a clean stop, and after SIGKILL with so much in the log that no index has yet."""
import argparse
import os
import shutil
import sys
import tempfile
import time

from measuring import bench, median, metric, processor_times, resident_mib, stolen_share, write_result

from harness import Broker

TOPIC = "bench.load.event.made"
WAIT_SECONDS = 600


def timed_start(broker: Broker) -> float:
    """Milliseconds from the launch to the ready file."""
    begin = time.time()
    broker.start(wait_seconds=WAIT_SECONDS)
    return (broker.ready_file.stat().st_mtime - begin) * 1000


def publish(broker: Broker, options, events: int) -> int:
    """Events that were acked: all of them, or it ends the run."""
    figures = bench("--brokers", broker.native, "publish", "--keyless", "--topic", TOPIC, "--events", str(events), "--bytes", str(options.bytes))[0]
    if figures["failed"] or figures["events"] != events:
        raise RuntimeError(f"{figures['failed']} of {events} events failed")
    return events


def stored_events(broker: Broker) -> int:
    partitions = broker.ask("topic", "describe", TOPIC)["partitions"]
    return sum(one["next_offset"] - one["first_offset"] for one in partitions)


def one_round(broker: Broker, options, acked: int) -> tuple[dict, int]:
    """A clean stop and a start, more events, SIGKILL and a start; with what was acked in all."""
    times = processor_times()
    begin = time.monotonic()
    if broker.stop(WAIT_SECONDS) != 0:
        raise RuntimeError(f"millraced ended with {broker.process.returncode}:\n{broker.log_tail()}")
    result = {"stop_ms": (time.monotonic() - begin) * 1000, "after_stop_ms": timed_start(broker)}
    result["after_stop_resident_mib"] = resident_mib(broker)
    acked += publish(broker, options, (options.unflushed_mib << 20) // options.bytes)
    result["unflushed_mib"] = metric(broker, "millrace_storage_commit_bytes_sum") / (1 << 20)
    broker.kill()
    result["after_kill_ms"] = timed_start(broker)
    result["after_kill_resident_mib"] = resident_mib(broker)
    result["events"] = acked
    result["lost"] = acked - stored_events(broker)
    result["stolen_share"] = stolen_share(times, processor_times())
    return result, acked


def print_table(rounds: list[dict], options):
    print(f"\n{options.events:,} events of {options.bytes} B, {median(rounds, 'unflushed_mib'):,.0f} MiB of the log without an index at SIGKILL")
    for name, key in (("start after a clean stop", "after_stop_ms"), ("start after SIGKILL", "after_kill_ms"), ("clean stop", "stop_ms")):
        values = [one[key] for one in rounds]
        print(f"{name:28} {median(rounds, key):10,.0f} ms   from {min(values):,.0f} to {max(values):,.0f}")
    print(f"{'resident after SIGKILL':28} {median(rounds, 'after_kill_resident_mib'):10,.0f} MiB")
    print(f"lost: {sum(one['lost'] for one in rounds)}; taken by the host {median(rounds, 'stolen_share'):.1%} of the processor")


def check_room(options):
    place = os.environ.get("MILLRACE_BENCH_DIR") or tempfile.gettempdir()
    written = options.events * options.bytes + options.repeat * (options.unflushed_mib << 20)
    needed, free = written * 5 // 4 + (2 << 30), shutil.disk_usage(place).free
    if needed > free:
        sys.exit(f"bench: up to {needed / 1e9:.0f} GB may be written, and {place} has {free / 1e9:.0f} GB free: set MILLRACE_BENCH_DIR, or less --events")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000_000, help="stored before; 100 M of 256 B take 28 GB")
    parser.add_argument("--bytes", type=int, default=256, help="of an event")
    parser.add_argument("--unflushed-mib", type=int, default=256, help="published before SIGKILL, none of it in the index")
    parser.add_argument("--repeat", type=int, default=5, help="stops and kills; the median counts")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    check_room(options)
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory, \
            Broker(directory=directory) as broker:
        print(f"publishing {options.events:,} events", file=sys.stderr)
        acked = publish(broker, options, options.events)
        # From the next start on no segment fills up, which would put it into the index.
        broker.arguments = ["--segment-bytes", f"{2 * options.unflushed_mib + 128}MiB"]
        rounds = []
        for number in range(options.repeat):
            print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
            figures, acked = one_round(broker, options, acked)
            rounds.append(figures)
    print_table(rounds, options)
    write_result("restart", {"settings": vars(options), "rounds": rounds}, options.results)
    sys.exit(any(one["lost"] for one in rounds))


if __name__ == "__main__":
    main()
