"""What scripts/demo runs once everything is built."""
import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from demo_books import Books, missing_product, seed_odoo

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from harness import Broker, binary, eventually  # noqa: E402
from stand_ins import OdooSim  # noqa: E402

SUBSCRIPTION = "odoo-mrp"
MAPPING = ROOT / "docs" / "examples" / "odoo-mrp.yaml"
EVENTS = 2500
OUTAGE_SECONDS = 2.5


class Demo:
    def __init__(self, options, directory: pathlib.Path):
        self.options = options
        self.file = directory / "events.jsonl"
        self.odoo = OdooSim("--latency", "measured" if options.measured else "none")
        self.broker = None
        self.events = []
        self.directory = directory
        self.circuit_reasons = set()

    def run(self) -> int:
        self.make_events()
        with self.odoo:
            unknown = missing_product(self.events)
            seed_odoo(self.odoo, self.events, without=unknown)
            self.broker = Broker(directory=str(self.directory), environment=self.odoo.broker_environment(),
                                 arguments=["--segment-bytes", "16MiB", *self.odoo.broker_arguments(MAPPING, SUBSCRIPTION)])
            try:
                self.broker.start()
                return self.tell(unknown)
            finally:
                self.broker.close()

    def make_events(self):
        how = ["--log", self.options.log] if self.options.log else ["--seed", "7", "--events", str(EVENTS)]
        with self.file.open("w") as out:
            if subprocess.run([binary("millrace-plant"), *how], stdout=out, check=False).returncode != 0:
                sys.exit(1)
        self.events = [json.loads(line) for line in self.file.open()]

    def cli(self, *arguments: str) -> str:
        return self.broker.millrace("--quiet", *arguments).stdout

    def status(self) -> dict:
        return json.loads(self.cli("--output", "json", "subscription", "describe", SUBSCRIPTION))

    def tell(self, unknown: str) -> int:
        topics = sorted({event["topic"] for event in self.events})
        print(f"1. broker on {self.broker.native}, a stand-in for Odoo on {self.odoo.url}, data in {self.directory}")
        for topic in topics:
            self.cli("topic", "create", topic, "--partitions", "4")
        self.cli("subscription", "create", SUBSCRIPTION, "--topic", "plant1.>")
        keys = {(event["topic"], event["key"]) for event in self.events}
        print(f"2. {len(self.events)} events in {len(topics)} topics with {len(keys)} keys, as a burst; Odoo does not know \"{unknown}\"")
        published = self.publish_through_a_kill()
        self.go_through_an_outage()
        letters = self.wait_until_only_letters_are_left()
        self.create_and_redrive(unknown)
        print("7. the first five records of the last hour, played again")
        replay = self.cli("replay", "--topic", "plant1.>", "--from", "-1h", "--to", "now", "--count", "5", "--format",
                          "{append_time} {topic} {key}")
        print("".join(f"     {line}\n" for line in replay.splitlines()[:5]), end="")
        books = Books(self.events, self.odoo)
        self.print_table(published, letters, books)
        good = books.is_balanced() and published == len(self.events) and self.left_open() == 0
        self.say_what_is_next()
        return 0 if good else 1

    def publish_through_a_kill(self) -> int:
        rate = max(500, len(self.events) // 3)
        with subprocess.Popen([binary("millrace"), "--brokers", self.broker.native, "--quiet", "--output", "json", "publish", "--jsonl",
                               "--file", str(self.file), "--rate", f"{rate}/s"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as publisher:
            time.sleep(1.2)
            self.broker.kill()
            print("3. killed the broker with SIGKILL while events came in and Odoo was fed")
            time.sleep(0.3)
            self.broker.start()
            print("   started it again on the same data; publisher and feed go on by themselves")
            time.sleep(0.5)
            self.odoo.tell("mode", mode="down", for_ms=int(OUTAGE_SECONDS * 1000))
            print(f"4. Odoo is down for {OUTAGE_SECONDS} s")
            out, err = publisher.communicate(timeout=120)
        if publisher.returncode != 0:
            sys.exit(f"demo: publish ended with {publisher.returncode}: {err}")
        return json.loads(out)["published"]

    def go_through_an_outage(self):
        def look():
            status = self.status()
            if status["circuit"] != "closed":
                self.circuit_reasons.add(status["reason"])
            return self.circuit_reasons
        eventually(20, look, "the circuit opens while Odoo is down")
        print(f"   the circuit opens: {next(iter(self.circuit_reasons))[:100]}")
        eventually(60, lambda: self.status()["circuit"] == "closed", "the circuit closes again")
        print("   Odoo is back, the circuit closes")

    def wait_until_only_letters_are_left(self) -> dict:
        def is_quiet():
            status = self.status()
            left = status["lag_records"] - status["parked_records"] - self.left_open()
            return status["in_flight"] == 0 and status["waiting_retry"] == 0 and left <= 0 and status["lag_records"] == self.status()["lag_records"]
        eventually(200, is_quiet, "everything but the letters is settled")
        letters = json.loads(self.cli("--output", "json", "dlq", "ls", SUBSCRIPTION, "--limit", "100000"))
        letters = letters if isinstance(letters, list) else letters["letters"]
        status = self.status()
        print(f"5. everything else has flowed; {len(letters)} dead letters, {status['parked_records']} records wait behind them")
        print(f"     {letters[0]['error'][:110]}")
        return collections.Counter(letter["cause"] for letter in letters)

    def left_open(self) -> int:
        return self.status()["letters_open"]

    def create_and_redrive(self, unknown: str):
        self.odoo.create("product.product", unknown)
        redriven = self.cli("dlq", "redrive", SUBSCRIPTION, "--all").strip()
        print(f"6. \"{unknown}\" exists now; {redriven or 'the letters are redriven'}")
        eventually(120, lambda: self.status()["lag_records"] == 0 and self.left_open() == 0, "the letters and what waited are applied")

    def print_table(self, published: int, letters: dict, books: Books):
        rows = [("events", len(self.events)), ("acked", published), ("settled without a record (guard says no)", books.not_wanted),
                ("applied in Odoo", books.applied), ("duplicates in Odoo", books.duplicates), ("lost", books.lost),
                ("different from their event", books.different), ("order violations", books.order_violations),
                ("sent twice, still one record", books.repeats)]
        rows += [(f"dead letters, cause {cause}", count) for cause, count in sorted(letters.items())]
        rows += [("redriven", sum(letters.values()))]
        print()
        for name, value in rows:
            print(f"  {name:42} {value:>7}")

    def say_what_is_next(self):
        if self.options.keep:
            input(f"\nAll is up: {os.path.relpath(binary('millrace'))} --brokers {self.broker.native} subscription describe {SUBSCRIPTION}\n"
                  "Press return to end it. ")
        else:
            print("\nTo keep it running and look around: scripts/demo --keep" + (f" --log {self.options.log}" if self.options.log else ""))


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--log", help="a production log as CSV")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--measured", action="store_true", help="Odoo answers as slowly as a real one was measured to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-demo-") as directory:
        return Demo(options, pathlib.Path(directory)).run()


if __name__ == "__main__":
    sys.exit(main())
