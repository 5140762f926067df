"""GET of records: pages, long polls, lines, and server-sent events."""
import json
import socket
import threading
import unittest

from door import Broker, ask, connect, metric, raw, reached, take
from harness import eventually

# A stream that was left keeps its place until its fetch has ended: more than the other tests leave behind.
STREAMS_MAX = 16


class Events:
    """A stream of server-sent events."""

    def __init__(self, broker: Broker, path: str, headers: dict | None = None):
        self.connection = connect(broker)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()

    def next(self) -> dict:
        """The next event; comments and the word on retries are passed over."""
        event: dict = {}
        while True:
            line = self.answer.readline()
            if not line:
                raise EOFError
            line = line.decode().rstrip("\n")
            if line.startswith(":") or line.startswith("retry"):
                continue
            if line == "":
                if event:
                    return event
                continue
            name, _, value = line.partition(": ")
            event[name] = value

    def record(self) -> dict:
        event = self.next()
        return {**json.loads(event["data"]), "id": event.get("id")}

    def close(self):
        self.answer.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Read(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(arguments=["--shards", "2", "--http-streams-max", str(STREAMS_MAX), "--segment-bytes", "4MiB"]).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def topic(self, name: str, partitions: int = 1) -> str:
        self.broker.millrace("topic", "create", name, "--partitions", str(partitions))
        return f"/v1/topics/{name}/records"

    def publish(self, path: str, *records: dict):
        self.assertEqual(ask(self.broker, "POST", path, list(records)).status, 200)

    def read_all(self, path: str, **first) -> list[dict]:
        """Page by page from a first query until nothing is left."""
        query = "&".join(f"{name}={value}" for name, value in first.items())
        found = []
        while True:
            answer = ask(self.broker, "GET", f"{path}?{query}")
            self.assertEqual(answer.status, 200, answer.body)
            found += answer.json["records"]
            if not answer.json["records"]:
                return found
            query = f"position={answer.json['next']}&max=7"

    def test_pages_over_all_partitions_have_every_record_once_and_in_order(self):
        path = self.topic("read.pages", 5)
        self.publish(path, *({"key": f"K{n % 13}", "value": {"n": n}} for n in range(200)))
        found = self.read_all(path, max=7)
        self.assertEqual(sorted(record["value"]["n"] for record in found), list(range(200)))
        for key in {record["key"] for record in found}:
            numbers = [record["value"]["n"] for record in found if record["key"] == key]
            self.assertEqual(numbers, sorted(numbers))

    def test_one_partition_from_an_offset_and_only_that_one(self):
        path = self.topic("read.partition", 2)
        self.publish(path, *({"value": n, "partition": n % 2} for n in range(10)))
        found = self.read_all(path, partition=1, offset=2)
        self.assertEqual([record["value"] for record in found], ["5", "7", "9"])
        self.assertEqual([record["offset"] for record in found], [2, 3, 4])

    def test_from_a_moment_and_from_the_end(self):
        path = self.topic("read.from")
        self.publish(path, {"value": "early"})
        time_us = ask(self.broker, "GET", path).json["records"][0]["append_time_us"]
        eventually(30, lambda: self.publish_later(path, time_us), "a record of a later millisecond")
        late = time_us // 1000 + 1
        self.assertNotIn("early", [record["value"] for record in self.read_all(path, **{"from": late})])
        self.assertEqual(self.read_all(path, **{"from": "latest"}), [])

    def publish_later(self, path: str, time_us: int) -> bool:
        answer = ask(self.broker, "POST", path, {"value": "late"})
        return answer.json["records"][0]["append_time_us"] // 1000 > time_us // 1000

    def test_lines_name_where_to_read_on_in_a_header(self):
        path = self.topic("read.lines")
        self.publish(path, {"value": 1}, {"value": {"a": "b"}})
        answer = ask(self.broker, "GET", path, headers={"Accept": "application/x-ndjson"})
        self.assertEqual([json.loads(line)["value"] for line in answer.body.splitlines()], ["1", {"a": "b"}])
        self.assertEqual(answer.headers["millrace-next"], "0:2,*")
        again = ask(self.broker, "POST", path, answer.body, {"Content-Type": "application/x-ndjson"})
        self.assertEqual(again.status, 200)

    def test_a_long_poll_ends_with_the_first_record(self):
        path = self.topic("read.poll", 4)
        answers: list = []
        waiting = threading.Thread(target=lambda: answers.append(ask(self.broker, "GET", f"{path}?from=latest&wait_ms=60000")))
        waiting.start()
        # Whether it waits already can't be seen; what comes before it begins is behind "latest", so something comes until it answers.
        def has_answered():
            self.publish(path, {"value": "now", "key": "k"})
            return not waiting.is_alive()
        eventually(50, has_answered, "the poll answers")
        waiting.join()
        self.assertEqual({record["value"] for record in answers[0].json["records"]}, {"now"})

    def test_a_page_reads_as_many_partitions_as_its_answer_can_name(self):
        wide = self.topic("read.wide", 1000)
        self.publish(wide, {"value": "a", "partition": 999})
        answer = ask(self.broker, "GET", wide, headers={"Accept": "application/x-ndjson"})
        self.assertEqual((answer.status, answer.headers["millrace-next"].count(":")), (200, 1000))
        path = self.topic("read.wider", 1001)
        answer = ask(self.broker, "GET", path)
        self.assertEqual((answer.status, answer.json["error"]), (400, "invalid_argument"))
        self.assertIn("choose a \"partition\"", answer.json["detail"])
        self.assertEqual(ask(self.broker, "GET", f"{path}?partition=1000").status, 200)

    def test_a_partition_beside_a_position_is_the_one_that_it_names(self):
        path = self.topic("read.both", 2)
        self.publish(path, {"value": "a", "partition": 1}, {"value": "b", "partition": 1})
        answer = ask(self.broker, "GET", f"{path}?partition=1&position=1:1")
        self.assertEqual([record["value"] for record in answer.json["records"]], ["b"])
        for position in ("0:0", "0:0,1:0", "0:0,1:0,*", "1:0,*"):
            answer = ask(self.broker, "GET", f"{path}?partition=1&position={position}")
            self.assertEqual((answer.status, answer.json["error"]), (400, "invalid_argument"), position)
            answer = ask(self.broker, "GET", f"{path}?partition=1", headers={"Last-Event-ID": position})
            self.assertEqual(answer.status, 400, position)
        with Events(self.broker, f"{path}?partition=1", {"Last-Event-ID": "1:1"}) as events:
            self.assertEqual(events.record()["value"], "b")

    def test_a_long_poll_ends_with_its_time(self):
        answer = ask(self.broker, "GET", f"{self.topic('read.nothing', 3)}?wait_ms=50")
        self.assertEqual((answer.status, answer.json["records"]), (200, []))
        self.assertEqual(answer.json["next"], "0:0,1:0,2:0,*")

    def test_a_stream_has_what_was_and_what_comes_and_resumes_behind_what_was_seen(self):
        path = self.topic("read.stream", 4)
        self.publish(path, *({"key": f"K{n}", "value": {"n": n}} for n in range(30)))
        with Events(self.broker, path) as events:
            self.assertEqual(events.answer.getheader("Content-Type"), "text/event-stream")
            seen = [events.record() for _ in range(30)]
            self.publish(path, {"key": "K31", "value": {"n": 31}})
            seen.append(events.record())
        self.assertEqual(sorted(record["value"]["n"] for record in seen), [*range(30), 31])
        with Events(self.broker, path, {"Last-Event-ID": seen[19]["id"]}) as events:
            rest = [events.record()["value"]["n"] for _ in range(11)]
        self.assertEqual(sorted(rest), sorted(record["value"]["n"] for record in seen[20:]))

    def test_a_stream_of_one_partition(self):
        path = self.topic("read.stream1", 2)
        self.publish(path, {"value": "a", "partition": 0}, {"value": "b", "partition": 1})
        with Events(self.broker, f"{path}?partition=1") as events:
            record = events.record()
        self.assertEqual((record["value"], record["id"]), ("b", "1:1"))

    def test_streams_have_a_limit_and_give_their_place_back(self):
        path = self.topic("read.many")
        eventually(60, lambda: metric(self.broker, "millrace_http_streams") == 0, "streams of other tests are over")
        held = [Events(self.broker, path) for _ in range(STREAMS_MAX)]
        self.assertEqual(metric(self.broker, "millrace_http_streams"), STREAMS_MAX)
        refused = ask(self.broker, "GET", path, headers={"Accept": "text/event-stream"})
        self.assertEqual((refused.status, refused.json["limit"]), (503, "http_streams_max"))
        self.assertGreaterEqual(reached(self.broker, "http_streams_max"), 1)
        for events in held:
            events.close()
        eventually(60, lambda: metric(self.broker, "millrace_http_streams") == 0, "the places are free")

    def test_a_stream_ends_when_its_topic_grows_so_that_the_new_partition_is_read(self):
        path = self.topic("read.grows")
        self.publish(path, {"value": "a"})
        with Events(self.broker, path) as events:
            last = events.record()["id"]
            self.broker.millrace("topic", "alter", "read.grows", "--partitions", "2")
            self.publish(path, {"value": "b", "partition": 1}, {"value": "c", "partition": 0})
            with self.assertRaises(EOFError):
                while True:
                    last = events.record()["id"]
        with Events(self.broker, path, {"Last-Event-ID": last}) as events:
            self.assertEqual(events.record()["value"], "b")

    def test_a_slow_reader_costs_a_piece_and_loses_nothing(self):
        path = self.topic("read.slow", 2)
        for _ in range(20):
            self.publish(path, *({"value": "x" * 10_000, "key": str(n)} for n in range(50)))
        with raw(self.broker) as slow:
            slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode())
            self.assertEqual(len(slow.recv(1)), 1)
            # Others are served while it does not read.
            self.assertEqual(len(self.read_all(path, max=50)), 1000)
            received = b""
            while received.count(b"\ndata: ") < 1000:
                part = slow.recv(1 << 20)
                self.assertTrue(part)
                received += part

    def test_gaps_of_retention_are_said(self):
        self.broker.millrace("topic", "create", "read.trimmed", "--retention-bytes", "1MiB")
        path = "/v1/topics/read.trimmed/records"
        wide = {"value": "x" * 60_000}

        def is_trimmed():
            self.publish(path, *([wide] * 20))
            described = self.broker.ask("topic", "describe", "read.trimmed")
            return described["partitions"][0]["first_offset"] > 0

        eventually(200, is_trimmed, "retention has dropped something")
        answer = ask(self.broker, "GET", f"{path}?partition=0&offset=0&max=1")
        self.assertEqual(answer.status, 200, answer.body[:300])
        gap = answer.json["gaps"][0]
        self.assertEqual((gap["partition"], gap["from"]), (0, 0))
        self.assertGreater(gap["to"], 0)
        found = ask(self.broker, "GET", f"{path}?position={answer.json['next']}&max=1").json["records"]
        self.assertGreaterEqual(found[0]["offset"], gap["to"])

    def test_what_can_not_be_read_says_why(self):
        path = self.topic("read.wrong", 2)
        for query, status, name in (("partition=2", 404, "unknown_partition"), ("offset=1", 400, "invalid_argument"),
                                    ("partition=0&offset=5", 416, "offset_out_of_range"), ("from=soon", 400, "invalid_argument"),
                                    ("position=x", 400, "invalid_argument"), ("position=9:1", 404, "unknown_partition"),
                                    ("from=latest&position=0:1", 400, "invalid_argument"), ("max=10001", 400, "invalid_argument"),
                                    ("wait_ms=60001", 400, "invalid_argument"), ("limit=3", 400, "invalid_argument")):
            answer = ask(self.broker, "GET", f"{path}?{query}")
            self.assertEqual((answer.status, answer.json["error"]), (status, name), query)
        self.assertEqual(ask(self.broker, "GET", "/v1/topics/no.such/records").json["error"], "unknown_topic")


class StuckReader(unittest.TestCase):
    def test_a_reader_that_takes_nothing_is_closed_after_its_time(self):
        with Broker(arguments=["--http-write-timeout-ms", "1000"]) as broker:
            broker.millrace("topic", "create", "a.b")
            for _ in range(16):
                answer = ask(broker, "POST", "/v1/topics/a.b/records", [{"value": "x" * 100_000}] * 16)
                self.assertEqual(answer.status, 200)
            host, _, port = broker.http.rpartition(":")
            with socket.socket() as stuck:
                # What the system takes for it has to be less than what there is.
                stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                stuck.connect((host, int(port)))
                stuck.sendall(b"GET /v1/topics/a.b/records HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
                eventually(60, lambda: reached(broker, "http_write_timeout_ms") == 1, "the limit is reached")
                eventually(60, lambda: metric(broker, "millrace_http_streams") == 0, "the stream is over")


class Stop(unittest.TestCase):
    def test_sigterm_ends_streams_and_polls(self):
        broker = Broker().start()
        try:
            broker.millrace("topic", "create", "a.b")
            connection = connect(broker)
            connection.request("GET", "/v1/topics/a.b/records?wait_ms=60000")
            with Events(broker, "/v1/topics/a.b/records"):
                self.assertEqual(broker.stop(), 0, broker.log_tail())
            try:
                take(connection)
            except OSError:
                pass
            connection.close()
        finally:
            broker.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
