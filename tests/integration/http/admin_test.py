"""Topics, subscriptions, dead letters and jobs over HTTP; and the document of all routes."""
import json
import pathlib
import re
import unittest

from door import Broker, ask
from harness import ROOT, eventually

TOPIC = "plant1.mes.step"
QUEUE = "odoo-mrp"
LETTERS = f"/v1/subscriptions/{QUEUE}/letters"


class Admin(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(arguments=["--shards", "2"]).start()
        self.addCleanup(self.broker.close)

    def get(self, path: str):
        answer = ask(self.broker, "GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def send(self, method: str, path: str, body=None, status: int = 200):
        answer = ask(self.broker, method, path, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json if answer.body else None

    def refused(self, method: str, path: str, body, status: int, name: str):
        answer = ask(self.broker, method, path, body)
        self.assertEqual((answer.status, answer.json["error"]), (status, name), answer.body)
        return answer.json["detail"]

    def make_queue(self, **settings):
        self.send("POST", "/v1/topics", {"name": TOPIC, "partition_count": 4}, 201)
        self.send("POST", "/v1/subscriptions", {"name": QUEUE, "topics": ["plant1.mes.>"], "backoff_min_ms": 20, **settings}, 201)

    def make_letters(self, *keys: str):
        for key in keys:
            self.send("POST", f"/v1/topics/{TOPIC}/records", {"key": key, "value": {"product": key}, "headers": {"correlation-id": f"c-{key}"}})
        self.broker.millrace("subscription", "consume", QUEUE, "--count", str(len(keys)), "--nack", "mapping", "--error", "no product CH-9")
        eventually(30, lambda: self.get(f"/v1/subscriptions/{QUEUE}")["letters_open"] == len(keys), "the letters are open")

    def consume(self, count: int) -> list[dict]:
        done = self.broker.millrace("--output", "json", "subscription", "consume", QUEUE, "--count", str(count))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_topics_from_making_to_deleting(self):
        made = self.send("POST", "/v1/topics", {"name": TOPIC, "partition_count": 3, "criticality": "critical", "retention_ms": 1000,
                                                "owner": "mes", "durability": "leader"}, 201)
        self.assertEqual((made["name"], made["partition_count"], made["criticality"], made["durability"]), (TOPIC, 3, "critical", "leader"))
        self.assertEqual(self.send("POST", "/v1/topics", {"name": "plant2.other"}, 201)["durability"], "majority")
        self.refused("POST", "/v1/topics", {"name": TOPIC}, 409, "already_exists")
        self.assertEqual([topic["name"] for topic in self.get("/v1/topics?pattern=plant1.%3E")["topics"]], [TOPIC])
        self.assertEqual(len(self.get("/v1/topics")["topics"]), 2)
        altered = self.send("PATCH", f"/v1/topics/{TOPIC}", {"partition_count": 4, "lifecycle": "deprecated"})
        self.assertEqual((altered["partition_count"], altered["lifecycle"], altered["owner"], altered["durability"]), (4, "deprecated", "mes", "leader"))
        self.send("POST", f"/v1/topics/{TOPIC}/records", [{"value": "x", "partition": 2}] * 3)
        seen = self.get(f"/v1/topics/{TOPIC}")
        self.assertEqual([partition["next_offset"] for partition in seen["partitions"]], [0, 0, 3, 0])
        told = self.broker.ask("topic", "describe", TOPIC)
        self.assertEqual({name: told[name] for name in seen if name != "partitions"}, {name: seen[name] for name in seen if name != "partitions"})
        self.send("DELETE", f"/v1/topics/{TOPIC}", status=204)
        self.refused("GET", f"/v1/topics/{TOPIC}", None, 404, "unknown_topic")
        self.refused("DELETE", f"/v1/topics/{TOPIC}", None, 404, "unknown_topic")

    def test_topics_that_can_not_be_say_why(self):
        for body, word in (({"name": "bad name"}, "bad name"), ({"name": "a.b", "partition_count": 0}, "partition"),
                           ({"name": "millrace.x"}, "own"), ({"name": "a.b", "criticality": "high"}, "bulk, standard, critical"),
                           ({"name": "a.b", "durability": "all"}, "majority, leader"),
                           ({"name": "a.b", "retention": 5}, "unknown member"), ({}, "missing"),
                           ({"name": "a.b", "partition_count": -1}, "whole number")):
            self.assertIn(word, self.refused("POST", "/v1/topics", body, 400, "invalid_argument"))
        self.refused("PATCH", "/v1/topics/no.such", {"owner": "x"}, 404, "unknown_topic")

    def test_subscriptions_from_making_to_deleting(self):
        self.make_queue(window=50, dead_letter="keep", filter=".value.product != \"x\"")
        self.refused("POST", "/v1/subscriptions", {"name": QUEUE, "topics": ["a.b"]}, 409, "already_exists")
        self.send("POST", f"/v1/topics/{TOPIC}/records", [{"key": str(n), "value": {"product": "y"}} for n in range(8)])
        eventually(30, lambda: self.get(f"/v1/subscriptions/{QUEUE}")["lag_records"] == 8, "the lag shows")
        seen = self.get("/v1/subscriptions")["subscriptions"][0]
        self.assertEqual((seen["name"], seen["window"], seen["circuit"], seen["reason"]), (QUEUE, 50, "closed", "no consumer is connected"))
        self.assertEqual({partition["topic"] for partition in seen["partitions"]}, {TOPIC})
        altered = self.send("PATCH", f"/v1/subscriptions/{QUEUE}", {"window": 60, "expired": "dead-letter"})
        self.assertEqual((altered["window"], altered["expired"], altered["dead_letter"]), (60, "dead-letter", "keep"))
        self.assertTrue(self.send("POST", f"/v1/subscriptions/{QUEUE}/pause", {"reason": "month end"})["paused"])
        self.assertIn("month end", self.get(f"/v1/subscriptions/{QUEUE}")["reason"])
        self.assertFalse(self.send("POST", f"/v1/subscriptions/{QUEUE}/resume")["paused"])
        self.assertTrue(self.send("POST", f"/v1/subscriptions/{QUEUE}/drain")["draining"])
        eventually(30, lambda: self.get(f"/v1/subscriptions/{QUEUE}")["drained_us"] > 0, "drained")
        self.send("POST", f"/v1/subscriptions/{QUEUE}/resume")
        self.assertEqual(len(self.consume(8)), 8)
        self.send("POST", f"/v1/subscriptions/{QUEUE}/seek", {"start": "earliest"})
        self.assertEqual(len(self.consume(8)), 8)
        self.send("DELETE", f"/v1/subscriptions/{QUEUE}", status=204)
        self.refused("GET", f"/v1/subscriptions/{QUEUE}", None, 404, "unknown_subscription")

    def test_subscriptions_that_can_not_be_say_why(self):
        self.assertIn("filter", self.refused("POST", "/v1/subscriptions", {"name": "s", "topics": ["a.b"], "filter": ".x +"}, 400, "invalid_argument"))
        self.assertIn("start", self.refused("POST", "/v1/subscriptions", {"name": "s", "topics": ["a.b"], "start": "soon"}, 400, "invalid_argument"))
        self.assertIn("list of texts", self.refused("POST", "/v1/subscriptions", {"name": "s", "topics": "a.b"}, 400, "invalid_argument"))
        for action in ("pause", "resume", "drain"):
            self.refused("POST", f"/v1/subscriptions/none/{action}", {}, 404, "unknown_subscription")
        self.refused("POST", "/v1/subscriptions/none/seek", {"start": "latest"}, 404, "unknown_subscription")

    def test_letters_are_found_counted_and_looked_at(self):
        self.make_queue()
        self.make_letters("A", "B", "C")
        found = self.get(LETTERS)
        self.assertEqual([letter["key"] for letter in sorted(found["letters"], key=lambda one: one["key"])], ["A", "B", "C"])
        self.assertIsNone(found["next_after_id"])
        for query, count in (("cause=mapping", 3), ("cause=transient", 0), ("key=B", 1), ("error_contains=CH-9", 3), ("correlation_id=c-A", 1),
                             ("where=.value.product%20%3D%3D%20%22C%22", 1), ("state=open", 3), ("state=resolved", 0),
                             ("since=2020-01-01T00:00:00Z", 3), ("before=2020-01-01T00:00:00Z", 0)):
            self.assertEqual(len(self.get(f"{LETTERS}?{query}")["letters"]), count, query)
        first = self.get(f"{LETTERS}?limit=2")
        rest = self.get(f"{LETTERS}?limit=2&after_id={first['next_after_id']}")
        self.assertEqual((len(first["letters"]), len(rest["letters"])), (2, 1))
        groups = self.get(f"{LETTERS}/groups?by=error")["groups"]
        self.assertEqual([(group["cause"], group["name"], group["count"]) for group in groups], [("mapping", "no product #", 3)])
        self.assertEqual({group["name"] for group in self.get(f"{LETTERS}/groups?by=key")["groups"]}, {"A", "B", "C"})
        letter = self.get(f"{LETTERS}/{found['letters'][0]['id']}")
        self.assertEqual(letter["record"]["value"], {"product": letter["key"]})
        for name in ("0", "999", "1000", "x", "99999001"):
            self.refused("GET", f"{LETTERS}/{name}", None, 404, "unknown_letter")
        self.refused("GET", "/v1/subscriptions/none/letters", None, 404, "unknown_subscription")
        self.refused("GET", f"{LETTERS}?where=.x%20%2B", None, 400, "invalid_argument")

    def test_letters_are_mended_sent_again_and_given_up(self):
        self.make_queue()
        self.make_letters("A", "B", "C", "D")
        ids = {letter["key"]: letter["id"] for letter in self.get(LETTERS)["letters"]}
        self.assertEqual(self.send("PATCH", f"{LETTERS}/{ids['A']}", {"value": {"product": "good"}, "by": "anna"})["changed"], 1)
        self.assertEqual(self.get(f"{LETTERS}/{ids['A']}")["edited"]["value"], {"product": "good"})
        self.refused("PATCH", f"{LETTERS}/{ids['A']}", {"by": "anna"}, 400, "invalid_argument")
        self.assertEqual(self.send("POST", f"{LETTERS}/redrive", {"ids": [ids["A"]], "reason": "mended"})["changed"], 1)
        self.assertEqual(self.consume(1)[0]["value"], {"product": "good"})
        eventually(30, lambda: self.get(f"{LETTERS}/{ids['A']}")["state"] == "resolved", "the letter is resolved")
        self.assertIn("anna", [action["by"] for action in self.get(f"{LETTERS}/{ids['A']}")["actions"]])
        self.assertIn("reason", self.refused("POST", f"{LETTERS}/discard", {"ids": [ids["B"]]}, 400, "invalid_argument"))
        self.assertEqual(self.send("POST", f"{LETTERS}/discard", {"ids": [ids["B"]], "reason": "a test"})["changed"], 1)
        self.assertEqual(self.get(f"{LETTERS}/{ids['B']}")["state"], "discarded")
        job = self.send("POST", f"{LETTERS}/redrive", {"cause": "mapping", "transform": ".value.product = \"new\"", "canary": 1}, 202)
        self.assertEqual((job["kind"], job["redrive"]["canary"]), ("redrive", 1))
        self.assertEqual({record["value"]["product"] for record in self.consume(2)}, {"new"})
        done = eventually(60, lambda: (one := self.get(f"/v1/jobs/{job['id']}"))["state"] == "done" and one, "the job is done")
        self.assertEqual(done["progress"]["settled"], 2)
        self.refused("POST", f"{LETTERS}/redrive", {"ids": ["x"]}, 400, "invalid_argument")

    def test_replays_are_made_looked_at_and_stopped(self):
        self.make_queue()
        self.send("POST", "/v1/topics", {"name": "test.copy"}, 201)
        self.send("POST", f"/v1/topics/{TOPIC}/records", [{"key": str(n), "value": {"n": n}} for n in range(40)])
        job = self.send("POST", "/v1/replays", {"topics": ["plant1.mes.>"], "from": "2020-01-01T00:00:00Z", "where": ".value.n < 10",
                                                "to_topic": "test.copy", "by": "anna"}, 202)
        self.assertEqual((job["kind"], job["by"], job["replay"]["to_topic"]), ("replay", "anna", "test.copy"))
        done = eventually(60, lambda: (one := self.get(f"/v1/jobs/{job['id']}"))["state"] == "done" and one, "the replay is done")
        self.assertEqual((done["progress"]["sent"], done["progress"]["share"]), (10, 1))
        self.assertEqual(len(self.get("/v1/topics/test.copy/records")["records"]), 10)
        slow = self.send("POST", "/v1/replays", {"topics": [TOPIC], "from": "2020-01-01T00:00:00Z", "records_per_second": 0.1,
                                                 "to_subscription": QUEUE}, 202)
        path = f"/v1/jobs/{slow['id']}"
        self.assertEqual(self.send("POST", f"{path}/pause", {"reason": "wait", "by": "anna"})["state"], "paused")
        self.assertEqual([one["id"] for one in self.get("/v1/jobs?state=paused")["jobs"]], [slow["id"]])
        self.assertEqual(self.send("POST", f"{path}/resume")["state"], "running")
        self.assertEqual(self.send("POST", f"{path}/cancel", {"reason": "enough"})["state"], "cancelled")
        self.refused("POST", f"{path}/resume", {}, 409, "conflict")
        self.assertEqual(len(self.get("/v1/jobs?kind=replay")["jobs"]), 2)
        self.refused("GET", "/v1/jobs/999", None, 404, "not_found")
        self.refused("GET", "/v1/jobs/x", None, 404, "not_found")
        self.refused("POST", "/v1/replays", {"topics": [TOPIC], "from": "2020-01-01T00:00:00Z"}, 400, "invalid_argument")
        self.refused("POST", "/v1/replays", {"topics": [TOPIC], "from": "2020-01-01T00:00:00Z", "to_topic": "no.such"}, 404, "unknown_topic")
        self.refused("POST", "/v1/replays", {"topics": [TOPIC, "no.such.>"], "from": "2020-01-01T00:00:00Z", "dry_run": True}, 404, "unknown_topic")


class Document(unittest.TestCase):
    def test_every_route_stands_in_the_document_and_in_the_docs(self):
        with Broker() as broker:
            document = ask(broker, "GET", "/v1/openapi.json").json
            page = (ROOT / "docs" / "http.md").read_text()
            self.assertEqual([path for path in document["paths"] if f"`{path}`" not in page], [])
            self.assertEqual(document["openapi"], "3.1.0")
            sources = (ROOT / "broker" / "gateways" / "http").rglob("*.cpp")
            written = {name for source in sources for name in re.findall(r'\.pattern = "([^"]+)"', pathlib.Path(source).read_text())}
            self.assertGreater(len(written), 10)
            # What ends with a slash is the beginning of several.
            self.assertEqual({name for name in written if not any(path.startswith(name) for path in document["paths"])}, set())
            for path, operations in document["paths"].items():
                concrete = re.sub(r"\{(\w+)\}", "x", path)
                allowed = ask(broker, "OPTIONS", concrete).headers["allow"].split(", ")
                self.assertEqual({method.upper() for method in operations}, set(allowed) - {"HEAD", "OPTIONS"}, path)
                for method, operation in operations.items():
                    self.assertTrue(operation["summary"].endswith("."), path)
                    named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
                    self.assertEqual(named, set(re.findall(r"\{(\w+)\}", path)), (method, path))


if __name__ == "__main__":
    unittest.main(verbosity=2)
