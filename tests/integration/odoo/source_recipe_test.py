"""The recipe "Odoo's own events out" as it stands: webhooks of orders, transfers and invoices become its sample events, exactly once, across
a SIGKILL of the broker, webhooks that found nobody, and a restart of Odoo."""
import json
import pathlib
import tempfile
import unittest

import place  # noqa: F401
from harness import ROOT, Broker, eventually
from stand_ins import OdooSim

RECIPE = ROOT / "docs" / "recipes" / "odoo-events"
TOPICS = ("odoo.sale.order.confirmed", "odoo.sale.order.cancelled", "odoo.stock.picking.done", "odoo.account.move.posted")
SAMPLES = [json.loads(line) for line in (RECIPE / "events.jsonl").read_text().splitlines()]


def in_order(events: list[dict]) -> list[str]:
    return sorted(json.dumps(event, sort_keys=True) for event in events)


class SourceRecipe(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="millrace-recipe-")
        self.addCleanup(directory.cleanup)
        self.odoo = OdooSim().start()
        self.addCleanup(self.odoo.close)
        environment = {**self.odoo.broker_environment(), "ODOO_HOOK_TOKEN": "recipe"}
        self.broker = Broker(directory=str(pathlib.Path(directory.name)), environment=environment,
                             arguments=["--odoo-url", self.odoo.url, "--odoo-database", "plant", "--odoo-login", "millrace",
                                        "--odoo-source", str(RECIPE / "source.yaml"), "--hooks-file", str(RECIPE / "hooks.yaml")])
        self.broker.start()
        self.addCleanup(self.broker.close)
        for topic in ("odoo.hints", *TOPICS):
            self.broker.millrace("topic", "create", topic, "--partitions", "2")
        self.broker.millrace("subscription", "create", "odoo-source", "--topic", "odoo.hints")
        for model in ("sale.order", "stock.picking", "account.move"):
            self.odoo.tell("webhooks", model=model, url=f"http://{self.broker.http}/v1/hooks/odoo?token=recipe", fields=["write_date"],
                           trigger_fields=True)
        # What the first sweep has not seen begin, the next one finds.
        eventually(60, (self.broker.data / "odoo-source.json").exists, "the first sweep has looked")

    def create(self, model: str, **values) -> int:
        return self.odoo.tell("records", model=model, values=values)["id"]

    def write(self, model: str, record: int, **values):
        self.odoo.tell("write", model=model, id=record, values=values)

    def events(self, *topics: str) -> list[dict]:
        lines = self.broker.millrace("--output", "json", "consume", *topics, "--from", "beginning").stdout.splitlines()
        return [{name: event[name] for name in ("topic", "key", "value")} for event in map(json.loads, lines)]

    def wait_for(self, *topics: str):
        """All samples of these topics are there, and nothing else."""
        wanted = in_order([event for event in SAMPLES if event["topic"] in topics])
        eventually(120, lambda: len(self.events(*topics)) >= len(wanted), f"{topics} have their events")
        self.assertEqual(in_order(self.events(*topics)), wanted)

    def test_orders_transfers_and_invoices_become_events(self):
        customer = self.create("res.partner", name="Acme")
        order = self.create("sale.order", name="S0001", partner_id=customer, client_order_ref="PO-7")
        kind = self.create("stock.picking.type", name="Delivery Orders")
        transfer = self.create("stock.picking", name="WH/OUT/0001", picking_type_id=kind, origin="S0001")
        invoice = self.create("account.move", name="INV/2026/0001", partner_id=customer)
        self.write("sale.order", order, state="sale")
        self.broker.kill()  # its hint is there, its event perhaps not
        self.write("stock.picking", transfer, state="done")  # and its webhook finds nobody
        self.odoo.tell("mode", mode="down")
        self.broker.start()
        self.odoo.tell("mode", mode="up")
        self.wait_for("odoo.sale.order.confirmed")
        self.wait_for("odoo.stock.picking.done")
        self.write("account.move", invoice, state="posted")
        self.write("sale.order", order, state="cancel")
        self.wait_for("odoo.account.move.posted", "odoo.sale.order.cancelled")
        self.wait_for(*TOPICS)
        self.assertEqual(self.broker.ask("dlq", "ls", "odoo-source"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
