"""Old records of one partition among a hundred others: how fast they are read before and after the segments are clustered, how long that takes,
and what live traffic notices of it."""
import argparse
import os
import sys
import tempfile
import threading
import time

from measuring import bench, metric, processor_times, stolen_share, write_result

from harness import Broker

ONE, OTHERS, LIVE = "bench.one.event.made", "bench.others.event.made", "bench.live.event.made"
SETTLED_SECONDS = 3
REWRITTEN = "millrace_storage_rewritten_segments_total"


def publish_side_by_side(broker: Broker, options):
    """Until the others have enough; the one partition gets its share of every commit meanwhile."""
    sizes = ["--bytes", str(options.bytes), "--spread"]

    def others():
        bench("--brokers", broker.native, "publish", "--topic", OTHERS, "--partitions", "99", "--outstanding", "512",
              "--events", str((options.mib << 20) // options.bytes), *sizes)

    thread = threading.Thread(target=others)
    thread.start()
    while thread.is_alive():
        bench("--brokers", broker.native, "publish", "--topic", ONE, "--partitions", "1", "--outstanding", "64", "--seconds", "1", *sizes)
    thread.join()


def read_one(broker: Broker) -> dict:
    rounds = [bench("--brokers", broker.native, "read", "--topic", ONE)[0] for _ in range(3)]
    return sorted(rounds, key=lambda figures: figures["value_mebibytes_per_second"])[1]


def live(broker: Broker, options) -> dict:
    return bench("--brokers", broker.native, "paced", "--topic", LIVE, "--rate", str(options.rate), "--seconds", str(options.seconds))[0]


def cluster(broker: Broker, options) -> dict:
    """Live traffic beside it until nothing is rewritten any more."""
    begin = last_change = time.monotonic()
    broker.millrace("topic", "alter", ONE, "--clustered", "yes")
    beside, count = [], 0
    while time.monotonic() - last_change < SETTLED_SECONDS + options.seconds or not beside:
        beside.append(live(broker, options))
        now = metric(broker, REWRITTEN)
        if now != count:
            count, last_change = now, time.monotonic()
        if time.monotonic() - begin > options.timeout:
            raise RuntimeError(f"after {options.timeout} s segments are still rewritten")
    return {"segments": count, "bytes": metric(broker, "millrace_storage_rewritten_bytes_total"),
            "failures": metric(broker, "millrace_storage_rewrite_failures_total"),
            "seconds": last_change - begin, "live_p99_us": max(one["latency"]["p99_us"] for one in beside)}


def print_table(result: dict):
    before, after = result["before"]["value_mebibytes_per_second"], result["after"]["value_mebibytes_per_second"]
    work = result["clustering"]
    print(f"\n{result['before']['events']:,} events of one partition, cold")
    print(f"as they were appended {before:10,.0f} MiB/s")
    print(f"clustered             {after:10,.0f} MiB/s   {after / before:.1f} x")
    print(f"{work['segments']:,.0f} segments, {work['bytes'] / (1 << 20):,.0f} MiB written in {work['seconds']:.0f} s")
    print(f"live traffic, p99     {result['live_alone_p99_us']:10,} us alone, {work['live_p99_us']:,} us beside it")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=6144, help="of the other partitions")
    parser.add_argument("--bytes", type=int, default=4096, help="of an event")
    parser.add_argument("--segment-mib", type=int, default=128)
    parser.add_argument("--rate", type=int, default=10_000, help="live events a second")
    parser.add_argument("--seconds", type=int, default=5, help="of one measurement of live traffic")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for the clustering")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    times = processor_times()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory, \
            Broker(directory=directory, arguments=["--segment-bytes", f"{options.segment_mib}MiB"]) as broker:
        publish_side_by_side(broker, options)
        result = {"before": read_one(broker), "live_alone_p99_us": live(broker, options)["latency"]["p99_us"]}
        result["clustering"] = cluster(broker, options)
        result["after"] = read_one(broker)
    result["stolen_share"] = stolen_share(times, processor_times())
    print_table(result)
    write_result("clustering", {"settings": vars(options), **result}, options.results)
    # What was appended since then is not there before.
    sys.exit(result["after"]["events"] != result["before"]["events"] or result["clustering"]["segments"] == 0)


if __name__ == "__main__":
    main()
