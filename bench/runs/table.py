"""The table of docs/performance.md: publish loads, catch-up read and the floor, in one run, median of several."""
import argparse
import os
import sys
import tempfile

from measuring import bench, median, processor_times, server_cpu_seconds, stolen_share, write_result

from harness import Broker

LOADS = [
    ("1 x 1024 outstanding", ["--producers", "1", "--outstanding", "1024"]),
    ("16 x 64 outstanding", ["--producers", "16", "--outstanding", "64"]),
    ("1 x 1024, client chooses", ["--producers", "1", "--outstanding", "1024", "--keyless", "--topic", "bench.keyless.event.made"]),
    ("16 x 64, client chooses", ["--producers", "16", "--outstanding", "64", "--keyless", "--topic", "bench.keyless.event.made"]),
    ("1 x 1 outstanding", ["--producers", "1", "--outstanding", "1", "--partitions", "1", "--topic", "bench.single.event.made"]),
]


def one_round(directory: str, seconds: int) -> dict:
    with Broker(directory=directory) as broker:
        result = {"floor": bench("floor", "--directory", directory)}
        for name, arguments in LOADS:
            before = server_cpu_seconds(broker.process.pid)
            times = processor_times()
            figures = bench("--brokers", broker.native, "publish", "--seconds", str(seconds), *arguments)[0]
            # Warming up adds a second to what was measured.
            events = figures["events_per_second"] * (seconds + 1)
            figures["server_cpu_s_per_million"] = (server_cpu_seconds(broker.process.pid) - before) / events * 1e6
            figures["stolen_share"] = stolen_share(times, processor_times())
            result[name] = figures
        times = processor_times()
        result["criticality"] = bench("--brokers", broker.native, "criticality", "--seconds", str(seconds))[0]
        result["criticality"]["stolen_share"] = stolen_share(times, processor_times())
        result["read"] = bench("--brokers", broker.native, "read")[0]
        return result


def print_table(rounds: list[dict]):
    floor = {size["write_bytes"]: index for index, size in enumerate(rounds[0]["floor"])}
    print(f"\n{'work':34} {'events/s':>12} {'p50':>9} {'p99':>9} {'server CPU s per 1 M':>22} {'stolen':>7}")
    for name, _ in LOADS:
        print(f"{'publish ' + name:34} {median(rounds, name, 'events_per_second'):12,.0f}"
              f" {median(rounds, name, 'latency', 'p50_us'):6,.0f} us {median(rounds, name, 'latency', 'p99_us'):6,.0f} us"
              f" {median(rounds, name, 'server_cpu_s_per_million'):22.2f} {median(rounds, name, 'stolen_share'):6.1%}")
    print(f"{'catch-up read':34} {median(rounds, 'read', 'events_per_second'):12,.0f}")
    print(f"{'critical topic, 500 events/s, alone':46} {median(rounds, 'criticality', 'alone', 'p50_us'):6,.0f} us"
          f" {median(rounds, 'criticality', 'alone', 'p99_us'):6,.0f} us")
    print(f"{'  beside bulk':34} {median(rounds, 'criticality', 'bulk_events_per_second'):12,.0f}"
          f"{median(rounds, 'criticality', 'beside_bulk', 'p50_us'):6,.0f} us"
          f" {median(rounds, 'criticality', 'beside_bulk', 'p99_us'):6,.0f} us"
          f" {median(rounds, 'criticality', 'ratio_p99'):18.2f} x {median(rounds, 'criticality', 'stolen_share'):7.1%}")
    for size, index in floor.items():
        print(f"{f'bare disk, {size // 1024} KiB writes/s':34} {median(rounds, 'floor', index, 'writes_per_second'):12,.0f}"
              f" {median(rounds, 'floor', index, 'p50_us'):6,.0f} us {median(rounds, 'floor', index, 'p99_us'):6,.0f} us")
    single = median(rounds, LOADS[-1][0], "latency", "p50_us")
    print(f"\none outstanding: ack p50 is {single / median(rounds, 'floor', 0, 'p50_us'):.2f} x one bare durable 4 KiB write")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rounds = []
    for number in range(options.repeat):
        print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory:
            rounds.append(one_round(directory, options.seconds))
    print_table(rounds)
    write_result("", {"settings": vars(options), "rounds": rounds})


if __name__ == "__main__":
    main()
