"""Three replicas beside one in the same run, what an ack of the leader alone spares, an idle cluster, how long clients wait when the leader is killed, and
a node that is empty or behind and catches up."""
import argparse
import concurrent.futures
import os
import pathlib
import sys
import time

from measuring import ROOT, bench, processor_times, server_cpu_seconds, stolen_share, write_result

sys.path.insert(0, str(ROOT / "tests" / "integration" / "cluster"))
from harness import Broker  # noqa: E402
from nodes import Cluster, Node  # noqa: E402

TOPIC = "bench.load.event.made"
WORKS = ("throughput", "durability", "idle", "failover", "copy", "behind")


def resident_mib(node: Node) -> float:
    pages = int(pathlib.Path(f"/proc/{node.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


def publish(brokers: str, options) -> dict:
    figures = bench("--brokers", brokers, "publish", "--topic", TOPIC, "--seconds", str(options.seconds), "--bytes", "256")[0]
    return {"events_per_second": figures["events_per_second"], "p99_us": figures["latency"]["p99_us"], "failed": figures["failed"]}


def cpu_seconds(cluster: Cluster) -> dict[int, float]:
    return {number: server_cpu_seconds(node.process.pid) for number, node in cluster.nodes.items()}


def throughput(options) -> dict:
    with Broker(arguments=["--shards", "1"]) as alone:
        one = publish(alone.native, options)
    with Cluster() as cluster:
        before = cpu_seconds(cluster)
        three = publish(cluster.brokers, options)
        used = {number: seconds - before[number] for number, seconds in cpu_seconds(cluster).items()}
        at_leader = used.pop(cluster.leader().number)
        cost = {"leader": at_leader, "follower": sum(used.values()) / len(used)}
    return {"one_replica": one, "three_replicas": three, "ratio": three["events_per_second"] / one["events_per_second"],
            "cpu_seconds": cost}


def durability(options) -> dict:
    """Acks for which a majority has the event on disk, beside acks for which the leader has."""
    result = {}
    with Cluster() as cluster:
        for level in ("majority", "leader"):
            topic = f"bench.{level}.event.made"
            cluster.create_topic(topic, "--partitions", "10", "--durability", level)
            load = ("--brokers", cluster.brokers, "publish", "--topic", topic, "--seconds", str(options.seconds), "--bytes", "256")
            one = bench(*load, "--producers", "1", "--outstanding", "1")[0]
            result[level] = {"one_outstanding": {share: one["latency"][share] for share in ("p50_us", "p99_us")},
                             "events_per_second": bench(*load)[0]["events_per_second"]}
    return result


def idle_cluster(options, shards: int) -> dict:
    # Small segments: it is not the disk that is looked at.
    with Cluster(shards=shards, arguments=("--segment-bytes", "16MiB")) as cluster:
        time.sleep(options.idle_seconds / 2)
        before = cpu_seconds(cluster)
        time.sleep(options.idle_seconds)
        used = [(seconds - before[number]) / options.idle_seconds for number, seconds in cpu_seconds(cluster).items()]
        return {"groups": len(cluster.leader().status()["groups"]), "core_share_of_a_node": max(used),
                "resident_mib_of_a_node": max(map(resident_mib, cluster.nodes.values()))}


def idle(options) -> dict:
    return {"small": idle_cluster(options, 1), "of_many_groups": idle_cluster(options, 63)}


def one_kill(cluster: Cluster) -> float:
    """Milliseconds from the moment an event was to be published to its ack, of the one that waited longest."""
    leader = cluster.leader()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(bench, "--brokers", cluster.brokers, "paced", "--topic", TOPIC, "--rate", "500", "--bytes", "256", "--seconds", "5")
        time.sleep(2.5)
        leader.kill()
        figures = load.result()[0]
    leader.start()
    cluster.leader()
    return figures["latency"]["max_us"] / 1000


def failover(options) -> dict:
    with Cluster() as cluster:
        waits = []
        for number in range(options.kills):
            waits.append(one_kill(cluster))
            print(f"  kill {number + 1} of {options.kills}: {waits[-1]:,.0f} ms", file=sys.stderr)
    waits.sort()
    return {"kills": len(waits), "p50_ms": waits[len(waits) // 2], "max_ms": waits[-1]}


def paced(cluster: Cluster, seconds: int) -> dict:
    figures = bench("--brokers", cluster.brokers, "paced", "--topic", TOPIC, "--rate", "5000", "--bytes", "256", "--seconds", str(seconds))[0]
    return {"p50_us": figures["latency"]["p50_us"], "p99_us": figures["latency"]["p99_us"]}


def leader_and_follower(cluster: Cluster) -> tuple[Node, Node]:
    leader = cluster.leader()
    return leader, next(node for node in cluster.nodes.values() if node is not leader)


def publish_bytes(cluster: Cluster, mib: int):
    bench("--brokers", cluster.brokers, "publish", "--topic", TOPIC, "--events", str((mib << 20) // 1024), "--bytes", "1024")


def catch_up(options, cluster: Cluster, leader: Node, follower: Node, missed_mib: int) -> dict:
    """The follower, which is down, gets what it lacks while events go on."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(paced, cluster, options.copy_load_seconds)
        begin = time.monotonic()
        follower.start()
        cluster.eventually(600, lambda: has_all(cluster, leader, follower), "the node has everything")
        seconds = time.monotonic() - begin
        return {"mib": missed_mib, "seconds": seconds, "mib_per_second": missed_mib / seconds, "beside": load.result()}


def copy(options) -> dict:
    """A node that has nothing."""
    with Cluster() as cluster:
        leader, follower = leader_and_follower(cluster)
        publish_bytes(cluster, options.mib)
        alone = paced(cluster, 5)
        follower.stop()
        follower.wipe()
        return {**catch_up(options, cluster, leader, follower, options.mib), "alone": alone}


def behind(options) -> dict:
    """A node that has most, and lacks more than its leader has in memory."""
    with Cluster() as cluster:
        leader, follower = leader_and_follower(cluster)
        publish_bytes(cluster, options.mib)
        follower.stop()
        publish_bytes(cluster, options.missed_mib)
        alone = paced(cluster, 5)
        return {"stored_mib": options.mib, **catch_up(options, cluster, leader, follower, options.missed_mib), "alone": alone}


def has_all(cluster: Cluster, leader: Node, follower: Node) -> bool:
    status = leader.status()
    if not status or status["role"] != "leads":
        raise RuntimeError("the leader changed during the copy")
    # What it says itself: the leader goes on believing what it had before.
    there = follower.status()
    return there is not None and there["groups"][-1]["last"] + 1000 > status["groups"][-1]["last"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each publish load")
    parser.add_argument("--idle-seconds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mib", type=int, default=5120, help="that are stored, and that an empty node lacks")
    parser.add_argument("--missed-mib", type=int, default=1024, help="that a node lacks which was away")
    parser.add_argument("--copy-load-seconds", type=int, default=30, help="of the load while it catches up")
    parser.add_argument("--only", action="append", choices=WORKS, help="just this work; may come again")
    parser.add_argument("--results", metavar="FOLDER", help="where the result is written; bench/results without")
    options = parser.parse_args()
    times = processor_times()
    result = {}
    for work in options.only or WORKS:
        result[work] = globals()[work](options)
        print(f"{work}: " + ", ".join(f"{key} {value:,.1f}" if isinstance(value, float) else f"{key} {value}" for key, value in result[work].items()))
    result["stolen_share"] = stolen_share(times, processor_times())
    write_result("cluster", result, options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
