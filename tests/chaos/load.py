"""Publishers and consumers, as processes of the command-line tool, and what each may say of the history."""
import json
import random
import subprocess
import threading
import time

from cluster import ChaosCluster
from harness import binary
from history import Event, History, Read

TOPIC = "chaos.test.events"
GROUP = "chaos-group"
QUEUE = "chaos-queue"
PARTITIONS = 8
KEYS_PER_WRITER = 5
BATCH_MAX = 40
PUBLISH_TIMEOUT = "90s"


def line_of(event: Event) -> str:
    return json.dumps({"key": event.key, "value": {"writer": event.writer, "number": event.number}}) + "\n"


def event_of(line: str) -> Event:
    record = json.loads(line)
    return Event(record["value"]["writer"], record["value"]["number"], record["key"])


def read_of(line: str) -> Read:
    record = json.loads(line)
    return Read(record["partition"], record["offset"], event_of(line))


class Worker:
    """Something that goes on in a thread until it is told to end."""

    def __init__(self, name: str, cluster: ChaosCluster, history: History, seed: int):
        self.name = name
        self.cluster = cluster
        self.history = history
        self.random = random.Random(f"{seed} {name}")
        self.is_ending = threading.Event()
        self.thread = threading.Thread(target=self.run, name=name)

    def start(self) -> "Worker":
        self.thread.start()
        return self

    def stop(self):
        self.is_ending.set()
        self.thread.join()

    def run(self):
        raise NotImplementedError

    def command(self, *arguments: str) -> list[str]:
        """The brokers in an order of chance: the first that is asked may be one that does not lead any more."""
        brokers = [node.native for node in self.cluster.nodes.values()]
        self.random.shuffle(brokers)
        return [binary("millrace"), "--brokers", ",".join(brokers), *arguments]


class Writer(Worker):
    def __init__(self, *given):
        super().__init__(*given)
        self.next_number = 0
        self.given_up = 0

    def next_events(self, count: int) -> list[Event]:
        numbers = range(self.next_number, self.next_number + count)
        self.next_number += count
        events = [Event(self.name, number, f"{self.name}-{number % KEYS_PER_WRITER}") for number in numbers]
        self.history.note_sent(events)
        return events


class BatchWriter(Writer):
    """One process after another, each with a few records: what it says at its end counts for all of them."""

    def run(self):
        while not self.is_ending.is_set():
            events = self.next_events(self.random.randint(1, BATCH_MAX))
            done = subprocess.run(self.command("--quiet", "--timeout", PUBLISH_TIMEOUT, "publish", TOPIC, "--jsonl"), text=True,
                                  input="".join(map(line_of, events)), capture_output=True, check=False)
            if done.returncode == 0:
                self.history.note_acked(events)
            else:
                self.given_up += len(events)
            self.is_ending.wait(self.random.uniform(0, 0.1))


class StreamWriter(Writer):
    """One process and one producer from the beginning to the end, over all elections: acknowledged when it has ended well."""

    rate = 200

    def run(self):
        with subprocess.Popen(self.command("--timeout", PUBLISH_TIMEOUT, "--output", "json", "publish", TOPIC, "--jsonl"), text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            events = []
            try:
                while not self.is_ending.wait(10 / self.rate):
                    events += self.next_events(10)
                    process.stdin.write("".join(map(line_of, events[-10:])))
                    process.stdin.flush()
            except BrokenPipeError:
                pass
            out, err = process.communicate()
        if process.returncode == 0 and json.loads(out)["published"] == len(events):
            self.history.note_acked(events)
        else:
            self.given_up = len(events)
            self.history.add_violation(f"{self.name} ended with {process.returncode}: {out} {err}")


class LogReader(Worker):
    """Reads on from where it stopped, partition by partition, and looks for what was acknowledged before it began."""

    def __init__(self, *given):
        super().__init__(*given)
        self.next_offsets = [0] * PARTITIONS
        self.rounds = 0

    def run(self):
        while not self.is_ending.wait(self.random.uniform(0, 0.5)):
            wanted = self.history.acked_by_now()
            if all([self.read(partition) for partition in range(PARTITIONS)]):
                self.history.check_seen(wanted)
                self.rounds += 1

    def read(self, partition: int) -> bool:
        """False where no broker answered to the end; what was printed counts all the same."""
        done = subprocess.run(self.command("--quiet", "consume", TOPIC, "--partition", str(partition), "--from", str(self.next_offsets[partition]),
                                           "--format", "json"), text=True, capture_output=True, check=False)
        reads = [read_of(line) for line in done.stdout.splitlines()]
        self.history.note_read(reads)
        if reads:
            self.next_offsets[partition] = reads[-1].offset + 1
        return done.returncode == 0


class Follower(Worker):
    """A consumer that keeps what it got, started again whenever it ends."""

    def __init__(self, name: str, cluster: ChaosCluster, history: History, seed: int, arguments: list[str]):
        super().__init__(name, cluster, history, seed)
        self.arguments = arguments
        self.events = []
        self.starts = 0
        self.process = None

    def run(self):
        while not self.is_ending.is_set():
            self.starts += 1
            self.process = subprocess.Popen(self.command("--quiet", *self.arguments), text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            with self.process:
                for line in self.process.stdout:
                    self.events.append(event_of(line))
            self.is_ending.wait(0.2)

    def stop(self):
        self.is_ending.set()
        while self.thread.is_alive():
            if self.process is not None:
                self.process.terminate()
            self.thread.join(0.5)

    def has_all(self, wanted: set[Event]) -> bool:
        return wanted <= set(self.events)


def make_topic(cluster: ChaosCluster):
    cluster.create_topic(TOPIC, "--partitions", str(PARTITIONS))
    cluster.millrace("subscription", "create", QUEUE, "--topic", TOPIC)


def read_log(cluster: ChaosCluster) -> list[Read]:
    lines = cluster.millrace("consume", TOPIC, "--format", "json", timeout=600).stdout.splitlines()
    return sorted(map(read_of, lines), key=lambda read: (read.partition, read.offset))


class Load:
    """All of it."""

    def __init__(self, cluster: ChaosCluster, history: History, seed: int):
        given = (cluster, history, seed)
        self.writers = [BatchWriter(f"batch-{number}", *given) for number in range(3)] + [StreamWriter(f"stream-{number}", *given) for number in range(2)]
        self.reader = LogReader("reader", *given)
        self.followers = [Follower("group", *given, ["consume", TOPIC, "--group", GROUP, "--follow", "--format", "json"]),
                          Follower("queue", *given, ["subscription", "consume", QUEUE, "--follow", "--format", "json"])]
        self.history = history

    def start(self):
        for worker in (*self.writers, self.reader, *self.followers):
            worker.start()

    def stop_writers(self):
        for writer in self.writers:
            writer.is_ending.set()
        for writer in self.writers:
            writer.stop()
        self.reader.stop()

    def stop_followers(self, wait_seconds: float):
        """Once they have everything, or the time is over."""
        wanted = self.history.acked_by_now()
        end = time.monotonic() + wait_seconds
        while time.monotonic() < end and not all(follower.has_all(wanted) for follower in self.followers):
            time.sleep(0.2)
        for follower in self.followers:
            follower.stop()

    @property
    def given_up(self) -> int:
        return sum(writer.given_up for writer in self.writers)
