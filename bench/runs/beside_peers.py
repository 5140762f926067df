"""The same publish loads for Millrace and for other brokers, in turns, on the same cores and the same disk; median of several rounds."""
import argparse
import os
import pathlib
import sys
import tempfile

from measuring import bench, median, processor_times, server_cpu_seconds, stolen_share, write_result

import other_brokers
from harness import Broker

LOADS = {"1 x 1024": ("1", "1024"), "16 x 64": ("16", "64"), "1 x 1": ("1", "1")}
MILLRACE = {
    # As the others are asked: event after event to another partition, each a batch of its own.
    "Millrace, spread": ["--spread"],
    # As its client works without a key: it fills a batch before it turns to the next partition.
    "Millrace, client chooses": ["--keyless"],
}


def measure(pid: int, seconds: int, ask) -> dict:
    """Each load, with the processor time that the server took for a million events."""
    figures = {}
    for name, (producers, outstanding) in LOADS.items():
        cpu = server_cpu_seconds(pid)
        figures[name] = ask("--producers", producers, "--outstanding", outstanding, "--seconds", str(seconds))
        events = figures[name]["events_per_second"] * (seconds + 1)
        figures[name]["server_cpu_s_per_million"] = (server_cpu_seconds(pid) - cpu) / max(events, 1) * 1e6
    return figures


def measure_millrace(folder: pathlib.Path, options, how: list[str]) -> dict:
    with Broker(directory=str(folder)) as broker:
        return measure(broker.process.pid, options.seconds, lambda *load: bench("--brokers", broker.native, "publish", *how, *load)[0])


def measure_other(folder: pathlib.Path, options, peer: other_brokers.Peer) -> dict:
    with peer.server(folder) as server:
        def ask(*load: str) -> dict:
            return bench("peer", "--protocol", server.protocol, "--port", str(server.port), "--streams", str(other_brokers.STREAMS), *peer.flags, *load)[0]

        if server.is_slow_at_first:
            ask("--producers", "16", "--outstanding", "64", "--seconds", str(3 * options.seconds))
        return measure(server.process.pid, options.seconds, ask)


def one_round(folder: pathlib.Path, options, others: dict[str, other_brokers.Peer]) -> dict:
    times = processor_times()
    figures = {"floor": bench("floor", "--directory", str(folder), "--bytes", "4096")[0]}
    for number, (name, how) in enumerate(MILLRACE.items()):
        place = folder / f"millrace-{number}"
        place.mkdir()
        figures[name] = measure_millrace(place, options, how)
    for number, (name, peer) in enumerate(others.items()):
        print(f"  {name}", file=sys.stderr)
        figures[name] = measure_other(folder / f"other-{number}", options, peer)
    figures["stolen_share"] = stolen_share(times, processor_times())
    return figures


def print_table(rounds: list[dict], acks: dict[str, str]):
    print(f"\n{'256 B events':38} {'an ack means':18}" + "".join(f"{load + ' events/s':>20}" for load in ("1 x 1024", "16 x 64"))
          + f"{'1 x 1 p50':>12}{'p99':>12}{'server CPU s':>14}")
    best = median(rounds, "Millrace, client chooses", "1 x 1024", "events_per_second")
    for name, meaning in acks.items():
        rates = [median(rounds, name, load, "events_per_second") for load in ("1 x 1024", "16 x 64")]
        print(f"{name:38} {meaning:18}" + "".join(f"{rate:20,.0f}" for rate in rates)
              + "".join(f"{median(rounds, name, '1 x 1', 'latency', share):9,.0f} us" for share in ("p50_us", "p99_us"))
              + f"{median(rounds, name, '1 x 1024', 'server_cpu_s_per_million'):14.2f}" + (f"   {best / rates[0]:6.1f} x" if rates[0] else ""))
    print("the last column: how many times that Millrace takes at 1 x 1024 where its client chooses; server CPU: seconds a million events")
    print(f"bare disk, 4 KiB writes/s {median(rounds, 'floor', 'writes_per_second'):,.0f}, p50 {median(rounds, 'floor', 'p50_us'):,.0f} us;"
          f" taken by the host {median(rounds, 'stolen_share'):.1%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="measured time of each load")
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--only", metavar="WORD", action="append", help="just the others whose names have this; may come again")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    words = [word.lower() for word in options.only or [""]]
    others = {name: peer for name, peer in other_brokers.provide().items() if any(word in name.lower() for word in words)}
    acks = dict.fromkeys(MILLRACE, "on disk") | {name: peer.ack for name, peer in others.items()}
    rounds = []
    for number in range(options.repeat):
        print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as folder:
            rounds.append(one_round(pathlib.Path(folder), options, others))
    print_table(rounds, acks)
    write_result("peers", {"settings": vars(options), "acks": acks, "rounds": rounds}, options.results)


if __name__ == "__main__":
    main()
