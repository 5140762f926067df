"""What scripts/bench odoo feeds: three loads of real mappings, what must stand in Odoo afterwards, and the same work asked of Odoo directly."""
import pathlib
import time

from measuring import ROOT
from stand_ins import external_name

FIRST_US = 1_795_600_000_000_000
MINUTE_US = 60_000_000


def moment(us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(us // 1_000_000))


class Load:
    """Events of one topic, and the records they must become. `table_best` is the best that a real Odoo was measured at, in events a second."""
    name, topic, mapping = "", "", pathlib.Path()
    table_best, table_row = 0.0, ""
    batch = 100  # rows of a call when Odoo is asked directly
    events_of_a_row = 1

    def __init__(self, events: int):
        self.count = events

    def seed(self, odoo):
        """What Odoo must know before."""

    def events(self):
        raise NotImplementedError

    def wanted(self) -> dict:
        """Model to external id to the values that must stand there."""
        raise NotImplementedError

    def direct_calls(self, number: int):
        """The best that a program of its own could do: method, positional and keyword arguments; "@" stands for the ids of the load."""
        raise NotImplementedError


class Machines(Load):
    """Machine states: a row each, many keys, so that calls can be full."""
    name, topic, mapping = "many keys", "plant1.machine.state", ROOT / "docs" / "recipes" / "telemetry" / "mapping.yaml"
    table_best, table_row = 950.0, "load, 100 rows a call, 2 connections"
    model = "mrp.workcenter.productivity"
    batch = 200

    def __init__(self, events: int, keys: int = 1000):
        super().__init__(events)
        self.keys = keys

    def seed(self, odoo):
        odoo.create("mrp.workcenter", *(f"M-{number:04}" for number in range(self.keys)))
        odoo.create("mrp.workcenter.productivity.loss", "Breakdown", "Setup")

    def events(self):
        for number in range(self.count):
            begin = FIRST_US + number * MINUTE_US
            yield {"topic": self.topic, "key": f"M-{number % self.keys:04}", "headers": {"event-id": f"state-{number}"},
                   "value": {"reason": ("Breakdown", "Setup")[number % 2], "text": f"stop {number}", "from_us": begin, "to_us": begin + MINUTE_US}}

    def wanted(self) -> dict:
        return {self.model: {f"millrace.state_{external_name(event['headers']['event-id'])}":
                             {"description": event["value"]["text"], "date_start": moment(event["value"]["from_us"]),
                              "date_end": moment(event["value"]["to_us"])} for event in self.events()}}

    def direct_calls(self, number: int):
        fields = ["id", "workcenter_id", "loss_id", "description", "date_start", "date_end"]
        rows = [[f"direct.state_{number}_{row}", f"M-{row % self.keys:04}", "Setup", f"stop {row}", moment(FIRST_US), moment(FIRST_US)]
                for row in range(self.batch)]
        yield self.model, "load", [fields, rows], {"context": {"tz": "UTC"}}


class FewMachines(Machines):
    """The same with few keys: an event waits for the one of its key before it, so calls cannot be full."""
    name = "few keys"

    def __init__(self, events: int):
        super().__init__(events, keys=40)


class Steps(Load):
    """Work-order steps: each event writes the order that all of its key share, and a record of its own."""
    name, topic, mapping = "shared records", "plant1.mes.workorder.step", ROOT / "docs" / "examples" / "odoo-mrp.yaml"
    table_best, table_row = 950.0 / 2, "load, 100 rows a call, 2 connections; two rows an event"

    def seed(self, odoo):
        odoo.create("product.product", *(f"Part {number}" for number in range(10)))
        odoo.create("mrp.workcenter", *(f"Machine {number}" for number in range(20)))

    def events(self):
        orders = min(80, max(1, self.count // 10))
        for number in range(self.count):
            order = number % orders
            yield {"topic": self.topic, "key": f"WO-{order}", "headers": {"event-id": f"step-{number}"}, "event_time_us": FIRST_US + number * MINUTE_US,
                   "value": {"product": f"Part {order % 10}", "work_order_quantity": 10 + order % 7, "operation": f"op {number}",
                             "workcenter": f"Machine {number % 20}", "sequence": number // orders, "quantity": number % 9, "minutes": number % 50}}

    def wanted(self) -> dict:
        steps, orders = {}, {}
        for event in self.events():
            value = event["value"]
            orders[f"millrace.wo_{external_name(event['key'])}"] = {"origin": event["key"], "product_qty": value["work_order_quantity"]}
            steps[f"millrace.step_{external_name(event['headers']['event-id'])}"] = {
                "name": value["operation"], "qty_produced": value["quantity"], "duration": value["minutes"], "sequence": value["sequence"],
                "date_finished": moment(event["event_time_us"])}
        return {"mrp.production": orders, "mrp.workorder": steps}

    def direct_calls(self, number: int):
        orders = [[f"direct.wo_{number}_{row}", f"Part {row % 10}", "10", f"WO-{row}"] for row in range(self.batch)]
        yield "mrp.production", "load", [["id", "product_id", "product_qty", "origin"], orders], {"context": {"tz": "UTC"}}
        fields = ["id", "production_id/id", "name", "workcenter_id", "sequence", "qty_produced", "duration", "date_finished"]
        rows = [[f"direct.step_{number}_{row}", f"direct.wo_{number}_{row}", f"op {row}", f"Machine {row % 20}", "1", "1", "1", moment(FIRST_US)]
                for row in range(self.batch)]
        yield "mrp.workorder", "load", [fields, rows], {"context": {"tz": "UTC"}}


class Completions(Load):
    """Orders released and finished: business methods, in serial lanes by product."""
    name, topic, mapping = "business methods, lanes", "plant1.mes.order", ROOT / "docs" / "recipes" / "mes" / "mapping.yaml"
    table_best, table_row = 2 * 12.0, "order create, confirm, done, 50 a call; two events an order"
    batch = 10
    events_of_a_row = 2
    products = 20

    def __init__(self, events: int):
        super().__init__(events // 2 * 2)

    def seed(self, odoo):
        for number in range(self.products):
            odoo.tell("records", model="product.product", values={"name": f"Part {number}", "default_code": f"P-{number}"})

    def events(self):
        orders = self.count // 2
        for status in ("released", "finished"):
            for order in range(orders):
                value = {"status": status, "product": f"P-{order % self.products}", "quantity": 10}
                if status == "finished":
                    value["made"] = 10 - order % 4
                yield {"topic": self.topic, "key": f"WO-{order}", "headers": {"event-id": f"{status}-{order}"}, "value": value}

    def wanted(self) -> dict:
        return {"mrp.production": {f"millrace.wo_{external_name(event['key'])}":
                                   {"origin": event["key"], "state": "done", "qty_produced": event["value"]["made"],
                                    "components_used": event["value"]["made"]}
                                   for event in self.events() if event["value"]["status"] == "finished"}}

    def direct_calls(self, number: int):
        rows = [[f"direct.wo_{number}_{row}", f"Part {row % self.products}", "10", f"WO-{row}"] for row in range(self.batch)]
        model = "mrp.production"
        yield model, "load", [["id", "product_id", "product_qty", "origin"], rows], {"context": {"tz": "UTC"}}
        yield model, "action_confirm", ["@"], {}
        yield model, "write", ["@", {"qty_producing": 8}], {}
        yield model, "set_qty_producing", ["@"], {}
        yield model, "button_mark_done", ["@"], {"context": {"skip_backorder": True, "mo_ids_to_backorder": "@"}}


def loads_of(events: int) -> list[Load]:
    """Most of a plant's events are light and of many keys; a thousand completions are minutes of Odoo's time."""
    few, steps, completions = events * 12 // 100, events * 12 // 100, max(2, events // 100)
    return [Machines(events - few - steps - completions), FewMachines(few), Steps(steps), Completions(completions)]
