"""Bulk yields to what is critical, waits before the log, and gets there."""
import re
import subprocess
import unittest
import urllib.request

from harness import Broker, binary, eventually

LINE = "x" * 1000 + "\n"


class Criticality(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(arguments=["--shards", "1", "--publish-bulk-yielding-bytes-per-second", "1MiB"]).start()
        self.addCleanup(self.broker.close)
        for name in ("critical", "bulk"):
            self.broker.millrace("topic", "create", f"plant1.{name}", "--criticality", name)

    def metric(self, name: str, criticality: str) -> int:
        with urllib.request.urlopen(f"http://{self.broker.http}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return int(re.search(rf'^{name}{{shard="0",criticality="{criticality}"}} (\d+)$', text, re.MULTILINE)[1])

    def records(self, topic: str) -> int:
        return self.broker.ask("topic", "describe", topic)["partitions"][0]["next_offset"]

    def test_bulk_is_held_back_beside_critical_and_goes_on_behind_it(self):
        lines = self.broker.directory / "critical.txt"
        lines.write_text("now\n" * 150)
        with lines.open() as text, subprocess.Popen(
                [binary("millrace"), "--brokers", self.broker.native, "publish", "plant1.critical", "--rate", "50/s"],
                stdin=text, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as trickle:
            eventually(10, lambda: self.records("plant1.critical") > 0, "critical records")
            self.broker.millrace("publish", "plant1.bulk", text=LINE * 4000)
            self.assertEqual(trickle.wait(60), 0)
        self.assertEqual((self.records("plant1.critical"), self.records("plant1.bulk")), (150, 4000))
        self.assertGreater(self.metric("millrace_shard_publish_held_total", "bulk"), 0)
        self.assertEqual(self.metric("millrace_shard_publish_held_total", "critical"), 0)
        eventually(10, lambda: self.metric("millrace_shard_publish_pending_bytes", "bulk") == 0, "nothing pending")
        self.assertEqual(self.metric("millrace_shard_publish_over_share_total", "bulk"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
