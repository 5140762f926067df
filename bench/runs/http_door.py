"""The HTTP door: requests beside nginx with a static answer, in turns, and Odoo's webhooks at a fixed rate with what becomes of their repeats."""
import argparse
import collections
import json
import os
import pathlib
import sys
import tempfile

from measuring import ROOT, bench, median, metric, processor_times, stolen_share, write_result

import peers
from harness import Broker, eventually
from stand_ins import OdooSim

TOPIC = "bench.http.event.made"
RECORD = {"value": "x" * 200}
JSON_TYPE = "application/json"
# What is asked; nginx is asked the same and looks at none of it.
REQUESTS = {"POST, 1 record of 200 B": ("POST", f"/v1/topics/{TOPIC}/records", json.dumps(RECORD)),
            "POST, 100 records of 200 B": ("POST", f"/v1/topics/{TOPIC}/records", json.dumps([RECORD] * 100)),
            "GET /healthz": ("GET", "/healthz", "")}
SCRIPT = """
wrk.method = "%s"
wrk.headers["Content-Type"] = "%s"
wrk.body = [==[%s]==]
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format('\\n{"requests":%%d,"duration_us":%%d,"refused":%%d,"broken":%%d,"p50_us":%%d,"p99_us":%%d,"max_us":%%d}\\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
"""
RECIPE = ROOT / "docs" / "recipes" / "odoo-events"
TOKEN = "bench-hook-token"
EVENT_TOPICS = {"sale": "odoo.sale.order.confirmed", "cancel": "odoo.sale.order.cancelled"}
REPEATS = 28  # what Odoo posts for one order


def ask(address: str, folder: pathlib.Path, request: tuple, options, seconds: int) -> dict:
    method, path, body = request
    script = folder / "wrk.lua"
    script.write_text(SCRIPT % (method, JSON_TYPE, body))
    out = peers.run_wrk("--threads", "1", "--connections", str(options.connections), "--duration", f"{seconds}s", "--timeout", "30s",
                        "--script", str(script), f"http://{address}{path}")
    figures = json.loads(out.splitlines()[-1])
    if figures["refused"] or figures["broken"] or not figures["requests"]:
        raise RuntimeError(f"{method} {path} at {address}: {out}")
    return {"requests_per_second": figures["requests"] / figures["duration_us"] * 1e6,
            **{name: figures[name] for name in ("p50_us", "p99_us", "max_us")}}


def run_requests(folder: pathlib.Path, options) -> list[dict]:
    """In turns, each round in the other order, with the bare disk beside it."""
    peers.provide(peers.HTTP_PACKAGES, ("wrk", "nginx"))
    rounds = []
    with Broker(directory=str(folder)) as broker, peers.Nginx(folder / "nginx") as nginx:
        broker.millrace("topic", "create", TOPIC, "--partitions", "16")
        sides = [("millrace", broker.http), ("nginx", nginx.address)]
        for _, address in sides:
            ask(address, folder, REQUESTS["POST, 1 record of 200 B"], options, 1)
        for _ in range(options.repeat):
            times = processor_times()
            figures = {"floor": bench("floor", "--directory", str(folder), "--bytes", "4096")[0]}
            for name, request in REQUESTS.items():
                figures[name] = {side: ask(address, folder, request, options, options.seconds) for side, address in sides}
            figures["stolen_share"] = stolen_share(times, processor_times())
            rounds.append(figures)
            sides.reverse()
    return rounds


class Source:
    """A broker that takes the webhooks of a stand-in as the recipe says, and orders in the stand-in."""

    def __init__(self, folder: pathlib.Path, options):
        self.odoo = OdooSim("--latency", options.latency)
        self.broker = Broker(directory=str(folder), environment={**self.odoo.broker_environment(), "ODOO_HOOK_TOKEN": TOKEN})
        self.options = options
        # The warm-up of the load generator is a second.
        self.orders = -(-options.rate * (options.hook_seconds + 1) // REPEATS)

    def __enter__(self) -> "Source":
        self.odoo.start()
        partner = self.odoo.tell("records", model="res.partner", values={"name": "Acme"})["id"]
        for number in range(self.orders):
            self.odoo.tell("records", model="sale.order", values={"name": f"S{number:05}", "partner_id": partner})
        self.broker.arguments = ["--odoo-url", self.odoo.url, "--odoo-database", self.odoo.database, "--odoo-login", "millrace", "--odoo-source",
                                 str(RECIPE / "source.yaml"), "--hooks-file", str(RECIPE / "hooks.yaml")]
        self.broker.start()
        for topic in ("odoo.hints", *EVENT_TOPICS.values(), "odoo.stock.picking.done", "odoo.account.move.posted"):
            self.broker.millrace("topic", "create", topic, "--partitions", "2")
        self.broker.millrace("subscription", "create", "odoo-source", "--topic", "odoo.hints")
        return self

    def __exit__(self, *_):
        self.broker.close()
        self.odoo.close()

    def change(self, state: str) -> str:
        """All orders get that state; what the first of those writes told as its time, which is the oldest."""
        ids = [record["id"] for record in self.odoo.records("sale.order")]
        for record in ids:
            self.odoo.tell("write", model="sale.order", id=record, values={"state": state})
        return min(record["values"]["write_date"] for record in self.odoo.records("sale.order"))[:19]

    def post(self, state: str, written: str, how: str) -> dict:
        """28 posts an order at the fixed rate, as one change of it makes them."""
        first = min(record["id"] for record in self.odoo.records("sale.order"))
        body = json.dumps({"_action": "Order changed(#5)", "_id": "{record}", "_model": "sale.order", "id": "{record}", "write_date": written})
        figures = bench("http", "--target", self.broker.http, "--path", f"/v1/hooks/odoo?token={TOKEN}", "--rate", str(self.options.rate),
                        "--seconds", str(self.options.hook_seconds), "--first-record", str(first), "--repeats", str(REPEATS),
                        "--body", body.replace('"{record}"', "{record}"), how)[0]
        eventually(600, lambda: self.broker.ask("subscription", "describe", "odoo-source")["lag_records"] == 0, "every hint is settled")
        events = self.broker.millrace("--quiet", "consume", EVENT_TOPICS[state], "--from", "beginning", "--format", "{key}").stdout.split()
        told = collections.Counter(events)
        posted = -(-figures["requests"] // REPEATS)
        return {**figures, "orders_posted": posted, "events": len(events), "orders_told": len(told),
                "told_twice": sum(count - 1 for count in told.values())}


def run_hooks(folder: pathlib.Path, options) -> dict:
    with Source(folder, options) as source:
        times = processor_times()
        result = {"floor": bench("floor", "--directory", str(folder), "--bytes", "4096")[0],
                  "a connection a post, as Odoo does": source.post("sale", source.change("sale"), "--connection-each"),
                  "connections kept, as a proxy does": source.post("cancel", source.change("cancel"), "--keep-connections")}
        result["hints"] = {outcome: metric(source.broker, "millrace_odoo_source_hints_total", model="sale.order", outcome=outcome)
                           for outcome in ("followed", "merged", "missing", "rolled_back", "refused", "malformed")}
        result["found_by_sweep"] = metric(source.broker, "millrace_odoo_source_found_by_sweep_total", model="sale.order")
        result["stolen_share"] = stolen_share(times, processor_times())
        return result


def print_requests(rounds: list[dict]):
    print(f"\n{'request':28} {'requests/s':>11} {'p50':>9} {'p99':>9}   {'nginx':>9} {'p50':>9} {'p99':>9}   {'of nginx':>8}")
    for name in REQUESTS:
        sides = []
        for side in ("millrace", "nginx"):
            rate, p50, p99 = (median(rounds, name, side, figure) for figure in ("requests_per_second", "p50_us", "p99_us"))
            sides.append((rate, f"{rate:9,.0f} {p50:6,.0f} us {p99:6,.0f} us"))
        print(f"{name:28}   {sides[0][1]}   {sides[1][1]}   {sides[0][0] / sides[1][0]:8.0%}")
    print(f"bare disk, 4 KiB writes/s {median(rounds, 'floor', 'writes_per_second'):,.0f}, p50 {median(rounds, 'floor', 'p50_us'):,.0f} us;"
          f" taken by the host {median(rounds, 'stolen_share'):.1%}")


def print_hooks(result: dict, rate: int):
    print(f"\n{f'webhooks at {rate:,}/s':36} {'p50':>9} {'p99':>9} {'max':>10} {'posts':>8} {'failed':>7} {'orders':>7} {'events':>7}")
    for name, one in result.items():
        if isinstance(one, dict) and "latency" in one:
            latency = one["latency"]
            print(f"{name:36} {latency['p50_us']:6,} us {latency['p99_us']:6,} us {latency['max_us']:7,} us {one['requests']:8,} {one['failed']:7}"
                  f" {one['orders_posted']:7} {one['events']:7}")
    print(f"bare disk, 4 KiB writes/s {result['floor']['writes_per_second']:,.0f}, p50 {result['floor']['p50_us']:,.0f} us, p99"
          f" {result['floor']['p99_us']:,.0f} us; taken by the host {result['stolen_share']:.1%}; hints "
          + ", ".join(f"{outcome} {count:,.0f}" for outcome, count in result["hints"].items() if count))


def broken_promises(result: dict) -> list[str]:
    return [name for name, one in result.items() if isinstance(one, dict) and "latency" in one
            and (one["failed"] or one["told_twice"] or one["orders_told"] != one["orders_posted"])]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench http", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each request and side, per round")
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--connections", type=int, default=32, help="of wrk, each with one request outstanding")
    parser.add_argument("--rate", type=int, default=1000, help="webhooks per second")
    parser.add_argument("--hook-seconds", type=int, default=30, help="measured time of each way to connect")
    parser.add_argument("--latency", choices=["measured", "none"], default="measured", help="of the stand-in that hints are read back from")
    parser.add_argument("--only", choices=["requests", "hooks"], help="just these")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    results = {}
    for name, run in {"requests": run_requests, "hooks": run_hooks}.items():
        if options.only in (None, name):
            print(f"== {name}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=os.environ.get("MILLRACE_BENCH_DIR")) as folder:
                results[name] = run(pathlib.Path(folder), options)
    if "requests" in results:
        print_requests(results["requests"])
    wrong = []
    if "hooks" in results:
        print_hooks(results["hooks"], options.rate)
        wrong = broken_promises(results["hooks"])
    write_result("http", {"settings": vars(options), "results": results}, options.results)
    if wrong:
        print(f"bench http: posts failed, or orders are not told once: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
