"""Webhook targets: records of a subscription are posted, and what cannot be taken is handled as elsewhere."""
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import tempfile
import threading
import unittest

from door import Broker, ask, metric
from certificates import Authority
from harness import eventually

SECRET = "s3cret-of-crm"
TOPIC = "plant1.crm.lead"
QUEUE = "crm"


class Target:
    """A server that answers posts as it is told and keeps what it got."""

    def __init__(self, tls: ssl.SSLContext | None = None):
        self.tls = tls
        self.posts: list = []
        self.answers = lambda number, post: (200, {}, b"")
        self.interim = 0
        self.busy = 0
        self.busiest = 0
        lock = threading.Lock()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    target.busy += 1
                    target.busiest = max(target.busiest, target.busy)
                    number = len(target.posts)
                    post = {"path": self.path, "headers": dict(self.headers), "body": body}
                    target.posts.append(post)
                answer = target.answers(number, post)
                with lock:
                    target.busy -= 1
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, headers, body = answer
                for _ in range(target.interim):
                    self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.handler = Handler
        self.server = None
        self.port = 0
        self.start()

    def start(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.server.handle_error = lambda *_: None
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def values(self) -> list:
        return [json.loads(post["body"])["n"] for post in list(self.posts)]


class OneTarget(unittest.TestCase):
    """A broker with a subscription whose records are posted to one target."""

    def setUp(self):
        self.target = self.make_target()
        self.addCleanup(lambda: self.target.stop())
        self.broker = Broker(environment={"CRM_SECRET": SECRET})
        self.addCleanup(self.broker.close)
        file = self.broker.directory / "hooks.yaml"
        file.write_text(f"""
targets:
  - subscription: {QUEUE}
    {self.address()}
    headers: {{X-Plant: one}}
    signature: {{secret_env: CRM_SECRET}}
    timeout_ms: 20000
    concurrency: 3
""")
        self.broker.arguments = ["--shards", "2", "--hooks-file", str(file)]
        self.broker.start()
        self.broker.millrace("topic", "create", TOPIC, "--partitions", "4")
        self.broker.millrace("subscription", "create", QUEUE, "--topic", TOPIC, "--backoff-min", "20ms", "--backoff-max", "100ms", "--attempts", "1000")

    def make_target(self) -> Target:
        return Target()

    def address(self) -> str:
        return f"url: http://127.0.0.1:{self.target.port}/events?from=millrace"

    def publish(self, *numbers: int, key=None):
        records = [{"key": key or f"K{n % 7}", "value": {"n": n}, "headers": {"event-id": f"e{n}"}} for n in numbers]
        self.assertEqual(ask(self.broker, "POST", f"/v1/topics/{TOPIC}/records", records).status, 200)

    def status(self) -> dict:
        return ask(self.broker, "GET", f"/v1/subscriptions/{QUEUE}").json

    def letters(self) -> list:
        return ask(self.broker, "GET", f"/v1/subscriptions/{QUEUE}/letters?state=open").json["letters"]

    def all_settled(self):
        eventually(100, lambda: self.status()["lag_records"] == 0, f"all settled: {self.status()}\n{self.broker.log_tail()}")


class Targets(OneTarget):
    def test_every_record_is_posted_signed_once_and_in_order_by_key(self):
        self.publish(*range(100))
        self.all_settled()
        self.assertEqual(sorted(self.target.values()), list(range(100)))
        for key in range(7):
            numbers = [n for n in self.target.values() if n % 7 == key]
            self.assertEqual(numbers, sorted(numbers))
        self.assertLessEqual(self.target.busiest, 3)
        post = self.target.posts[0]
        headers, number = post["headers"], json.loads(post["body"])["n"]
        self.assertEqual((post["path"], headers["X-Plant"], headers["Content-Type"]), ("/events?from=millrace", "one", "application/json"))
        self.assertEqual((headers["Millrace-Topic"], headers["Millrace-Key"], headers["Millrace-Event-Id"]), (TOPIC, f"K{number % 7}", f"e{number}"))
        signed = f"{headers['Millrace-Timestamp']}.".encode() + post["body"]
        self.assertEqual(headers["Millrace-Signature"], "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())
        self.assertEqual(metric(self.broker, 'millrace_webhook_posts_total{subscription="crm",outcome="taken"}'), 100)
        self.assertNotIn(SECRET, self.broker.log_tail(1000))

    def test_an_interim_answer_is_not_the_answer(self):
        self.target.interim = 2
        self.target.answers = lambda number, post: (422, {}, b"no") if json.loads(post["body"])["n"] == 3 else (200, {}, b"")
        self.publish(*range(5))
        letter = eventually(60, self.letters, "a letter")[0]
        self.assertEqual(letter["error"], "the target answers 422")
        eventually(60, lambda: set(self.target.values()) == set(range(5)), "all are posted")
        self.assertEqual(len(self.letters()), 1)

    def test_a_key_that_no_header_can_carry_becomes_a_letter_and_the_others_go_on(self):
        self.publish(1, key="k" * 9000)
        self.publish(2)
        letter = eventually(60, self.letters, "a letter")[0]
        self.assertEqual(letter["cause"], "mapping")
        self.assertIn("limit post_header_bytes_max is 8192", letter["error"])
        eventually(60, lambda: self.target.values() == [2], "the other one is posted")
        self.assertEqual(metric(self.broker, 'millrace_http_limit_reached_total{limit="post_header_bytes_max"}'), 1)

    def test_a_slow_target_keeps_a_record_beyond_a_short_ack_timeout(self):
        self.broker.millrace("subscription", "alter", QUEUE, "--ack-timeout", "2s", "--attempts", "1")
        late = threading.Event()
        self.target.answers = lambda number, post: late.wait(6) or (200, {}, b"")
        self.publish(1)
        self.all_settled()
        self.assertEqual((self.target.values(), self.letters()), ([1], []))

    def test_the_list_of_targets_has_no_query(self):
        target = ask(self.broker, "GET", "/v1/hooks").json["targets"][0]
        self.assertEqual(target["url"], f"http://127.0.0.1:{self.target.port}/events")

    def test_what_may_pass_is_tried_again_and_makes_no_letters(self):
        self.target.answers = lambda number, post: (503, {"Retry-After": "0"}, b"busy") if number % 3 == 0 else (204, {}, b"")
        self.publish(*range(30))
        self.all_settled()
        self.assertEqual(set(self.target.values()), set(range(30)))
        self.assertEqual(self.letters(), [])

    def test_what_the_target_refuses_becomes_a_letter_with_its_answer(self):
        self.target.answers = lambda number, post: (422, {}, b"no such customer") if json.loads(post["body"])["n"] == 3 else (200, {}, b"")
        self.publish(3, 10, key="same")
        self.publish(1, 2, 4)
        letter = eventually(60, self.letters, "a letter")[0]
        self.assertEqual((letter["cause"], letter["error"], letter["response"]), ("mapping", "the target answers 422", "no such customer"))
        eventually(60, lambda: set(self.target.values()) == {1, 2, 3, 4}, "the others are taken")
        self.target.answers = lambda number, post: (200, {}, b"")
        ask(self.broker, "POST", f"/v1/subscriptions/{QUEUE}/letters/redrive", {"ids": [letter["id"]]})
        self.all_settled()
        self.assertEqual(self.target.values()[-2:], [3, 10])

    def test_a_target_that_is_out_opens_the_circuit_and_loses_nothing(self):
        self.target.stop()
        self.publish(*range(20))
        status = eventually(60, lambda: (one := self.status())["circuit"] != "closed" and one, "the circuit is open")
        self.assertIn("cannot reach", status["reason"])
        self.target.start()
        self.all_settled()
        self.assertEqual(set(self.target.values()), set(range(20)))
        self.assertEqual(self.letters(), [])

    def test_an_answer_that_is_lost_leads_to_another_post(self):
        self.target.answers = lambda number, post: None if number < 5 else (200, {}, b"")
        self.publish(*range(10))
        self.all_settled()
        self.assertEqual(set(self.target.values()), set(range(10)))
        self.assertEqual(self.letters(), [])
        self.assertEqual(metric(self.broker, 'millrace_webhook_posts_total{subscription="crm",outcome="outcome_unknown"}'), 5)

    def test_a_broker_that_was_killed_goes_on(self):
        self.publish(*range(200))
        eventually(60, lambda: len(self.target.posts) > 20, "posts are under way")
        self.broker.kill()
        self.broker.start()
        self.all_settled()
        self.assertEqual(set(self.target.values()), set(range(200)))


class OneTargetInTls(OneTarget):
    names = "DNS:localhost"

    def make_target(self) -> Target:
        directory = tempfile.TemporaryDirectory(prefix="millrace-tls-")
        self.addCleanup(directory.cleanup)
        self.ca = Authority(pathlib.Path(directory.name))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*self.ca.issue("crm", self.names))
        return Target(tls)

    def address(self) -> str:
        return f"url: https://localhost:{self.target.port}/events\n    ca_file: {self.ca.file}"


class TargetsInTls(OneTargetInTls):
    def test_every_record_is_posted(self):
        self.publish(*range(20))
        self.all_settled()
        self.assertEqual(sorted(self.target.values()), list(range(20)))
        self.assertEqual(self.target.posts[0]["headers"]["Host"], f"localhost:{self.target.port}")
        shown = ask(self.broker, "GET", "/v1/hooks").json["targets"][0]["url"]
        self.assertEqual(shown, f"https://localhost:{self.target.port}/events")


class TargetsInTlsOfAnotherName(OneTargetInTls):
    names = "DNS:crm.plant1.example"

    def test_nothing_is_posted_lost_or_dead(self):
        self.publish(1, 2)
        status = eventually(60, lambda: (s := self.status())["circuit"] != "closed" and s, "the circuit opens")
        self.assertIn(f'configuration: cannot speak TLS with localhost:{self.target.port}: its certificate is not for "localhost"', status["reason"])
        self.assertEqual((self.letters(), self.target.posts), ([], []))


if __name__ == "__main__":
    unittest.main(verbosity=2)
