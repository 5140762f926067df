"""The stand-in's wire over a socket, as Odoo's was measured: what its unit tests, which need none, cannot show."""
import concurrent.futures
import gzip
import http.server
import json
import socket
import threading
import time
import unittest

import place  # noqa: F401
from harness import eventually
from stand_ins import OdooSim


def call(model: str, method: str, *positional) -> bytes:
    body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {
        "service": "object", "method": "execute_kw", "args": ["plant", 2, OdooSim.KEY, model, method, list(positional), {}]}}
    return json.dumps(body).encode()


class Wire(unittest.TestCase):
    def start(self, *arguments: str):
        self.odoo = OdooSim(*arguments).start()
        self.addCleanup(self.odoo.close)

    def connect(self) -> socket.socket:
        host, _, port = self.odoo.url.removeprefix("http://").rpartition(":")
        return socket.create_connection((host, int(port)), timeout=30)

    def ask(self, body: bytes, *headers: str, target: str = "/jsonrpc") -> tuple[str, str]:
        """Head and body of the answer, which ends with the connection."""
        length = [] if any("chunked" in header for header in headers) else [f"Content-Length: {len(body)}"]
        head = "\r\n".join([f"POST {target} HTTP/1.1", "Host: odoo", "Content-Type: application/json", *length, *headers])
        with self.connect() as connection:
            connection.sendall(head.encode() + b"\r\n\r\n" + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, text = answer.decode().partition("\r\n\r\n")
        return head, text

    def test_an_answer_is_http_1_0_and_closes(self):
        self.start()
        head, text = self.ask(call("res.partner", "search_count", []))
        self.assertTrue(head.startswith("HTTP/1.0 200 "), head)
        self.assertIn("connection: close", head.lower())
        self.assertEqual(json.loads(text)["result"], 0)

    def test_chunks_are_read_and_gzip_is_not(self):
        self.start()
        body = call("res.partner", "search_count", [])
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:])) + b"0\r\n\r\n"
        self.assertEqual(json.loads(self.ask(chunks, "Transfer-Encoding: chunked")[1])["result"], 0)
        self.assertTrue(self.ask(gzip.compress(body), "Content-Encoding: gzip")[0].startswith("HTTP/1.0 400 "))

    def test_a_client_that_gives_up_leaves_all_of_its_records_committed(self):
        self.start()
        self.odoo.tell("mode", mode="slow", for_ms=20000)
        body = call("res.partner", "create", [{"name": f"P{number}"} for number in range(300)])
        with self.connect() as connection:
            connection.sendall(b"POST /jsonrpc HTTP/1.1\r\nHost: odoo\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        eventually(30, lambda: len(self.odoo.records("res.partner")) == 300, "all are there")

    def test_a_slow_receiver_of_webhooks_makes_a_creation_slow_and_is_not_asked_again(self):
        self.start()
        posts = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                posts.append(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(3)

            def log_message(self, *_):
                pass

        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        receiver.daemon_threads = True
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        self.addCleanup(receiver.server_close)
        self.addCleanup(receiver.shutdown)
        partner = self.odoo.tell("records", model="res.partner", values={"name": "Acme"})["id"]
        self.odoo.tell("webhooks", model="sale.order", url=f"http://127.0.0.1:{receiver.server_address[1]}/")
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            creation = threads.submit(self.ask, call("sale.order", "create", {"partner_id": partner}))
            eventually(10, lambda: posts, "it has begun")
            _, others = self.ask(call("sale.order", "search_count", []))
            self.assertLess(time.monotonic() - begin, 5)
            self.assertEqual(json.loads(others)["result"], 0, "not committed, and others are served")
            head, _ = creation.result()
        took = time.monotonic() - begin
        self.assertTrue(head.startswith("HTTP/1.0 200 "), head)
        self.assertEqual(json.loads(self.ask(call("sale.order", "search_count", []))[1])["result"], 1)
        self.assertGreater(took, 12)  # a second a post
        self.assertLess(took, 20)
        self.assertEqual(len(posts), 12)

    def test_beyond_its_workers_connections_wait_and_none_is_refused(self):
        self.start("--workers", "1", "--latency", "measured")
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(20) as threads:
            heads = list(threads.map(lambda _: self.ask(call("res.partner", "create", [{"name": "P"}]))[0], range(20)))
        self.assertEqual({head.split()[1] for head in heads}, {"200"})
        self.assertGreater(time.monotonic() - begin, 20 * 0.02)  # one after another

    def test_a_stopped_one_resets_what_it_has_begun(self):
        self.start()
        self.odoo.tell("mode", mode="slow")
        body = call("res.partner", "create", [{"name": "P"}])
        with self.connect() as connection:
            connection.sendall(b"POST /jsonrpc HTTP/1.1\r\nHost: odoo\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            eventually(10, lambda: self.odoo.records("res.partner"), "it is at work")
            self.odoo.tell("mode", mode="down")
            with self.assertRaises(ConnectionResetError):
                connection.recv(65536)

    def test_a_stopped_one_refuses_and_comes_back(self):
        self.start()
        self.odoo.tell("mode", mode="down")

        def is_refused() -> bool:
            try:
                self.connect().close()
            except ConnectionRefusedError:
                return True
            return False

        eventually(10, is_refused, "refused")
        self.odoo.tell("mode", mode="up")
        eventually(10, lambda: not is_refused(), "it is back")
        self.assertTrue(self.ask(call("res.partner", "search_count", []))[0].startswith("HTTP/1.0 200 "))


if __name__ == "__main__":
    unittest.main(verbosity=2)
