"""The command-line tool against a running broker, where its output depends on what the broker counts."""
import json
import subprocess
import unittest
import urllib.request

from harness import Broker, binary, eventually


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(arguments=["--shards", "2"]).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def publish(self, topic: str, count: int):
        self.broker.millrace("topic", "create", topic, "--partitions", "4")
        self.broker.millrace("publish", topic, "--key-field", "k",
                             text="".join(json.dumps({"k": number % 7, "n": number}) + "\n" for number in range(count)))

    def test_status_counts_connections_and_records_in_and_out(self):
        self.publish("count.in.out", 40)
        before = self.broker.ask("status")
        self.broker.millrace("consume", "count.in.out")
        after = self.broker.ask("status")

        def total(status, field):
            return sum(shard[field] for shard in status["shards"])

        self.assertEqual(total(after, "records_out") - total(before, "records_out"), 40)
        self.assertGreaterEqual(total(after, "connections"), 1)
        with urllib.request.urlopen(f"http://{self.broker.http}/metrics", timeout=30) as answer:
            metrics = answer.read().decode()
        for name in ("in", "out"):
            self.assertIn(f'millrace_topic_records_{name}_total{{topic="count.in.out"}} 40', metrics)

    def test_durability_is_set_shown_and_altered_and_a_word_without_meaning_refused(self):
        self.broker.millrace("topic", "create", "line.temperature", "--durability", "leader")
        self.assertEqual(self.broker.ask("topic", "describe", "line.temperature")["durability"], "leader")
        self.broker.millrace("topic", "alter", "line.temperature", "--durability", "majority")
        self.assertRegex(self.broker.millrace("topic", "describe", "line.temperature").stdout, r"(?m)^durability: +majority$")
        refused = self.broker.millrace("topic", "alter", "line.temperature", "--durability", "all", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("majority", refused.stderr)

    def test_partitions_show_who_carries_them_and_their_offsets(self):
        self.publish("parts.of.one", 40)
        rows = self.broker.ask("partition", "ls", "parts.*.one")
        self.assertEqual([(row["topic"], row["partition"]) for row in rows], [("parts.of.one", index) for index in range(4)])
        described = self.broker.ask("topic", "describe", "parts.of.one")["partitions"]
        for row, partition in zip(rows, described):
            self.assertEqual((row["shard"], row["first_offset"], row["next_offset"]),
                             (partition["shard"], partition["first_offset"], partition["next_offset"]))
            self.assertEqual((row["group"], row["leader"]), (row["shard"] + 1, 1))
        self.assertEqual(sum(row["next_offset"] for row in rows), 40)
        self.assertEqual({row["shard"] for row in rows}, {0, 1})
        lines = self.broker.millrace("partition", "ls", "parts.of.one").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["TOPIC", "PARTITION", "GROUP", "SHARD", "LEADER", "FIRST", "NEXT"])
        self.assertEqual(len(lines), 5)
        self.assertIn("node 1", lines[1])
        self.assertEqual(self.broker.ask("partition", "ls", "parts.of.none"), [])

    def test_group_reads_exactly_the_count_and_goes_on_behind_it(self):
        self.publish("count.in.group", 30)
        seen = []
        for count in (1, 7, 22):
            lines = self.broker.millrace("consume", "count.in.group", "--group", "exact", "--count", str(count)).stdout.split("\n")[:-1]
            self.assertEqual(len(lines), count)
            seen += [json.loads(line)["n"] for line in lines]
        self.assertEqual(sorted(seen), list(range(30)))

    def test_subscription_consume_shows_attempts_and_says_why_nothing_came(self):
        self.publish("count.attempts", 1)
        self.broker.millrace("subscription", "create", "tries", "--topic", "count.attempts", "--backoff-min", "1ms", "--backoff-max", "1ms")
        for attempt in (1, 2, 3):
            shown = self.broker.millrace("subscription", "consume", "tries", "--count", "1", "--nack", "transient", "--format", "{attempt} {value.n}")
            self.assertEqual(shown.stdout, f"{attempt} 0\n")
        self.assertEqual(self.broker.ask("subscription", "consume", "tries", "--count", "1", "--nack", "mapping")["attempt"], 4)
        self.broker.millrace("subscription", "pause", "tries", "--reason", "month end")
        silent = self.broker.millrace("subscription", "consume", "tries", "--idle", "200ms")
        self.assertEqual(silent.stdout, "")
        self.assertRegex(silent.stderr, "nothing came: paused.*month end")
        quiet = self.broker.millrace("--quiet", "subscription", "consume", "tries", "--idle", "200ms")
        self.assertEqual(quiet.stderr, "")

    def to_full_disk(self, *arguments: str) -> subprocess.CompletedProcess:
        with open("/dev/full", "wb") as full:
            return subprocess.run([binary("millrace"), "--brokers", self.broker.native, *arguments], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=120, check=False)

    def test_what_a_full_disk_did_not_take_is_not_committed(self):
        self.publish("full.group", 10)
        done = self.to_full_disk("consume", "full.group", "--group", "full")
        self.assertEqual(done.returncode, 1)
        self.assertIn("stdout can't be written", done.stderr)
        lines = self.broker.millrace("consume", "full.group", "--group", "full").stdout.split("\n")[:-1]
        self.assertEqual(len(lines), 10)

    def test_an_export_to_a_full_disk_fails(self):
        self.publish("full.export", 3)
        self.broker.millrace("subscription", "create", "exported", "--topic", "full.export", "--order", "none")
        self.broker.millrace("subscription", "consume", "exported", "--count", "3", "--nack", "mapping")
        self.assertEqual(len(self.broker.millrace("dlq", "export", "exported").stdout.split("\n")[:-1]), 3)
        self.assertEqual(self.to_full_disk("dlq", "export", "exported").returncode, 1)

    def test_a_group_at_the_end_keeps_what_came_between_two_of_its_members(self):
        self.publish("end.group", 5)
        reading = ("consume", "end.group", "--group", "end", "--from", "end")
        first = subprocess.Popen([binary("millrace"), "--brokers", self.broker.native, *reading], stdout=subprocess.DEVNULL)
        eventually(30, lambda: any(group["name"] == "end" and len(group["offsets"]) == 4 for group in self.broker.ask("group", "ls")),
                   "a commit of where the group begins")
        first.kill()
        first.wait()
        self.broker.millrace("publish", "end.group", text="x\n" * 7)
        lines = self.broker.millrace(*reading, "--count", "7").stdout.split("\n")[:-1]
        self.assertEqual(len(lines), 7)

    def test_subscription_says_how_old_the_oldest_waiting_record_is(self):
        self.publish("count.lag", 3)
        self.broker.millrace("subscription", "create", "slow", "--topic", "count.lag")
        status = eventually(10, lambda: (s := self.broker.ask("subscription", "describe", "slow"))["lag_records"] == 3 and s["lag_us"] > 500_000 and s,
                            "records that wait for half a second")
        self.assertLess(status["lag_us"], 60_000_000)
        self.broker.millrace("subscription", "consume", "slow", "--count", "3")
        eventually(10, lambda: self.broker.ask("subscription", "describe", "slow")["lag_us"] == 0, "nothing waits")


if __name__ == "__main__":
    unittest.main(verbosity=1)
