"""The daemon on a full and on a damaged disk, and with more than memory holds."""
import os
import pathlib
import shutil
import unittest

from harness import Broker, eventually

IS_LONG = os.environ.get("MILLRACE_TEST_PROFILE") == "long"


def segments(broker: Broker) -> list[pathlib.Path]:
    return sorted((broker.data / "shard-00" / "log").glob("*.seg"))


class Disk(unittest.TestCase):
    def test_below_the_reserve_publishes_are_refused_and_reads_go_on(self):
        broker = Broker().start()
        try:
            broker.millrace("topic", "create", "a.b")
            broker.millrace("publish", "a.b", text="one\n")
            broker.stop()
            broker.arguments = ["--disk-reserve-bytes", f"{1 << 50}"]
            broker.start()
            self.assertEqual(broker.millrace("consume", "a.b").stdout.split(), ["one"])
            self.assertTrue(all(shard["out_of_space"] for shard in broker.ask("status")["shards"]))
        finally:
            broker.close()

    def test_a_flipped_bit_costs_that_batch_alone_and_is_named(self):
        broker = Broker(arguments=["--shards", "1"]).start()
        try:
            broker.millrace("topic", "create", "a.b")
            for number in range(20):
                broker.millrace("publish", "a.b", text=f"record-{number}\n")
            broker.kill()
            segment = sorted(pathlib.Path(broker.data / "shard-00" / "log").glob("*.seg"))[0]
            content = bytearray(segment.read_bytes())
            at = content.index(b"record-7")
            content[at] ^= 1
            segment.write_bytes(content)
            broker.start()
            self.assertRegex(broker.log_tail(200), r"segment \d+, position \d+: corrupt")
            done = broker.millrace("consume", "a.b", check=False)
            self.assertEqual(done.stdout.split(), [f"record-{number}" for number in range(20) if number != 7])
            self.assertIn("quarantined", done.stderr)
        finally:
            broker.close()

    def test_publishes_are_refused_while_the_disk_is_short_and_taken_again_after(self):
        with Broker() as broker:
            broker.millrace("topic", "create", "a.b")
            broker.millrace("publish", "a.b", text="one\n")
            broker.stop()
            # Wide margins: other tests make and remove files on the same disk meanwhile.
            free = shutil.disk_usage(broker.directory).free
            reserve = free - free // 8
            broker.arguments = ["--disk-reserve-bytes", str(reserve)]
            broker.start()
            filler = broker.directory / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free // 4)
            eventually(10, lambda: broker.ask("status")["shards"][0]["out_of_space"], "the shard sees that space is short")
            refused = broker.millrace("publish", "a.b", "--timeout", "1s", text="two\n", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("disk_reserve_bytes", refused.stderr)
            self.assertEqual(broker.millrace("consume", "a.b").stdout.split(), ["one"])
            filler.unlink()
            eventually(10, lambda: not broker.ask("status")["shards"][0]["out_of_space"], "the shard sees that space is back")
            broker.millrace("publish", "a.b", text="three\n")
            self.assertEqual(broker.millrace("consume", "a.b").stdout.split(), ["one", "three"])

    def test_a_torn_tail_is_cut_silently_and_counted(self):
        with Broker(arguments=["--shards", "1"]) as broker:
            broker.millrace("topic", "create", "a.b")
            broker.millrace("publish", "a.b", text="".join(f"record-{number}\n" for number in range(50)))
            broker.kill()
            content = bytearray(segments(broker)[0].read_bytes())
            used = len(bytes(content).rstrip(b"\0"))
            torn = (used + 4095) // 4096 * 4096
            content[torn:torn + 100] = b"half of a commit that was never acked"[:100].ljust(100, b"x")
            segments(broker)[0].write_bytes(content)
            before = len(broker.log_tail(1000))
            broker.start()
            self.assertEqual(broker.ask("status")["shards"][0]["torn_tails_cut"], 1)
            self.assertNotIn("corrupt", broker.log_tail(1000)[before:])
            self.assertEqual(len(broker.millrace("consume", "a.b").stdout.split()), 50)


@unittest.skipIf("ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ, "a sanitizer keeps what was freed")
class Memory(unittest.TestCase):
    def test_a_backlog_that_nobody_reads_does_not_grow_the_broker(self):
        """1 GiB in the long profile, an eighth of that in the fast one."""
        total = (1 << 30) if IS_LONG else (1 << 27)
        part, line = total // 8, "x" * 1023 + "\n"
        with Broker() as broker:
            broker.millrace("topic", "create", "a.b", "--partitions", "16")
            broker.millrace("publish", "a.b", text=line * (part // len(line)))
            settled = broker.ask("status")["resident_bytes"]
            for _ in range(7):
                broker.millrace("publish", "a.b", text=line * (part // len(line)))
            grown = broker.ask("status")["resident_bytes"] - settled
            print(f"{total >> 20} MiB of backlog: resident {settled >> 20} MiB after an eighth, {grown >> 20} MiB more after all")
            # Less than publish_bytes_pending_max and what an index holds before it writes; kept in memory it would be 112 MiB and more.
            self.assertLess(grown, 64 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=1)
