"""The recipe "Odoo's own events out" as it stands, from webhooks of orders, transfers and invoices to events."""
import json
import pathlib
import tempfile
import unittest

import place  # noqa: F401
from harness import ROOT, Broker, eventually
from stand_ins import OdooSim

RECIPE = ROOT / "docs" / "recipes" / "odoo-events"
TOPICS = ("odoo.sale.order.confirmed", "odoo.sale.order.cancelled", "odoo.stock.picking.done", "odoo.account.move.posted")


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

    def create(self, model: str, **values) -> int:
        return self.odoo.tell("records", model=model, values=values)["id"]

    def write(self, model: str, record: int, **values):
        self.odoo.tell("write", model=model, id=record, values=values)

    def events(self, topic: str) -> dict:
        lines = self.broker.millrace("--output", "json", "consume", topic, "--from", "beginning").stdout.splitlines()
        return {event["key"]: event["value"] for event in map(json.loads, lines)}

    def test_orders_transfers_and_invoices_become_events(self):
        customer = self.create("res.partner", name="Acme")
        order = self.create("sale.order", name="S0001", partner_id=customer, client_order_ref="PO-7")
        self.write("sale.order", order, state="sale")
        kind = self.create("stock.picking.type", name="Delivery Orders")
        transfer = self.create("stock.picking", name="WH/OUT/0001", picking_type_id=kind, origin="S0001")
        self.write("stock.picking", transfer, state="done")
        invoice = self.create("account.move", name="INV/2026/0001", partner_id=customer)
        self.write("account.move", invoice, state="posted")
        orders = eventually(60, lambda: self.events("odoo.sale.order.confirmed"), "the order is told")
        self.assertEqual(orders, {"S0001": {"order": "S0001", "customer": "Acme", "reference": "PO-7", "ordered_at": None}})
        transfers = eventually(60, lambda: self.events("odoo.stock.picking.done"), "the transfer is told")
        self.assertEqual(transfers["WH/OUT/0001"]["origin"], "S0001")
        invoices = eventually(60, lambda: self.events("odoo.account.move.posted"), "the invoice is told")
        self.assertEqual(invoices["INV/2026/0001"]["state"], "posted")
        self.write("sale.order", order, state="cancel")
        eventually(60, lambda: self.events("odoo.sale.order.cancelled"), "the cancellation is told")
        self.assertEqual(self.broker.ask("dlq", "ls", "odoo-source"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
