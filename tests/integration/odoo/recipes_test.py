"""Each recipe of docs/recipes from its sample events to records, exactly once, across a SIGKILL of the broker and an outage of Odoo."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import place  # noqa: F401
from harness import ROOT, Broker, binary, eventually
from stand_ins import OdooSim

RECIPES = ROOT / "docs" / "recipes"
COPIES = 12  # of each sample: its number 0001 becomes 0001 to 0012
QUEUE = "odoo"
# What somebody does to one record by hand once all is there; nothing: it is deleted.
BY_HAND = {"carrier": ("stock.picking", {"carrier_tracking_ref": "by hand"}),
           "crm": ("crm.lead", None),
           "ecommerce": ("sale.order", None),
           "finance": ("account.move", {"ref": "by hand"}),
           "mes": ("mrp.production", {"state": "cancel"}),
           "plm": ("mrp.bom.line", None),
           "quality": ("stock.scrap", None),
           "supplier": ("stock.picking", {"state": "assigned"}),
           "telemetry": ("mrp.workcenter.productivity", None),
           "wms": ("stock.quant", None)}
# The ledger's recipe always, the others in the long profile.
OVER_JSON2 = ("quality", "carrier", "mes") if os.environ.get("MILLRACE_TEST_PROFILE") == "long" else ("quality",)


def copies_of(text: str) -> list[str]:
    return [text.replace("0001", f"{number:04}") for number in range(1, COPIES + 1)]


class Plant:
    """A broker that feeds a stand-in with one recipe, over JSON-RPC or, with an Odoo 19, over /json/2."""

    def __init__(self, folder: pathlib.Path, recipe: pathlib.Path, api: str = "jsonrpc"):
        self.api = api
        self.folder, self.mapping = folder, recipe / "mapping.yaml"
        books = json.loads((recipe / "odoo.json").read_text())
        self.before = [record for text in copies_of(json.dumps(books["before"])) for record in json.loads(text)]
        self.after = [record for text in copies_of(json.dumps(books["after"])) for record in json.loads(text)]
        samples = (recipe / "events.jsonl").read_text()
        self.events = [json.loads(line) for text in copies_of(samples) for line in text.splitlines()]
        self.odoo = OdooSim("--workers", "4", "--seed", "7", *(("--odoo-version", "19") if api == "json2" else ()))
        self.names = {}

    def start(self):
        self.odoo.start()
        for record in self.before:
            name = f"{record['model']}/{record['values'].get('name', len(self.names))}"
            if name not in self.names:
                self.names[name] = self.odoo.tell("records", model=record["model"], values=self.filled(record["values"]))["id"]
        self.install_ledger()
        self.broker = Broker(directory=str(self.folder), environment=self.odoo.broker_environment(),
                             arguments=[*self.odoo.broker_arguments(self.mapping, QUEUE), "--odoo-connections-max", "4", "--odoo-api", self.api])
        self.broker.start()
        for topic in sorted({event["topic"] for event in self.events}):
            self.broker.millrace("topic", "create", topic, "--partitions", "2")
        topics = [word for topic in sorted({event["topic"] for event in self.events}) for word in ("--topic", topic)]
        self.broker.millrace("subscription", "create", QUEUE, *topics, "--backoff-min", "20ms", "--backoff-max", "200ms", "--attempts", "1000")

    def close(self):
        self.broker.close()
        self.odoo.close()

    def filled(self, value):
        """Names of records become their ids: "@product.product/Nut 0001"."""
        if isinstance(value, dict):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        return self.names[value[1:]] if isinstance(value, str) and value.startswith("@") else value

    def install_ledger(self):
        subprocess.run([binary("millrace"), "odoo", "install", "--mapping", str(self.mapping), "--yes", *self.target("admin", "admin-key")],
                       check=True, capture_output=True, timeout=120)

    def target(self, login: str, key: str) -> list[str]:
        """What `millrace odoo` asks as that user."""
        file = self.folder / f"{login}.key"
        file.write_text(key)
        return ["--url", self.odoo.url, "--database", "plant", "--login", login, "--key-file", str(file), "--api", self.api]

    def verify(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.broker.millrace("odoo", "verify", "--mapping", str(self.mapping), "--from", "-1h",
                                    *self.target("millrace", self.odoo.KEY), *arguments, check=False)

    def publish(self, events: list[dict]):
        self.broker.millrace("publish", "--jsonl", text="".join(json.dumps(event) + "\n" for event in events))

    def status(self) -> dict:
        return self.broker.ask("subscription", "describe", QUEUE)

    def wait_until_settled(self):
        try:
            eventually(240, lambda: self.status()["lag_records"] == 0, "all settled")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.status()}\n{self.broker.ask('dlq', 'ls', QUEUE)}\n{self.broker.log_tail(30)}") from late

    def wrong(self) -> list:
        """What is not there exactly once, or more often than it should."""
        found, records = [], {model: self.odoo.records(model) for model in {record["model"] for record in self.after}}
        for wanted in self.after:
            values = self.filled(wanted["values"])
            same = [record for record in records[wanted["model"]] if all(record["values"].get(name) == value for name, value in values.items())]
            # Of records that differ in nothing that is named, as many as there are copies may fit.
            fitting = sum(1 for other in self.after if other["model"] == wanted["model"] and self.filled(other["values"]) == values)
            if len(same) != fitting:
                found.append((wanted, len(same), [record["values"] for record in records[wanted["model"]]][:3]))
        for model, rows in records.items():
            count = sum(1 for wanted in self.after if wanted["model"] == model)
            if len(rows) != count:
                found.append((model, len(rows), count))
        return found


class Recipes(unittest.TestCase):
    def run_recipe(self, name: str, api: str = "jsonrpc"):
        with tempfile.TemporaryDirectory(prefix="millrace-recipe-") as directory:
            plant = Plant(pathlib.Path(directory), RECIPES / name, api)
            plant.start()
            try:
                third = len(plant.events) // 3
                plant.odoo.tell("mode", mode="drop_after_commit", share=0.3)
                plant.publish(plant.events[:third])
                plant.broker.kill()
                plant.odoo.tell("mode", mode="down")
                plant.broker.start()
                plant.publish(plant.events[third:2 * third])
                eventually(60, lambda: plant.status()["circuit"] != "closed", "the outage is seen")
                plant.odoo.tell("mode", mode="drop_after_commit", share=0.3)
                plant.publish(plant.events[2 * third:])
                plant.broker.kill()
                plant.broker.start()
                plant.odoo.tell("mode", mode="conflict", share=0.2, for_ms=500)
                plant.wait_until_settled()
                self.assertEqual(plant.wrong(), [])
                letters = plant.broker.ask("dlq", "ls", QUEUE)
                self.assertEqual(letters if isinstance(letters, list) else letters["letters"], [])
                self.assertEqual(plant.odoo.ask("stats")["concurrent_writes"], 0)
                self.check_books(plant, *BY_HAND[name])
            finally:
                plant.close()


    def check_books(self, plant: Plant, model: str, changes: dict | None):
        """`millrace odoo verify` says that all is there, and names what somebody changes."""
        plant.odoo.tell("mode", mode="up")
        verified = plant.verify("--output", "json")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        report = json.loads(verified.stdout)
        self.assertEqual((report["findings"], report["unverified"]), ([], []))
        self.assertGreaterEqual(report["records"], COPIES)
        record = plant.odoo.records(model)[-1]["id"]
        plant.odoo.tell(*(("write",) if changes else ("unlink",)), model=model, id=record, **({"values": changes} if changes else {}))
        verified = plant.verify("--output", "json")
        found = json.loads(verified.stdout)["findings"]
        self.assertEqual((verified.returncode, {one["model"] for one in found}, {one["kind"] for one in found}),
                         (1, {model}, {"different" if changes else "missing"}), found)


def add_tests():
    names = sorted(path.parent.name for path in RECIPES.glob("*/mapping.yaml"))
    for name in names:
        setattr(Recipes, f"test_{name}", lambda self, name=name: self.run_recipe(name))
    for name in OVER_JSON2:
        setattr(Recipes, f"test_{name}_over_json2", lambda self, name=name: self.run_recipe(name, "json2"))
    return names


if not add_tests():
    raise AssertionError("there are no recipes")

if __name__ == "__main__":
    unittest.main(verbosity=2)
