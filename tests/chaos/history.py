"""What was sent, acknowledged and read, and whether that keeps the promises."""
import collections
import dataclasses
import threading
import time


@dataclasses.dataclass(frozen=True)
class Event:
    """One record: `number` counts up for its writer, and so within each key, which belongs to one writer."""
    writer: str
    number: int
    key: str


@dataclasses.dataclass(frozen=True)
class Read:
    """A record as a reader found it."""
    partition: int
    offset: int
    event: Event


SHOWN_MAX = 5


def first_of(what) -> str:
    shown = sorted(map(str, what))
    return ", ".join(shown[:SHOWN_MAX]) + (f" and {len(shown) - SHOWN_MAX} more" if len(shown) > SHOWN_MAX else "")


class History:
    """Threads:  any."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = set()
        self.acked = set()
        self.places = {}
        self.read = set()
        self.violations = []
        self.acks_at = [time.monotonic()]

    def note_sent(self, events):
        with self.lock:
            self.sent.update(events)

    def note_acked(self, events):
        with self.lock:
            self.acked.update(events)
            self.acks_at.append(time.monotonic())

    def acked_by_now(self) -> set[Event]:
        with self.lock:
            return set(self.acked)

    def note_read(self, reads):
        """What was read once stays where it is: nothing that a reader has seen goes or changes."""
        with self.lock:
            for read in reads:
                place = (read.partition, read.offset)
                if (before := self.places.setdefault(place, read.event)) != read.event:
                    self.add_violation(f"changed: partition {read.partition} offset {read.offset} was {before}, and is {read.event}")
                self.read.add(read.event)

    def check_seen(self, wanted: set[Event]):
        """Everything that was acked before a read began was seen by it, or by one before."""
        with self.lock:
            if missing := wanted - self.read:
                self.add_violation(f"unseen: {len(missing)} records were acked before a read that lacks them: {first_of(missing)}")

    def add_violation(self, text: str):
        self.violations.append(text)

    def longest_without_ack(self, until: float) -> float:
        times = [*(moment for moment in self.acks_at if moment < until), until]
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=0)

    def check_log(self, log: list[Read]):
        """The whole log as the last reader found it, in the order of each partition."""
        counts = collections.Counter(read.event for read in log)
        self.add_where("lost", self.acked - set(counts))
        self.add_where("doubled", {event for event, count in counts.items() if count > 1})
        self.add_where("invented", set(counts) - self.sent)
        self.note_read(log)
        self.add_where("gone, though it was read before", set(self.places) - {(read.partition, read.offset) for read in log})
        self.check_order("the log", [read.event for read in log])

    def check_deliveries(self, name: str, events: list[Event]):
        """What a consumer got: everything that was acked at least once, and new things in order."""
        self.add_where(f"not delivered to {name}", self.acked - set(events))
        self.add_where(f"delivered to {name}, but not in the log", set(events) - self.read)
        self.check_order(name, list(dict.fromkeys(events)))

    def check_order(self, where: str, events: list[Event]):
        """Of what was acked. A record whose publisher gave it up may still come in, at any time."""
        highest = {}
        for event in events:
            if event not in self.acked:
                continue
            before = highest.get(event.key, -1)
            if event.number < before:
                self.add_violation(f"order of {event.key} in {where}: {event.number} behind {before}")
            highest[event.key] = max(before, event.number)

    def add_where(self, what: str, found: set):
        if found:
            self.add_violation(f"{what}: {len(found)}: {first_of(found)}")
