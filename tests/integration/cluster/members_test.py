"""Nodes that join and leave while clients are at work, and data directories that are no part of a cluster."""
import json
import subprocess
import unittest

from cluster_test import TOPIC, ClusterCase, Load, lines_of, numbered
from harness import binary
from nodes import Cluster, send


class Growth(ClusterCase):
    shards = 2

    def test_three_nodes_become_five_and_three_again_and_no_client_notices(self):
        with Load(self.cluster.brokers) as load:
            for _ in range(2):
                node = self.cluster.add_node()
                node.start()
                self.cluster.join(node)
                self.cluster.wait_for_voters(*self.cluster.nodes)
            gone = [self.cluster.followers()[0], self.cluster.leader()]
            for node in gone:
                self.assertEqual(self.cluster.remove(node)[0], 202)
                del self.cluster.nodes[node.number]
                self.addCleanup(node.close)
                self.cluster.wait_for_voters(*self.cluster.nodes)
            self.assertIsNone(load.process.poll(), "the load went on all the time")
            out, err = load.end()
        self.assertEqual(load.process.returncode, 0, err)
        self.assertEqual(json.loads(out)["published"], load.count)
        self.assertGreater(load.count, 100)
        self.assertNotIn("error", err)
        self.assert_once_and_in_order(load.count)
        self.cluster.settle()
        # Who was removed is refused, and says so; the rest goes on without it.
        self.cluster.eventually(20, lambda: gone[0].has_logged(f"node {gone[0].number} is no member of the cluster"), "it is told")

    def test_one_that_joined_leads_and_the_older_ones_find_it_after_a_start(self):
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(500, 8)))
        first = dict(self.cluster.nodes)
        node = self.cluster.add_node()
        node.start()
        self.cluster.join(node)
        self.cluster.wait_for_voters(*self.cluster.nodes)
        self.cluster.settle()
        self.cluster.bring_lead_to(node)
        for other in first.values():  # their cluster_nodes do not name it
            self.assertNotIn(f"{node.number}=", " ".join(other.arguments))
            self.assertEqual(other.stop(), 0)
            begin = other.log.stat().st_size
            other.start()
            self.cluster.eventually(30, lambda other=other, begin=begin: other.has_logged(f"linked to node {node.number}", begin), "it is found")
            self.cluster.bring_lead_to(node)  # on a slow machine another may have led meanwhile
            self.cluster.eventually(30, lambda other=other: (other.status() or {}).get("leader") == node.number, "it follows")
        self.assert_once_and_in_order(500)

    def test_what_is_refused(self):
        leader, follower = self.cluster.leader(), self.cluster.followers()[0]
        for method, path, body, status, words in (
                ("POST", "/v1/cluster/nodes", {"node": 2, "address": "127.0.0.1:7000"}, 409, "node 2 is a member already"),
                ("POST", "/v1/cluster/nodes", {"node": 9, "address": "nowhere"}, 400, "no port"),
                ("POST", "/v1/cluster/nodes", {"node": 0, "address": "127.0.0.1:7000"}, 400, "numbers from 1"),
                ("POST", "/v1/cluster/nodes", {"node": 9}, 400, "address"),
                ("DELETE", "/v1/cluster/nodes/9", None, 409, "no member"),
                ("DELETE", "/v1/cluster/nodes/x", None, 404, "no node")):
            with self.subTest(path=path, body=body):
                answer = send(leader.http, method, path, body)
                self.assertEqual(answer[0], status, answer)
                self.assertIn(words, json.dumps(answer[1]))
        self.assertEqual(send(follower.http, "DELETE", "/v1/cluster/nodes/1")[0], 503)
        # With one of three away another can't go: the two that would be left are no majority of themselves.
        follower.kill()
        other = next(node for node in self.cluster.nodes.values() if node not in (leader, follower))
        self.cluster.eventually(10, lambda: not all(one["linked"] for one in leader.status()["nodes"]), "the leader notices")
        refused = self.cluster.remove(other)
        self.assertEqual(refused[0], 409, refused)
        self.assertIn(f"{follower.number} is away", refused[1]["detail"])
        self.assertEqual(self.cluster.remove(follower)[0], 202)  # but the one that is away can
        self.cluster.wait_for_voters(leader.number, other.number)


class Operator(ClusterCase):
    def test_nodes_join_and_leave_by_command_and_clients_find_one_that_they_were_not_told_of(self):
        first = self.cluster.brokers
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(500, 8)))
        node = self.cluster.add_node()
        node.start()
        address = f"127.0.0.1:{self.cluster.peer_ports[node.number]}"
        said = self.cluster.ask("cluster", "join", "--node", str(node.number), "--address", address, "--wait")
        self.assertEqual(said, {"node": node.number, "voter": True})
        self.cluster.wait_for_voters(*self.cluster.nodes)
        self.assertIn("is a member already", self.cluster.millrace("cluster", "join", "--node", str(node.number), "--address", address,
                                                                    check=False).stderr)
        self.cluster.settle()
        self.cluster.millrace("cluster", "transfer", "--to", str(node.number))
        done = subprocess.run([binary("millrace"), "--brokers", first, "consume", TOPIC], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 500), done.stderr)
        # The one that leads hands the lead on before it goes, and may be all that the command was told of.
        gone = self.cluster.leader()
        self.assertEqual(gone.number, node.number)
        done = subprocess.run([binary("millrace"), "--brokers", gone.native, "cluster", "remove", "--node", str(gone.number)],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, f"node {gone.number} is out; it may be stopped\n"), done.stderr)
        del self.cluster.nodes[gone.number]
        self.addCleanup(gone.close)
        self.cluster.wait_for_voters(*self.cluster.nodes)


class OneAlone(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(size=3)
        self.addCleanup(self.cluster.close)

    def refusal(self, node) -> str:
        with self.assertRaises(AssertionError) as refused:
            node.start(20)
        return str(refused.exception)

    def set_nodes(self, node, text: str):
        node.arguments[node.arguments.index("--cluster-nodes") + 1] = text

    def test_data_of_a_node_that_stood_alone_is_refused_and_of_a_cluster_too(self):
        first = self.cluster.nodes[1]
        together = list(first.arguments)
        first.arguments = ["--node-id", "1", "--shards", "1"]
        first.start()
        first.millrace("topic", "create", TOPIC)
        self.assertEqual(first.stop(), 0)
        first.arguments = together
        self.assertIn("stands alone", self.refusal(first))
        first.wipe()
        self.cluster.start()
        self.cluster.create_topic(TOPIC)
        self.cluster.settle()
        first.stop()
        first.arguments = ["--node-id", "1", "--shards", "1"]
        self.assertIn("of a cluster of the nodes 1, 2, 3", self.refusal(first))

    def test_nodes_that_name_others_found_nothing(self):
        first = self.cluster.nodes[1]
        self.set_nodes(first, self.cluster.nodes_as_seen_by(1).rsplit(",", 1)[0])
        for node in self.cluster.nodes.values():
            node.start()
        self.cluster.eventually(10, lambda: first.has_logged("must name the same nodes everywhere"), "it is said")
        self.assertIsNone(self.cluster.find_leader())
        self.assertEqual(set(self.cluster.entries()[0].values()), {(0, 0)}, "nothing was agreed on")

    def test_the_last_node_goes_on_alone_and_others_join_it(self):
        self.cluster.start()
        self.cluster.create_topic(TOPIC, "--partitions", "4")
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(300, 8)))
        self.cluster.settle()
        last, *lost = self.cluster.nodes.values()
        for node in lost:
            node.kill()
        last.kill()
        arguments = list(last.arguments)
        last.arguments = [*arguments, "--cluster-go-on-alone"]
        self.assertIn("has to name this node alone", self.refusal(last))
        self.set_nodes(last, f"1=127.0.0.1:{self.cluster.peer_ports[1]}")
        last.start()
        self.assertEqual(len(self.cluster.millrace("consume", TOPIC).stdout.splitlines()), 300)
        last.stop()
        del last.arguments[-1]
        last.start()
        self.cluster.wait_for_voters(1)
        # One with the old data is no part of it; an empty one is.
        lost[0].start()
        self.cluster.join(lost[0])
        self.cluster.eventually(20, lambda: lost[0].has_logged("belongs to another cluster"), "it is refused")
        lost[0].kill()
        lost[0].wipe()
        lost[0].start()
        self.cluster.wait_for_voters(1, lost[0].number)
        self.assertEqual(len(self.cluster.millrace("consume", TOPIC).stdout.splitlines()), 300)

    def test_one_node_grows_to_three(self):
        first, *others = self.cluster.nodes.values()
        self.set_nodes(first, f"1=127.0.0.1:{self.cluster.peer_ports[1]}")
        first.start()
        self.cluster.create_topic(TOPIC, "--partitions", "4")
        self.cluster.millrace("publish", TOPIC, "--jsonl", text=lines_of(numbered(300, 8)))
        for node in others:
            node.start()
            self.cluster.join(node)
            self.cluster.wait_for_voters(*range(1, node.number + 1))
        self.cluster.settle()
        first.kill()
        self.cluster.leader_other_than(first)
        self.assertEqual(len(self.cluster.millrace("consume", TOPIC).stdout.splitlines()), 300)


if __name__ == "__main__":
    unittest.main(verbosity=1)
