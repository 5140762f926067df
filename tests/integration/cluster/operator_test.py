"""What an operator asks of a cluster and does to it: who leads and where, how far the others are, handing the lead over, stops."""
import json
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import Broker, binary, eventually
from nodes import Cluster, Node

TOPIC = "plant1.mes.step.done"
OK, USAGE, NOT_FOUND, NO_CONNECTION, RETRYABLE, PARTLY = 0, 2, 3, 4, 5, 6


class OperatorCase(unittest.TestCase):
    shards = 2
    arguments: tuple[str, ...] = ()

    def setUp(self):
        self.cluster = Cluster(shards=self.shards, arguments=self.arguments)
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.cluster.create_topic(TOPIC, "--partitions", "4")
        self.cluster.settle()

    def run_on(self, node: Node, *arguments: str) -> subprocess.CompletedProcess:
        """Asks one node alone."""
        return node.millrace(*arguments, check=False)

    def well(self) -> dict:
        def look():
            done = self.cluster.millrace("--output", "json", "cluster", "status", check=False)
            return json.loads(done.stdout) if done.returncode == OK else None
        return self.cluster.eventually(30, look, "all nodes are up to date")


class Looking(OperatorCase):
    def test_every_node_answers_with_what_the_leader_knows(self):
        self.well()
        leader = self.cluster.leader()
        for node in self.cluster.nodes.values():
            done = self.run_on(node, "cluster", "status")
            self.assertEqual(done.returncode, OK, done.stderr + done.stdout)
            self.assertEqual(done.stdout.splitlines()[-1], f"3 nodes, node {leader.number} leads, all up to date")
            status = json.loads(self.run_on(node, "--output", "json", "cluster", "status").stdout)
            self.assertEqual((status["asked"], status["leader"]), (leader.number, leader.number))
            self.assertEqual([group["group"] for group in status["groups"]], [0, 1, 2])
            for group in status["groups"]:
                self.assertEqual(len(group["replicas"]), 2)
                self.assertGreaterEqual(group["term"], 1)
            nodes = json.loads(self.run_on(node, "--output", "json", "cluster", "nodes").stdout)
            self.assertEqual([row["address"] for row in nodes], [f"127.0.0.1:{port}" for port in self.cluster.peer_ports.values()])
            self.assertEqual([row["role"] == "leads" for row in nodes], [number == leader.number for number in (1, 2, 3)])

    def test_a_missing_replica_and_a_missing_majority_have_exit_codes_of_their_own(self):
        leader = self.cluster.leader()
        first, second = self.cluster.followers()
        first.kill()

        def ends_with(code: int, words: str):
            def look():
                done = self.run_on(leader, "cluster", "status")
                return done.returncode == code and words in done.stdout
            self.cluster.eventually(20, look, f"exit code {code} and \"{words}\"")

        ends_with(PARTLY, f"node {leader.number} leads, node {first.number} is not linked to node {leader.number}: no further node may go")
        second.kill()
        ends_with(RETRYABLE, "3 nodes, no node leads")
        self.assertIn("a majority is missing", self.run_on(leader, "cluster", "status").stdout)
        leader.kill()
        self.assertEqual(self.run_on(leader, "--timeout", "1s", "cluster", "status").returncode, NO_CONNECTION)
        for node in self.cluster.nodes.values():
            node.start()
        self.well()


class Directions(OperatorCase):
    """What a node that follows tells those who come to the wrong one."""

    def http_of(self, node: Node, path: str, body: dict | None = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{node.http}{path}", data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def test_every_node_knows_where_the_others_are_reached(self):
        for node in self.cluster.nodes.values():
            for other in node.status()["nodes"]:
                there = self.cluster.nodes[other["node"]]
                self.assertEqual((other["native"], other["http"]), (there.native, there.http))
        rows = self.cluster.ask("cluster", "nodes")
        self.assertEqual([(row["native"], row["http"]) for row in rows], [(node.native, node.http) for node in self.cluster.nodes.values()])

    def test_a_follower_names_the_leader_and_its_address(self):
        leader = self.cluster.leader()
        for node in self.cluster.followers():
            self.assertIn(TOPIC, node.millrace("--timeout", "2s", "topic", "ls").stdout)
            words = f"node {node.number} follows; node {leader.number} leads at http://{leader.http}"
            self.assertEqual(self.http_of(node, "/readyz"), (503, words + "\n"))
            for path, body in (("/v1/topics", None), (f"/v1/topics/{TOPIC}", None), (f"/v1/topics/{TOPIC}/records", {"value": 1}),
                               ("/v1/subscriptions", None), ("/v1/jobs", None)):
                with self.subTest(path=path):
                    status, text = self.http_of(node, path, body)
                    self.assertEqual(status, 503, text)
                    self.assertIn(words, text)
                    self.assertIn("not_leader", text)
        self.assertEqual(self.http_of(leader, "/readyz")[0], 200)


class Ports(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        for node in self.cluster.nodes.values():
            node.native = node.http = "127.0.0.1:0"
        self.cluster.start()
        self.cluster.settle()

    def test_a_node_that_begins_anew_keeps_the_ports_that_it_was_given(self):
        leader, target = self.cluster.leader(), self.cluster.followers()[0]
        before = json.loads(leader.ready_file.read_text())
        self.cluster.millrace("cluster", "transfer", "--to", str(target.number))
        self.cluster.eventually(20, lambda: (leader.status() or {}).get("leader") == target.number, "it follows, where it was")
        after = json.loads(leader.ready_file.read_text())
        self.assertEqual((after["native"], after["http"]), (before["native"], before["http"]))

    def test_a_stop_while_a_node_begins_anew_is_a_graceful_one(self):
        for rest in (0.0, 0.1, 0.2):
            leader, target = self.cluster.leader(), self.cluster.followers()[0]
            seen = leader.log.read_text().count("begins anew")
            # Links that came late are no part of this.
            self.cluster.eventually(20, lambda: self.cluster.millrace("cluster", "transfer", "--to", str(target.number), check=False).returncode == 0,
                                    "the lead is handed over")
            eventually(10, lambda: leader.log.read_text().count("begins anew") > seen, "it begins anew")
            time.sleep(rest)
            self.assertEqual(leader.stop(), 0, leader.log_tail())
            leader.start()
            self.cluster.settle()


class Alone(unittest.TestCase):
    def test_a_single_node_says_that_it_is_one(self):
        with Broker() as broker:
            done = broker.millrace("cluster", "status")
            self.assertIn("stands alone", done.stdout)
            self.assertIn("stands alone", broker.millrace("cluster", "nodes").stdout)
            status = broker.ask("cluster", "status")
            self.assertEqual((status["clustered"], status["healthy"]), (False, True))
            refused = broker.millrace("cluster", "transfer", "--to", "2", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("stands alone", refused.stderr)


class Publisher:
    """Publishes until it is stopped, and notes how long a record had to wait at most."""

    def __init__(self, cluster: Cluster):
        self.process = subprocess.Popen([binary("millrace"), "--brokers", cluster.brokers, "--output", "json", "publish", TOPIC],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.sent = 0
        self.is_stopping = False
        self.thread = threading.Thread(target=self.send, daemon=True)
        self.thread.start()

    def send(self):
        while not self.is_stopping:
            self.process.stdin.write(f"record {self.sent}\n")
            self.process.stdin.flush()
            self.sent += 1
            time.sleep(0.002)

    def stop(self) -> dict:
        self.is_stopping = True
        self.thread.join()
        out, err = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise AssertionError(err)
        return json.loads(out)


class HandingOver(OperatorCase):
    # Long, so that who leads sooner was not elected for want of a leader.
    arguments = ("--cluster-election-timeout-ms", "4000")

    def terms(self, node: Node) -> dict[int, int]:
        return {group["group"]: group["term"] for group in node.status()["groups"]}

    def assert_published_once(self, sent: int):
        def consume():
            done = self.cluster.millrace("consume", TOPIC, "--format", "{value}", check=False)
            self.assertIn(done.returncode, (OK, NO_CONNECTION), done.stderr)
            return done.returncode == OK and done.stdout.splitlines()

        # A node that hung may wake with a lead of its own: an election, longer than the command looks for a leader.
        lines = self.cluster.eventually(60, consume, "a node serves")
        self.assertEqual(len(lines), sent)
        self.assertEqual(len(set(lines)), sent)

    def test_the_lead_of_all_groups_goes_where_it_is_sent_while_records_come(self):
        self.well()
        publisher = Publisher(self.cluster)
        for _ in range(3):
            target = self.cluster.followers()[0]
            asked = self.cluster.followers()[1]
            done = self.run_on(asked, "--output", "json", "cluster", "transfer", "--to", str(target.number))
            self.assertEqual(done.returncode, OK, f"{done.stderr}\n{self.cluster.log_tails()}")
            moved = json.loads(done.stdout)
            print(f"the lead moved in {moved['took_ms']} ms")
            self.assertEqual(moved["leader"], target.number)
            self.assertEqual(self.cluster.leader().number, target.number)
            self.well()
        sent = publisher.stop()["published"]
        self.assertEqual(sent, publisher.sent)
        self.assert_published_once(sent)
        again = self.cluster.millrace("cluster", "transfer", "--to", str(self.cluster.leader().number))
        self.assertIn("leads already", again.stdout)

    def test_a_drained_node_gives_the_lead_away_and_does_not_take_it_until_it_is_undrained(self):
        self.well()
        publisher = Publisher(self.cluster)
        drained, other = self.cluster.leader(), self.cluster.followers()[0]
        done = self.cluster.ask("cluster", "drain", "--node", str(drained.number))
        self.assertEqual(done, {"node": drained.number, "drained": True, "voter": True})  # nobody stands by
        self.assertNotEqual(self.cluster.leader().number, drained.number)
        self.assertIn(f", node {drained.number} is drained, all up to date", self.well()["health"])
        refused = self.cluster.millrace("cluster", "transfer", "--to", str(drained.number), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"node {drained.number} is drained", refused.stderr)
        self.cluster.millrace("cluster", "drain", "--node", str(other.number))
        third = self.cluster.leader()
        self.assertNotIn(third.number, (drained.number, other.number))
        for what in ("drain", "remove"):
            self.assertIn("all others are drained", self.cluster.millrace("cluster", what, "--node", str(third.number), check=False).stderr)
        # Drained is not out: with the third one away one of them leads, and gives the lead back.
        third.kill()
        self.assertIn(self.cluster.leader_other_than(third).number, (drained.number, other.number))
        third.start()
        self.cluster.eventually(30, lambda: self.cluster.leader().number == third.number, "the one that may leads again")
        self.cluster.millrace("cluster", "undrain", "--node", str(drained.number))
        self.well()
        self.cluster.millrace("cluster", "transfer", "--to", str(drained.number))
        self.assertEqual([row["drained"] for row in self.cluster.ask("cluster", "nodes")],
                         [number == other.number for number in self.cluster.nodes])
        self.assert_published_once(publisher.stop()["published"])

    def test_what_can_not_take_the_lead_is_named(self):
        self.well()
        unknown = self.cluster.millrace("cluster", "transfer", "--to", "9", check=False)
        self.assertEqual(unknown.returncode, NOT_FOUND)
        self.assertIn("node 9 is not in cluster_nodes", unknown.stderr)
        leader, gone = self.cluster.leader(), self.cluster.followers()[0]
        gone.kill()
        self.cluster.eventually(10, lambda: any(not other["linked"] for other in leader.status()["nodes"]), "the link is gone")
        refused = self.cluster.millrace("cluster", "transfer", "--to", str(gone.number), check=False)
        self.assertEqual(refused.returncode, RETRYABLE)
        self.assertIn(f"node {gone.number} is not linked", refused.stderr)
        self.assertEqual(self.cluster.leader().number, leader.number)

    def test_one_that_hangs_does_not_get_the_lead_and_publishes_go_on(self):
        self.well()
        publisher = Publisher(self.cluster)
        leader, hung = self.cluster.leader(), self.cluster.followers()[0]
        terms = self.terms(leader)
        hung.process.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: hung.is_up() and hung.process.send_signal(signal.SIGCONT))
        refused = self.run_on(leader, "cluster", "transfer", "--to", str(hung.number))
        self.assertEqual(refused.returncode, RETRYABLE, refused.stdout)
        self.assertIn(f"node {hung.number} ", refused.stderr)
        time.sleep(1)
        self.assertEqual(self.terms(leader), terms, f"nobody was elected\n{self.cluster.log_tails()}")
        sent = publisher.stop()["published"]
        hung.process.send_signal(signal.SIGCONT)  # and what it was sent meanwhile may give it the lead
        self.well()
        self.assert_published_once(sent)

    def test_a_leader_that_is_stopped_hands_its_lead_over_first(self):
        self.well()
        publisher = Publisher(self.cluster)
        leader = self.cluster.leader()
        began = time.monotonic()
        leader.process.terminate()
        successor = self.cluster.leader_other_than(leader, wait_seconds=10)
        took = time.monotonic() - began
        print(f"another node led {took * 1000:.0f} ms after SIGTERM")
        self.assertEqual(leader.process.wait(30), 0, leader.log_tail())
        self.assertTrue(leader.has_logged("hands the lead to node"))
        self.assertFalse(leader.has_logged("begins anew"), "it was to stop")
        self.assertFalse(leader.has_logged("stops while it leads"), "another led before it went")
        leader.start()
        self.assertEqual(self.well()["leader"], successor.number)
        sent = publisher.stop()["published"]
        self.assert_published_once(sent)

    def test_the_last_node_stops_although_nobody_can_take_its_lead(self):
        leader = self.cluster.leader()
        for node in self.cluster.followers():
            node.kill()
        began = time.monotonic()
        self.assertEqual(leader.stop(), 0, leader.log_tail())
        self.assertLess(time.monotonic() - began, 10)


if __name__ == "__main__":
    unittest.main(verbosity=1)
