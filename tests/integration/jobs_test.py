"""Replay and redrive jobs of a real broker: what goes out, to whom, and across kills, pauses and failures."""
import collections
import json
import subprocess
import unittest

from harness import Broker, binary, eventually

SOURCE = "plant1.mes.workorder.finished"
OTHER = "plant1.mes.machine.state"
COPY = "test.copy"
QUEUE = "erp"


class JobsCase(unittest.TestCase):
    """A broker with two shards and two topics full of records; one more topic as a target."""

    records = 400

    def setUp(self):
        self.broker = Broker(arguments=["--shards", "2"]).start()
        self.addCleanup(self.broker.close)
        for topic, partitions in ((SOURCE, 4), (OTHER, 3), (COPY, 4)):
            self.broker.millrace("topic", "create", topic, "--partitions", str(partitions))
        self.publish(0, self.records)

    def publish(self, begin: int, end: int):
        lines = (json.dumps({"topic": OTHER if n % 4 == 3 else SOURCE, "key": f"WO-{n % 20}",
                             "headers": {"correlation-id": f"chain {n}", "line": str(n % 2)},
                             "event_time_us": 1_795_000_000_000_000 + n * 1000,
                             "value": {"n": n, "machine": f"M{n % 4}"}}) + "\n" for n in range(begin, end))
        self.broker.millrace("publish", "--jsonl", text="".join(lines))

    def scan(self, *topics: str) -> list[dict]:
        """A direct scan of the log."""
        arguments = [word for topic in topics for word in ("--topic", topic)]
        lines = self.broker.millrace("replay", "print", *arguments, "--from", "2020-01-01", "--format", "json").stdout
        return [json.loads(line) for line in lines.splitlines()]

    def replay(self, *arguments: str) -> int:
        return self.broker.ask("replay", "create", "--topic", "plant1.>", "--from", "-1h", *arguments)["id"]

    def job(self, number: int) -> dict:
        return self.broker.ask("job", "show", str(number))

    def eventually_job(self, number: int, condition, what: str) -> dict:
        def look():
            job = self.job(number)
            return job if condition(job) else None
        return eventually(60, look, f"job {number} {what}; it is {self.job(number)}")

    def eventually_state(self, number: int, state: str) -> dict:
        return self.eventually_job(number, lambda job: job["state"] == state, f"is {state}")

    def consume(self, queue: str, *arguments: str) -> list[dict]:
        done = self.broker.millrace("subscription", "consume", queue, "--format", "json", "--idle", "1s", *arguments)
        return [json.loads(line) for line in done.stdout.splitlines()]


def origin_of(record: dict) -> str:
    return f"{record['topic']}/{record['partition']}@{record['offset']}"


def own(record: dict, origin: str) -> tuple:
    """What a record must keep on its way."""
    headers = tuple(sorted((k, v) for k, v in record["headers"].items() if not k.startswith("millrace-")))
    return origin, record["key"], json.dumps(record["value"], sort_keys=True), record["event_time_us"], headers


class ReplayToTopic(JobsCase):
    def copied(self) -> list[dict]:
        return self.scan(COPY)

    def compare(self, number: int, source: list[dict]):
        """Record by record with what the direct scan of the source gave."""
        wanted = collections.Counter(own(record, origin_of(record)) for record in source)
        found = collections.Counter(own(record, record["headers"]["millrace-origin"]) for record in self.copied())
        self.assertEqual({record["headers"]["millrace-replay-id"] for record in self.copied()}, {str(number)})
        self.assertEqual(found, wanted)

    def test_the_copy_is_the_scan_in_order_of_append_time(self):
        number = self.replay("--to-topic", COPY, "--wait")
        self.assertEqual(self.job(number)["state"], "done")
        self.assertEqual(self.job(number)["progress"]["sent"], self.records)
        self.compare(number, self.scan(SOURCE, OTHER))
        for key in {record["key"] for record in self.copied()}:
            numbers = [record["value"]["n"] for record in self.copied() if record["key"] == key]
            self.assertEqual(numbers, sorted(numbers), key)
        metrics = subprocess.run(["curl", "-s", f"http://{self.broker.http}/metrics"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f'millrace_job_records_total{{kind="replay"}} {self.records}', metrics)

    def test_filters_and_windows_choose(self):
        number = self.replay("--to-topic", COPY, "--where", '.value.machine == "M1"', "--header", "line=1", "--wait")
        self.compare(number, [record for record in self.scan(SOURCE, OTHER) if record["value"]["machine"] == "M1"])
        job = self.job(number)
        self.assertEqual((job["progress"]["sent"], job["progress"]["skipped"]), (self.records // 4, self.records * 3 // 4))

    def test_a_window_by_event_time(self):
        begin, end = "1795000000100000", "1795000000200000"
        number = self.broker.ask("replay", "create", "--topic", "plant1.>", "--from", begin, "--to", end, "--by", "event",
                                 "--to-topic", COPY, "--wait")["id"]
        self.compare(number, [record for record in self.scan(SOURCE, OTHER) if 100 <= record["value"]["n"] < 200])

    def test_kill_in_the_middle_and_it_goes_on_by_itself(self):
        number = self.replay("--to-topic", COPY, "--speed", "300/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] >= 60, "has begun")
        self.broker.kill()
        self.broker.start()
        job = self.eventually_state(number, "done")
        # The chunk that was under way goes out again; within the duplicate window that is recognised.
        self.compare(number, self.scan(SOURCE, OTHER))
        self.assertGreaterEqual(job["progress"]["sent"], self.records)

    def test_kill_without_a_duplicate_window_repeats_one_chunk_and_leaves_nothing_out(self):
        self.broker.millrace("topic", "alter", COPY, "--duplicate-window", "off")
        number = self.replay("--to-topic", COPY, "--speed", "300/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] >= 60, "has begun")
        self.broker.kill()
        self.broker.start()
        self.eventually_state(number, "done")
        count = collections.Counter(record["headers"]["millrace-origin"] for record in self.copied())
        self.assertEqual(set(count), {origin_of(record) for record in self.scan(SOURCE, OTHER)})
        twice = sorted(origin for origin, times in count.items() if times > 1)
        self.assertLess(len(twice), 50, f"at most the chunk that was under way comes again: {twice}")

    def test_pause_resume_and_cancel(self):
        number = self.replay("--to-topic", COPY, "--speed", "100/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] > 0, "has begun")
        self.broker.millrace("replay", "pause", str(number), "--reason", "night shift", "--by", "ann")
        paused = self.eventually_state(number, "paused")
        self.assertEqual((paused["reason"], paused["changed_by"]), ("night shift", "ann"))
        self.broker.stop()
        self.broker.start()
        self.assertEqual(self.job(number)["state"], "paused", "a restart does not wake it")
        self.broker.millrace("replay", "resume", str(number))
        self.eventually_job(number, lambda job: job["progress"]["sent"] > paused["progress"]["sent"], "goes on")
        self.broker.millrace("job", "cancel", str(number))
        cancelled = self.eventually_state(number, "cancelled")
        self.assertLess(cancelled["progress"]["sent"], self.records)
        refused = self.broker.millrace("job", "resume", str(number), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is cancelled", refused.stderr)

    def test_a_stop_does_not_wait_for_a_slow_job(self):
        number = self.replay("--to-topic", COPY, "--speed", "1/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] > 0, "has begun")
        self.assertEqual(self.broker.stop(wait_seconds=10), 0)
        self.broker.start()
        self.assertEqual(self.job(number)["state"], "running")
        self.broker.millrace("job", "cancel", str(number))

    def test_dry_run_sends_nothing(self):
        number = self.replay("--key", "WO-3", "--dry-run")
        self.assertEqual(self.job(number)["progress"]["matched"], self.records // 20)
        self.assertEqual(self.copied(), [])
        self.assertEqual([topic["name"] for topic in self.broker.ask("topic", "ls", ">")], sorted([SOURCE, OTHER, COPY]))

    def test_what_cannot_be_is_refused_with_the_reason(self):
        for arguments, code, word in ((("--to-topic", "no.such"), 3, "no.such"), (("--to-subscription", "nobody"), 3, "nobody"),
                                      (("--to-topic", COPY, "--where", ".a |= ("), 1, "where"), ((), 2, "where to"),
                                      (("--to-topic", COPY, "--speed", "fast"), 2, "--speed")):
            done = self.broker.millrace("replay", "create", "--topic", "plant1.>", "--from", "-1h", *arguments, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(word, done.stderr)
        done = self.broker.millrace("replay", "create", "--topic", "plant1.>", "--topic", "plant2.>", "--from", "-1h", "--to-topic", COPY, check=False)
        self.assertEqual((done.returncode, done.stderr), (3, 'millrace: no topic matches "plant2.>" (unknown_topic)\n'))
        self.assertEqual(self.broker.ask("job", "ls"), [])

    def test_the_terminal_is_still_a_target(self):
        old = self.broker.millrace("replay", "--topic", "plant1.>", "--from", "-1h", "--format", "json", "--key", "WO-5").stdout
        self.assertEqual(len(old.splitlines()), self.records // 20)

    def test_what_is_printed_is_chosen_as_what_is_sent(self):
        number = self.replay("--to-topic", COPY, "--where", '.value.machine == "M1"', "--header", "line=1", "--wait")
        sent = {record["headers"]["millrace-origin"] for record in self.copied()}
        self.assertEqual(len(sent), self.job(number)["progress"]["sent"])
        lines = self.broker.millrace("replay", "print", "--topic", "plant1.>", "--from", "-1h", "--format", "json",
                                     "--where", '.value.machine == "M1"', "--header", "line=1").stdout.splitlines()
        printed = [json.loads(line) for line in lines]
        self.assertEqual({f'{one["topic"]}/{one["partition"]}@{one["offset"]}' for one in printed}, sent)

    def test_a_program_that_fails_on_records_leaves_them_out_and_says_so(self):
        self.broker.millrace("publish", OTHER, text="no json\n")
        done = self.broker.millrace("replay", "print", "--topic", "plant1.>", "--from", "-1h", "--where", ".value.n == 7")
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertIn("--where failed on 1 record", done.stderr)
        bad = self.broker.millrace("replay", "print", "--topic", "plant1.>", "--from", "-1h", "--where", ".value.n ==", check=False)
        self.assertEqual(bad.returncode, 2)
        self.assertIn("--where: jq: error: syntax error", bad.stderr)


class ReplayToSubscription(JobsCase):
    records = 120

    def setUp(self):
        super().setUp()
        for queue in (QUEUE, "other"):
            self.broker.millrace("subscription", "create", queue, "--topic", "plant1.>")
            self.assertEqual(len(self.consume(queue)), self.records)

    def test_only_that_subscription_gets_them_with_their_origin(self):
        source = self.scan(SOURCE, OTHER)
        number = self.replay("--to-subscription", QUEUE, "--wait")
        got = self.consume(QUEUE)
        self.assertEqual(collections.Counter(own(record, origin_of(record)) for record in got),
                         collections.Counter(own(record, origin_of(record)) for record in source))
        self.assertEqual({record["headers"]["millrace-replay-id"] for record in got}, {str(number)})
        self.assertEqual(self.consume("other"), [])
        for key in {record["key"] for record in got}:
            numbers = [record["value"]["n"] for record in got if record["key"] == key]
            self.assertEqual(numbers, sorted(numbers), key)

    def test_the_topic_between_is_nobody_elses(self):
        self.replay("--to-subscription", QUEUE, "--wait")
        names = [topic["name"] for topic in self.broker.ask("topic", "ls")]
        self.assertEqual(names, sorted([SOURCE, OTHER, COPY]))
        self.assertEqual([topic["name"] for topic in self.broker.ask("topic", "ls", "millrace.>")], [f"millrace.replay.{QUEUE}"])
        self.broker.millrace("subscription", "create", "all", "--topic", ">")
        self.assertEqual(len(self.consume("all")), self.records)
        refused = self.broker.millrace("topic", "create", "millrace.mine", check=False)
        self.assertIn("broker's own", refused.stderr)
        self.broker.millrace("subscription", "rm", QUEUE)
        self.assertEqual(self.broker.ask("topic", "ls", "millrace.>"), [])

    def test_failures_are_ordinary_letters_that_name_the_origin_and_live_records_pass(self):
        self.replay("--to-subscription", QUEUE, "--key", "WO-3", "--wait")
        (first,) = self.consume(QUEUE, "--nack", "mapping", "--error", "no product")
        (letter,) = self.broker.ask("dlq", "ls", QUEUE)
        self.assertEqual(origin_of(letter), origin_of(first))
        self.assertEqual(letter["topic"] in (SOURCE, OTHER), True)
        self.publish(self.records + 3, self.records + 4)
        self.assertEqual([record["value"]["n"] for record in self.consume(QUEUE)], [self.records + 3], "the live record of the key flows")
        self.broker.kill()
        self.broker.start()
        self.broker.millrace("dlq", "redrive", QUEUE, str(letter["id"]))
        got = [record["value"]["n"] for record in self.consume(QUEUE)]
        self.assertEqual(got, sorted(got))
        self.assertEqual(len(got), self.records // 20)

    def test_a_seek_leaves_what_was_replayed_alone(self):
        self.replay("--to-subscription", QUEUE, "--key", "WO-3", "--wait")
        self.assertEqual(len(self.consume(QUEUE)), self.records // 20)
        self.broker.millrace("subscription", "seek", QUEUE, "--to", "beginning")
        got = self.consume(QUEUE)
        self.assertEqual(len(got), self.records)
        self.assertEqual([record for record in got if "millrace-replay-id" in record["headers"]], [])

    def test_kill_in_the_middle(self):
        source = {own(record, origin_of(record)) for record in self.scan(SOURCE, OTHER)}
        number = self.replay("--to-subscription", QUEUE, "--speed", "100/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] >= 30, "has begun")
        self.broker.kill()
        self.broker.start()
        self.eventually_state(number, "done")
        self.assertEqual({own(record, origin_of(record)) for record in self.consume(QUEUE)}, source)


class Redrive(JobsCase):
    """Sixty letters, one a key."""

    records = 0
    letters = 60

    def setUp(self):
        super().setUp()
        self.broker.millrace("subscription", "create", QUEUE, "--topic", SOURCE)
        lines = (json.dumps({"topic": SOURCE, "key": f"WO-{n}", "value": {"n": n, "part": "first"}}) + "\n"
                 + json.dumps({"topic": SOURCE, "key": f"WO-{n}", "value": {"n": n, "part": "second"}}) + "\n" for n in range(self.letters))
        self.broker.millrace("publish", "--jsonl", text="".join(lines))
        self.assertEqual(len(self.consume(QUEUE, "--nack", "mapping", "--error", "no product CH-9")), self.letters)

    def redrive(self, *arguments: str) -> int:
        return self.broker.ask("dlq", "redrive", QUEUE, *arguments)["id"]

    def open_letters(self) -> int:
        return len(self.broker.ask("dlq", "ls", QUEUE, "--limit", "1000"))

    def follow(self, *arguments: str) -> subprocess.Popen:
        """A consumer in the background, with what it printed in `lines`."""
        path = self.broker.directory / f"consumer-{len(list(self.broker.directory.glob('consumer-*')))}"
        with path.open("w") as out:
            process = subprocess.Popen([binary("millrace"), "--brokers", self.broker.native, "subscription", "consume", QUEUE,
                                        "--format", "json", "--follow", *arguments], stdout=out, stderr=subprocess.DEVNULL)
        process.lines = lambda: [json.loads(line) for line in path.read_text().splitlines()]

        def end():
            process.terminate()
            process.wait(30)
        self.addCleanup(end)
        return process

    def test_all_go_out_and_their_keys_follow_in_order(self):
        consumer = self.follow()
        number = self.redrive("--cause", "mapping", "--by", "ann", "--wait")
        job = self.job(number)
        self.assertEqual((job["state"], job["by"]), ("done", "ann"))
        self.assertEqual((job["progress"]["sent"], job["progress"]["settled"], job["progress"]["failed"]), (self.letters, self.letters, 0))
        self.assertEqual(self.open_letters(), 0)
        eventually(30, lambda: len(consumer.lines()) == 2 * self.letters, "all records came")
        by_key = collections.defaultdict(list)
        for record in consumer.lines():
            by_key[record["key"]].append(record["value"]["part"])
        self.assertEqual(set(map(tuple, by_key.values())), {("first", "second")})

    def test_dry_run_counts_and_changes_nothing(self):
        before = self.broker.ask("dlq", "ls", QUEUE, "--limit", "1000")
        (group,) = self.broker.ask("dlq", "redrive", QUEUE, "--cause", "mapping", "--dry-run")
        self.assertEqual(group["count"], self.letters)
        self.assertEqual(self.broker.ask("dlq", "ls", QUEUE, "--limit", "1000"), before)
        self.assertEqual(self.broker.ask("job", "ls"), [])

    def test_a_canary_that_fails_ends_the_job(self):
        self.follow("--nack", "mapping", "--error", "still no product")
        number = self.redrive("--all", "--canary", "5")
        job = self.eventually_state(number, "failed")
        self.assertIn("canary: 5 of 5 letters failed again", job["reason"])
        self.assertIn("still no product", job["reason"])
        self.assertEqual(job["progress"]["sent"], 5)
        self.assertEqual(self.open_letters(), self.letters)

    def test_above_the_failure_share_it_pauses(self):
        self.follow("--nack", "mapping", "--error", "still no product")
        number = self.redrive("--all", "--rate", "50/s", "--stop-at-failure-share", "0.2")
        job = self.eventually_state(number, "paused")
        self.assertIn("above the share of 0.2", job["reason"])
        self.assertLess(job["progress"]["sent"], self.letters)

    def test_kill_in_the_middle_and_each_letter_goes_out(self):
        first = self.follow()
        number = self.redrive("--all", "--rate", "30/s")
        self.eventually_job(number, lambda job: job["progress"]["settled"] >= 10, "has begun")
        self.broker.kill()
        first.terminate()
        first.wait(30)
        self.broker.start()
        second = self.follow()
        job = self.eventually_state(number, "done")
        self.assertEqual((job["progress"]["settled"], job["progress"]["failed"]), (self.letters, 0))
        records = first.lines() + second.lines()
        got = {(record["value"]["n"], record["value"]["part"]) for record in records}
        self.assertEqual({n for n, part in got if part == "first"}, set(range(self.letters)))
        applied = {(record["topic"], record["partition"], record["offset"]): (record["value"]["n"], record["value"]["part"])
                   for record in records}
        self.assertEqual(collections.Counter(applied.values()), collections.Counter(got), "by a record's place each is applied once")
        self.assertEqual(self.open_letters(), 0)
        marks = [letter for letter in self.broker.ask("dlq", "ls", QUEUE, "--state", "all", "--limit", "1000")
                 if [action["action"] for action in letter["actions"]].count("redriven") != 1]
        self.assertEqual(marks, [], "every letter was redriven once")

    def test_pause_holds_the_rest_and_resume_sends_it(self):
        self.follow()
        number = self.redrive("--all", "--rate", "8/s")
        self.eventually_job(number, lambda job: job["progress"]["sent"] > 3, "has begun")
        self.broker.millrace("job", "pause", str(number))
        paused = self.eventually_state(number, "paused")
        self.assertGreater(self.open_letters(), 0)
        self.assertLess(paused["progress"]["sent"], self.letters)
        self.broker.millrace("job", "resume", str(number))
        self.assertEqual(self.eventually_state(number, "done")["progress"]["settled"], self.letters)


if __name__ == "__main__":
    unittest.main(verbosity=1)
