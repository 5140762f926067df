"""What scripts/cluster runs: processes that outlive it, found again by what stands in the cluster's directory."""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
DIRECTORY = ROOT / "build" / "cluster-data"
sys.path[:0] = [str(ROOT / "tests" / "integration" / part) for part in ("", "cluster")]
from harness import binary, is_free  # noqa: E402
from nodes import cluster_status  # noqa: E402

# Node 1 takes 7117, 7118 and 7131 onwards, node 2 the same a hundred above; where one of them is taken, all lie a thousand higher.
FIRST_PORTS = range(7100, 60_000, 1000)
PORTS_PER_NODE = 100
NATIVE, HTTP, PEERS = 17, 18, 31
NODES_MAX = 7
SHARDS_MAX = 64
LEADER_SECONDS = 60
STOP_SECONDS = 60


class Failure(Exception):
    """What the person who called sees."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        print(f"cluster: {message}; see scripts/cluster --help", file=sys.stderr)
        sys.exit(2)


def shown(path) -> str:
    """As short as it can be typed in the checkout."""
    path = pathlib.Path(path)
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


class Node:
    def __init__(self, cluster: "LocalCluster", number: int):
        self.cluster = cluster
        self.number = number
        self.directory = cluster.directory / f"node-{number}"
        self.first_port = cluster.first_port + PORTS_PER_NODE * (number - 1)
        self.log = self.directory / "millraced.log"
        self.pid_file = self.directory / "pid"

    @property
    def native(self) -> str:
        return f"127.0.0.1:{self.first_port + NATIVE}"

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.first_port + HTTP}"

    @property
    def peers(self) -> str:
        return f"127.0.0.1:{self.first_port + PEERS}"

    def pid(self) -> int | None:
        """Of the process that runs on this node's data, if any: a number in a file alone may be another's by now."""
        try:
            pid = int(self.pid_file.read_text())
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return pid if str(self.directory / "data").encode() in words else None
        except (OSError, ValueError):
            return None

    def require_pid(self) -> int:
        pid = self.pid()
        if pid is None:
            raise Failure(f"node {self.number} does not run; scripts/cluster start {self.number} starts it")
        return pid

    def is_paused(self) -> bool:
        pid = self.pid()
        return pid is not None and pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [binary("millraced"), "--data-dir", str(self.directory / "data"), "--node-id", str(self.number), "--cluster-nodes",
                   ",".join(f"{node.number}={node.peers}" for node in self.cluster.nodes), "--shards", str(self.cluster.shards),
                   "--port", self.native.rpartition(":")[2], "--http-port", self.http.rpartition(":")[2]]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid_file.write_text(f"{process.pid}\n")

    def status(self) -> dict | None:
        return cluster_status(self.http) if self.pid() is not None and not self.is_paused() else None

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:]) if self.log.exists() else ""


class LocalCluster:
    """What stands in its directory."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.file = directory / "cluster.json"
        if not self.file.exists():
            raise Failure(f"there is no cluster in {directory}; scripts/cluster up makes one")
        kept = json.loads(self.file.read_text())
        self.shards = kept["shards"]
        self.first_port = kept["first_port"]
        os.environ.setdefault("MILLRACE_BUILD_DIR", kept["build"])
        self.nodes = [Node(self, number) for number in range(1, kept["nodes"] + 1)]

    @property
    def brokers(self) -> str:
        return ",".join(node.native for node in self.nodes)

    def node(self, number: int) -> Node:
        if not 1 <= number <= len(self.nodes):
            raise Failure(f"there is no node {number}; they are 1 to {len(self.nodes)}")
        return self.nodes[number - 1]

    def leader(self) -> Node | None:
        return next((node for node in self.nodes if (node.status() or {}).get("role") == "leads"), None)


def find_ports(nodes: int) -> int:
    for first in FIRST_PORTS:
        if all(is_free(first + port) for port in range(nodes * PORTS_PER_NODE)):
            return first
    raise Failure(f"there are not {nodes * PORTS_PER_NODE} free ports in a row")


def make(options: argparse.Namespace):
    nodes, shards = options.nodes or 3, options.shards or 1
    options.directory.mkdir(parents=True, exist_ok=True)
    (options.directory / "cluster.json").write_text(json.dumps(
        {"nodes": nodes, "shards": shards, "first_port": find_ports(nodes), "build": os.environ["MILLRACE_BUILD_DIR"]}, indent=2) + "\n")


def up(options: argparse.Namespace):
    if not (options.directory / "cluster.json").exists():
        make(options)
    cluster = LocalCluster(options.directory)
    if (options.nodes or len(cluster.nodes), options.shards or cluster.shards) != (len(cluster.nodes), cluster.shards):
        raise Failure(f"the cluster in {cluster.directory} has {len(cluster.nodes)} nodes with {cluster.shards} shard(s) each, for good: "
                      f"take another with --directory, or end it with scripts/cluster down and remove that directory")
    for node in cluster.nodes:
        if node.is_paused():
            os.kill(node.require_pid(), signal.SIGCONT)
        elif node.pid() is None:
            node.start()
    print_first_steps(cluster, wait_for_leader(cluster))


def wait_for_leader(cluster: LocalCluster) -> Node:
    end = time.monotonic() + LEADER_SECONDS
    while time.monotonic() < end:
        if leader := cluster.leader():
            return leader
        for node in cluster.nodes:
            if node.pid() is None:
                raise Failure(f"node {node.number} has ended; the end of {node.log}:\n{node.log_tail()}")
        time.sleep(0.1)
    raise Failure(f"no node leads after {LEADER_SECONDS} s; look into {cluster.directory}/node-*/millraced.log")


def print_first_steps(cluster: LocalCluster, leader: Node):
    again = "scripts/cluster" + ("" if cluster.directory == DIRECTORY else f" --directory {shown(cluster.directory)}")
    millrace = f"{shown(binary('millrace'))} --brokers {cluster.brokers}"
    print(f"{len(cluster.nodes)} nodes run, node {leader.number} leads; data and logs in {shown(cluster.directory)}\n\n"
          f"First steps:\n  {millrace} topic create plant1.mes.workorder.finished --partitions 4\n"
          f"  seq 1000 | {millrace} publish plant1.mes.workorder.finished\n"
          f"  {again} status\n  {again} kill {leader.number}; {millrace} consume plant1.mes.workorder.finished | wc -l")


def down(options: argparse.Namespace):
    cluster = LocalCluster(options.directory)
    pids = {node: pid for node in cluster.nodes if (pid := node.pid()) is not None}
    for pid in pids.values():
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end and any(node.pid() is not None for node in pids):
        time.sleep(0.05)
    if left := [node for node in pids if node.pid() is not None]:
        raise Failure(f"node {left[0].number} has not stopped within {STOP_SECONDS} s, its process is {left[0].pid()}; see {left[0].log}")
    print(f"{len(pids)} nodes stopped; their data is in {shown(cluster.directory)}")


def print_table(rows: list[tuple], indent: str):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(indent + "  ".join(str(cell).rjust(width) for cell, width in zip(row, widths)))


def print_node(node: Node):
    pid = node.pid()
    if pid is None:
        print(f"node {node.number}  does not run")
    elif node.is_paused():
        print(f"node {node.number}  is paused, process {pid}")
    elif (status := node.status()) is None:
        print(f"node {node.number}  starts, copies, or begins anew, process {pid}; see {shown(node.log)}")
    else:
        links = ", ".join(str(other["node"]) for other in status["nodes"] if other["linked"]) or "nobody"
        print(f"node {node.number}  {status['role']:8} linked to {links}; clients {node.native}, http {node.http}, process {pid}")
        rows = [("GROUP", "SHARD", "TERM", "LEADER", "LAST", "APPLIED", "LACK SOMETHING")]
        rows += [(group["group"], group["shard"], group["term"], group["leader"] or "-", group["last"], group["applied"], lacking(group))
                 for group in status["groups"]]
        print_table(rows, "        ")


def lacking(group: dict) -> str:
    """At the leader, which replicas are not as far as itself."""
    if not group["leads"]:
        return ""
    names = [f"node {replica['node']}: " + ("far behind" if replica["behind"] else str(group["last"] - replica["match"]))
             for replica in group["replicas"] if replica["match"] < group["last"]]
    return ", ".join(names) or "none"


def print_status(options: argparse.Namespace):
    cluster = LocalCluster(options.directory)
    for node in cluster.nodes:
        print_node(node)
    print(f"\n--brokers {cluster.brokers}")


def start(options: argparse.Namespace):
    node = LocalCluster(options.directory).node(options.node)
    if node.pid() is not None:
        raise Failure(f"node {node.number} runs already, as process {node.pid()}")
    node.start()
    print(f"node {node.number} is started, process {node.pid()}")


def send(number: signal.Signals, said: str):
    def run(options: argparse.Namespace):
        node = LocalCluster(options.directory).node(options.node)
        os.kill(node.require_pid(), number)
        print(f"node {node.number} {said}")
    return run


COMMANDS = {"up": up, "down": down, "status": print_status, "start": start, "kill": send(signal.SIGKILL, "is killed"),
            "pause": send(signal.SIGSTOP, "is paused"), "resume": send(signal.SIGCONT, "goes on")}


def number_up_to(limit: int):
    def parse(text: str) -> int:
        if not text.isdigit() or not 1 <= int(text) <= limit:
            raise argparse.ArgumentTypeError(f"\"{text}\" is not a number from 1 to {limit}")
        return int(text)
    return parse


def parse() -> argparse.Namespace:
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--directory", type=lambda text: pathlib.Path(text).resolve())
    parser = Parser(add_help=False, parents=[common])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = commands.add_parser(name, add_help=False, parents=[common])
        if name == "up":
            command.add_argument("--nodes", type=number_up_to(NODES_MAX))
            command.add_argument("--shards", type=number_up_to(SHARDS_MAX))
        elif name not in ("down", "status"):
            command.add_argument("node", type=number_up_to(NODES_MAX), metavar="N")
    return parser.parse_args(namespace=argparse.Namespace(directory=DIRECTORY))


if __name__ == "__main__":
    given = parse()
    if given.command == "status":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads, head say, may have seen enough
    try:
        COMMANDS[given.command](given)
    except (Failure, FileNotFoundError) as failure:
        sys.exit(f"cluster: {failure}")
