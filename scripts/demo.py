"""What scripts/demo runs once everything is built."""
import argparse
import collections
import csv
import datetime
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness import Broker, binary  # noqa: E402

TOPIC = "plant1.mes.step.completed"
SUBSCRIPTION = "odoo-mrp"


def events_of_log(path: str) -> list[dict]:
    """One event a row of the plant's log; the columns are described beside the data."""
    events = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter=";"), start=2):
            try:
                when = datetime.datetime.strptime(row["Complete Timestamp"], "%d.%m.%Y %H:%M").replace(tzinfo=datetime.timezone.utc)
                value = {"product": row["Part_Desc_"], "work_order_quantity": int(row["Work_Order_Qty"]), "operation": row["Activity"],
                         "worker": row["Resource"], "report": row["Report_Type"], "quantity": int(row["Qty_Completed"]),
                         "rejected": int(row["Qty_for_MRB"]), "minutes": float(row["activity_duration"] or 0)}
            except (KeyError, TypeError, ValueError) as error:
                sys.exit(f"demo: {path}:{number}: {error!r}")
            events.append({"key": row["Case ID"], "event_time_us": int(when.timestamp() * 1e6), "value": value})
    return events


def events_of_plant(seed: int, count: int) -> list[dict]:
    """The same shape from a seed."""
    dice = random.Random(seed)
    products = ["Cable Head", "Ballnut", "Spur Gear", "Flange", "Housing"]
    start = int(time.time() * 1e6) - 3_600_000_000
    orders = [f"WO-{number}" for number in range(1001, 1101)]
    product_of = {order: dice.choice(products) for order in orders}
    return [{"key": order, "event_time_us": start + number * 1000,
             "value": {"product": product_of[order], "work_order_quantity": 10, "operation": f"Machine {dice.randint(1, 27)}", "worker": f"ID{dice.randint(4000, 4999)}",
                       "report": dice.choice("SDB"), "quantity": dice.randint(0, 10), "rejected": dice.randint(0, 1), "minutes": dice.uniform(1, 400)}}
            for number in range(count) for order in [dice.choice(orders)]]


def number_events(events: list[dict]) -> None:
    """Ids that are the same in every run, and a sequence per key to check order by."""
    sequences = collections.Counter()
    for number, event in enumerate(events):
        event["topic"] = TOPIC
        event["value"]["sequence"] = sequences[event["key"]]
        sequences[event["key"]] += 1
        event["headers"] = {"event-id": f"evt-{number}"}


def cli(broker: Broker, *arguments: str) -> str:
    return broker.millrace("--quiet", *arguments).stdout


def publish_with_a_kill(broker: Broker, events: list[dict], directory: pathlib.Path) -> dict:
    file = directory / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    rate = max(500, len(events) // 3)
    with subprocess.Popen([binary("millrace"), "--brokers", broker.native, "--quiet", "--output", "json", "publish", "--jsonl", "--file", str(file),
                           "--rate", f"{rate}/s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as publisher:
        time.sleep(1.2)
        broker.kill()
        print("  killed the broker with SIGKILL while the events came in")
        time.sleep(0.3)
        broker.start()
        print("  started it again on the same data; the publisher goes on by itself")
        out, err = publisher.communicate(timeout=120)
    if publisher.returncode != 0:
        sys.exit(f"demo: publish ended with {publisher.returncode}: {err}")
    return json.loads(out)


def consume(broker: Broker, *options: str) -> list[dict]:
    out = cli(broker, "--output", "json", "subscription", "consume", SUBSCRIPTION, "--idle", "2s", *options)
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def check_books(events: list[dict], applied: list[dict]) -> dict:
    wanted = {event["headers"]["event-id"] for event in events}
    seen = collections.Counter()
    next_sequence = collections.Counter()
    violations = 0
    for record in applied:
        headers = record["headers"]
        if isinstance(headers, list):
            headers = {header["key"]: header["value"] for header in headers}
        seen[headers["event-id"]] += 1
        value = record["value"] if isinstance(record["value"], dict) else json.loads(record["value"])
        if value["sequence"] != next_sequence[record["key"]]:
            violations += 1
        next_sequence[record["key"]] = value["sequence"] + 1
    return {"applied": len(seen), "duplicates": sum(seen.values()) - len(seen), "lost": len(wanted - set(seen)), "order_violations": violations}


def show_past(broker: Broker):
    out = cli(broker, "replay", "--topic", "plant1.>", "--from", "-1h", "--to", "now", "--count", "5", "--format", "{append_time} {topic} {key}")
    print("  the first five records of the last hour, as they were appended:")
    for line in out.splitlines()[:5]:
        print(f"    {line}")


def run(options) -> int:
    events = events_of_log(options.log) if options.log else events_of_plant(seed=7, count=2500)
    number_events(events)
    with tempfile.TemporaryDirectory(prefix="millrace-demo-") as directory:
        broker = Broker(directory=directory, arguments=["--segment-bytes", "16MiB"]).start()
        try:
            return tell(broker, events, pathlib.Path(directory), options)
        finally:
            broker.close()


def tell(broker: Broker, events: list[dict], directory: pathlib.Path, options) -> int:
    print(f"1. broker on {broker.native}, data in {directory}")
    cli(broker, "topic", "create", TOPIC, "--partitions", "4")
    cli(broker, "subscription", "create", SUBSCRIPTION, "--topic", "plant1.mes.>")
    print(f"2. {len(events)} events of {len({event['key'] for event in events})} work orders, as a burst")
    published = publish_with_a_kill(broker, events, directory)
    print("3. the target does not know a product: a few records are refused, their keys park")
    consume(broker, "--nack", "mapping", "--error", "No matching record found for product", "--count", "5")
    letters = json.loads(cli(broker, "--output", "json", "dlq", "ls", SUBSCRIPTION))
    letters = letters if isinstance(letters, list) else letters["letters"]
    print(f"   {len(letters)} dead letters")
    print("4. the target is out for a moment: the circuit opens, nothing is dead-lettered")
    consume(broker, "--nack", "outage", "--error", "connection refused", "--count", "1")
    print("5. everything else flows")
    applied = consume(broker)
    print(f"   {len(applied)} applied, {len(events) - len(applied)} wait behind the letters")
    broker.kill()
    broker.start()
    print("6. killed and started again; the product is known now, the letters are redriven")
    cli(broker, "dlq", "redrive", SUBSCRIPTION, "--all")
    applied += consume(broker)
    print("7. replay")
    show_past(broker)
    books = check_books(events, applied)
    print_table(published, letters, books, events)
    good = books["lost"] == 0 and books["duplicates"] == 0 and books["order_violations"] == 0 and books["applied"] == len(events) == published["published"]
    if options.keep:
        input(f"\nThe broker is up: build/release/client/cli/millrace --brokers {broker.native} status\nPress return to end it. ")
    else:
        print("\nTo look around: scripts/demo --keep" + (f" --log {options.log}" if options.log else ""))
    return 0 if good else 1


def print_table(published: dict, letters: list, books: dict, events: list[dict]):
    rows = [("events", len(events)), ("acked", published["published"]), ("applied by the target", books["applied"]), ("dead letters, cause mapping", len(letters)),
            ("redriven", len(letters)), ("duplicates", books["duplicates"]), ("lost", books["lost"]), ("order violations", books["order_violations"])]
    print()
    for name, value in rows:
        print(f"  {name:30} {value:>8}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--log", help="a production log as CSV")
    parser.add_argument("--keep", action="store_true", help="leave the broker running at the end")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
