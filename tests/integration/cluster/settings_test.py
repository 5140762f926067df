"""Settings that make no cluster: each says what is wrong and where."""
import pathlib
import subprocess
import tempfile
import time
import unittest

from harness import binary, eventually, free_ports
from nodes import Cluster, Node


class OneNode(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="millrace-settings-")
        self.addCleanup(folder.cleanup)
        self.data = pathlib.Path(folder.name) / "data"

    def refusal(self, *arguments: str) -> str:
        done = subprocess.run([binary("millraced"), "--data-dir", str(self.data), "--port", "0", "--http-port", "0", "--shards", "2", *arguments],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_what_cluster_nodes_may_not_be(self):
        first = free_ports(2)
        for nodes, words in ((f"1=127.0.0.1:{first}", "node_id 9 is not among them"),
                             ("9=somewhere:7201", "has no IPv4 address"), ("9=127.0.0.1", "has no port"), ("127.0.0.1:7201", "is no node"), ("0=127.0.0.1:7201", "no id above 0"),
                             (f"9=127.0.0.1:{first},9=127.0.0.1:{first + 9}", "is there twice"),
                             (f"9=127.0.0.1:{first},2=127.0.0.1:{first + 1}", "runs into the ports of node 9")):
            with self.subTest(nodes=nodes):
                said = self.refusal("--node-id", "9", "--cluster-nodes", nodes)
                self.assertIn("cluster_nodes", said)
                self.assertIn(words, said)

    def test_what_labels_and_numbers_of_voters_may_not_be(self):
        for arguments, words in ((("--node-labels", "rack"), 'node_labels: "rack" has no value'),
                                 (("--node-labels", "rack=a,rack=b"), "is there twice"),
                                 (("--cluster-voters-max", "4"), "cluster_voters_max: 4 voters bear no more than one less"),
                                 (("--cluster-voters-max", "1"), "cluster_voters_max: 1 voter"),
                                 (("--cluster-compression", "gzip"), 'cluster_compression: "gzip" is none of none, lz4 and zstd'),
                                 (("--cluster-spread-by", ""), 'cluster_spread_by: ""')):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.refusal(*arguments))

    def test_a_data_directory_stays_with_its_node(self):
        nodes = ",".join(f"{number}=127.0.0.1:{free_ports(2)}" for number in (1, 2))
        self.assertIn("not among them", self.refusal("--node-id", "3", "--cluster-nodes", nodes))
        self.assertIn("belongs to node 3, not to node 1", self.refusal("--node-id", "1", "--cluster-nodes", nodes))


class Strangers(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(size=2, shards=2)
        self.addCleanup(self.cluster.close)

    def start_all(self) -> list[Node]:
        nodes = list(self.cluster.nodes.values())
        for node in nodes:
            node.start()
        return nodes

    def eventually_log(self, nodes: list[Node], text: str):
        eventually(10, lambda: any(node.has_logged(text) for node in nodes), f"a node says \"{text}\": {self.cluster.log_tails()}")

    def test_nodes_with_different_shards_are_no_cluster(self):
        second = self.cluster.nodes[2]
        second.arguments[second.arguments.index("--shards") + 1] = "1"
        nodes = self.start_all()
        self.eventually_log(nodes, "nodes of a cluster have the same number of shards: node 2 has 1, node 1 has 2")
        self.assertIsNone(self.cluster.find_leader())

    def test_two_that_are_refused_again_and_again_do_not_fill_the_log(self):
        cluster = Cluster(size=3, shards=2)
        self.addCleanup(cluster.close)
        for number in (1, 2):
            node = cluster.nodes[number]
            node.arguments[node.arguments.index("--shards") + 1] = "1"
        for node in cluster.nodes.values():
            node.start()
        last = cluster.nodes[3]  # it connects to both
        for number in (1, 2):
            eventually(10, lambda number=number: last.has_logged(f"node {number} has 1, node 3 has 2"), f"node {number} is refused")
        time.sleep(3)
        lines = [line for line in last.log.read_text().splitlines() if "the same number of shards" in line]
        self.assertLessEqual(len(lines), 4, "one for each of the two, whoever of both has said it: " + "\n".join(lines))

    def test_a_node_of_another_cluster_is_refused(self):
        self.start_all()
        other = Cluster(size=2, shards=2)
        self.addCleanup(other.close)
        other.start()
        for cluster in (self.cluster, other):
            cluster.settle()
        stranger, native = self.cluster.nodes[2], self.cluster.nodes[1]
        stranger.stop()
        other.nodes[2].stop()
        stranger.wipe()
        other.nodes[2].data.rename(stranger.data)
        stranger.start()
        self.eventually_log([stranger, native], "belongs to another cluster")

    def test_a_second_process_with_a_number_that_is_taken_is_refused(self):
        cluster = Cluster(size=3, shards=2)
        self.addCleanup(cluster.close)
        leader = cluster.start()
        cluster.settle()
        third = cluster.nodes[3]
        first = free_ports(4)
        elsewhere = dict(cluster.peer_ports) | {3: first + 2}
        double = Node(3, cluster.directory / "double", (first, first + 1),
                      ["--cluster-nodes", ",".join(f"{number}=127.0.0.1:{port}" for number, port in elsewhere.items()), "--shards", "2"])
        self.addCleanup(double.close)
        double.launch()
        # Followers hear nothing of each other: there the first of the two may lose its place until the second has asked the leader for a copy.
        for number in (1, 2) if leader is third else (leader.number,):
            cluster.eventually(60, lambda number=number: cluster.nodes[number].has_logged("two processes say that they are node 3"), f"node {number} notices")
        for number in (1, 2):
            cluster.eventually(60, lambda number=number: all(node["linked"] for node in cluster.nodes[number].status()["nodes"]), f"node 3 is at node {number}")
        self.assertTrue(double.is_up())
        self.assertIs(cluster.leader(), leader)
        self.assertTrue(third.is_up())
        cluster.settle()


if __name__ == "__main__":
    unittest.main(verbosity=1)
