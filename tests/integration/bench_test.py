"""The runs of scripts/bench that check what they measure, small: they count what is there, and say when something is not."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
from xml.etree import ElementTree

from harness import Broker, ROOT, binary

RUNS = ROOT / "bench" / "runs"


def run(name: str, *arguments: str) -> tuple[subprocess.CompletedProcess, list[dict]]:
    """What it printed, and the results that it wrote."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-test-") as folder:
        done = subprocess.run([sys.executable, "-B", str(RUNS / f"{name}.py"), "--results", folder, *arguments], capture_output=True, text=True,
                              check=False, timeout=550, env=os.environ)
        return done, [json.loads(path.read_text()) for path in pathlib.Path(folder).glob("*.json")]


class AnsweringServer:
    """Answers each XADD with the same bytes, on one connection."""

    def __init__(self, answer: bytes):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        peer, _ = self.listener.accept()
        with peer:
            rest = b""
            while received := peer.recv(1 << 16):
                whole = (rest + received).split(b"XADD")
                # The name may be cut in two.
                rest = whole[-1][-3:]
                try:
                    peer.sendall(self.answer * (len(whole) - 1))
                except OSError:
                    return

    def __enter__(self) -> int:
        self.thread.start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()
        self.thread.join(30)


class FramedServer(AnsweringServer):
    """Gives each frame, behind a length of four bytes, to `answer`, and sends what that gives back; on one connection."""

    def __init__(self):
        super().__init__(b"")
        self.events = 0
        self.streams = set()

    def answer_frame(self, frame: bytes) -> bytes:
        raise NotImplementedError

    def serve(self):
        peer, _ = self.listener.accept()
        with peer, contextlib.suppress(OSError):
            rest = b""
            while received := peer.recv(1 << 16):
                rest += received
                while len(rest) >= 4 and len(rest) >= 4 + (size := int.from_bytes(rest[:4], "big")):
                    frame, rest = rest[4:4 + size], rest[4 + size:]
                    peer.sendall(self.answer_frame(frame))


class KafkaStandIn(FramedServer):
    """A topic of two partitions whose leaders need a moment; counts the records of each batch, and answers to them with `error`."""

    def __init__(self, error: int = 0):
        super().__init__()
        self.error = error
        self.asked = {2: 0, 3: 0}

    def answer_frame(self, frame: bytes) -> bytes:
        key, request = struct.unpack(">hxxi", frame[:8])
        body = frame[8 + 2 + len("bench"):]
        if key != 0:
            self.asked[key] += 1
        is_first = self.asked.get(key) == 1
        if key == 3:
            # No brokers, controller 1, one topic.
            answer = struct.pack(">iiih", 0, 1, 1, 5 if is_first else 0) + b"\0\5bench\0" + struct.pack(">i", 0 if is_first else 2)
        else:
            errors = [6 if is_first else 0] * 2 if key == 2 else [self.error for _ in self.take_batches(body)]
            answer = struct.pack(">ih", 1, 5) + b"bench" + struct.pack(">i", len(errors)) + \
                b"".join(struct.pack(">ihqq", partition, error, 0, 0) for partition, error in enumerate(errors))
        return struct.pack(">ii", 4 + len(answer), request) + answer

    def take_batches(self, body: bytes) -> list[int]:
        """Behind two bytes of transaction, acks, timeout, and one topic."""
        place = 2 + 2 + 4 + 4 + 2 + len("bench")
        partitions, place = struct.unpack_from(">i", body, place)[0], place + 4
        for _ in range(partitions):
            partition, size = struct.unpack_from(">ii", body, place)
            batch, place = body[place + 8:place + 8 + size], place + 8 + size
            length, magic, records = *struct.unpack_from(">i4xb", batch, 8), struct.unpack_from(">i", batch, 57)[0]
            assert (length, magic) == (size - 12, 2), "a batch of Kafka"
            self.streams.add(partition)
            self.events += records
        assert place == len(body), "nothing behind the last batch"
        return list(range(partitions))


class RabbitStandIn(FramedServer):
    """Confirms the events of a frame from the last to the first."""

    def answer_frame(self, frame: bytes) -> bytes:
        key, = struct.unpack_from(">h", frame)
        if key == 2:
            publisher, count = struct.unpack_from(">Bi", frame, 4)
            place, numbers = 9, []
            for _ in range(count):
                number, size = struct.unpack_from(">Qi", frame, place)
                numbers, place = [number, *numbers], place + 12 + size
            assert place == len(frame), "nothing behind the last event"
            self.events += count
            self.streams.add(publisher)
            return self.framed(3, struct.pack(f">Bi{count}Q", publisher, count, *numbers))
        if key < 0:
            return b""  # an answer of the client
        answer = self.framed(key - 0x8000, frame[4:8] + struct.pack(">h", 1))
        return answer + self.framed(20, struct.pack(">ii", 1 << 20, 60)) if key == 19 else answer

    @staticmethod
    def framed(key: int, body: bytes) -> bytes:
        return struct.pack(">ihh", 4 + len(body), key, 1) + body


class Bench(unittest.TestCase):
    def test_events_fed_to_odoo_are_counted_and_none_is_missing(self):
        done, files = run("odoo_feed", "--events", "400", "--latency", "none", "--direct-seconds", "0")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        results = files[0]["results"]
        self.assertEqual([one["events"] for one in results], [300, 48, 48, 4])
        for one in results:
            self.assertEqual((one["lost"], one["doubled"], one["different"], one["concurrent_writes"]), (0, 0, 0, 0), one)
            self.assertGreater(one["direct"]["events_per_second"], 0)
        states = results[0]["calls"]["mrp.workcenter.productivity.load"]
        self.assertEqual(states["calls"] * states["rows_per_call"], 300)
        self.assertIn("in all 400 events", done.stdout)

    def test_posts_of_one_order_are_one_event_each_time_it_changes(self):
        done, files = run("http_door", "--only", "hooks", "--rate", "30", "--hook-seconds", "2", "--latency", "none")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        hooks = files[0]["results"]["hooks"]
        for way in ("a connection a post, as Odoo does", "connections kept, as a proxy does"):
            self.assertEqual((hooks[way]["requests"], hooks[way]["failed"], hooks[way]["events"]), (90, 0, 4), hooks)
            self.assertLessEqual(hooks[way]["latency"]["p50_us"], hooks[way]["latency"]["max_us"])
        self.assertEqual(sum(hooks["hints"].values()), 180)

    def test_the_table_has_a_figure_for_each_goal(self):
        done, files = run("table", "--seconds", "1", "--repeat", "1", "--burst-events", "20", "--queue-events", "2000", "--seeks", "20")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(" met ") + done.stdout.count(" missed "), 14, done.stdout)
        one = files[0]["rounds"][0]
        self.assertEqual((one["burst"]["topics"], one["burst"]["events_a_topic"], one["queue"]["deliveries"]), (100, 20, 2000))
        self.assertGreaterEqual(one["burst"]["read_ms"], one["burst"]["acked_ms"] // 2)
        self.assertGreaterEqual(one["end to end"]["events"], 50_000)
        self.assertEqual(one["seek"]["seeks"], 20)
        self.assertGreater(one["1 x 1024, client chooses"]["log_bytes_per_event_byte"], 1)

    @unittest.skipIf(shutil.disk_usage(tempfile.gettempdir()).free < 12 << 30, "a fast disk may be given 9 GB")
    def test_growth_has_a_ratio_for_each_column(self):
        done, files = run("growth", "--seconds", "1", "--repeat", "1", "--partitions", "3", "--stored", "500", "2000", "--connections", "3",
                          "--bytes", "1048576", "--seeks", "5")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures, one = files[0]["figures"], files[0]["rounds"][0]
        self.assertEqual([list(rows["fetch"]["columns"]) for rows in figures.values()], [["3"], ["500", "2000"], ["3"], ["1048576"]])
        for rows in figures.values():
            for row in rows.values():
                self.assertEqual(next(iter(row["ratios"].values())), 1)
                self.assertEqual(row["not_within"], [column for column, ratio in row["ratios"].items() if abs(ratio - 1) > 0.2])
        # As much is read in each column, however much is there.
        self.assertTrue(all(works["fetch"]["events"] >= 500 for works in one["stored"].values()))
        self.assertEqual(one["connections"]["3"]["fetch"]["consumers"], 3)
        self.assertEqual(figures["bytes"]["fetch"]["unit"], "MB/s")
        self.assertGreaterEqual(done.stdout.count("1.00x"), 4 * 4 + 1, done.stdout)

    def test_growth_is_refused_where_the_disk_is_too_small(self):
        done, files = run("growth", "--stored", "1", str(10**15))
        self.assertEqual((done.returncode, files), (1, []))
        self.assertIn("GB free", done.stderr)

    def test_restart_is_timed_and_nothing_is_lost(self):
        done, files = run("restart", "--events", "3000", "--unflushed-mib", "2", "--repeat", "2")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for one in files[0]["rounds"]:
            self.assertEqual(one["lost"], 0)
            self.assertGreater(one["unflushed_mib"], 2)
            self.assertGreater(min(one["after_stop_ms"], one["after_kill_ms"]), 0)
        self.assertEqual([one["events"] for one in files[0]["rounds"]], [3000 + 8192, 3000 + 2 * 8192])

    def test_clustering_rewrites_segments_and_loses_nothing(self):
        done, files = run("clustering", "--mib", "64", "--segment-mib", "4", "--rate", "500", "--seconds", "1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(files[0]["clustering"]["segments"], 4)
        self.assertEqual(files[0]["clustering"]["failures"], 0)
        self.assertGreater(files[0]["after"]["events"], 0)

    def test_events_that_were_asked_for_by_number_are_all_acked_and_read(self):
        with Broker() as broker:
            def ask(*arguments: str) -> dict:
                done = subprocess.run([binary("millrace-bench"), "--brokers", broker.native, *arguments], capture_output=True, text=True, check=True, timeout=60)
                return json.loads(done.stdout)

            published = ask("publish", "--events", "1003", "--producers", "4", "--outstanding", "8", "--partitions", "3")
            self.assertEqual((published["events"], published["failed"]), (1003, 0))
            self.assertEqual(ask("read")["events"], 1003)
            self.assertEqual(ask("read", "--consumers", "2")["events"], 2006)

    def test_committed_results_are_named_after_what_they_hold(self):
        results = list((ROOT / "bench" / "results").rglob("*.json"))
        self.assertTrue(results)
        for path in results:
            kind = "-".join(path.stem.split("-")[4:])
            is_of_table = any("1 x 1024 outstanding" in one for one in json.loads(path.read_text()).get("rounds", []))
            self.assertEqual(kind == "", is_of_table, f"{path.name}: the table is compared with what has no kind")

    def test_results_are_drawn(self):
        peers = {"1 x 1024": {"events_per_second": 2000}, "16 x 64": {"events_per_second": 900}, "1 x 1": {"latency": {"p50_us": 80}}}
        growth = {"fetch": {"columns": {"1": 10, "100": 5}, "ratios": {"1": 1, "100": 0.5}}}
        results = {"2026-01-01-abc-peers.json": {"acks": {"Millrace": "on disk", "A & B": "in memory"}, "rounds": [{"Millrace": peers, "A & B": peers}]},
                   "2026-01-01-abc-growth.json": {"figures": {"partitions": growth}, "rounds": [{}]}}
        with tempfile.TemporaryDirectory(prefix="millrace-bench-test-") as name:
            folder = pathlib.Path(name)
            for file, result in results.items():
                (folder / file).write_text(json.dumps({"commit": "abc", "cpus": 2, **result}))
            subprocess.run([sys.executable, "-B", str(ROOT / "bench" / "plot" / "plot.py"), *(str(folder / file) for file in results), "--folder", name], check=True, timeout=60,
                           capture_output=True)
            bars = ElementTree.parse(folder / "performance-peers.svg").getroot()
            lines = ElementTree.parse(folder / "performance-growth.svg").getroot()
        texts = [element.text for element in bars.findall(".//{*}text")]
        self.assertEqual((texts.count("Millrace"), texts.count("A & B"), texts.count("2 k"), texts.count("80 us")), (3, 3, 2, 2))
        self.assertEqual(len(list(lines.findall(".//{*}circle"))), 2)
        self.assertIn("0.5x", [element.text for element in lines.findall(".//{*}text")])

    def test_latencies_are_shown_as_bars(self):
        with Broker() as broker:
            done = subprocess.run([binary("millrace-bench"), "--brokers", broker.native, "--histogram", "paced", "--rate", "200", "--seconds", "1"],
                                  capture_output=True, text=True, check=True, timeout=60)
        lines = done.stderr.splitlines()
        self.assertEqual(lines[0], "latency, up to")
        self.assertEqual(sum(int(line.split()[2]) for line in lines[1:]), json.loads(done.stdout)["events"])

    def test_another_broker_is_asked_in_its_own_protocol(self):
        with AnsweringServer(b"$3\r\n1-1\r\n") as port:
            done = subprocess.run([binary("millrace-bench"), "peer", "--protocol", "redis", "--port", str(port), "--outstanding", "8", "--seconds", "1"],
                                  capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(json.loads(done.stdout)["events_per_second"], 0)

    def test_brokers_that_take_several_events_at_a_time_ack_each_of_them(self):
        for protocol, server in (("kafka", KafkaStandIn()), ("rabbitmq", RabbitStandIn())):
            with self.subTest(protocol=protocol), server as port:
                done = subprocess.run([binary("millrace-bench"), "peer", "--protocol", protocol, "--port", str(port), "--streams", "2", "--outstanding", "20",
                                       "--seconds", "1"], capture_output=True, text=True, check=False, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertGreater(json.loads(done.stdout)["events_per_second"], 0)
                self.assertGreaterEqual(server.events, json.loads(done.stdout)["events_per_second"])
                self.assertEqual(server.streams, {0, 1})

    def test_error_in_an_answer_of_kafka_is_told(self):
        with KafkaStandIn(error=87) as port:
            done = subprocess.run([binary("millrace-bench"), "peer", "--protocol", "kafka", "--port", str(port), "--streams", "2", "--seconds", "1"],
                                  capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("kafka: error 87", done.stderr)

    def test_refusal_of_another_broker_is_told(self):
        with AnsweringServer(b"-ERR no\r\n") as port:
            done = subprocess.run([binary("millrace-bench"), "peer", "--protocol", "redis", "--port", str(port), "--seconds", "1"],
                                  capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("redis: -ERR no", done.stderr)

    def test_too_few_events_are_refused(self):
        done, files = run("odoo_feed", "--events", "7")
        self.assertEqual((done.returncode, files), (2, []))
        self.assertIn("at least 100", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
