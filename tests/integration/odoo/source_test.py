"""Odoo as a source with real processes: webhooks and the sweep of a stand-in become events, whatever fails in between."""
import json
import os
import pathlib
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import place  # noqa: F401
from harness import Broker, eventually
from stand_ins import OdooSim

SOURCE = """hints: {topic: odoo.hints, subscription: odoo-source, read_after_ms: 50, wait_max_s: %(wait)s}
sweep: {interval_s: %(interval)s, overlap_s: 600, page_records: 7}
models:
  - model: sale.order
    fields: [name, state, client_order_ref]
    only_if: .record.state != "cancel"
    topic: '"odoo.sale.order." + ({"sale": "confirmed"}[.record.state] // .record.state)'
    key: .record.name
    deleted:
      when: '.hint._action | startswith("Order deleted")'
      topic: '"odoo.sale.order.deleted"'
"""
HOOKS = """hooks:
  - name: odoo
    topic: '"odoo.hints"'
    token: {query: token, secret_file: %s}
"""
TOKEN = "hint-secret-1"
# Between changes that nobody hears: in the long profile the door is shut for a minute.
REST = 1.6 if os.environ.get("MILLRACE_TEST_PROFILE") == "long" else 0
TOPICS = ("odoo.sale.order.draft", "odoo.sale.order.confirmed", "odoo.sale.order.deleted")


class Source:
    """A broker whose source is a stand-in with webhooks on sale.order."""

    def __init__(self, interval: int = 3600, wait: int = 2, api: str = "jsonrpc"):
        self.api = api
        self.directory = tempfile.TemporaryDirectory(prefix="millrace-source-")
        self.folder = pathlib.Path(self.directory.name)
        self.odoo = OdooSim(*(("--odoo-version", "19") if api == "json2" else ()))
        self.rules = {"interval": interval, "wait": wait}

    def __enter__(self):
        (self.folder / "source.yaml").write_text(SOURCE % self.rules)
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "hooks.yaml").write_text(HOOKS % (self.folder / "token"))
        self.odoo.start()
        self.partner = self.odoo.tell("records", model="res.partner", values={"name": "Acme"})["id"]
        self.broker = Broker(directory=str(self.folder), environment=self.odoo.broker_environment(),
                             arguments=["--odoo-url", self.odoo.url, "--odoo-database", "plant", "--odoo-login", "millrace", "--odoo-api", self.api,
                                        "--odoo-source", str(self.folder / "source.yaml"), "--hooks-file", str(self.folder / "hooks.yaml")])
        self.broker.start()
        for topic in ("odoo.hints", *TOPICS):
            self.broker.millrace("topic", "create", topic, "--partitions", "2")
        self.broker.millrace("subscription", "create", "odoo-source", "--topic", "odoo.hints", "--backoff-min", "20ms", "--backoff-max", "200ms",
                             "--attempts", "1000")
        self.tell_webhooks()
        self.wait_for_sweep()
        return self

    def __exit__(self, *_):
        self.broker.close()
        self.odoo.close()
        self.directory.cleanup()

    def wait_for_sweep(self):
        """A sweep has its beginning, so that what the next one finds is what comes from now on."""
        cursors = self.broker.data / "odoo-source.json"
        eventually(120, cursors.exists, "the first sweep has looked")

    def tell_webhooks(self):
        url = f"http://{self.broker.http}/v1/hooks/odoo?token={TOKEN}"
        self.odoo.tell("webhooks", model="sale.order", url=url, fields=["write_date"])
        self.odoo.tell("webhooks", model="sale.order", url=url, action="Order deleted", on_unlink=True)

    def create(self, name: str, lines: int = 0, **more) -> int:
        rows = [[0, 0, {"name": f"line {number}"}] for number in range(lines)]
        return self.odoo.tell("records", model="sale.order", values={"name": name, "partner_id": self.partner, "order_line": rows}, **more)["id"]

    def write(self, record: int, **values) -> None:
        self.odoo.tell("write", model="sale.order", id=record, values=values)

    def events(self) -> list[dict]:
        found = []
        for topic in TOPICS:
            lines = self.broker.millrace("--output", "json", "consume", topic, "--from", "beginning").stdout.splitlines()
            found += [{"topic": topic, **json.loads(line)} for line in lines if line.strip()]
        return found

    def told(self) -> set:
        """Topic and key of every event."""
        return {(event["topic"].rpartition(".")[2], event["key"]) for event in self.events()}

    def all_settled(self):
        def is_settled():
            return self.broker.ask("subscription", "describe", "odoo-source")["lag_records"] == 0
        try:
            eventually(120, is_settled, "all hints are settled")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.broker.ask('dlq', 'ls', 'odoo-source')}\n{self.broker.log_tail(30)}") from late

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://{self.broker.http}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


class OdooSource(unittest.TestCase):
    def test_twenty_eight_posts_of_one_order_are_the_events_that_differ(self):
        with Source() as source:
            order = source.create("S0001", lines=4)
            self.assertEqual(source.odoo.ask("stats")["webhook_posts"], 28)
            eventually(60, lambda: source.told() == {("draft", "S0001")}, "the order is told")
            source.write(order, state="sale")
            eventually(60, lambda: ("confirmed", "S0001") in source.told(), "its confirmation is told")
            source.all_settled()
            events = source.events()
            self.assertEqual(len(events), 2, events)
            self.assertEqual(events[0]["value"], {"id": order, "name": "S0001", "state": "draft", "client_order_ref": False})
            self.assertEqual(source.broker.ask("dlq", "ls", "odoo-source"), [])
            self.assertGreater(source.metric("millrace_odoo_source_hints_total"), 28)

    def test_what_changes_while_the_door_is_shut_is_found_by_the_sweep(self):
        self.shut_the_door("jsonrpc")

    def test_what_changes_while_the_door_is_shut_is_found_by_the_sweep_over_json2(self):
        self.shut_the_door("json2")

    def shut_the_door(self, api: str):
        with Source(interval=1, api=api) as source:
            first = source.create("S0001")
            eventually(60, lambda: source.told() == {("draft", "S0001")}, "the first is told")
            source.all_settled()
            source.broker.stop()
            source.write(first, state="sale")
            for number in range(2, 40):
                source.create(f"S{number:04}")
                time.sleep(REST)
            source.broker.start()
            wanted = {("draft", f"S{number:04}") for number in range(1, 40)} | {("confirmed", "S0001")}
            eventually(120, lambda: source.told() == wanted, "every change is told")
            source.all_settled()
            self.assertEqual(len(source.events()), len(wanted))
            self.assertGreaterEqual(source.metric("millrace_odoo_source_found_by_sweep_total"), 39)

    def test_the_sweep_finds_what_becomes_visible_after_what_is_newer(self):
        with Source(interval=1) as source:
            source.odoo.tell("webhooks", clear=True)
            first = source.create("S0001")
            eventually(60, lambda: source.told() == {("draft", "S0001")}, "the first is told")
            seen_at = time.monotonic() + 6
            source.odoo.tell("write", model="sale.order", id=first, values={"state": "sale"}, takes_ms=6000)
            time.sleep(1.1)  # write_date is read in whole seconds: the next one is newer
            source.create("S0002")
            eventually(60, lambda: ("draft", "S0002") in source.told(), "a sweep has passed, most likely while the older change was hidden")
            told = source.told()
            if time.monotonic() < seen_at:  # else the machine was too slow to see it hidden
                self.assertNotIn(("confirmed", "S0001"), told)
            eventually(60, lambda: ("confirmed", "S0001") in source.told(), "the older change is told once it is seen")
            source.all_settled()
            self.assertEqual(len(source.events()), 3)

    def test_webhook_and_sweep_tell_a_change_once(self):
        with Source(interval=1) as source:
            for number in range(20):
                source.create(f"S{number:04}")
            wanted = {("draft", f"S{number:04}") for number in range(20)}
            eventually(60, lambda: source.told() == wanted, "all are told")
            swept = source.metric("millrace_odoo_source_swept_rows_total")
            eventually(60, lambda: source.metric("millrace_odoo_source_swept_rows_total") >= swept + 40, "two more sweeps have seen them")
            source.all_settled()
            self.assertEqual(len(source.events()), 20)

    def test_a_broker_killed_in_the_middle_loses_nothing(self):
        with Source(wait=30) as source:
            source.odoo.tell("mode", mode="down")
            for number in range(30):
                source.create(f"S{number:04}")
            source.broker.kill()
            source.broker.start()
            source.odoo.tell("mode", mode="up")
            eventually(120, lambda: len(source.told()) > 3, "reading is under way")
            source.broker.kill()
            source.broker.start()
            wanted = {("draft", f"S{number:04}") for number in range(30)}
            eventually(120, lambda: source.told() == wanted, "all are told")
            source.all_settled()
            self.assertEqual(len(source.events()), 30)
            self.assertEqual(source.broker.ask("dlq", "ls", "odoo-source"), [])

    def test_a_hint_that_was_rolled_back_is_no_event(self):
        with Source() as source:
            order = source.create("S0001")
            eventually(60, lambda: len(source.told()) == 1, "the order is told")
            source.create("S0002", roll_back=True)
            source.odoo.tell("write", model="sale.order", id=order, values={"state": "sale"}, roll_back=True)
            source.odoo.tell("unlink", model="sale.order", id=order, roll_back=True)
            source.all_settled()
            self.assertEqual(source.told(), {("draft", "S0001")})
            self.assertEqual(source.metric('millrace_odoo_source_hints_total{model="sale.order",outcome="missing"}'), 1)

    def test_a_record_that_goes_is_told_as_deleted(self):
        with Source() as source:
            order = source.create("S0001")
            eventually(60, lambda: len(source.told()) == 1, "the order is told")
            source.odoo.tell("unlink", model="sale.order", id=order)
            eventually(60, lambda: ("deleted", f"sale.order,{order}") in source.told(), "its end is told")
            source.all_settled()
            self.assertEqual(len(source.events()), 2)

    def test_an_outage_makes_hints_wait_and_no_letters(self):
        with Source(interval=1) as source:
            source.odoo.tell("mode", mode="database_down")
            source.create("S0001")
            eventually(60, lambda: source.broker.ask("subscription", "describe", "odoo-source")["circuit"] != "closed", "the circuit is open")
            eventually(60, lambda: source.metric("millrace_odoo_source_faults_total") > 1, "read and sweep have failed")
            source.odoo.tell("mode", mode="up")
            eventually(120, lambda: source.told() == {("draft", "S0001")}, "told after the outage")
            self.assertEqual(source.broker.ask("dlq", "ls", "odoo-source"), [])

    def test_a_wrong_key_stops_it_and_is_said(self):
        source = Source(interval=1)
        source.odoo.broker_environment = lambda: {"MILLRACE_ODOO_KEY": "wrong-key"}
        source.wait_for_sweep = lambda: None
        with source:
            eventually(60, lambda: source.metric("millrace_odoo_source_sweep_stopped") == 1, "the sweep has stopped")
            source.create("S0001")
            circuit = eventually(60, lambda: (s := source.broker.ask("subscription", "describe", "odoo-source"))["circuit"] != "closed" and s,
                                 "the circuit is open")
            self.assertIn("refuses the login", circuit["reason"])
            self.assertIn("refuses the login", source.broker.log_tail(200))
            self.assertNotIn("wrong-key", source.broker.log_tail(1000))

    def test_who_does_not_know_the_token_leaves_no_hint(self):
        with Source() as source:
            for query in ("", "?token=guess"):
                request = urllib.request.Request(f"http://{source.broker.http}/v1/hooks/odoo{query}", data=b'{"_model":"sale.order","_id":1}')
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=30)
                self.assertEqual(refused.exception.code, 401)
                self.assertNotIn(TOKEN, refused.exception.read().decode())
            self.assertNotIn(TOKEN, source.broker.log_tail(1000))
            self.assertEqual(source.broker.millrace("consume", "odoo.hints", "--from", "beginning").stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
