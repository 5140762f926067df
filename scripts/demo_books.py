"""The books of the demonstration: what the events should have become in Odoo, and what is there."""
import collections
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
from stand_ins import external_name  # noqa: E402

STEP, STATE, MOVE, REJECT = "plant1.mes.workorder.step", "plant1.machine.state", "plant1.wms.move", "plant1.quality.result"
# Per topic: the model of its records, the start of their external ids, and a value of the event with the field that carries it.
RECORDS = {STEP: ("mrp.workorder", "step", "operation", "name"),
           STATE: ("mrp.workcenter.productivity", "state", "work_order", "description"),
           MOVE: ("stock.picking", "move", "work_order", "origin"),
           REJECT: ("stock.scrap", "reject", "work_order", "origin")}


def is_wanted(event: dict) -> bool:
    return event["topic"] != REJECT or event["value"]["rejected"] > 0


def external_id(event: dict) -> str:
    return f"millrace.{RECORDS[event['topic']][1]}_{external_name(event['headers']['event-id'])}"


def values_of(events: list[dict], *names: str) -> set[str]:
    return {event["value"][name] for event in events for name in names if event["value"].get(name)}


def missing_product(events: list[dict]) -> str:
    """The product that Odoo shall not know: the least frequent one that has a few orders."""
    orders = collections.defaultdict(set)
    for event in events:
        if event["topic"] == STEP:
            orders[event["value"]["product"]].add(event["key"])
    return min((product for product in orders if len(orders[product]) >= 3), key=lambda product: (len(orders[product]), product))


def seed_odoo(odoo, events: list[dict], without: str):
    steps = [event for event in events if event["topic"] == STEP]
    odoo.create("product.product", *sorted(values_of(events, "product") - {without}))
    odoo.create("mrp.workcenter", *sorted(values_of(steps, "workcenter") | values_of(events, "machine")))
    odoo.create("mrp.workcenter.productivity.loss", *sorted(values_of(events, "state")))
    odoo.create("stock.location", *sorted(values_of(events, "from", "to")))
    odoo.create("stock.picking.type", "Internal Transfers")


class Books:
    """Compares every event with the records that stand in Odoo."""

    def __init__(self, events: list[dict], odoo):
        self.wanted = {external_id(event): event for event in events if is_wanted(event)}
        self.not_wanted = len(events) - len(self.wanted)
        records = [record for model, *_ in RECORDS.values() for record in odoo.records(model)]
        count = collections.Counter(record["external_id"] for record in records)
        self.applied = sum(1 for name in count if name in self.wanted)
        self.duplicates = sum(count.values()) - len(count) + sum(1 for name in count if name not in self.wanted)
        self.lost = len(self.wanted.keys() - count.keys())
        self.repeats = sum(record["writes"] - 1 for record in records)
        self.different = sum(1 for record in records if record["external_id"] in self.wanted and not self.is_same(record))
        self.order_violations = self.count_order_violations(odoo)

    def is_same(self, record: dict) -> bool:
        event = self.wanted[record["external_id"]]
        _, _, value_name, field = RECORDS[event["topic"]]
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event["event_time_us"] // 1_000_000))
        values = record["values"]
        if event["topic"] == STEP:
            value = event["value"]
            rest = (values["qty_produced"], values["duration"], values["sequence"], values["date_finished"])
            if rest != (value["quantity"], value["minutes"], value["sequence"], when):
                return False
        return values[field] == event["value"][value_name]

    def count_order_violations(self, odoo) -> int:
        """Records must have been created in the order of their events, key by key."""
        last = {}
        violations = 0
        for change in odoo.ask("journal")["changes"]:
            event = self.wanted.get(change["external_id"])
            if event is None or change["method"] != "create":
                continue
            key = (event["topic"], event["key"])
            violations += event["value"]["sequence"] <= last.get(key, -1)
            last[key] = event["value"]["sequence"]
        return violations

    def is_balanced(self) -> bool:
        return (self.applied == len(self.wanted) and self.lost == self.duplicates == self.different == self.order_violations == 0)
