"""How cost grows: the publish and fetch loads with more partitions, more stored events, more connections and larger messages, each column on
a fresh broker, median of several rounds; the ratio to the first column, and what is not within 20 % of it."""
import argparse
import dataclasses
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable

from measuring import bench, median, processor_times, resident_mib, stolen_share, write_result

from harness import Broker

CHOSEN, SPREAD = "bench.chosen.event.made", "bench.spread.event.made"
EVENT_BYTES = 256
OUTSTANDING = 1024
OUTSTANDING_BYTES = 16 << 20
FETCH_BYTES = 2 << 30
# What a fast disk takes at most; for the question whether there is room.
DISK_BYTES_PER_SECOND = 2_000_000_000
WITHIN = 0.2


@dataclasses.dataclass
class Row:
    name: str
    work: str
    value: Callable[[dict], float]
    unit: str = "events/s"
    is_less_better: bool = False


ROWS = [
    Row("publish, client chooses", "publish", lambda one: one["events_per_second"]),
    Row("publish, spread", "publish spread", lambda one: one["events_per_second"]),
    Row("fetch", "fetch", lambda one: one["events_per_second"]),
    Row("fetch of what was spread", "fetch spread", lambda one: one["events_per_second"]),
    Row("seek by time, p99", "seek", lambda one: one["latency"]["p99_us"], "us", True),
]


@dataclasses.dataclass
class Load:
    """One column."""
    partitions: int = 100
    stored: int = 0
    connections: int = 1
    event_bytes: int = EVENT_BYTES

    def publish(self, *how: str) -> list[str]:
        # As many events under way whatever the connections, and no more bytes than a client may have.
        outstanding = max(min(OUTSTANDING, OUTSTANDING_BYTES // self.event_bytes) // self.connections, 1)
        return ["publish", "--partitions", str(self.partitions), "--producers", str(self.connections), "--outstanding", str(outstanding),
                "--bytes", str(self.event_bytes), *how]

    def broker_arguments(self) -> list[str]:
        # The largest messages are as large as a batch may be, and need a little room around them.
        return ["--record-batch-bytes-max", str(self.event_bytes + 4096)] if self.event_bytes >= 1 << 20 else []


AXES = {
    "partitions": lambda count: Load(partitions=count),
    "stored": lambda count: Load(stored=count),
    "connections": lambda count: Load(connections=count),
    "bytes": lambda count: Load(event_bytes=count),
}
TITLES = {"partitions": "partitions", "stored": "stored events", "connections": "connections", "bytes": "bytes of a message, MB/s"}


def measure(directory: str, load: Load, options) -> dict:
    """The loads of one column."""
    events = str(max(FETCH_BYTES // load.event_bytes, 1))
    seconds = ["--seconds", str(options.seconds)]
    with Broker(directory=directory, arguments=load.broker_arguments()) as broker:
        def run(*arguments: str) -> dict:
            figures = bench("--brokers", broker.native, *arguments)[0]
            if figures.get("failed"):
                raise RuntimeError(f"{figures['failed']} events failed: millrace-bench {' '.join(arguments)}")
            return figures

        def fetch(topic: str, limit: str) -> dict:
            return run("read", "--topic", topic, "--consumers", str(load.connections), "--events", limit)

        result = {}
        if load.stored:
            run(*load.publish("--keyless", "--topic", CHOSEN, "--events", str(load.stored)))
            # As much in each column, from the beginning of the log.
            result["fetch"] = fetch(CHOSEN, str(min(options.stored)))
            result["seek"] = run("seek", "--topic", CHOSEN, "--seeks", str(options.seeks))
        result["publish"] = run(*load.publish("--keyless", "--topic", CHOSEN, *seconds))
        if not load.stored:
            result["fetch"] = fetch(CHOSEN, events)
        result["publish spread"] = run(*load.publish("--spread", "--topic", SPREAD, *seconds))
        result["fetch spread"] = fetch(SPREAD, events)
        result["resident_mib"] = resident_mib(broker)
        return result


def one_round(options, axes: list[str]) -> dict:
    times = processor_times()
    result = {}
    for axis in axes:
        result[axis] = {}
        for column in getattr(options, axis):
            print(f"  {axis} {column:,}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory:
                result[axis][str(column)] = measure(directory, AXES[axis](column), options)
                if "floor" not in result:
                    result["floor"] = bench("floor", "--directory", directory, "--bytes", "4096")[0]
    result["stolen_share"] = stolen_share(times, processor_times())
    return result


def figures_of(rounds: list[dict], axes: list[str]) -> dict:
    """By axis and row: the median of each column, its ratio to the first (below 1 is worse), and whether that is within a fifth."""
    figures = {}
    for axis in axes:
        figures[axis] = {}
        for row in ROWS:
            columns = {column: statistics.median(row.value(one[axis][column][row.work]) for one in rounds)
                       for column, works in rounds[0][axis].items() if row.work in works}
            if not columns:
                continue
            is_bytes = axis == "bytes"
            if is_bytes:
                columns = {column: value * int(column) / 1e6 for column, value in columns.items()}
            first = next(iter(columns.values()))
            ratios = {column: first / value if row.is_less_better else value / first for column, value in columns.items()}
            figures[axis][row.name] = {"unit": "MB/s" if is_bytes else row.unit, "columns": columns, "ratios": ratios,
                                       "not_within": [column for column, ratio in ratios.items() if abs(ratio - 1) > WITHIN]}
    return figures


def mark(ratio: float) -> str:
    if abs(ratio - 1) <= WITHIN:
        return " "
    return "!" if ratio < 1 else "+"


def print_table(figures: dict, rounds: list[dict]):
    for axis, rows in figures.items():
        columns = next(iter(rows.values()))["columns"]
        print(f"\n{TITLES[axis]:28} {'':8}" + "".join(f"{int(column):>14,}{'':9}" for column in columns))
        for name, row in rows.items():
            cells = [f"{value:14,.0f} {row['ratios'][column]:5.2f}x {mark(row['ratios'][column])}" for column, value in row["columns"].items()]
            print(f"{name:28} {row['unit']:8}" + "".join(cells).rstrip())
    print("\nratio to the first column, below 1 is worse; not within 20 %: ! worse, + better")
    print(f"bare disk, 4 KiB writes/s {median(rounds, 'floor', 'writes_per_second'):,.0f};"
          f" taken by the host {median(rounds, 'stolen_share'):.1%} of the processor")


def bytes_needed(options, axes: list[str]) -> int:
    """What the largest column may write, and a little: small events are far from filling the disk's time."""
    loads = 2 * (options.seconds + 1) * DISK_BYTES_PER_SECOND
    stored = max(options.stored) * EVENT_BYTES * 5 // 4 if "stored" in axes else 0
    return max(stored + loads // 4, loads if "bytes" in axes else 0) + (1 << 30)


def check_room(options, axes: list[str]):
    place = os.environ.get("MILLRACE_BENCH_DIR") or tempfile.gettempdir()
    needed, free = bytes_needed(options, axes), shutil.disk_usage(place).free
    if needed > free:
        sys.exit(f"bench: up to {needed / 1e9:.0f} GB may be written, and {place} has {free / 1e9:.0f} GB free: "
                 "set MILLRACE_BENCH_DIR, or less with --stored, --seconds or --only")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="measured time of each publish load")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument("--stored", type=int, nargs="+", default=[1_000_000, 100_000_000], help="events in the log before; 100 M take 28 GB")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--bytes", type=int, nargs="+", default=[64, 256, 4096, 65_536, 1 << 20], help="of a message")
    parser.add_argument("--seeks", type=int, default=1_000)
    parser.add_argument("--only", choices=AXES, action="append", help="just this; may come again")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    axes = options.only or list(AXES)
    check_room(options, axes)
    rounds = []
    for number in range(options.repeat):
        print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
        rounds.append(one_round(options, axes))
    figures = figures_of(rounds, axes)
    print_table(figures, rounds)
    write_result("growth", {"settings": vars(options), "figures": figures, "rounds": rounds}, options.results)


if __name__ == "__main__":
    main()
