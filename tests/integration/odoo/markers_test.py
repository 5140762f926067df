"""Old markers of the ledger go from an Odoo whose broker has nothing to do; Odoo here is a few lines that keep nothing but markers."""
import datetime
import http.server
import json
import pathlib
import tempfile
import threading
import time
import unittest

import place  # noqa: F401
from harness import Broker, eventually

MAPPING = """feed: north
mappings:
  - topics: [plant1.scrap, plant1.late]
    steps: [{name: scrap, action: create, mode: ledger, model: stock.scrap, fields: {scrap_qty: .value}}]
  - topics: [plant1.lot]
    steps: [{model: stock.lot, external_id: .key, fields: {name: .key}}]
"""
QUEUE = "odoo"
ACTION = 5
OF_A_CALL = 2  # markers that it forgets


class Ledger:
    """Markers and when they were written, behind JSON-RPC on a free port of loopback."""

    def __init__(self, ages_days: list):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.markers = [now - datetime.timedelta(days=age) for age in ages_days]
        self.asked = []
        ledger = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": ledger.answer(request["params"])}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, params: dict):
        if params["service"] == "common":
            return 2
        method, keyword = params["args"][4], params["args"][6]
        if method == "check_object_reference":
            return ["ir.actions.server", ACTION]
        context = keyword["context"]
        self.asked.append(context)
        if "millrace_forget_before" not in context:
            return {"millrace": [{"status": "ok", "ids": {"scrap": 1}} for _ in context["millrace_events"]]}
        before = datetime.datetime.strptime(context["millrace_forget_before"], "%Y-%m-%d %H:%M:%S")
        old = [marker for marker in self.markers if marker < before][:OF_A_CALL]
        self.markers = [marker for marker in self.markers if marker not in old]
        return {"forgotten": len(old)}

    def days(self) -> int:
        """How old markers must be to go, in the last call that has asked for it; 0: none has."""
        asked = [context["millrace_forget_before"] for context in self.asked if "millrace_forget_before" in context]
        if not asked:
            return 0
        before = datetime.datetime.strptime(asked[-1], "%Y-%m-%d %H:%M:%S")
        return round((datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - before) / datetime.timedelta(days=1))


class Markers(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="millrace-markers-")
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        (self.folder / "mapping.yaml").write_text(MAPPING)

    def start(self, *ages_days):
        self.ledger = Ledger(list(ages_days))
        self.addCleanup(self.ledger.server.shutdown)
        self.broker = Broker(directory=str(self.folder), environment={"MILLRACE_ODOO_KEY": "k"}, arguments=[
            "--odoo-url", self.ledger.url, "--odoo-database", "d", "--odoo-login", "l", "--odoo-mapping", str(self.folder / "mapping.yaml"),
            "--odoo-ledger-keep-days", "7", "--odoo-ledger-clean-interval-ms", "100"])
        self.broker.start()
        self.addCleanup(self.broker.close)
        self.topic("plant1.scrap", "3d")
        self.broker.millrace("subscription", "create", QUEUE, "--topic", "plant1.scrap")

    def topic(self, name: str, retention: str):
        self.broker.millrace("topic", "create", name, "--retention", retention)

    def reaches(self, days: int):
        eventually(20, lambda: self.ledger.days() == days, f"markers go after {days} days, not {self.ledger.days()}")

    def test_a_broker_without_events_cleans_up_until_no_old_marker_is_left(self):
        self.start(6, 8, 9, 10, 11, 12, 1)
        eventually(20, lambda: len(self.ledger.markers) == 2, "the old ones are gone")
        self.assertEqual({context["millrace_forget_prefix"] for context in self.ledger.asked}, {"_fnorth__"})
        self.broker.kill()
        self.ledger.markers = self.ledger.markers * 2 + [min(self.ledger.markers) - datetime.timedelta(days=9)] * 3
        self.broker.start()
        eventually(20, lambda: len(self.ledger.markers) == 4, "also after a start")

    def test_whatever_a_replay_may_send_keeps_its_markers(self):
        self.start()
        self.reaches(7)  # odoo_ledger_keep_days; the topic's three and one are less
        self.topic("plant1.lot", "90d")
        self.topic("plant2.scrap", "90d")
        time.sleep(0.5)
        self.assertEqual(self.ledger.days(), 7, "without the ledger, or without an entry, there are no markers")
        self.topic("plant1.late", "30d")
        self.reaches(31)  # no topic of the subscription, but one of the mapping
        self.broker.millrace("publish", "--jsonl", text=json.dumps({"topic": "plant1.late", "key": "a", "value": 1}) + "\n")
        self.broker.millrace("replay", "create", "--topic", "plant1.late", "--from", "-1h", "--to-subscription", QUEUE, "--wait")
        self.reaches(38)  # and may wait for a week
        eventually(20, lambda: any("millrace_events" in context for context in self.ledger.asked), "what was replayed has come to the ledger")

    def test_a_topic_that_keeps_for_ever_keeps_all_markers(self):
        self.start()
        self.reaches(7)
        self.topic("plant1.late", "forever")
        time.sleep(0.5)
        asked = len(self.ledger.asked)
        time.sleep(0.5)
        self.assertEqual(len(self.ledger.asked), asked)


if __name__ == "__main__":
    unittest.main(verbosity=2)
