"""Events through the broker into a stand-in for Odoo that is as slow as a real one was measured to be: time, rows a call, what is lost or doubled."""
import argparse
import http.client
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

from measuring import metric, processor_times, server_cpu_seconds, stolen_share, write_result
from odoo_loads import Load, loads_of

from harness import Broker, eventually
from stand_ins import OdooSim

QUEUE = "bench-odoo"


def call_odoo(odoo: OdooSim, *arguments):
    """One call on a connection of its own, as Odoo ends each."""
    body = {"jsonrpc": "2.0", "method": "call", "id": 1,
            "params": {"service": "object", "method": "execute_kw", "args": [odoo.database, 2, odoo.KEY, *arguments]}}
    connection = http.client.HTTPConnection(odoo.url.removeprefix("http://"), timeout=600)
    try:
        connection.request("POST", "/jsonrpc", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if "error" in answer:
        raise RuntimeError(f"{arguments[0]}.{arguments[1]}: {answer['error']['data']['message']}")
    return answer["result"]


def filled(value, ids: list[int]):
    if isinstance(value, dict):
        return {name: filled(one, ids) for name, one in value.items()}
    return [filled(one, ids) for one in value] if isinstance(value, list) else ids if value == "@" else value


def measure_direct(load: Load, options) -> dict:
    """The same work without Millrace: full calls back to back, on as many connections."""
    done, errors = [], []
    with OdooSim("--latency", options.latency, "--workers", str(options.workers)) as odoo:
        load.seed(odoo)
        begin = time.monotonic()

        def work(first: int):
            try:
                number = first
                while number == first or time.monotonic() - begin < options.direct_seconds:
                    ids = []
                    for model, method, positional, keyword in load.direct_calls(number):
                        result = call_odoo(odoo, model, method, filled(positional, ids), filled(keyword, ids))
                        ids = result["ids"] if method == "load" else ids
                    done.append(load.batch * load.events_of_a_row)
                    number += options.workers
            except (RuntimeError, OSError, TypeError) as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=[first]) for first in range(options.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return {"events_per_second": sum(done) / (time.monotonic() - begin), "rows_per_call": load.batch}


def count_books(load: Load, odoo: OdooSim) -> dict:
    books = {"lost": 0, "doubled": 0, "different": 0}
    for model, wanted in load.wanted().items():
        found = set()
        for record in odoo.records(model):
            name = record["external_id"]
            if name not in wanted or name in found:
                books["doubled"] += 1
                continue
            found.add(name)
            books["different"] += any(record["values"].get(field) != value for field, value in wanted[name].items())
        books["lost"] += len(wanted) - len(found)
    return books


def calls_of(broker: Broker, stats: dict) -> dict:
    calls = {}
    for name in stats["calls"]:
        model, _, method = name.rpartition(".")
        count = metric(broker, "millrace_odoo_calls_total", model=model, method=method)
        rows = metric(broker, "millrace_odoo_call_rows_total", model=model, method=method)
        if count:
            calls[name] = {"calls": count, "rows_per_call": rows / count}
    return calls


def feed(load: Load, directory: pathlib.Path, options) -> dict:
    file = directory / "events.jsonl"
    with file.open("w") as out:
        out.writelines(json.dumps(event) + "\n" for event in load.events())
    with OdooSim("--latency", options.latency, "--workers", str(options.workers)) as odoo:
        load.seed(odoo)
        with Broker(directory=str(directory), environment=odoo.broker_environment(),
                    arguments=[*odoo.broker_arguments(load.mapping, QUEUE), "--odoo-connections-max", str(options.workers)]) as broker:
            broker.millrace("topic", "create", load.topic, "--partitions", "8")
            broker.millrace("subscription", "create", QUEUE, "--topic", load.topic, "--ack-timeout", "60s")
            times, begin = processor_times(), time.monotonic()
            broker.millrace("--quiet", "publish", "--jsonl", "--file", str(file), timeout=600)
            published = time.monotonic() - begin

            def is_settled():
                time.sleep(0.2)  # asking costs processor time that the feed needs
                status = broker.ask("subscription", "describe", QUEUE)
                if status["letters_open"] or status["circuit"] != "closed":
                    raise RuntimeError(f"the feed does not flow: {status}\n{broker.log_tail(10)}")
                return status["lag_records"] == 0 and status["in_flight"] == 0

            eventually(options.wait_seconds, is_settled, "everything is settled")
            took = time.monotonic() - begin
            stats = odoo.ask("stats")
            return {"load": load.name, "mapping": str(load.mapping.name), "events": load.count, "seconds": took, "published_after_s": published,
                    "events_per_second": load.count / took, "calls": calls_of(broker, stats), "errors": stats["errors"],
                    "odoo_workers_busy": stats["worker_busy_ms"] / 1000 / options.workers / took,
                    "concurrent_writes": stats["concurrent_writes"], **count_books(load, odoo),
                    "server_cpu_s": server_cpu_seconds(broker.process.pid), "stolen_share": stolen_share(times, processor_times())}


def measure(load: Load, options) -> dict:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as directory:
        figures = feed(load, pathlib.Path(directory), options)
    figures["direct"] = measure_direct(load, options)
    figures["share_of_direct"] = figures["events_per_second"] / figures["direct"]["events_per_second"]
    figures["table_row"], figures["table_events_per_second"] = load.table_row, load.table_best
    figures["share_of_table"] = figures["events_per_second"] / load.table_best
    return figures


def print_table(results: list[dict]):
    print(f"\n{'load':24} {'events':>8} {'time':>9} {'events/s':>9} {'of direct':>10} {'of table':>9} {'busy':>6}"
          f" {'lost':>5} {'doubled':>8} {'different':>10} {'concurrent':>11}")
    for one in results:
        print(f"{one['load']:24} {one['events']:8,} {one['seconds']:7.1f} s {one['events_per_second']:9,.1f} {one['share_of_direct']:10.0%}"
              f" {one['share_of_table']:9.0%} {one['odoo_workers_busy']:6.0%} {one['lost']:5} {one['doubled']:8} {one['different']:10}"
              f" {one['concurrent_writes']:11}")
    print("\nof direct: full calls asked of the stand-in without Millrace; of table: the best that a real Odoo did, for")
    for one in results:
        print(f"  {one['load']:24} {one['table_row']}: {one['table_events_per_second']:,.0f} events/s")
    print("busy: the share of the time that Odoo's workers had a call; rows a call:")
    for one in results:
        calls = ", ".join(f"{name} {figures['rows_per_call']:.1f} in {figures['calls']:,.0f}" for name, figures in one["calls"].items())
        print(f"  {one['load']:24} {calls}")
    print(f"\nin all {sum(one['events'] for one in results):,} events in {sum(one['seconds'] for one in results):,.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench odoo", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="in all: most light and of many keys, a hundredth of them orders")
    parser.add_argument("--workers", type=int, default=2, help="of Odoo, and connections to it; the measured server had 2")
    parser.add_argument("--latency", choices=["measured", "none"], default="measured", help="none: as fast as the stand-in can")
    parser.add_argument("--direct-seconds", type=float, default=10, help="how long Odoo is asked without Millrace, per load")
    parser.add_argument("--wait-seconds", type=int, default=7200, help="then the run has failed")
    parser.add_argument("--only", choices=[load.name for load in loads_of(1000)], action="append", help="just this load; may come again")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    if options.events < 100:
        parser.error("--events: at least 100, so that each load has some")
    results = []
    for load in loads_of(options.events):
        if options.only and load.name not in options.only:
            continue
        print(f"== {load.name}: {load.count:,} events", file=sys.stderr)
        results.append(measure(load, options))
    print_table(results)
    write_result("odoo", {"settings": vars(options), "results": results}, options.results)
    wrong = [one["load"] for one in results if one["lost"] or one["doubled"] or one["different"] or one["concurrent_writes"]]
    if wrong:
        print(f"bench odoo: lost, doubled, different or written at the same time: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
