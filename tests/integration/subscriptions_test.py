"""Queue subscriptions as an operator sets them: filter, delay, expiry, rate, drain, alter, the circuit, across a kill."""
import json
import time
import unittest
import urllib.request

from harness import Broker, eventually

TOPIC = "plant1.mes.step.done"
QUEUE = "sink"


class Subscriptions(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(arguments=["--shards", "2"]).start()
        self.addCleanup(self.broker.close)
        self.broker.millrace("topic", "create", TOPIC, "--partitions", "4")

    def create(self, *settings: str):
        self.broker.millrace("subscription", "create", QUEUE, "--topic", "plant1.>", *settings)

    def publish(self, *records: dict):
        self.broker.millrace("publish", TOPIC, "--jsonl", text="".join(json.dumps(record) + "\n" for record in records))

    def consume(self, *arguments: str) -> list:
        lines = self.broker.millrace("subscription", "consume", QUEUE, "--format", "json", "--idle", "700ms", *arguments).stdout.splitlines()
        values = (json.loads(line)["value"] for line in lines)
        return [value if isinstance(value, dict) else int(value) for value in values]

    def describe(self) -> dict:
        return self.broker.ask("subscription", "describe", QUEUE)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://{self.broker.http}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        lines = (line for line in text.splitlines() if line.startswith(name + "{") and QUEUE in line)
        return sum(float(line.split()[-1]) for line in lines)

    def test_a_filter_leaves_out_and_what_it_left_out_stays_settled(self):
        self.create("--filter", '.value.n % 10 == 0 and .headers.site == "north"')
        self.publish(*({"key": f"K{n % 7}", "headers": {"site": "north"}, "value": {"n": n}} for n in range(100)),
                     {"key": "K0", "headers": {"site": "south"}, "value": {"n": 0}}, {"key": "K0", "value": "no number"})
        self.assertEqual(sorted(value["n"] for value in self.consume()), list(range(0, 100, 10)))
        eventually(10, lambda: self.describe()["lag_records"] == 0, "everything settled")
        status = self.describe()
        self.assertEqual((status["filtered"], status["filter_failed"]), (91, 1))
        self.assertRegex(status["reason"], r"the filter failed last on \S+/\d+@\d+: .*[Cc]annot index")
        self.assertLess(self.metric("millrace_delivery_commands_total"), 40)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.describe()["lag_records"], 0)
        self.assertEqual(self.consume(), [])

    def test_a_filter_that_jq_refuses_is_named(self):
        done = self.broker.millrace("subscription", "create", QUEUE, "--topic", TOPIC, "--filter", ".value >", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("filter: jq: error: syntax error", done.stderr)
        self.assertEqual(self.broker.ask("subscription", "ls"), [])

    def test_a_delayed_record_waits_across_a_kill_and_its_key_behind_it(self):
        self.create()
        due_ms = int(time.time() * 1000) + 6000
        self.publish({"key": "K", "headers": {"deliver-after": str(due_ms)}, "value": 1}, {"key": "K", "value": 2}, {"key": "L", "value": 3})
        self.assertEqual(self.consume(), [3])
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.consume("--count", "2"), [1, 2])
        self.assertGreaterEqual(time.time() * 1000, due_ms)

    def test_expired_records_are_dropped_or_kept_as_letters(self):
        self.create()
        self.publish({"key": "K", "headers": {"expires-at": "2020-01-01T00:00:00Z"}, "value": 1}, {"key": "K", "value": 2})
        self.assertEqual(self.consume(), [2])
        self.assertEqual(self.describe()["expired"], 1)
        self.broker.millrace("subscription", "alter", QUEUE, "--expired", "dead-letter")
        self.publish({"key": "K", "headers": {"expires-at": "2020-01-01T00:00:00Z"}, "value": 3}, {"key": "K", "value": 4})
        self.assertEqual(self.consume(), [])
        (letter,) = self.broker.ask("dlq", "ls", QUEUE)
        self.assertEqual((letter["cause"], letter["key"]), ("expired", "K"))
        self.broker.millrace("dlq", "discard", QUEUE, str(letter["id"]), "--reason", "too late")
        self.assertEqual(self.consume(), [4])

    def test_a_rate_holds_over_all_shards_and_can_be_lifted(self):
        self.create("--rate", "20", "--rate-burst", "1", "--order", "none")
        self.publish(*({"partition": n % 4, "value": n} for n in range(200)))
        began = time.monotonic()
        self.assertEqual(len(self.consume("--count", "41")), 41)
        self.assertGreaterEqual(time.monotonic() - began, 1.9)
        self.broker.millrace("subscription", "alter", QUEUE, "--rate", "0", "--rate-burst", "0")
        self.assertEqual(len(self.consume("--count", "159")), 159)

    def test_concurrency_of_one_holds_over_all_shards(self):
        self.create("--concurrency", "1", "--order", "none")
        self.publish(*({"partition": n % 4, "value": n} for n in range(8)))
        self.assertEqual(len(self.consume("--peek")), 1)
        self.assertEqual(sorted(self.consume()), list(range(8)))

    def test_drained_is_said_and_survives_a_kill(self):
        self.create()
        self.publish({"key": "K", "value": 1})
        done = self.broker.millrace("subscription", "drain", QUEUE, "--reason", "upgrade", "--wait", "10s")
        self.assertIn("is drained", done.stderr)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.describe()["reason"], "drained: upgrade")
        self.assertEqual(self.consume(), [])
        self.broker.millrace("subscription", "resume", QUEUE)
        self.assertEqual(self.consume(), [1])

    def test_an_outage_is_told_with_its_changes_and_burns_nothing(self):
        self.create("--probe-interval-max", "200ms")
        self.publish({"key": "K", "value": 1})
        self.assertEqual(self.consume("--nack", "outage", "--error", "connection refused", "--count", "3"), [1, 1, 1])
        self.assertEqual(self.broker.ask("dlq", "ls", QUEUE), [])
        self.assertEqual(self.consume(), [1])
        changes = self.describe()["circuit_changes"]
        self.assertEqual([(change["from"], change["to"]) for change in changes[:3]],
                         [("closed", "open"), ("open", "half-open"), ("half-open", "open")])
        self.assertEqual((changes[0]["cause"], changes[0]["reason"]), ("outage", "connection refused"))
        self.assertEqual(changes[-1]["to"], "closed")
        self.assertEqual(self.metric("millrace_delivery_circuit_changes_total"), len(changes))
        self.assertEqual(self.metric("millrace_delivery_circuit_state"), 0)

    def test_without_dead_letters_a_refused_record_leaves_a_count(self):
        self.create("--dead-letter", "drop")
        self.publish({"key": "K", "value": 1}, {"key": "K", "value": 2})
        self.assertEqual(self.consume("--nack", "mapping", "--count", "1"), [1])
        self.assertEqual(self.consume(), [2])
        self.assertEqual(self.describe()["dropped"], 1)
        self.assertEqual(self.broker.ask("dlq", "ls", QUEUE, "--state", "all"), [])

    def test_a_topic_that_comes_later_joins_by_itself(self):
        self.create()
        self.assertEqual(self.consume(), [])
        self.broker.millrace("topic", "create", "plant1.late", "--partitions", "2")
        self.broker.millrace("publish", "plant1.late", "--value", "7")
        self.assertEqual(self.consume(), [7])


if __name__ == "__main__":
    unittest.main()
