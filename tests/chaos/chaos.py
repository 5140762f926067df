"""A cluster of real processes under load while things go wrong; at the end the whole history is checked.

Exit code 1 where a promise was broken: what was acknowledged is there once and in order, and stays; every replica has the same."""
import argparse
import random
import sys
import time

from cluster import ChaosCluster, Watcher, wait_until_well
from faults import KINDS, Faults
from history import History
from load import Load, make_topic, read_log

RECOVERY_SECONDS = 120
DELIVERY_SECONDS = 90
# Small, so that segments are sealed, rewritten and copied within a minute.
ARGUMENTS = ("--segment-bytes", "4MiB", "--disk-reserve-bytes", "64MiB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1, help="how long things go wrong; checks follow (default: 1)")
    parser.add_argument("--nodes", type=int, default=3, help="3 or 5 (default: 3)")
    parser.add_argument("--shards", type=int, default=2, help="of each node (default: 2)")
    parser.add_argument("--seed", type=int, help="what goes wrong and when; printed, and one of chance without it")
    parser.add_argument("--only", nargs="+", choices=[kind.name for kind in KINDS], metavar="FAULT",
                        help=f"of {', '.join(kind.name for kind in KINDS)} (default: all)")
    parser.add_argument("--keep", action="store_true", help="leave data and logs where they are; so they stay after a violation, too")
    return parser.parse_args()


class Run:
    def __init__(self, options: argparse.Namespace, seed: int):
        self.seconds = options.minutes * 60
        self.history = History()
        self.cluster = ChaosCluster(options.nodes, options.shards, ARGUMENTS)
        self.watcher = Watcher(self.cluster, self.history)
        self.faults = Faults(self.cluster, self.watcher, self.history, seed, options.only)
        self.load = Load(self.cluster, self.history, seed)
        self.is_well = False
        self.longest = 0
        self.log = []

    def run(self):
        self.cluster.start()
        make_topic(self.cluster)
        self.watcher.start()
        self.load.start()
        try:
            self.faults.run(self.seconds)
        finally:
            self.recover()
        if self.is_well:
            self.check()

    def recover(self):
        try:
            self.cluster.heal()
            self.is_well = wait_until_well(self.cluster, self.history, RECOVERY_SECONDS, is_settled=True)
        finally:
            self.longest = self.history.longest_without_ack(time.monotonic())
            self.load.stop_writers()
            self.load.stop_followers(DELIVERY_SECONDS if self.is_well else 0)
            self.watcher.stop()

    def check(self):
        self.log = read_log(self.cluster)
        self.history.check_log(self.log)
        for follower in self.load.followers:
            self.history.check_deliveries(follower.name, follower.events)
        self.check_replicas()

    def check_replicas(self):
        """Each node leads once, and says the same."""
        for node in self.cluster.nodes.values():
            self.cluster.bring_lead_to(node)
            if read_log(self.cluster) != self.log:
                self.history.add_violation(f"node {node.number} reads something else as leader")
        self.cluster.settle()

    def report(self):
        history = self.history
        rows = [("records sent", len(history.sent)), ("acknowledged", len(history.acked)), ("given up by their publisher", self.load.given_up),
                ("in the log", len(self.log)), ("rounds of the reader", self.load.reader.rounds)]
        rows += [(f"delivered to the {follower.name}, with repeats", len(follower.events)) for follower in self.load.followers]
        rows += [(f"fault: {name}", count) for name, count in sorted(self.faults.counts.items())]
        rows += [("faults", self.faults.counts.total()), ("terms with a leader", self.watcher.elections())]
        print()
        for name, value in rows:
            print(f"  {name:42} {value:>8}")
        print(f"  {'longest time without an ack':42} {self.longest:>6.1f} s")


def main() -> int:
    options = parse()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    run = Run(options, seed)
    try:
        run.run()
    except AssertionError as error:
        run.history.add_violation(str(error))
    finally:
        violations = run.history.violations
        run.cluster.close(keep=options.keep or bool(violations))
    run.report()
    for text in violations[:20]:
        print(f"VIOLATION {text}")
    print(f"{len(violations)} violations; seed {seed}" + (f"; data and logs in {run.cluster.directory}" if violations or options.keep else ""))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
