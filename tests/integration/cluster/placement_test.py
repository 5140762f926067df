"""Five nodes in three racks of which three vote: labels, standbys, and who takes the place of a voter that is gone."""
import unittest

from cluster_test import TOPIC, lines_of, numbered
from nodes import Cluster, Node

RACKS = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c"}


class Placement(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(size=5, arguments=("--cluster-voters-max", "3", "--cluster-replace-voter-after-ms", "1000"))
        self.addCleanup(self.cluster.close)
        for number, node in self.cluster.nodes.items():
            node.arguments += ["--node-labels", f"rack={RACKS[number]}"]
        self.cluster.start()

    def voters(self) -> set[int]:
        """Of every group; empty while they differ."""
        groups = set(map(frozenset, self.cluster.voters().values()))
        return set(groups.pop()) if len(groups) == 1 else set()

    def wait_for_voters_in(self, racks: int) -> set[int]:
        def look():
            voters = self.voters()
            is_right = len(voters) == 3 and len({RACKS[number] for number in voters}) == racks
            return voters if is_right and all(self.cluster.nodes[number].is_up() for number in voters) else None
        return self.cluster.eventually(60, look, f"three nodes in {racks} racks vote")

    def other_voter(self) -> Node:
        leader = self.cluster.leader()
        return next(self.cluster.nodes[number] for number in sorted(self.voters()) if number != leader.number)

    def test_voters_stand_in_three_racks_and_standbys_replace_those_that_are_gone(self):
        voters = self.wait_for_voters_in(3)
        self.cluster.create_topic(TOPIC, "--partitions", "4")
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(300, 8)))
        self.cluster.settle()
        # A standby that has everything is no fault, and does not lead.
        status = self.cluster.ask("cluster", "status")
        self.assertTrue(status["healthy"], status["health"])
        self.assertEqual({row["node"] for row in status["nodes"] if row["member"] == "voter"}, voters)
        self.assertEqual({row["member"] for row in status["nodes"] if row["node"] not in voters}, {"standby"})
        self.assertEqual({row["node"]: row["labels"] for row in status["nodes"]}, {number: {"rack": rack} for number, rack in RACKS.items()})
        standby = next(number for number in RACKS if number not in voters)
        refused = self.cluster.millrace("cluster", "transfer", "--to", str(standby), check=False)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn(f"node {standby} stands by and does not vote", refused.stderr)
        # A drained one makes room for a standby, and another rack has two while that lasts.
        drained = self.cluster.leader().number
        said = self.cluster.ask("cluster", "drain", "--node", str(drained))
        self.assertEqual(said, {"node": drained, "drained": True, "voter": False})
        self.assertNotIn(drained, self.wait_for_voters_in(len({RACKS[number] for number in RACKS if number != drained})))
        self.cluster.millrace("cluster", "undrain", "--node", str(drained))
        self.wait_for_voters_in(3)
        # One of the voters goes for good, and when it is replaced the one that leads.
        first = self.other_voter()
        first.kill()
        self.assertNotIn(first.number, self.wait_for_voters_in(len({RACKS[number] for number in RACKS if number != first.number})))
        second = self.cluster.leader()
        second.kill()
        self.cluster.leader_other_than(second)
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(300, 8)))
        self.assertEqual(len(self.cluster.millrace("consume", TOPIC).stdout.splitlines()), 600)
        # They come back, and the racks have a voter each again.
        first.start()
        second.start()
        self.wait_for_voters_in(3)
        self.cluster.settle()
        self.assertTrue(self.cluster.ask("cluster", "status")["healthy"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
