"""Nodes that were away get what they missed, or copy whole shards; one whose log is damaged repairs what it can."""
import hashlib
import json
import pathlib
import re
import unittest
import urllib.request

from nodes import Cluster, Node

TOPIC = "plant1.mes.step.done"
MEMORY_BYTES = 64 * 1024 * 1024
VALUE_BYTES = 1_000_000


class Nodes(unittest.TestCase):
    """Three of them, with segments so small that some are sealed soon."""
    ARGUMENTS: tuple[str, ...] = ()

    def setUp(self):
        self.cluster = Cluster(arguments=("--segment-bytes", "16MiB", *self.ARGUMENTS))
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.cluster.create_topic(TOPIC, "--partitions", "4")

    def publish(self, count: int, value_bytes: int, name: str):
        filling = "." * value_bytes
        lines = (json.dumps({"key": f"{name}-{number}", "value": f"{name} {number} {filling}"}) + "\n" for number in range(count))
        self.cluster.millrace("publish", TOPIC, "--jsonl", text="".join(lines))

    def digest(self) -> tuple[int, str]:
        out = self.cluster.millrace("consume", TOPIC, "--format", "{partition} {offset} {key} {value}").stdout
        return len(out.splitlines()), hashlib.sha256("\n".join(sorted(out.splitlines())).encode()).hexdigest()

    def check_that_it_can_lead(self, node: Node, expected: tuple[int, str], is_copied: bool = True):
        self.assertEqual(node.has_logged("is copied from the node that leads it"), is_copied, node.log_tail())
        self.cluster.bring_lead_to(node)
        self.assertEqual(self.digest(), expected)
        self.publish(10, 10, "after")
        self.assertEqual(self.digest()[0], expected[0] + 10)

    def follower_without_disk(self) -> Node:
        """It is stopped."""
        node = self.cluster.followers()[0]
        node.stop()
        node.wipe()
        return node

    @staticmethod
    def metric_of(node: Node, name: str) -> int:
        """Of all shards."""
        with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=10) as answer:
            return sum(map(int, re.findall(rf"^{name}\S* (\d+)", answer.read().decode(), re.MULTILINE)))


class CompressedLinks(Nodes):
    ARGUMENTS = ("--cluster-compression", "zstd")

    def bytes_sent(self) -> tuple[int, int]:
        """By the leader: before they were compressed, and after."""
        leader = self.cluster.leader()
        return tuple(self.metric_of(leader, f"millrace_peer_compressed_{when}_bytes_total") for when in ("before", "after"))

    def test_entries_and_copies_come_compressed(self):
        self.publish(40, VALUE_BYTES, "before")
        entries, compressed_entries = self.bytes_sent()
        self.assertGreaterEqual(entries, 2 * 40 * VALUE_BYTES, "to two nodes")
        self.assertLess(compressed_entries, entries // 100)
        node = self.follower_without_disk()
        node.start()
        self.cluster.settle()
        everything, compressed = self.bytes_sent()
        self.assertGreaterEqual(everything - entries, 40 * VALUE_BYTES, "the copy")
        self.assertLess(compressed, everything // 100)
        self.check_that_it_can_lead(node, self.digest())


class Copies(Nodes):
    def test_a_node_that_lost_its_disk_is_filled_again_and_can_lead(self):
        self.publish(500, 100, "before")
        node = self.follower_without_disk()
        self.publish(500, 100, "meanwhile")
        node.start()
        self.cluster.settle()
        self.check_that_it_can_lead(node, self.digest())

    def test_a_node_that_missed_more_than_its_leader_has_in_memory_gets_it_from_the_log(self):
        self.publish(20, 100, "before")
        node = self.cluster.followers()[0]
        node.stop()
        self.publish(2 * MEMORY_BYTES // VALUE_BYTES, VALUE_BYTES, "meanwhile")
        node.start()
        self.cluster.settle()
        self.assertGreater(self.metric_of(self.cluster.leader(), "millrace_catch_up_bytes_total"), MEMORY_BYTES)
        self.check_that_it_can_lead(node, self.digest(), is_copied=False)

    @staticmethod
    def sealed_segment(node: Node) -> pathlib.Path:
        return sorted((node.data / "shard-00" / "log").glob("*.seg"))[1]

    def damage(self, node: Node):
        """One bit of a record in a sealed segment."""
        with self.sealed_segment(node).open("r+b") as file:
            file.seek(8 * 1024 * 1024 + 5000)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 4]))

    def wreck(self, node: Node):
        """So many commits of it that nobody could say where one ends."""
        with self.sealed_segment(node).open("r+b") as file:
            file.seek(6 * 1024 * 1024)
            file.write(bytes(4 * 1024 * 1024))

    def repaired_segments(self, node: Node) -> int:
        return self.metric_of(node, "millrace_storage_repaired_segments_total")

    def check_that_it_is_repaired(self, node: Node, expected: tuple[int, str]):
        self.cluster.eventually(60, lambda: node.has_logged("is repaired: 1 entries in 1 commits came from another node"), "it is repaired")
        self.cluster.settle()
        self.assertEqual(self.repaired_segments(node), 1)
        self.assertFalse(node.has_logged("is copied"), node.log_tail())
        self.cluster.bring_lead_to(node)
        self.assertEqual(self.digest(), expected)

    def test_a_leader_whose_log_is_damaged_hands_over_and_is_repaired(self):
        self.publish(60, VALUE_BYTES, "before")
        expected = self.digest()
        damaged = self.cluster.leader()
        self.damage(damaged)
        self.assertEqual(self.digest(), expected, "the damaged record came from another node")
        self.cluster.leader_other_than(damaged)
        self.check_that_it_is_repaired(damaged, expected)

    def start_follower_after(self, damage) -> tuple[Node, tuple[int, str]]:
        """The follower, and what is there to be read."""
        self.publish(60, VALUE_BYTES, "before")
        expected = self.digest()
        damaged = self.cluster.followers()[0]
        damaged.stop()
        damage(damaged)
        damaged.start()
        return damaged, expected

    def test_a_follower_that_finds_damage_after_a_start_is_repaired(self):
        damaged, expected = self.start_follower_after(self.damage)
        self.check_that_it_is_repaired(damaged, expected)

    def test_a_shard_that_can_not_be_repaired_is_copied(self):
        damaged, expected = self.start_follower_after(self.wreck)
        self.cluster.eventually(60, lambda: damaged.has_logged("can't be repaired"), "the repair is given up")
        self.cluster.eventually(60, lambda: damaged.has_logged("is copied from the node that leads it"), "it is copied")
        self.cluster.settle()
        self.assertEqual(self.repaired_segments(damaged), 0)
        self.check_that_it_can_lead(damaged, expected)


if __name__ == "__main__":
    unittest.main(verbosity=1)
