"""millrace odoo verify and status, on what a recipe has left in the stand-in."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import place  # noqa: F401
from harness import binary, eventually
from recipes_test import COPIES, QUEUE, RECIPES, Plant


class Verify(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="millrace-verify-")
        self.folder = pathlib.Path(self.directory.name)
        self.plant = Plant(self.folder, RECIPES / "quality")
        self.plant.start()
        self.plant.publish(self.plant.events)
        self.plant.wait_until_settled()

    def tearDown(self):
        self.plant.close()
        self.directory.cleanup()

    def verify(self, *arguments: str, code: int = 0):
        done = self.plant.verify(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def findings(self) -> list:
        return json.loads(self.verify("--output", "json", code=1))["findings"]

    def create(self, model: str, values: dict):
        self.plant.odoo.tell("records", model=model, values=values)

    def test_books_that_are_right_are_said_to_be(self):
        report = json.loads(self.verify("--output", "json"))
        self.assertEqual(report["events"], 2 * COPIES)
        self.assertEqual(report["records"], 2 * COPIES)  # a lot and a scrap each
        self.assertEqual(report["findings"], [])
        self.assertRegex(self.verify(), r"missing: +0")

    def test_what_is_missing_doubled_and_different_is_found(self):
        odoo = self.plant.odoo
        odoo.tell("forget", model="stock.lot", name="LOT-0003")
        lot = next(record for record in odoo.records("stock.lot") if record["values"]["name"] == "LOT-0005")
        odoo.tell("write", model="stock.lot", id=lot["id"], values={"note": "changed by hand"})
        twin = next(record for record in odoo.records("stock.scrap") if record["values"]["origin"] == "LOT-0007")
        values = {name: value for name, value in twin["values"].items() if name != "write_date"}  # Odoo sets it
        self.create("stock.scrap", {**values, "times_scrapped": 0})
        found = self.findings()
        self.assertEqual(sorted(one["kind"] for one in found), ["different", "doubled", "missing", "missing"])
        by_kind = {one["kind"]: one for one in found}
        self.assertEqual(by_kind["missing"]["record"], "millrace.lot_LOT-0003")
        self.assertEqual(by_kind["different"]["record"], "millrace.lot_LOT-0005")
        self.assertIn('note is "changed by hand", the event says "3 of 50 rejected"', by_kind["different"]["detail"])
        self.assertIn("has the same values", by_kind["doubled"]["detail"])
        self.assertIn("qc-0007-b", by_kind["doubled"]["event_id"])
        self.assertIn("LOT-0005", self.verify(code=1))

    def test_what_nothing_tells_from_others_is_said_to_be_unverified(self):
        self.plant.mapping = self.folder / "notes.yaml"
        self.plant.mapping.write_text('''mappings:
  - topics: [plant1.quality.result]
    steps: [{action: create, repeat_safe: true, model: mail.message, fields: {body: .key}}]
''')
        report = json.loads(self.verify("--output", "json"))
        self.assertEqual([(one["place"], one["model"], one["steps"]) for one in report["unverified"]],
                         [(f"{self.plant.mapping}:3", "mail.message", 2 * COPIES)])
        shown = self.verify()
        self.assertIn("nothing tells a record that it creates from others", shown)
        self.assertRegex(shown, r"steps that cannot be verified: +24")

    def test_a_window_before_the_events_has_none(self):
        self.assertEqual(json.loads(self.verify("--to", "-30m", "--output", "json", code=3))["events"], 0)

    def test_verify_changes_nothing(self):
        before = self.plant.odoo.ask("journal")
        self.verify()
        self.assertEqual(self.plant.odoo.ask("journal"), before)

    def test_status_says_how_the_feed_goes(self):
        status = self.status("--output", "json")
        report = json.loads(status)
        self.assertEqual(report["circuit"], "closed")
        self.assertEqual(report["lag_records"], 0)
        self.assertEqual(report["minutes_left"], 0)
        self.assertEqual(report["events"]["applied"], 2 * COPIES)
        models = {model["model"]: model for model in report["models"]}
        self.assertGreaterEqual(models["stock.lot"]["rows"], 2 * COPIES)
        self.assertGreater(models["stock.lot"]["rows_per_call"], 0)
        self.assertIn("run", models["ir.actions.server"]["methods"])
        shown = self.status()
        for word in ("circuit:", "backlog:", "rows/call", "stock.lot"):
            self.assertIn(word, shown.lower())

    def test_status_shows_the_backlog_and_why_it_stands(self):
        self.plant.odoo.tell("mode", mode="down")
        self.plant.publish([{**event, "headers": {"event-id": event["headers"]["event-id"] + "-later"}} for event in self.plant.events])
        eventually(30, lambda: json.loads(self.status("--output", "json", "--for", "10ms"))["circuit"] != "closed", "the circuit is open")
        report = json.loads(self.status("--output", "json", "--for", "10ms"))
        self.assertGreater(report["lag_records"], 0)
        self.assertIn("cannot reach Odoo", report["reason"])
        self.assertIsNone(report["minutes_left"])

    def status(self, *arguments: str) -> str:
        return self.plant.broker.millrace("odoo", "status", "--subscription", QUEUE, "--http", self.plant.broker.http, *arguments).stdout

    def test_status_without_a_broker_says_so(self):
        done = subprocess.run([binary("millrace"), "--brokers", "127.0.0.1:1", "odoo", "status"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 4, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
