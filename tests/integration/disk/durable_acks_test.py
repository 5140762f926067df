"""Acks of the real daemon counted against its durable writes: by its metrics, by what the kernel wrote for it, and by the flushes of the disk.

One event outstanding: each ack needs a durable write, and a flush, of its own. With N outstanding a write can stand for N acks at most."""
import json
import mmap
import os
import pathlib
import subprocess
import unittest
import urllib.request

from harness import Broker, binary

SECTOR = 4096


def flushes_of(path: pathlib.Path) -> int | None:
    """Flush requests that the disk under `path` has completed; None where the kernel does not say."""
    device = path.stat().st_dev
    try:
        return int(pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()[15])
    except (OSError, IndexError):
        return None


def disk_counts_flushes(folder: pathlib.Path) -> bool:
    """Whether durable writes of our own are seen there: not in memory, and not on a disk that makes each write durable by itself."""
    file = folder / "flushes"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    except OSError:
        return False
    try:
        block = mmap.mmap(-1, SECTOR)
        os.pwritev(descriptor, [block], 0)
        os.fsync(descriptor)
        before = flushes_of(folder)
        for _ in range(20):
            os.pwritev(descriptor, [block], 0, os.RWF_DSYNC)
        return before is not None and flushes_of(folder) - before >= 20
    except OSError:
        return False
    finally:
        os.close(descriptor)
        file.unlink()


class Counts:
    """What has been made durable for a broker so far, as it says itself and as the kernel does."""

    def __init__(self, broker: Broker):
        with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        self.commits = sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("millrace_storage_commits_total{"))
        io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{broker.process.pid}/io").read_text().splitlines())
        self.bytes = int(io["write_bytes"])
        self.flushes = flushes_of(broker.directory)


class DurableAcks(unittest.TestCase):
    def setUp(self):
        self.broker = Broker().start()
        self.addCleanup(self.broker.close)
        self.has_disk = disk_counts_flushes(self.broker.directory)

    def check(self, before: Counts, acks: int, outstanding: int):
        after = Counts(self.broker)
        # Rounded up: the last write may stand for fewer.
        needed = -(-acks // outstanding)
        self.assertGreaterEqual(after.commits - before.commits, needed, "commits, by the metrics")
        if self.has_disk:
            self.assertGreaterEqual(after.bytes - before.bytes, needed * SECTOR, "bytes that the kernel wrote for the process")
            self.assertGreaterEqual(after.flushes - before.flushes, needed, "flushes of the disk")
        print(f"{acks} acks, {outstanding} outstanding: {after.commits - before.commits:.0f} commits, "
              f"{(after.flushes or 0) - (before.flushes or 0)} flushes of the disk{'' if self.has_disk else ', which do not count here'}")

    def publish(self, events: int, outstanding: int, *how: str):
        before = Counts(self.broker)
        done = subprocess.run([binary("millrace-bench"), "--brokers", self.broker.native, "publish", "--producers", "1", "--outstanding", str(outstanding),
                               "--events", str(events), *how], capture_output=True, text=True, check=True, timeout=300)
        figures = json.loads(done.stdout)
        self.assertEqual((figures["events"], figures["failed"]), (events, 0))
        self.check(before, events, outstanding)

    def test_one_outstanding_event_has_a_durable_write_of_its_own(self):
        self.publish(500, 1, "--partitions", "4")

    def test_a_durable_write_stands_for_no_more_events_than_were_outstanding(self):
        for outstanding in (4, 64):
            with self.subTest(outstanding=outstanding):
                self.publish(200 * outstanding, outstanding, "--partitions", "4", "--keyless")
                self.publish(200 * outstanding, outstanding, "--partitions", "4", "--spread")

    def test_each_post_has_a_durable_write_of_its_own(self):
        self.broker.millrace("topic", "create", "a.b", "--partitions", "4")
        before = Counts(self.broker)
        for number in range(100):
            request = urllib.request.Request(f"http://{self.broker.http}/v1/topics/a.b/records", data=b'{"value":%d}' % number,
                                             headers={"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.assertEqual(answer.status // 100, 2)
        self.check(before, 100, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
