"""Topics whose acks stand for the leader alone beside those whose acks stand for a majority, with followers that are gone."""
import contextlib
import json
import re
import subprocess
import unittest
import urllib.request

from harness import binary
from nodes import Cluster, send

TELEMETRY = "plant1.line.temperature"
ORDERS = "plant1.mes.order"
# Longer than all that is done while the leader is alone: it steps down then.
ELECTION_TIMEOUT_MS = 10_000


class Durability(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(arguments=("--cluster-election-timeout-ms", str(ELECTION_TIMEOUT_MS)))
        self.addCleanup(self.cluster.close)
        for node in self.cluster.nodes.values():
            node.start()
        self.leader = self.cluster.leader(wait_seconds=120)
        self.cluster.create_topic(TELEMETRY, "--durability", "leader")
        self.cluster.create_topic(ORDERS)

    def publisher(self, topic: str) -> subprocess.Popen:
        process = subprocess.Popen([binary("millrace"), "--brokers", self.cluster.brokers, "--output", "json", "publish", topic],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()

    def write(self, process: subprocess.Popen, line: str):
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def read(self, topic: str) -> list[str]:
        return self.cluster.millrace("consume", topic).stdout.splitlines()

    def metric(self, name: str) -> int:
        """Of the node that led at first; 0 while it has no such metric."""
        with urllib.request.urlopen(f"http://{self.leader.http}/metrics", timeout=30) as answer:
            found = re.search(rf'^{name}{{shard="0"}} (\d+)$', answer.read().decode(), re.MULTILINE)
        return int(found[1]) if found else 0

    def leader_acks(self) -> int:
        return self.metric("millrace_shard_leader_acks_total")

    def publish_one(self):
        status, answer = send(self.leader.http, "POST", f"/v1/topics/{TELEMETRY}/records", {"value": "21.5"})
        self.assertEqual((status, answer["records"][0]["durability"]), (200, "leader"))

    def kill_followers(self):
        self.cluster.settle()
        for node in self.cluster.followers():
            node.kill()

    def test_a_leader_without_followers_acks_telemetry_and_nothing_else(self):
        self.assertEqual(self.cluster.ask("topic", "describe", TELEMETRY)["durability"], "leader")
        self.assertEqual(self.cluster.ask("topic", "describe", ORDERS)["durability"], "majority")
        self.kill_followers()
        orders = self.publisher(ORDERS)
        orders.stdin.write("WO-1\n")
        orders.stdin.close()
        self.publish_one()
        self.assertIsNone(orders.poll(), "it waits for a majority")
        self.assertGreaterEqual(self.leader_acks(), 1)
        for node in self.cluster.nodes.values():
            if node is not self.leader:
                node.start()
        self.assertEqual(orders.wait(timeout=120), 0)
        self.assertEqual(self.read(ORDERS), ["WO-1"])

    def test_a_leader_that_steps_down_goes_on_counting_what_it_had_acked_alone(self):
        self.kill_followers()
        self.publish_one()
        self.cluster.eventually(120, lambda: (self.leader.status() or {}).get("role") == "follows", "it leads no more")
        self.assertEqual(self.metric("millrace_shard_leader_acks_unconfirmed_total"), 1)

    def test_a_publisher_goes_on_behind_what_was_acked_and_lost(self):
        telemetry = self.publisher(TELEMETRY)
        self.write(telemetry, "kept")
        self.cluster.eventually(60, lambda: self.read(TELEMETRY) == ["kept"], "a majority has the first")
        self.kill_followers()
        before = self.leader_acks()
        self.write(telemetry, "lost")
        self.cluster.eventually(60, lambda: self.leader_acks() > before, "the leader acks without the others")
        self.leader.kill()
        for node in self.cluster.nodes.values():
            if node is not self.leader:
                node.start()
        self.cluster.leader_other_than(self.leader, wait_seconds=120)
        for line in ("after", "at last"):
            self.write(telemetry, line)
        out, err = telemetry.communicate(timeout=120)
        self.assertEqual(telemetry.returncode, 0, err)
        self.assertEqual(json.loads(out)["published"], 4)
        self.assertEqual(self.read(TELEMETRY), ["kept", "after", "at last"])
        self.leader.start()
        self.cluster.settle()
        self.assertEqual(self.read(TELEMETRY), ["kept", "after", "at last"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
