"""What goes wrong, in an order that a seed decides; never a majority for longer than it takes to start again."""
import collections
import dataclasses
import os
import random
import threading
import time

from cluster import ChaosCluster, Watcher, wait_until_well
from nodes import Node, send

WAIT_SECONDS = 60
COPY_SECONDS = 180  # a node that has to be filled, on a machine with much else to do
ELECTION_SECONDS = 0.6
HTTP_ACCEPTED = 202
HTTP_CONFLICT = 409
LEADER_LOST_SHARE = 0.5
DISK_WRITERS = 8
DISK_WRITE_BYTES = 256 << 10
DISK_FILE_WRITES = 64


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    weight: int
    seconds: tuple[float, float]


KINDS = (
    Kind("kill", 6, (0, 4)),  # SIGKILL, and started again
    Kind("stop", 3, (0, 3)),  # SIGTERM, and started again
    Kind("pause", 4, (0.3, 5)),  # SIGSTOP, SIGCONT
    Kind("wipe", 2, (0, 3)),  # SIGKILL, and started again without its data
    Kind("replace", 2, (0, 3)),  # taken out of the cluster, and joins again without its data; the leader may die meanwhile
    Kind("isolate", 4, (0.5, 5)),  # hears nobody and is heard by nobody
    Kind("deaf", 2, (0.5, 5)),  # hears nobody
    Kind("mute", 2, (0.5, 5)),  # is heard by nobody
    Kind("cut", 2, (0.5, 5)),  # between two nodes only
    Kind("slow", 2, (1, 5)),  # what it sends and gets is late
    Kind("disk", 2, (1, 5)),  # others write and sync on the disk of all of them
    Kind("drain", 2, (0.5, 5)),  # it is not to lead
    Kind("reset", 2, (0, 0)),  # its connections to others end
    Kind("blackout", 1, (0, 0.5)),  # all are killed at once
)


class Faults:
    """Does one thing after another to a cluster. The seed says what, to whom (the leader, a follower, any) and for how long."""

    def __init__(self, cluster: ChaosCluster, watcher: Watcher, history, seed: int, only: list[str] | None = None):
        self.kinds = [kind for kind in KINDS if not only or kind.name in only]
        self.cluster = cluster
        self.watcher = watcher
        self.history = history
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.minority = (len(cluster.nodes) - 1) // 2

    def run(self, seconds: float):
        """Until the time is over, or the cluster does not recover."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            kind = self.random.choices(self.kinds, [kind.weight for kind in self.kinds])[0]
            lasts = self.random.uniform(*kind.seconds)
            copies = kind.name in ("wipe", "replace")
            if not wait_until_well(self.cluster, self.history, COPY_SECONDS if copies else WAIT_SECONDS, is_settled=copies):
                return
            victims = self.choose(kind)
            print(f"{time.monotonic() - began:6.1f} s  {kind.name} node {', '.join(str(node.number) for node in victims)} for {lasts:.1f} s", flush=True)
            self.counts[kind.name] += 1
            getattr(self, kind.name)(victims, lasts)
            if copies and not wait_until_well(self.cluster, self.history, COPY_SECONDS, is_settled=True):
                return
            time.sleep(self.random.choice((0, 0.3, self.random.uniform(0, 4))))

    def choose(self, kind: Kind) -> list[Node]:
        if kind.name in ("blackout", "disk"):
            return list(self.cluster.nodes.values())
        role, number = self.random.choice(("leader", "leader", "follower", "any")), self.random.randint(0, len(self.cluster.nodes))
        count = 1 if kind.name in ("wipe", "cut", "replace") else self.random.randint(1, self.minority)
        nodes = list(self.cluster.nodes.values())
        nodes = nodes[number:] + nodes[:number]
        leader = self.cluster.find_leader()
        if role != "any":
            nodes.sort(key=lambda node: (node is leader) != (role == "leader"))
        return nodes[:count]

    def kill(self, victims: list[Node], lasts: float):
        self.end(victims, Node.kill, lasts)

    def stop(self, victims: list[Node], lasts: float):
        def stop(node: Node):
            if (code := node.stop()) != 0:
                self.history.add_violation(f"node {node.number} ended with {code} when it was stopped:\n{node.log_tail(15)}")
        self.end(victims, stop, lasts)

    def wipe(self, victims: list[Node], lasts: float):
        def lose(node: Node):
            node.kill()
            node.wipe()
        self.end(victims, lose, lasts)

    def replace(self, victims: list[Node], lasts: float):
        node = victims[0]
        rest = [other.number for other in self.cluster.others(node)]
        try:
            answer = self.cluster.remove(node)
        except OSError as error:
            raise AssertionError(f"node {node.number} was to leave: {error}\n{self.cluster.log_tails()}") from error
        if answer[0] != HTTP_ACCEPTED:
            print(f"         refused: {answer}", flush=True)
            return
        self.watcher.down_on_purpose.add(node)
        self.may_lose_leader(node, lasts)
        self.cluster.wait_for_voters(*rest, wait_seconds=COPY_SECONDS)
        node.kill()
        node.wipe()
        node.start()
        self.cluster.eventually(WAIT_SECONDS, lambda: self.is_let_in(node), f"node {node.number} may join again")
        self.may_lose_leader(node, lasts)
        self.cluster.wait_for_voters(node.number, *rest, wait_seconds=COPY_SECONDS)
        self.watcher.down_on_purpose.discard(node)

    def is_let_in(self, node: Node) -> bool:
        """Asked twice it is there already: the first answer may have died with its leader."""
        try:
            return self.cluster.ask_to_join(node)[0] in (HTTP_ACCEPTED, HTTP_CONFLICT)
        except (OSError, AssertionError):
            return False

    def may_lose_leader(self, spared: Node, lasts: float):
        leader = self.cluster.find_leader()
        if leader not in (None, spared) and self.random.random() < LEADER_LOST_SHARE:
            self.end([leader], Node.kill, lasts)

    def blackout(self, victims: list[Node], lasts: float):
        self.end(victims, Node.kill, lasts)

    def end(self, victims: list[Node], how, lasts: float):
        self.watcher.down_on_purpose.update(victims)
        for node in victims:
            how(node)
        time.sleep(lasts)
        self.cluster.start_again(victims)
        self.watcher.down_on_purpose.difference_update(victims)

    def pause(self, victims: list[Node], lasts: float):
        for node in victims:
            self.cluster.pause(node)
        time.sleep(lasts)
        for node in victims:
            self.cluster.resume(node)

    def isolate(self, victims: list[Node], lasts: float):
        self.hold(victims, lasts, hears=False, is_heard=False)

    def deaf(self, victims: list[Node], lasts: float):
        self.hold(victims, lasts, hears=False, is_heard=True)

    def mute(self, victims: list[Node], lasts: float):
        self.hold(victims, lasts, hears=True, is_heard=False)

    def hold(self, victims: list[Node], lasts: float, hears: bool, is_heard: bool):
        for node in victims:
            for other in self.cluster.others(node):
                if not hears:
                    self.cluster.links.hold(other.number, node.number)
                if not is_heard:
                    self.cluster.links.hold(node.number, other.number)
        self.heal_after(lasts)

    def cut(self, victims: list[Node], lasts: float):
        one, other = victims[0].number, self.random.choice(self.cluster.others(victims[0])).number
        self.cluster.links.hold(one, other)
        self.cluster.links.hold(other, one)
        self.heal_after(lasts)

    def slow(self, victims: list[Node], lasts: float):
        late = self.random.uniform(0.01, ELECTION_SECONDS)
        for node in victims:
            for other in self.cluster.others(node):
                self.cluster.links.slow(node.number, other.number, late)
                self.cluster.links.slow(other.number, node.number, late)
        self.heal_after(lasts)

    def disk(self, _victims: list[Node], lasts: float):
        end = time.monotonic() + lasts

        def write(number: int):
            path = self.cluster.directory / f"other-{number}"
            file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DSYNC, 0o600)
            written = 0
            while time.monotonic() < end:
                os.pwrite(file, bytes(DISK_WRITE_BYTES), written % DISK_FILE_WRITES * DISK_WRITE_BYTES)
                written += 1
            os.close(file)
            path.unlink()
        writers = [threading.Thread(target=write, args=(number,)) for number in range(DISK_WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()

    def drain(self, victims: list[Node], lasts: float):
        node = victims[0]
        self.cluster.eventually(WAIT_SECONDS, lambda: self.set_drained(node, "drain"), f"node {node.number} is drained")
        time.sleep(lasts)
        self.cluster.eventually(WAIT_SECONDS, lambda: self.set_drained(node, "undrain"), f"node {node.number} is drained no more")

    def set_drained(self, node: Node, verb: str) -> bool:
        leader = self.cluster.find_leader()
        try:
            return leader is not None and send(leader.http, "POST", f"/v1/cluster/nodes/{node.number}/{verb}")[0] == HTTP_ACCEPTED
        except (OSError, ValueError):
            return False

    def heal_after(self, lasts: float):
        time.sleep(lasts)
        self.cluster.links.heal()

    def reset(self, victims: list[Node], _lasts: float):
        for node in victims:
            for other in self.cluster.others(node):
                self.cluster.links.end_connections(node.number, other.number)
