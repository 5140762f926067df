"""POST of records, in every form a record may come in."""
import json
import unittest

from door import Broker, ask, metric, reached

TOPIC = "plant1.mes.step"
PATH = f"/v1/topics/{TOPIC}/records"


class Publish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(arguments=["--shards", "2", "--http-request-records-max", "2000"]).start()
        cls.broker.millrace("topic", "create", TOPIC, "--partitions", "4")

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def consume(self, topic: str) -> list[dict]:
        return [json.loads(line) for line in self.broker.millrace("--output", "json", "consume", topic).stdout.splitlines()]

    def topic(self, name: str, *settings: str) -> str:
        self.broker.millrace("topic", "create", name, *settings)
        return f"/v1/topics/{name}/records"

    def test_one_record_has_its_place_in_the_answer_and_is_there(self):
        path = self.topic("one.record")
        answer = ask(self.broker, "POST", path, {"key": "WO-1", "value": {"quantity": 10}, "headers": {"kind": "scan"},
                                                 "event_time": "2026-11-20T06:00:00Z"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual((answer.json["published"], answer.json["failed"]), (1, 0))
        place = answer.json["records"][0]
        self.assertEqual((place["partition"], place["offset"], place["duplicate"]), (0, 0, False))
        record = self.consume("one.record")[0]
        self.assertEqual((record["key"], record["value"], record["headers"]), ("WO-1", {"quantity": 10}, {"kind": "scan"}))
        self.assertEqual(record["event_time_us"], 1795154400000000)

    def test_many_records_over_shards_keep_their_order_by_key(self):
        path = self.topic("many.records", "--partitions", "8")
        records = [{"key": f"K{number % 10}", "value": {"n": number}} for number in range(2000)]
        answer = ask(self.broker, "POST", path, records)
        self.assertEqual((answer.status, answer.json["published"]), (200, 2000))
        by_key: dict = {}
        for record in self.consume("many.records"):
            by_key.setdefault(record["key"], []).append((record["offset"], record["value"]["n"]))
        for key, values in by_key.items():
            numbers = [number for _, number in sorted(values)]
            self.assertEqual(numbers, list(range(int(key[1:]), 2000, 10)), key)
        places = {(place["partition"], place["offset"]) for place in answer.json["records"]}
        self.assertEqual(len(places), 2000)

    def test_a_megabyte_in_one_request_goes_in_several_batches(self):
        path = self.topic("large.request")
        answer = ask(self.broker, "POST", path, [{"value": "x" * 100_000} for _ in range(30)])
        self.assertEqual(answer.status, 200, answer.body[:500])
        self.assertEqual([place["offset"] for place in answer.json["records"]], list(range(30)))

    def test_lines_with_a_bad_one_between_publish_the_others(self):
        path = self.topic("some.lines")
        answer = ask(self.broker, "POST", path, '{"value":1}\n{"value":\n{"value":3,"partition":9}\n{"value":4}\n',
                     {"Content-Type": "application/x-ndjson"})
        self.assertEqual(answer.status, 207)
        self.assertEqual((answer.json["published"], answer.json["failed"]), (2, 2))
        self.assertEqual([entry.get("error") for entry in answer.json["records"]], [None, "malformed", "unknown_partition", None])
        self.assertEqual([record["value"] for record in self.consume("some.lines")], ["1", "4"])

    def test_bytes_have_key_and_headers_beside(self):
        path = self.topic("raw.bytes")
        answer = ask(self.broker, "POST", path, bytes(range(256)), {"Content-Type": "application/octet-stream", "Millrace-Key": "k",
                                                                    "Millrace-Header-Kind": "image"})
        self.assertEqual(answer.status, 200, answer.body)
        record = self.consume("raw.bytes")[0]
        self.assertEqual((record["key"], record["headers"]), ("k", {"kind": "image"}))
        self.assertIn("value_base64", record)

    def test_cloud_events_in_every_mode(self):
        path = self.topic("cloud.events", "--partitions", "4")
        event = {"specversion": "1.0", "id": "1", "source": "/mes", "type": "done", "subject": "WO-1", "data": {"q": 1}}
        attempts = ((event, "application/cloudevents+json"), ([{**event, "id": "2"}, {**event, "id": "3"}], "application/cloudevents-batch+json"))
        for body, kind in attempts:
            answer = ask(self.broker, "POST", path, json.dumps(body), {"Content-Type": kind})
            self.assertEqual(answer.status, 200, answer.body)
        answer = ask(self.broker, "POST", path, "<x/>", {"Content-Type": "text/xml", "ce-specversion": "1.0", "ce-id": "4", "ce-source": "/mes",
                                                         "ce-type": "done", "ce-subject": "WO-1"})
        self.assertEqual(answer.status, 200, answer.body)
        records = self.consume("cloud.events")
        self.assertEqual([record["headers"]["event-id"] for record in records], ["/mes#1", "/mes#2", "/mes#3", "/mes#4"])
        self.assertEqual({record["key"] for record in records}, {"WO-1"})
        self.assertEqual(records[3]["headers"]["content-type"], "text/xml")
        again = ask(self.broker, "POST", path, json.dumps(event), {"Content-Type": "application/cloudevents+json"})
        self.assertTrue(again.json["records"][0]["duplicate"])

    def test_what_comes_twice_is_published_once(self):
        path = self.topic("sent.twice", "--partitions", "4")
        body = [{"value": number} for number in range(20)]
        first = ask(self.broker, "POST", path, body, {"Idempotency-Key": "run-7"})
        second = ask(self.broker, "POST", path, body, {"Idempotency-Key": "run-7"})
        self.assertEqual([(p["partition"], p["offset"]) for p in first.json["records"]], [(p["partition"], p["offset"]) for p in second.json["records"]])
        self.assertEqual({place["duplicate"] for place in first.json["records"]}, {False})
        self.assertEqual({place["duplicate"] for place in second.json["records"]}, {True})
        mixed = ask(self.broker, "POST", path, [{"value": 1, "key": "k", "headers": {"event-id": name}} for name in ("a", "a", "b")])
        self.assertEqual([place["duplicate"] for place in mixed.json["records"]], [False, True, False])
        self.assertEqual(len(self.consume("sent.twice")), 22)

    def test_what_can_not_be_published_says_why(self):
        attempts = (("/v1/topics/no.such/records", '{"value":1}', "application/json", 404, "unknown_topic"),
                    ("/v1/topics/millrace.replay.x/records", '{"value":1}', "application/json", 400, "invalid_argument"),
                    (PATH, "{", "application/json", 400, "malformed"),
                    (PATH, b'{"value":"\xff"}', "application/json", 400, "malformed"),
                    (PATH, "[]", "application/json", 400, "invalid_argument"),
                    (PATH, "x", "text/plain", 415, "invalid_argument"),
                    (PATH, '{"value":1,"partition":4}', "application/json", 404, "unknown_partition"),
                    (PATH, json.dumps({"value": "x" * (1 << 20)}), "application/json", 413, "record_too_large"))
        for path, body, kind, status, name in attempts:
            answer = ask(self.broker, "POST", path, body, {"Content-Type": kind})
            self.assertEqual((answer.status, answer.json["error"]), (status, name), body[:40])
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(ask(self.broker, "POST", PATH).status, 415)
        self.assertEqual(self.consume(TOPIC), [])

    def test_records_of_a_request_have_a_limit(self):
        before = reached(self.broker, "http_request_records_max")
        answer = ask(self.broker, "POST", PATH, [{"value": 1}] * 2001)
        self.assertEqual((answer.status, answer.json["limit"]), (413, "http_request_records_max"))
        self.assertEqual(reached(self.broker, "http_request_records_max"), before + 1)

    def test_a_record_of_the_topics_limit_passes_and_a_larger_one_stands_for_itself(self):
        path = self.topic("small.records", "--record-max", "2000B")
        answer = ask(self.broker, "POST", path, [{"value": "x"}, {"value": "x" * 2500}, {"value": "y" * 1900}])
        self.assertEqual(answer.status, 207, answer.body)
        self.assertEqual([entry.get("error") for entry in answer.json["records"]], [None, "record_too_large", None])

    def test_a_retired_topic_is_gone(self):
        path = self.topic("old.topic")
        self.broker.millrace("topic", "alter", "old.topic", "--lifecycle", "retired", "--replaced-by", TOPIC)
        answer = ask(self.broker, "POST", path, {"value": 1})
        self.assertEqual((answer.status, answer.json["error"]), (410, "topic_retired"))
        self.assertIn(TOPIC, answer.json["detail"])

    def test_a_topic_that_was_just_made_elsewhere_is_known(self):
        for number in range(10):
            path = self.topic(f"fresh.topic{number}")
            self.assertEqual(ask(self.broker, "POST", path, {"value": 1}).status, 200)


class Saturation(unittest.TestCase):
    def test_a_full_disk_is_unavailable_and_names_the_limit(self):
        with Broker(arguments=["--disk-reserve-bytes", str(1 << 60)]) as broker:
            broker.millrace("topic", "create", "a.b")
            answer = ask(broker, "POST", "/v1/topics/a.b/records", {"value": 1})
            self.assertEqual((answer.status, answer.json["error"], answer.json["limit"]), (503, "out_of_space", "disk_reserve_bytes"))
            self.assertIn("retry-after", answer.headers)
            self.assertTrue(answer.json["retryable"])

    def test_what_was_answered_is_there_after_a_kill(self):
        broker = Broker(arguments=["--shards", "2"]).start()
        try:
            broker.millrace("topic", "create", "a.b", "--partitions", "4")
            for number in range(50):
                self.assertEqual(ask(broker, "POST", "/v1/topics/a.b/records", {"key": str(number), "value": number}).status, 200)
            broker.kill()
            broker.start()
            self.assertEqual(sorted(int(value) for value in broker.millrace("consume", "a.b").stdout.split()), list(range(50)))
            self.assertGreater(metric(broker, "millrace_http_requests_total"), 0)
        finally:
            broker.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
