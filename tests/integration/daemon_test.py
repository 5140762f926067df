"""The daemon as an operator meets it: start, stop, wrong settings, hostile bytes."""
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from harness import ROOT, Broker, binary, eventually


def http(broker: Broker, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{broker.http}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def connect(broker: Broker) -> socket.socket:
    host, _, port = broker.native.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def read_until_closed(connection: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part


class Start(unittest.TestCase):
    def test_wrong_flag_and_wrong_settings_end_with_2_and_say_why(self):
        for arguments, word in ((["--no-such-flag"], "no-such-flag"), (["--port", "70000"], "between 0 and 65535"),
                                (["--segment-bytes", "many"], "is not a number")):
            done = subprocess.run([binary("millraced"), *arguments], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(word, done.stderr)

    def test_config_check_names_file_and_line(self):
        with Broker() as broker:
            file = broker.directory / "bad.yaml"
            file.write_text("port: 0\nsegmnt_bytes: 1MiB\n")
            done = subprocess.run([binary("millraced"), "config", "check", "--config", str(file)], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("bad.yaml:2", done.stderr)
            self.assertIn("segment_bytes", done.stderr)

    def test_file_environment_and_flag_are_taken_in_this_order(self):
        with Broker() as broker:
            file = broker.directory / "some.yaml"
            file.write_text("connections_max: 11\nshards: 3\nsegment_bytes: 4MiB\n")

            others = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}

            def value_of(key: str, *flags: str, **environment: str) -> str:
                done = subprocess.run([binary("millraced"), "config", "print", "--config", str(file), *flags], env={**others, **environment},
                                      capture_output=True, text=True, timeout=20, check=True)
                return re.search(rf"^{key}: *(\S+)$", done.stdout, re.MULTILINE)[1]

            self.assertEqual(value_of("connections_max"), "11")
            self.assertEqual(value_of("connections_max", MILLRACE_CONNECTIONS_MAX="12"), "12")
            self.assertEqual(value_of("connections_max", "--connections-max", "13", MILLRACE_CONNECTIONS_MAX="12"), "13")
            self.assertEqual(value_of("shards"), "3")
            self.assertEqual(value_of("segment_bytes"), str(4 << 20))

    def test_the_documentation_has_the_settings_that_there_are(self):
        table = subprocess.run([binary("millraced"), "config", "document"], capture_output=True, text=True, timeout=20, check=True).stdout
        self.assertIn(table.strip(), (ROOT / "docs" / "configuration.md").read_text())
        sample = (ROOT / "docs" / "examples" / "millraced.yaml").read_text()
        keys = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        self.assertGreater(len(keys), 15)
        for key in re.findall(r"^#? ?(\w+):", sample, re.MULTILINE):
            self.assertIn(key, keys)

    def test_second_daemon_on_the_same_data_is_refused(self):
        with Broker() as broker:
            done = subprocess.run([binary("millraced"), "--data-dir", str(broker.data), "--port", "0", "--http-port", "0"],
                                  capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("in use by another millraced", done.stderr)

    def test_a_second_daemon_on_the_same_port_is_refused(self):
        """Its shards share a port, which the system would let another daemon of the same user share as well."""
        broker = Broker()
        broker.native = broker.http = "127.0.0.1:0"
        with broker, tempfile.TemporaryDirectory() as elsewhere:
            done = subprocess.run([binary("millraced"), "--data-dir", elsewhere, "--port", broker.native.rpartition(":")[2], "--http-port", "0"],
                                  capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"listen on {broker.native}: Address already in use", done.stderr)

    def test_fewer_shards_than_there_are_is_refused(self):
        broker = Broker(arguments=["--shards", "2"]).start()
        try:
            broker.stop()
            done = subprocess.run([binary("millraced"), "--data-dir", str(broker.data), "--shards", "1", "--port", "0", "--http-port", "0"],
                                  capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("may not become 1", done.stderr)
        finally:
            broker.close()

    def test_sigterm_ends_with_0_and_everything_is_there_on_the_next_start(self):
        broker = Broker().start()
        try:
            broker.millrace("topic", "create", "a.b", "--partitions", "2")
            broker.millrace("publish", "a.b", text="one\ntwo\nthree\n")
            self.assertEqual(broker.stop(), 0)
            broker.start()
            out = broker.millrace("consume", "a.b").stdout
            self.assertEqual(sorted(out.split()), ["one", "three", "two"])
        finally:
            broker.close()

    def test_sigterm_under_load_ends_with_0(self):
        # Answers are on their way between the shards when they end; whoever holds a session then drops it late.
        broker = Broker()
        try:
            for wait_seconds in (0.0, 0.05, 0.1, 0.2, 0.4):
                broker.start()
                broker.millrace("topic", "create", "a.b", "--partitions", "8", "--if-not-exists")
                publishers = [subprocess.Popen([binary("millrace"), "--brokers", broker.native, "publish", "a.b"], stdin=subprocess.PIPE,
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
                try:
                    for publisher in publishers:
                        publisher.stdin.write(b"x\n" * 20_000)
                        publisher.stdin.flush()
                    time.sleep(wait_seconds)
                    self.assertEqual(broker.stop(), 0, broker.log_tail(200))
                finally:
                    for publisher in publishers:
                        publisher.kill()
                        publisher.wait()
                        publisher.stdin.close()
        finally:
            broker.close()

    def test_rebuild_index_brings_topics_records_and_progress_back(self):
        broker = Broker().start()
        try:
            broker.millrace("topic", "create", "a.b")
            broker.millrace("publish", "a.b", text="one\ntwo\n")
            broker.millrace("subscription", "consume", "s", "--topic", "a.b", "--count", "1")
            broker.kill()
            broker.arguments = ["--rebuild-index"]
            broker.start()
            self.assertEqual(broker.millrace("consume", "a.b").stdout.split(), ["one", "two"])
            self.assertEqual(broker.millrace("subscription", "consume", "s").stdout.split(), ["two"])
        finally:
            broker.close()


class Http(unittest.TestCase):
    def test_metrics_and_health(self):
        with Broker() as broker:
            self.assertEqual(http(broker, "/healthz"), (200, "ok\n"))
            self.assertEqual(http(broker, "/readyz"), (200, "ready\n"))
            status, text = http(broker, "/metrics")
            self.assertEqual(status, 200)
            self.assertIn("millrace_storage_commits_total", text)
            self.assertEqual(http(broker, "/nothing")[0], 404)


    def test_metrics_are_documented_and_those_of_the_alerts_are_there(self):
        rules = (ROOT / "docs" / "examples" / "alerts.yaml").read_text()
        sources = "".join(path.read_text() for folder in ("broker", "storage") for path in (ROOT / folder).rglob("*.cpp"))
        known = set(re.findall(r'"(millrace_[a-z0-9_]+)"', sources))
        asked = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
        self.assertEqual(len(asked), rules.count("- alert: "))
        self.assertEqual(len(asked), rules.count("summary: "))
        names = {re.sub("_bucket$", "", name) for expression in asked for name in re.findall(r"\bmillrace_\w+", expression)}
        self.assertEqual(names - known, set())
        self.assertGreater(len(names), 15)
        with Broker() as broker:
            broker.millrace("subscription", "create", "odoo-mrp", "--topic", "plant1.>")
            broker.millrace("publish", "plant1.step", "--create-topics", "1", "--value", "x")
            broker.millrace("subscription", "consume", "odoo-mrp", "--count", "1", "--nack", "mapping")
            without_odoo = [name for name in names if not name.startswith("millrace_odoo_")]
            eventually(30, lambda: all(f"# TYPE {name} " in http(broker, "/metrics")[1] for name in without_odoo), "all are shown")
            shown = re.findall(r"^# TYPE (\w+) ", http(broker, "/metrics")[1], re.MULTILINE)
        documented = set(re.findall(r"`(millrace_\w+)", "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))))
        self.assertEqual([name for name in shown if name not in documented], [])


class HostileBytes(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(arguments=["--hello-timeout-ms", "500", "--frame-bytes-max", "1MiB", "--connections-max", "64"]).start()
        self.addCleanup(self.broker.close)

    def assert_healthy(self):
        self.assertEqual(http(self.broker, "/healthz")[0], 200)
        self.broker.millrace("status")

    def test_garbage_is_answered_with_an_error_or_closed(self):
        seed = int.from_bytes(os.urandom(4), "little")
        dice = random.Random(seed)
        for _ in range(50):
            with self.subTest(seed=seed), connect(self.broker) as connection:
                connection.sendall(dice.randbytes(dice.randint(24, 4000)))
                connection.shutdown(socket.SHUT_WR)
                read_until_closed(connection)
        self.assert_healthy()

    def test_oversized_frame_is_refused_at_its_length(self):
        with connect(self.broker) as connection:
            connection.sendall((512 * 1024 * 1024 - 4).to_bytes(4, "little"))
            self.assertIn(b"frame_bytes_max", read_until_closed(connection))
        self.assert_healthy()

    def test_dripping_and_silent_connections_are_closed(self):
        begin = time.monotonic()
        with connect(self.broker) as silent, connect(self.broker) as dripping:
            dripping.sendall(b"\x40")
            read_until_closed(silent)
            read_until_closed(dripping)
        self.assertLess(time.monotonic() - begin, 8)
        self.assert_healthy()

    def test_connections_above_the_limit_are_closed_at_once(self):
        connections = [connect(self.broker) for _ in range(200)]

        def some_are_closed():
            closed = 0
            for connection in connections:
                connection.setblocking(False)
                try:
                    closed += connection.recv(1) == b""
                except BlockingIOError:
                    pass
                except ConnectionResetError:
                    closed += 1
            return closed >= 200 - 2 * 64

        eventually(5, some_are_closed, "connections above the limit are closed")
        for connection in connections:
            connection.close()
        eventually(10, lambda: self.broker.millrace("status", check=False).returncode == 0, "room again")


if __name__ == "__main__":
    unittest.main(verbosity=1)
