"""The feed to Odoo with real processes: the broker, its sink, and the stand-in for Odoo."""
import json
import pathlib
import subprocess
import tempfile
import unittest
import urllib.request

import place  # noqa: F401
from harness import Broker, binary, eventually
from stand_ins import OdooSim

MAPPING = """mappings:
  - topics: [plant1.part.>]
    steps:
      - model: stock.lot
        external_id: '"part_" + (.value.id | external_name)'
        fields:
          name: .value.id
          product_id: .value.product
          note: .value.note
"""
TOPIC = "plant1.part.made"
QUEUE = "odoo-parts"


class Feed:
    """A broker that feeds a stand-in; parts with a product that Odoo knows become lots."""

    def __init__(self, *sim_arguments: str, broker_arguments: tuple = (), mapping: str = MAPPING):
        self.directory = tempfile.TemporaryDirectory(prefix="millrace-odoo-")
        self.odoo = OdooSim(*sim_arguments)
        self.broker_arguments = broker_arguments
        self.mapping = mapping
        self.broker = None

    def __enter__(self):
        folder = pathlib.Path(self.directory.name)
        (folder / "mapping.yaml").write_text(self.mapping)
        self.odoo.start()
        self.odoo.create("product.product", "Nut", "Bolt")
        self.broker = Broker(directory=str(folder), environment=self.odoo.broker_environment(),
                             arguments=[*self.odoo.broker_arguments(folder / "mapping.yaml", QUEUE), *self.broker_arguments])
        self.broker.start()
        self.broker.millrace("topic", "create", TOPIC, "--partitions", "4")
        self.broker.millrace("subscription", "create", QUEUE, "--topic", "plant1.part.>", "--backoff-min", "20ms", "--backoff-max", "200ms",
                             # failures here come by chance, many in a short time
                             "--attempts", "1000")
        return self

    def __exit__(self, *_):
        self.broker.close()
        self.odoo.close()
        self.directory.cleanup()

    def publish(self, *parts: tuple):
        """Parts of id, product and key."""
        lines = "".join(json.dumps({"topic": TOPIC, "key": key, "value": {"id": name, "product": product, "note": f"note of {name}"}}) + "\n"
                        for name, product, key in parts)
        self.broker.millrace("publish", "--jsonl", text=lines)

    def lots(self) -> dict:
        return {record["values"]["name"]: record for record in self.odoo.records("stock.lot")}

    def status(self) -> dict:
        return self.broker.ask("subscription", "describe", QUEUE)

    def all_settled(self, seconds: float):
        """Waits until nothing is left, and shows what stands in the way if it stays."""
        try:
            eventually(seconds, lambda: self.status()["lag_records"] == 0, "all settled")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.status()}\n{self.letters()}\n{self.broker.log_tail(40)}") from late

    def letters(self) -> list[dict]:
        found = self.broker.ask("dlq", "ls", QUEUE)
        return found if isinstance(found, list) else found["letters"]

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://{self.broker.http}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def some(count: int, product: str = "Nut", start: int = 0) -> list[tuple]:
    return [(f"part {number}", product, f"machine {number % 7}") for number in range(start, start + count)]


class OdooFeed(unittest.TestCase):
    def test_every_event_becomes_one_record_and_is_settled(self):
        with Feed() as feed:
            feed.publish(*some(300))
            eventually(30, lambda: len(feed.lots()) == 300, "300 lots")
            lot = feed.lots()["part 7"]
            self.assertEqual(lot["external_id"], "millrace.part_part_32_7")
            self.assertEqual(lot["values"]["note"], "note of part 7")
            self.assertEqual(lot["writes"], 1)
            feed.all_settled(10)
            self.assertEqual(feed.metric('millrace_odoo_events_total{outcome="applied"}'), 300)
            self.assertEqual(feed.odoo.ask("stats")["loads_without_utc"], 0)

    def test_unknown_product_makes_letters_that_a_redrive_applies_in_order(self):
        with Feed() as feed:
            feed.publish(("a1", "Nut", "A"), ("a2", "Gear", "A"), ("a3", "Nut", "A"), ("b1", "Bolt", "B"))
            eventually(20, lambda: {"a1", "b1"} == feed.lots().keys() and feed.letters(), "the others are applied")
            letter = feed.letters()[0]
            self.assertEqual(letter["cause"], "mapping")
            self.assertIn("No matching record found for name 'Gear'", letter["error"])
            self.assertEqual(feed.status()["parked_records"], 1)
            feed.odoo.create("product.product", "Gear")
            feed.broker.millrace("dlq", "redrive", QUEUE, "--all")
            eventually(20, lambda: len(feed.lots()) == 4, "the letter and what waited behind it")
            self.assertLess(feed.lots()["a2"]["id"], feed.lots()["a3"]["id"])

    def test_outage_opens_the_circuit_and_makes_no_letters(self):
        with Feed() as feed:
            feed.odoo.tell("mode", mode="down")
            feed.publish(*some(50))
            status = eventually(20, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn("Connection refused", status["reason"])
            feed.odoo.tell("mode", mode="up")
            eventually(30, lambda: len(feed.lots()) == 50, "all applied after the outage")
            self.assertEqual(feed.letters(), [])
            eventually(10, lambda: feed.status()["circuit"] == "closed", "the circuit is closed")

    def test_database_down_behind_odoo_is_an_outage_too(self):
        with Feed() as feed:
            feed.odoo.tell("mode", mode="database_down", for_ms=1500)
            feed.publish(*some(20))
            eventually(30, lambda: len(feed.lots()) == 20, "all applied after the outage")
            self.assertEqual(feed.letters(), [])

    def test_conflicts_are_tried_again(self):
        with Feed("--seed", "3") as feed:
            feed.odoo.tell("mode", mode="conflict", share=0.5)
            feed.publish(*some(60))
            eventually(60, lambda: len(feed.lots()) == 60, "all applied in spite of conflicts")
            self.assertEqual(feed.letters(), [])
            self.assertGreater(feed.odoo.ask("stats")["errors"].get("conflict in load", 0), 0)

    def test_answers_that_are_lost_after_the_commit_leave_one_record_each(self):
        with Feed("--seed", "5") as feed:
            feed.odoo.tell("mode", mode="drop_after_commit", share=0.5, for_ms=3000)
            feed.publish(*some(60))
            feed.all_settled(60)
            self.assertEqual(len(feed.odoo.records("stock.lot")), 60)
            self.assertEqual(feed.letters(), [])

    def test_a_wrong_key_stops_the_feed_and_loses_nothing(self):
        feed = Feed()
        feed.odoo.broker_environment = lambda: {"MILLRACE_ODOO_KEY": "wrong"}
        with feed:
            feed.publish(*some(5))
            status = eventually(20, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn("refuses the login", status["reason"])
            self.assertNotIn("wrong", status["reason"])
            self.assertEqual(feed.letters(), [])
            self.assertEqual(feed.status()["lag_records"], 5)
            self.assertNotIn("wrong", feed.broker.log_tail(1000))

    def test_a_broker_killed_while_it_feeds_repeats_calls_and_not_records(self):
        with Feed("--latency", "measured") as feed:
            feed.publish(*some(200))
            eventually(20, lambda: len(feed.lots()) > 20, "the feed is under way")
            feed.broker.kill()
            feed.broker.start()
            feed.all_settled(60)
            self.assertEqual(len(feed.odoo.records("stock.lot")), 200)
            self.assertEqual(len(feed.lots()), 200)

    def test_settings_that_do_not_fit_together_are_refused_at_start(self):
        with tempfile.TemporaryDirectory() as folder:
            mapping = pathlib.Path(folder) / "m.yaml"
            for text, changed, word in (("mappings: []", {}, '"mappings" takes a list'),
                                        (MAPPING, {"--odoo-url": "https://odoo/web"}, "without a path"),
                                        (MAPPING, {"--odoo-url": "https://odoo", "--odoo-ca-file": "/nowhere/ca.pem"}, "odoo_ca_file"),
                                        (MAPPING, {"--odoo-ca-file": "/nowhere/ca.pem"}, "is not https://"),
                                        (MAPPING, {"--odoo-login": ""}, "odoo_login")):
                mapping.write_text(text)
                settings = {"--odoo-url": "http://127.0.0.1:1", "--odoo-database": "d", "--odoo-login": "l",
                            "--odoo-mapping": str(mapping), **changed}
                done = subprocess.run([binary("millraced"), "config", "check", *(f"{flag}={value}" for flag, value in settings.items())],
                                      env={"MILLRACE_ODOO_KEY": "k"}, capture_output=True, text=True, timeout=30, check=False)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
