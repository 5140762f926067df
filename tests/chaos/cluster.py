"""A cluster whose links can be cut, and a watcher that hears all of its nodes."""
import concurrent.futures
import pathlib
import signal
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "integration" / part) for part in ("", "cluster")]
from harness import eventually, free_ports  # noqa: E402
from links import Links  # noqa: E402
from nodes import Cluster, Node  # noqa: E402

WATCH_REST = 0.1
START_SECONDS = 90


class ChaosCluster(Cluster):
    """Its nodes reach each other through `links`: each is told a port of its own for each of the others."""

    def __init__(self, size: int, shards: int, arguments: tuple[str, ...] = ()):
        self.links = Links()
        self.link_ports = {}
        pairs = [(dialler, target) for dialler in range(1, size + 1) for target in range(1, size + 1) if dialler != target]
        first = free_ports(len(pairs) * shards)
        self.link_ports = {pair: first + shards * number for number, pair in enumerate(pairs)}
        super().__init__(size, shards, arguments)
        for (dialler, target), port in self.link_ports.items():
            for shard in range(shards):
                self.links.add(dialler, target, port + shard, self.peer_ports[target] + shard)

    def nodes_as_seen_by(self, number: int) -> str:
        return ",".join(f"{other}=127.0.0.1:{port if other == number else self.link_ports[number, other]}"
                        for other, port in self.peer_ports.items())

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes.values() if other is not node]

    def pause(self, node: Node):
        node.process.send_signal(signal.SIGSTOP)

    def resume(self, node: Node):
        node.process.send_signal(signal.SIGCONT)

    def start_again(self, nodes: list[Node]):
        """All at once: one that has to copy is ready only when the others lead."""
        with concurrent.futures.ThreadPoolExecutor() as starters:
            list(starters.map(lambda node: node.start(wait_seconds=START_SECONDS), nodes))

    def heal(self):
        """Whatever was done to it: all links are whole and every node runs."""
        self.links.heal()
        for node in self.nodes.values():
            if node.is_up():
                self.resume(node)
        self.start_again([node for node in self.nodes.values() if not node.is_up()])

    def close(self, keep: bool = False):
        super().close(keep)
        self.links.close()


class Watcher:
    """Asks every node again and again what it knows; keeps who led when, and which nodes ended by themselves.

    Threads:  one of its own; what it found is for any."""

    def __init__(self, cluster: ChaosCluster, history):
        self.cluster = cluster
        self.history = history
        self.leaders = {}
        self.down_on_purpose = set()
        self.reported = set()
        self.is_ending = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(node,), name=f"watch-{node.number}") for node in cluster.nodes.values()]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_ending.set()
        for thread in self.threads:
            thread.join()

    def watch(self, node: Node):
        while not self.is_ending.wait(WATCH_REST):
            self.look_for_an_end(node)
            for group in (node.status() or {"groups": []})["groups"]:
                if group["leads"]:
                    self.note_leader(group["group"], group["term"], node.number)

    def look_for_an_end(self, node: Node):
        process = node.process
        if process is None or process.poll() is None or process in self.reported or node in self.down_on_purpose:
            return
        self.reported.add(process)
        self.history.add_violation(f"node {node.number} ended with {process.returncode}:\n{node.log_tail(15)}")

    def note_leader(self, group: int, term: int, node: int):
        known = self.leaders.setdefault((group, term), node)
        if known != node:
            self.history.add_violation(f"two leaders of group {group} in term {term}: nodes {known} and {node}")

    def elections(self) -> int:
        return len({term for group, term in self.leaders if group == 0})


def wait_until_well(cluster: ChaosCluster, history, seconds: float, is_settled: bool) -> bool:
    """A leader serves and, where that is asked for, no replica lacks anything; false once that was waited for in vain."""
    def has_leader():
        leader = cluster.find_leader()
        groups = ((leader and leader.status()) or {"groups": []})["groups"]
        return groups and (not is_settled or all(
            len(group["replicas"]) == len(cluster.nodes) - 1 and all(not replica["behind"] and replica["match"] + 1000 >= group["last"]
                                                                     for replica in group["replicas"]) for group in groups))
    try:
        began = time.monotonic()
        eventually(seconds, has_leader, "")
        return True
    except AssertionError:
        what = "replicas that caught up" if is_settled else "a leader"
        history.add_violation(f"no {what} within {time.monotonic() - began:.0f} s: {dict(cluster.entries())}\n{cluster.log_tails()}")
        return False
