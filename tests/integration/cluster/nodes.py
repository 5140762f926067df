"""Starts several brokers that are one, on loopback, for the tests here, for tests/chaos and for scripts/cluster; standard library only."""
import collections
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from harness import Broker, binary, eventually, free_ports


def send(http: str, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    """The status and what was answered."""
    request = urllib.request.Request(f"http://{http}{path}", method=method, data=json.dumps(body or {}).encode(),
                                     headers={"Content-Type": "application/json"} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def cluster_status(http: str) -> dict | None:
    """What a node says of its cluster; None where it does not say anything."""
    try:
        with urllib.request.urlopen(f"http://{http}/v1/cluster", timeout=2) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError):
        return None


class Node(Broker):
    """One broker of a cluster. Its ports stay when it begins anew."""

    def __init__(self, number: int, directory: pathlib.Path, ports: tuple[int, int], arguments: list[str]):
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory=str(directory), arguments=["--node-id", str(number), *arguments])
        self.number = number
        self.native, self.http = (f"127.0.0.1:{port}" for port in ports)

    def status(self) -> dict | None:
        return cluster_status(self.http)

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def state(self) -> str:
        return "never started" if self.process is None else "runs" if self.is_up() else f"ended with {self.process.returncode}"

    def has_logged(self, text: str, begin: int = 0) -> bool:
        """From a byte of the log on."""
        return self.log.exists() and text.encode() in self.log.read_bytes()[begin:]

    def wipe(self):
        """As a new disk would be."""
        shutil.rmtree(self.data)


class Cluster:
    """Some nodes of one cluster, none of them started. `with` starts all and waits until one leads."""

    def __init__(self, size: int = 3, shards: int = 1, arguments: tuple[str, ...] = ()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-cluster-"))
        self.shards = shards
        self.leads_brought = 0
        self.nodes = {}
        width = shards + 2
        first = free_ports(size * width)
        ports = {number: first + width * (number - 1) for number in range(1, size + 1)}
        self.peer_ports = {number: port + 2 for number, port in ports.items()}
        self.arguments = arguments
        for number, port in ports.items():
            self.nodes[number] = self.make_node(number, port)

    def make_node(self, number: int, port: int) -> Node:
        return Node(number, self.directory / f"node-{number}", (port, port + 1),
                    ["--cluster-nodes", self.nodes_as_seen_by(number), "--shards", str(self.shards), *self.arguments])

    def add_node(self) -> Node:
        """One more that knows all others; they are to be told of it."""
        number = max(self.nodes) + 1
        port = free_ports(self.shards + 2)
        self.peer_ports[number] = port + 2
        self.nodes[number] = self.make_node(number, port)
        return self.nodes[number]

    def nodes_as_seen_by(self, _number: int) -> str:
        return ",".join(f"{number}=127.0.0.1:{port}" for number, port in self.peer_ports.items())

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self) -> Node:
        for node in self.nodes.values():
            node.start()
        return self.leader()

    def close(self, keep: bool = False):
        for node in self.nodes.values():
            node.close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def brokers(self) -> str:
        return ",".join(node.native for node in self.nodes.values())

    def eventually(self, wait_seconds: float, condition, what: str):
        try:
            return eventually(wait_seconds, condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; entries {dict(self.entries())}\n{self.log_tails()}") from None

    def voters(self) -> dict[int, set[int]]:
        """By group, as the node that leads says."""
        status = self.leader().status() or {"groups": []}
        return {group["group"]: {member["node"] for member in group["members"] if member["role"] == "voter"} for group in status["groups"]}

    def wait_for_voters(self, *numbers: int, wait_seconds: float = 60):
        self.eventually(wait_seconds, lambda: set(map(frozenset, self.voters().values())) == {frozenset(numbers)},
                        f"the nodes {numbers} vote in every group")

    def join(self, node: Node):
        """Asks for it; the node is there some time later."""
        answer = self.ask_to_join(node)
        if answer[0] != 202:
            raise AssertionError(f"node {node.number} may not join: {answer}\n{self.log_tails()}")

    def ask_to_join(self, node: Node) -> tuple[int, dict]:
        return self.ask_leader("POST", "/v1/cluster/nodes", {"node": node.number, "address": f"127.0.0.1:{self.peer_ports[node.number]}"})

    def remove(self, node: Node) -> tuple[int, dict]:
        return self.ask_leader("DELETE", f"/v1/cluster/nodes/{node.number}")

    def ask_leader(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        """What the node that leads answers, or the next one where it loses the lead over it."""
        def ask():
            try:
                answer = send(self.leader().http, method, path, body)
            except OSError:
                return None
            return answer if answer[0] != 503 else None
        return self.eventually(30, ask, f"{method} {path} is answered")

    def find_leader(self) -> Node | None:
        for node in self.nodes.values():
            if node.is_up() and (status := node.status()) and status["role"] == "leads":
                return node
        return None

    def leader(self, wait_seconds: float = 30) -> Node:
        return self.eventually(wait_seconds, self.find_leader, "a node leads")

    def leader_other_than(self, node: Node, wait_seconds: float = 30) -> Node:
        def look():
            found = self.find_leader()
            return found if found is not node else None
        return self.eventually(wait_seconds, look, f"another node than {node.number} leads")

    def followers(self) -> list[Node]:
        leader = self.leader()
        return [node for node in self.nodes.values() if node is not leader]

    def entries(self) -> dict[int, dict[int, tuple[int, int]]]:
        """By group, then by node that answers: the last entry that it has, and the last that it applied."""
        found = collections.defaultdict(dict)
        for number, node in self.nodes.items():
            for group in ((node.is_up() and node.status()) or {"groups": []})["groups"]:
                found[group["group"]][number] = (group["last"], group["applied"])
        return found

    def is_settled(self) -> bool:
        """All nodes have, and have applied, the same entries of every group."""
        groups = self.entries()
        return len(groups) == self.shards + 1 and all(
            len(nodes) == len(self.nodes) and len({number for pair in nodes.values() for number in pair}) == 1 for nodes in groups.values())

    def settle(self, wait_seconds: float = 60):
        self.eventually(wait_seconds, self.is_settled, "all nodes have the same entries")

    def bring_lead_to(self, node: Node):
        """The third one misses an entry, and so can't lead when the one that leads is gone. Of more than three nodes others could:
        there the lead is handed over."""
        if len(self.nodes) > 3:
            self.settle()
            self.millrace("cluster", "transfer", "--to", str(node.number))
            return
        while (leader := self.leader()) is not node:
            self.settle()
            third = next(other for other in self.nodes.values() if other not in (node, leader))
            third.stop()
            self.leads_brought += 1
            self.create_topic(f"lead.brought.{self.leads_brought}")
            leader.stop()
            third.start()
            self.leader()
            leader.start()

    def log_tails(self) -> str:
        return "\n".join(f"-- node {number}, {node.state()}\n{node.log_tail(12)}" for number, node in self.nodes.items())

    def millrace(self, *arguments: str, text: str | None = None, check: bool = True, timeout: float = 120):
        """Runs the command-line tool against all brokers."""
        done = subprocess.run([binary("millrace"), "--brokers", self.brokers, *arguments], input=text, text=True, capture_output=True,
                              timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"millrace {' '.join(arguments)} ended with {done.returncode}: {done.stderr}\n{self.log_tails()}")
        return done

    def create_topic(self, topic: str, *arguments: str):
        """Goes on where the lead moves meanwhile, as a script's command should."""
        self.millrace("topic", "create", "--if-not-exists", topic, *arguments)

    def ask(self, *arguments: str):
        return json.loads(self.millrace("--output", "json", *arguments).stdout)
