"""Three nodes as one broker, as clients and operators meet it: founding, failover under load, queues, a stop."""
import collections
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import binary, eventually
from nodes import Cluster

TOPIC = "plant1.mes.step.done"
QUEUE = "sink"


def lines_of(records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def numbered(count: int, keys: int, start: int = 0) -> list[dict]:
    return [{"key": f"K{number % keys}", "value": {"n": number}} for number in range(start, start + count)]


class Load:
    """Events that go on being published until `end`, however long the machine needs for what happens meanwhile."""
    pause = 0.01
    batch = 5

    def __init__(self, brokers: str):
        self.count = 0
        self.must_end = threading.Event()
        self.process = subprocess.Popen([binary("millrace"), "--brokers", brokers, "--output", "json", "publish", TOPIC, "--jsonl"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.writing = threading.Thread(target=self.write)
        self.writing.start()

    def write(self):
        while not self.must_end.wait(self.pause):
            self.process.stdin.write(lines_of(numbered(self.batch, 16, start=self.count)))
            self.process.stdin.flush()
            self.count += self.batch

    def end(self) -> tuple[str, str]:
        """What it printed. `count` is final then."""
        self.must_end.set()
        self.writing.join()
        return self.process.communicate(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.must_end.set()
        self.writing.join()
        self.process.kill()
        self.process.communicate()


class ClusterCase(unittest.TestCase):
    shards = 1

    def setUp(self):
        self.cluster = Cluster(shards=self.shards)
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.cluster.create_topic(TOPIC, "--partitions", "4")

    def publish_beside(self, count: int, rate: int) -> subprocess.Popen:
        file = self.cluster.directory / "events.jsonl"
        file.write_text(lines_of(numbered(count, 16)))
        return subprocess.Popen([binary("millrace"), "--brokers", self.cluster.brokers, "--output", "json", "publish", TOPIC, "--jsonl", "--file",
                                 str(file), "--rate", f"{rate}/s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def read(self) -> list[dict]:
        return [json.loads(line) for line in self.cluster.millrace("consume", TOPIC, "--format", "json").stdout.splitlines()]

    def assert_once_and_in_order(self, count: int):
        by_key = collections.defaultdict(list)
        for record in self.read():
            by_key[record["key"]].append(record["value"]["n"])
        numbers = sorted(number for key in by_key.values() for number in key)
        self.assertEqual(numbers, list(range(count)), "each is there once")
        for key, order in by_key.items():
            self.assertEqual(order, sorted(order), f"the order of {key}")


class Founding(ClusterCase):
    shards = 2

    def test_all_nodes_have_what_was_published_and_followers_send_clients_to_the_leader(self):
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(2000, 16)))
        self.assert_once_and_in_order(2000)
        self.cluster.settle()
        entries = self.cluster.entries()
        self.assertEqual(set(entries), {0, 1, 2}, "the catalog and one group a shard")
        leader = self.cluster.leader()
        for node in self.cluster.followers():
            status = node.status()
            self.assertEqual((status["role"], status["leader"]), ("follows", leader.number))
            self.assertTrue(all(other["linked"] for other in status["nodes"]))
            self.assertIn(TOPIC, node.millrace("topic", "ls").stdout, "the client goes on to the node that leads")
            self.assertEqual(json.loads(node.ready_file.read_text())["role"], "follows")
        self.assertEqual(json.loads(leader.ready_file.read_text())["role"], "leads")


class Failover(ClusterCase):
    def test_a_publisher_goes_on_when_leaders_are_killed_and_each_record_is_there_once(self):
        count = 3000
        with self.publish_beside(count, rate=500) as publisher:
            for _ in range(2):
                time.sleep(1)
                leader = self.cluster.leader()
                leader.kill()
                self.cluster.leader_other_than(leader)
                leader.start()
                self.cluster.eventually(30, leader.status, f"node {leader.number} is back")
            out, err = publisher.communicate(timeout=60)
        self.assertEqual(publisher.returncode, 0, err)
        self.assertEqual(json.loads(out)["published"], count)
        self.assert_once_and_in_order(count)
        self.cluster.settle()

    def test_a_stopped_leader_is_followed_by_another(self):
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(100, 4)))
        leader = self.cluster.leader()
        began = time.monotonic()
        self.assertEqual(leader.stop(), 0, leader.log_tail())
        self.cluster.leader_other_than(leader, wait_seconds=10)
        print(f"another node led {time.monotonic() - began:.1f} s after the stop began")
        self.assert_once_and_in_order(100)
        leader.start()
        self.cluster.settle()
        self.assertEqual([node.stop() for node in self.cluster.nodes.values()], [0, 0, 0])

    def test_a_hung_leader_loses_the_lead_and_follows_when_it_wakes(self):
        leader = self.cluster.leader()
        leader.process.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: leader.is_up() and leader.process.send_signal(signal.SIGCONT))
        # Its port still takes connections.
        others = [node for node in self.cluster.nodes.values() if node is not leader]
        new = eventually(30, lambda: next((node for node in others if (node.status() or {}).get("role") == "leads"), None), "another node leads")
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(100, 4)))
        leader.process.send_signal(signal.SIGCONT)
        self.cluster.eventually(30, lambda: (leader.status() or {}).get("leader") == new.number, "it follows")
        self.cluster.settle()
        self.assert_once_and_in_order(100)


class Queues(ClusterCase):
    def consume(self, *arguments: str) -> list[int]:
        done = self.cluster.millrace("subscription", "consume", QUEUE, "--format", "json", "--idle", "1s", *arguments)
        return [json.loads(line)["value"]["n"] for line in done.stdout.splitlines()]

    def test_a_queue_goes_on_at_the_new_leader_with_what_it_knew(self):
        self.cluster.millrace("subscription", "create", QUEUE, "--topic", TOPIC)
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(30, 10)))
        refused = self.consume("--nack", "mapping", "--error", "no product", "--count", "1")
        parked = {number for number in range(30) if number % 10 == refused[0] % 10} - set(refused)
        acked = self.consume("--count", "8")
        seen = self.consume("--peek")
        self.assertTrue(set(seen).isdisjoint({*acked, *refused, *parked}), (seen, acked, refused))
        leader = self.cluster.leader()
        leader.kill()
        self.cluster.leader_other_than(leader)
        after = self.consume()
        self.assertEqual(sorted(after), sorted(set(range(30)) - {*acked, *refused, *parked}), "what was in flight comes again, what was acked does not")
        (letter,) = self.cluster.ask("dlq", "ls", QUEUE)
        self.assertEqual((letter["cause"], letter["error"]), ("mapping", "no product"))
        self.cluster.millrace("dlq", "redrive", QUEUE, str(letter["id"]))
        self.assertEqual(self.consume(), [*refused, *sorted(parked)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
