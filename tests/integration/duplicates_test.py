"""Events by their id, as a person at the command line sees them: once in the topic, whatever is run twice or killed between."""
import json
import re
import unittest
import urllib.request

from harness import Broker


def metric(broker: Broker, name: str) -> int:
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(int(float(value)) for value in re.findall(rf"^{name}{{[^}}]*}} (\S+)$", text, re.MULTILINE))


class EventIds(unittest.TestCase):
    def setUp(self):
        self.broker = Broker().start()
        self.addCleanup(self.broker.close)
        self.broker.millrace("topic", "create", "plant1.mes.finished", "--partitions", "3")

    def publish(self, numbers, *arguments: str):
        text = "".join(json.dumps({"id": f"e{number}", "n": number}) + "\n" for number in numbers)
        return json.loads(self.broker.millrace("--output", "json", "publish", "plant1.mes.finished", "--event-id-field", "id",
                                               *arguments, text=text).stdout)

    def numbers(self):
        lines = self.broker.millrace("consume", "plant1.mes.finished").stdout.splitlines()
        return sorted(json.loads(line)["n"] for line in lines)

    def test_file_published_again_after_a_kill_adds_only_what_is_new(self):
        self.assertEqual(self.publish(range(100))["duplicates"], 0)
        self.broker.kill()
        self.broker.start()
        again = self.publish(range(150))
        self.assertEqual((again["published"], again["duplicates"]), (150, 100))
        self.assertEqual(self.numbers(), list(range(150)))
        self.assertEqual(metric(self.broker, "millrace_shard_event_duplicates_total"), 100)
        self.assertEqual(metric(self.broker, "millrace_shard_event_ids"), 150)

    def test_ids_come_back_from_the_log_when_the_index_is_rebuilt(self):
        self.publish(range(50))
        self.assertEqual(self.broker.stop(), 0)
        self.broker.start()
        self.publish(range(50, 60))
        self.broker.stop()
        self.broker.arguments = ["--rebuild-index"]
        self.broker.start()
        self.assertEqual(self.publish(range(60))["duplicates"], 60)
        self.assertEqual(self.numbers(), list(range(60)))

    def test_same_id_twice_in_one_file_and_compressed(self):
        self.assertEqual(self.publish([1, 2, 1, 3, 2], "--compression", "zstd")["duplicates"], 2)
        self.assertEqual(self.publish([3, 4], "--compression", "lz4")["duplicates"], 1)
        self.assertEqual(self.numbers(), [1, 2, 3, 4])

    def test_window_is_shown_changed_and_switched_off(self):
        described = self.broker.millrace("topic", "describe", "plant1.mes.finished").stdout
        self.assertRegex(described, r"duplicate window: +1d")
        self.broker.millrace("topic", "alter", "plant1.mes.finished", "--duplicate-window", "7d")
        self.assertEqual(self.broker.ask("topic", "describe", "plant1.mes.finished")["duplicate_window_ms"], 7 * 86_400_000)
        self.publish([1])
        self.broker.millrace("topic", "alter", "plant1.mes.finished", "--duplicate-window", "off")
        self.assertEqual(self.publish([1])["duplicates"], 0)
        self.assertEqual(self.numbers(), [1, 1])
        self.assertRegex(self.broker.millrace("topic", "describe", "plant1.mes.finished").stdout, r"duplicate window: +off")

    def test_limit_forgets_the_oldest_and_counts_them(self):
        self.broker.stop()
        self.broker.arguments = ["--event-ids-per-partition-max", "10"]
        self.broker.start()
        self.publish(range(40), "--key", "same")
        self.assertEqual(metric(self.broker, "millrace_shard_event_ids_evicted_total"), 30)
        self.assertEqual(self.publish(range(30, 40), "--key", "same")["duplicates"], 10)
        self.assertEqual(self.publish([29], "--key", "same")["duplicates"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
