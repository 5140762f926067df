"""The table of docs/performance.md: publish, read, queue and seek beside the bare disk, in one run, median of several,
with the goal of each figure and the last committed result."""
import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from measuring import bench, last_result, median, metric, processor_times, resident_mib, server_cpu_seconds, stolen_share, write_result

from harness import Broker

KEYLESS = ["--keyless", "--topic", "bench.keyless.event.made"]
LOADS = {
    "1 x 1024 outstanding": ["--producers", "1", "--outstanding", "1024"],
    "16 x 64 outstanding": ["--producers", "16", "--outstanding", "64"],
    "1 x 1024, client chooses": ["--producers", "1", "--outstanding", "1024", *KEYLESS],
    "16 x 64, client chooses": ["--producers", "16", "--outstanding", "64", *KEYLESS],
    "1 x 256 over 1,000 partitions": ["--producers", "1", "--outstanding", "256", "--partitions", "1000", "--topic", "bench.wide.event.made"],
    "1 x 1 outstanding": ["--producers", "1", "--outstanding", "1", "--partitions", "1", "--topic", "bench.single.event.made"],
}
CHOOSES = "1 x 1024, client chooses"
EVENT_BYTES = 256
FLOOR_4K, FLOOR_1M = 0, 2


@dataclasses.dataclass
class Row:
    """A figure with its goal; `value` takes it out of one round."""
    name: str
    unit: str
    value: Callable[[dict], float]
    goal: float | None = None
    is_less_better: bool = False


def rate(load: str) -> Callable[[dict], float]:
    return lambda one: one[load]["events_per_second"]


def latency(load: str, share: str) -> Callable[[dict], float]:
    return lambda one: one[load]["latency"][share]


ROWS = [
    Row("publish 1 x 1024 outstanding", "events/s", rate("1 x 1024 outstanding")),
    Row("publish 16 x 64 outstanding", "events/s", rate("16 x 64 outstanding")),
    Row("publish 1 x 1024, client chooses", "events/s", rate(CHOOSES), 1_500_000),
    Row("  of the bare disk's bytes in 1 MiB writes", "share",
        lambda one: one[CHOOSES]["events_per_second"] * EVENT_BYTES / (one["floor"][FLOOR_1M]["writes_per_second"] * 2**20)),
    Row("  ack p99", "us", latency(CHOOSES, "p99_us")),
    Row("  server CPU", "s per 1 M", lambda one: one[CHOOSES]["server_cpu_s_per_million"], 0.8, True),
    Row("  bytes in the log per byte of an event", "ratio", lambda one: one[CHOOSES]["log_bytes_per_event_byte"], 1.05, True),
    Row("publish 16 x 64, client chooses", "events/s", rate("16 x 64, client chooses"), 1_200_000),
    Row("publish 1 x 256 over 1,000 partitions", "events/s", rate("1 x 256 over 1,000 partitions"), 300_000),
    Row("  ack p99", "us", latency("1 x 256 over 1,000 partitions", "p99_us"), 3_000, True),
    Row("publish 1 x 1 outstanding, ack p50", "us", latency("1 x 1 outstanding", "p50_us")),
    Row("  of one bare durable 4 KiB write", "ratio", lambda one: one["1 x 1 outstanding"]["latency"]["p50_us"] / one["floor"][FLOOR_4K]["p50_us"], 1.5, True),
    Row("burst of 100 topics, durable and read", "ms", lambda one: one["burst"]["read_ms"], 1_500, True),
    Row("  durable", "ms", lambda one: one["burst"]["acked_ms"]),
    Row("catch-up read", "events/s", lambda one: one["read"]["events_per_second"], 4_000_000),
    Row("queue, an ack a record", "deliveries/s", lambda one: one["queue"]["deliveries_per_second"], 500_000),
    Row("seek by time to the first record, p99", "us", latency("seek", "p99_us"), 2_000, True),
    Row("50,000 events/s end to end, p99", "us", lambda one: one["end to end"]["read"]["p99_us"], 3_000, True),
    Row("critical topic alone, ack p99", "us", lambda one: one["criticality"]["alone"]["p99_us"]),
    Row("  beside bulk, times of that", "ratio", lambda one: one["criticality"]["ratio_p99"], 2, True),
    Row("memory when idle", "MiB", lambda one: one["idle_mib"], 64, True),
    Row("memory after all that", "MiB", lambda one: one["resident_mib"]),
    Row("bare disk, 4 KiB", "writes/s", lambda one: one["floor"][FLOOR_4K]["writes_per_second"]),
    Row("bare disk, 1 MiB", "writes/s", lambda one: one["floor"][FLOOR_1M]["writes_per_second"]),
]


def publish(broker: Broker, seconds: int, arguments: list[str]) -> dict:
    """One load, with what it cost the broker."""
    cpu, times = server_cpu_seconds(broker.process.pid), processor_times()
    log, taken = metric(broker, "millrace_storage_commit_bytes_sum"), metric(broker, "millrace_shard_records_in_total")
    figures = bench("--brokers", broker.native, "publish", "--seconds", str(seconds), *arguments)[0]
    events = metric(broker, "millrace_shard_records_in_total") - taken
    figures["server_cpu_s_per_million"] = (server_cpu_seconds(broker.process.pid) - cpu) / events * 1e6
    figures["log_bytes_per_event_byte"] = (metric(broker, "millrace_storage_commit_bytes_sum") - log) / (events * EVENT_BYTES)
    figures["stolen_share"] = stolen_share(times, processor_times())
    return figures


def one_round(directory: str, options) -> dict:
    seconds = str(options.seconds)
    with Broker(directory=directory) as broker:
        def run(*arguments: str) -> dict:
            return bench("--brokers", broker.native, *arguments)[0]

        result = {"floor": bench("floor", "--directory", directory), "idle_mib": resident_mib(broker)}
        times = processor_times()
        for name, arguments in LOADS.items():
            result[name] = publish(broker, options.seconds, arguments)
        result["criticality"] = run("criticality", "--seconds", seconds)
        result["burst"] = run("burst", "--events", str(options.burst_events))
        result["end to end"] = run("paced", "--end-to-end", "--rate", "50000", "--seconds", seconds)
        result["seek"] = run("seek", "--seeks", str(options.seeks))
        result["read"] = run("read")
        result["queue"] = run("queue", "--events", str(options.queue_events))
        result["resident_mib"] = resident_mib(broker)
        result["stolen_share"] = stolen_share(times, processor_times())
        return result


def figure(rounds: list[dict], row: Row) -> float | None:
    """None where a result of an earlier day did not measure it."""
    try:
        return statistics.median(row.value(one) for one in rounds)
    except (KeyError, IndexError, TypeError):
        return None


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def print_table(rounds: list[dict], before: dict):
    print(f"\n{'work':42} {'':>14} {'unit':12} {'goal':>12}          {'of ' + before.get('commit', 'nothing'):>12}")
    for row in ROWS:
        value, last = figure(rounds, row), figure(before.get("rounds", []), row) if before else None
        if row.goal is None:
            goal = f"{'':12}       "
        else:
            is_met = value <= row.goal if row.is_less_better else value >= row.goal
            goal = f"{('< ' if row.is_less_better else '> ') + shown(row.goal):>12} {'met' if is_met else 'missed':6}"
        print(f"{row.name:42} {shown(value):>14} {row.unit:12} {goal}   {f'{value / last:11.2f} x' if last else '':>12}")
    print(f"\ntaken by the host: {median(rounds, 'stolen_share'):.1%} of the processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="measured time of each load")
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--burst-events", type=int, default=10_000, help="a topic")
    parser.add_argument("--queue-events", type=int, default=300_000)
    parser.add_argument("--seeks", type=int, default=1_000)
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    before = last_result()
    rounds = []
    for number in range(options.repeat):
        print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory:
            rounds.append(one_round(directory, options))
        print(f"  {time.monotonic() - begin:.0f} s", file=sys.stderr)
    print_table(rounds, before)
    write_result("", {"settings": vars(options), "rounds": rounds}, options.results)


if __name__ == "__main__":
    main()
