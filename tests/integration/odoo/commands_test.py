"""millrace odoo check, try and install, with real processes."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import place  # noqa: F401
from harness import binary
from stand_ins import OdooSim

MAPPING = """mappings:
  - topics: [plant1.quality.result]
    when: .value.rejected > 0
    lane: .value.product
    steps:
      - name: product
        action: lookup
        model: product.product
        domain: '[["name", "=", .value.product]]'
      - name: scrap
        action: create
        mode: ledger
        model: stock.scrap
        fields: {product_id: .steps.product.id, scrap_qty: .value.rejected, origin: .key}
      - action: call
        mode: ledger
        model: stock.scrap
        method: action_validate
        id: .steps.scrap.id
        expect: {state: done}
      - model: stock.lot
        external_id: '"lot_" + (.key | external_name)'
        fields: {name: .key, product_id: .value.product}
"""
EVENT = {"topic": "plant1.quality.result", "key": "WO 1", "value": {"product": "Nut", "rejected": 2}, "headers": {"event-id": "e1"}}


class OdooCommands(unittest.TestCase):
    api = "jsonrpc"

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="millrace-odoo-")
        self.folder = pathlib.Path(self.directory.name)
        self.mapping = self.write("m.yaml", MAPPING)
        self.event = self.write("event.json", json.dumps(EVENT))
        self.odoo = OdooSim("--odoo-version", "19").start()
        self.odoo.create("product.product", "Nut")

    def tearDown(self):
        self.odoo.close()
        self.directory.cleanup()

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def run_odoo(self, *arguments: str, code: int = 0, text: str = ""):
        done = subprocess.run([binary("millrace"), "odoo", *arguments], input=text, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def ask_odoo(self, *arguments: str):
        return json.loads(self.run_odoo(*arguments, "--output", "json").stdout)

    def target(self, flag: str = "--url", login: str = "millrace", key: str = OdooSim.KEY) -> list[str]:
        return [flag, self.odoo.url, "--database", "plant", "--login", login, "--key-file", self.write(f"{login}.key", key), "--api", self.api]

    def admin(self) -> list[str]:
        return self.target(login="admin", key="admin-key")

    def test_check_says_how_each_step_knows_a_repeat(self):
        shown = self.run_odoo("check", self.mapping).stdout
        self.assertIn("marker in the ledger", shown)
        self.assertIn("external id", shown)
        self.assertIn("it needs the ledger", shown)
        rules = self.ask_odoo("check", self.mapping)[0]["rules"]
        self.assertEqual([step["action"] for step in rules[0]["steps"]], ["lookup", "create", "call", "upsert"])

    def test_check_of_a_bad_file_names_file_line_and_hint(self):
        bad = self.write("bad.yaml", MAPPING.replace("mode: ledger", "mood: ledger", 1))
        done = self.run_odoo("check", bad, code=2)
        self.assertIn(f'{bad}:12: unknown key "mood"; did you mean "mode"?', done.stderr)

    def test_try_shows_the_calls_and_makes_none(self):
        before = self.odoo.ask("stats")["connections"]
        tried = self.ask_odoo("try", self.mapping, "--event", self.event)[0]
        self.assertEqual([f"{call['model']}.{call['method']}" for call in tried["calls"]],
                         ["product.product.search_read", "ir.actions.server.run", "stock.lot.load"])
        self.assertEqual(tried["lanes"], ["lane Nut"])
        self.assertEqual(tried["calls"][2]["args"], [["id", "name", "product_id"], [["millrace.lot_WO_32_1", "WO 1", "Nut"]]])
        self.assertEqual(self.odoo.ask("stats")["connections"], before + 1)

    def test_try_against_odoo_makes_reads_alone(self):
        against = self.target("--against")
        shown = self.run_odoo("try", self.mapping, "--event", self.event, *against).stdout
        self.assertIn('found: {"id":1}', shown)
        self.assertIn("creates millrace.lot_WO_32_1", shown)
        stats = self.odoo.ask("stats")
        self.assertEqual({name.rpartition(".")[2] for name in stats["calls"]}, {"fields_get", "search_read", "check_object_reference"})
        self.odoo.tell("forget", model="product.product", name="Nut")
        done = self.run_odoo("try", self.mapping, "--event", self.event, *against, code=1)
        self.assertIn("no product.product is found by", done.stdout)

    def test_try_against_odoo_names_a_model_and_a_field_that_it_does_not_know(self):
        text = pathlib.Path(self.mapping).read_text()
        for known, other, said in (("stock.lot", "stock.lott", "Object stock.lott doesn't exist"),
                                   ("product_id:", "produkt_id:", 'has no field "produkt_id"')):
            mapping = self.write("other.yaml", text.replace(known, other))
            done = self.run_odoo("try", mapping, "--event", self.event, *self.target("--against"), code=1)
            self.assertIn(said, done.stdout)

    def test_try_says_what_the_guard_says_and_what_is_no_event(self):
        other = self.write("other.jsonl", json.dumps({**EVENT, "value": {"rejected": 0}}) + "\n" + json.dumps({**EVENT, "topic": "x"}) + "\n")
        outcomes = [tried["outcome"] for tried in json.loads(self.run_odoo("try", self.mapping, "--event", other, "--output", "json", code=6).stdout)]
        self.assertEqual(outcomes, ["not_wanted", "mapping"])
        broken = self.write("broken.jsonl", json.dumps(EVENT) + "\nnot json\n")
        self.assertIn("broken.jsonl:2: an event is a JSON object", self.run_odoo("try", self.mapping, "--event", broken, code=2).stderr)

    def test_install_shows_the_code_asks_updates_and_removes(self):
        command = ["install", "--mapping", self.mapping, *self.admin()]
        refused = self.run_odoo(*command, text="no\n", code=1)
        self.assertIn("def apply_once(steps):", refused.stderr)
        self.assertIn("return records.action_validate(**arguments)", refused.stderr)
        self.assertEqual(self.odoo.records("ir.actions.server"), [])
        self.assertIn("is installed", self.run_odoo(*command, text="yes\n").stdout)
        self.assertEqual(self.ask_odoo(*command)["outcome"], "there already, and up to date")
        other = self.write("other.yaml", MAPPING.replace("action_validate", "action_other"))
        self.assertEqual(self.ask_odoo("install", "--mapping", other, *self.admin(), "--yes")["outcome"], "updated")
        code = self.odoo.records("ir.actions.server")[0]["values"]["code"]
        self.assertIn("records.action_validate(", code)  # what the other mapping needs stays
        self.assertIn("records.action_other(", code)
        self.assertIn("is removed", self.run_odoo("install", "--remove", "--yes", *self.admin()).stdout)
        self.assertEqual(self.odoo.records("ir.actions.server"), [])
        self.run_odoo("install", "--remove", "--yes", *self.admin(), code=3)

    def test_install_needs_an_administrator_and_shows_no_key(self):
        done = self.run_odoo("install", "--mapping", self.mapping, *self.target(), "--yes", code=1)
        self.assertIn("AccessError", done.stderr)
        done = self.run_odoo("install", "--mapping", self.mapping, *self.target(key="sesame"), "--yes", code=1)
        self.assertIn("refuses the login", done.stderr)
        self.assertNotIn("sesame", done.stdout + done.stderr)

    def test_odoo_that_is_not_there_may_be_there_later(self):
        self.odoo.tell("mode", mode="down")
        done = self.run_odoo("install", "--mapping", self.mapping, *self.admin(), "--yes", code=5)
        self.assertIn("cannot reach Odoo", done.stderr)

    def test_all_of_it_goes_over_json2_too(self):
        self.api = "json2"
        self.test_try_against_odoo_makes_reads_alone()
        self.odoo.create("product.product", "Nut")
        self.test_try_against_odoo_names_a_model_and_a_field_that_it_does_not_know()
        self.test_install_shows_the_code_asks_updates_and_removes()
        done = self.run_odoo("install", "--mapping", self.mapping, *self.target(), "--yes", code=1)
        self.assertIn("AccessError", done.stderr)
        done = self.run_odoo("install", "--mapping", self.mapping, *self.target(key="sesame"), "--yes", code=1)
        self.assertIn("refuses the API key", done.stderr)
        self.assertNotIn("sesame", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
