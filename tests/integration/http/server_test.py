"""What the HTTP server promises whatever is asked: keep-alive, limits, refusals."""
import json
import unittest
import urllib.error

from door import Broker, ask, connect, raw, reached, read_all, take
from harness import eventually


def problem_of(received: bytes) -> dict:
    return json.loads(received.partition(b"\r\n\r\n")[2])


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(arguments=["--http-header-bytes-max", "2KiB", "--http-body-bytes-max", "64KiB",
                                       "--http-bodies-bytes-max", "100KiB"]).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def test_a_connection_serves_one_request_after_the_other(self):
        connection = connect(self.broker)
        for path in ("/healthz", "/readyz", "/healthz"):
            connection.request("GET", path)
            self.assertEqual(take(connection).status, 200)
        with raw(self.broker) as pipelined:
            pipelined.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertEqual(read_all(pipelined).count(b"200 OK"), 2)
        connection.close()

    def test_head_has_the_length_and_no_body(self):
        with raw(self.broker) as connection:
            connection.sendall(b"HEAD /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            head, _, body = read_all(connection).partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: 6", head)
        self.assertEqual(body, b"")

    def test_a_refusal_after_head_has_its_body(self):
        with raw(self.broker) as connection:
            connection.sendall(b"HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n")
            received = read_all(connection)
        self.assertTrue(received.startswith(b"HTTP/1.1 200 OK"))
        refusal = received[received.index(b"\r\n\r\n") + 4:]
        self.assertTrue(refusal.startswith(b"HTTP/1.1 400 Bad Request"), refusal)
        self.assertEqual(problem_of(refusal)["error"], "malformed")

    def test_old_http_is_answered_and_closed(self):
        with raw(self.broker) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            self.assertTrue(read_all(connection).endswith(b"ready\n"))

    def test_unknown_path_and_method_are_problems(self):
        answer = ask(self.broker, "GET", "/v1/nothing")
        self.assertEqual((answer.status, answer.json["error"], answer.json["retryable"]), (404, "not_found", False))
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        answer = ask(self.broker, "DELETE", "/readyz")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertEqual(ask(self.broker, "OPTIONS", "/readyz").status, 204)

    def test_bytes_that_are_no_request_are_refused(self):
        with raw(self.broker) as connection:
            connection.sendall(b"\x00\x01\x02 what is this\r\n\r\n")
            received = read_all(connection)
        self.assertIn(b"400 Bad Request", received)
        self.assertEqual(problem_of(received)["error"], "malformed")

    def test_headers_at_the_limit_pass_and_above_it_are_refused(self):
        before = reached(self.broker, "http_header_bytes_max")
        line = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
        for size, status in ((2048, b"200 OK"), (2049 + 64, b"431 Request Header Fields Too Large")):
            with raw(self.broker) as connection:
                connection.sendall((line + "x" * (size - len(line) - 4) + "\r\n\r\n").encode())
                received = read_all(connection)
            self.assertIn(status, received)
        self.assertEqual(problem_of(received)["limit"], "http_header_bytes_max")
        self.assertEqual(reached(self.broker, "http_header_bytes_max"), before + 1)

    def test_a_body_above_the_limit_is_refused_and_the_answer_arrives(self):
        before = reached(self.broker, "http_body_bytes_max")
        with raw(self.broker) as connection:
            size = 10 << 20
            connection.sendall(f"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
            received = read_all(connection)
        self.assertIn(b"413 Payload Too Large", received)
        self.assertEqual(problem_of(received)["limit"], "http_body_bytes_max")
        with raw(self.broker) as connection:
            connection.sendall(b"POST /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n")
            self.assertIn(b"413 Payload Too Large", read_all(connection))
        self.assertEqual(reached(self.broker, "http_body_bytes_max"), before + 2)
        self.assertEqual(ask(self.broker, "POST", "/readyz", b"x" * 65536).status, 405)

    def test_what_chunks_carry_besides_their_bytes_has_the_limit_of_headers(self):
        before = reached(self.broker, "http_header_bytes_max")
        head = b"POST /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        for rest in (b"2\r\n{}\r\n0\r\nX-Much: " + b"x" * 100_000 + b"\r\n\r\n", b"2;" + b"e" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"):
            with raw(self.broker) as connection:
                connection.sendall(head + rest)
                received = read_all(connection)
            self.assertIn(b"431 Request Header Fields Too Large", received)
            self.assertEqual(problem_of(received)["limit"], "http_header_bytes_max")
        self.assertEqual(reached(self.broker, "http_header_bytes_max"), before + 2)
        with raw(self.broker) as connection:
            connection.sendall(head + b"2;name=value\r\n{}\r\n0\r\nX-Few: x\r\n\r\n")
            self.assertIn(b"405 Method Not Allowed", read_all(connection))

    def test_bodies_of_all_requests_together_have_a_limit(self):
        head = b"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
        with raw(self.broker) as first:
            first.sendall(head)

            def is_second_refused():
                with raw(self.broker) as second:
                    second.sendall(head + b"x" * 60000)
                    received = read_all_of_answer(second)
                return b"503 Service Unavailable" in received and received

            received = eventually(30, is_second_refused, "the second is refused")
            self.assertEqual(problem_of(received)["limit"], "http_bodies_bytes_max")
            self.assertIn(b"Retry-After: ", received)
            self.assertGreater(reached(self.broker, "http_bodies_bytes_max"), 0)

    def test_a_client_that_waits_for_the_word_is_told_to_go_on(self):
        with raw(self.broker) as connection:
            connection.sendall(b"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            self.assertEqual(connection.recv(65536), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"{}")
            self.assertIn(b"405 Method Not Allowed", read_all(connection))


def read_all_of_answer(connection) -> bytes:
    """One answer, whether the connection is kept or not."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class Times(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(arguments=["--http-request-timeout-ms", "1000", "--http-idle-timeout-ms", "2000"]).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def test_a_request_that_drips_is_ended_with_a_word(self):
        for begun in (b"GET /readyz HTTP/1.1\r\nHo", b"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12"):
            before = reached(self.broker, "http_request_timeout_ms")
            with raw(self.broker) as connection:
                connection.sendall(begun)
                received = read_all(connection)
            self.assertIn(b"408 Request Timeout", received)
            self.assertEqual(problem_of(received)["limit"], "http_request_timeout_ms")
            self.assertEqual(reached(self.broker, "http_request_timeout_ms"), before + 1)

    def test_a_silent_connection_is_closed(self):
        with raw(self.broker) as connection:
            self.assertEqual(read_all(connection), b"")
        self.assertGreater(reached(self.broker, "http_idle_timeout_ms"), 0)


def told(broker: Broker) -> bool:
    """Whether the limit is counted; the connection that asks may itself be one too many for a moment."""
    try:
        return reached(broker, "http_connections_max") >= 1
    except urllib.error.HTTPError:
        return False


class Connections(unittest.TestCase):
    def test_beyond_the_limit_a_connection_is_told_so(self):
        with Broker(arguments=["--http-connections-max", "3"]) as broker:
            held = [connect(broker) for _ in range(3)]
            for connection in held:
                connection.request("GET", "/readyz")
                self.assertEqual(take(connection).status, 200)
            refused = ask(broker, "GET", "/readyz")
            self.assertEqual((refused.status, refused.json["limit"]), (503, "http_connections_max"))
            self.assertIn("retry-after", refused.headers)
            held.pop().close()
            eventually(30, lambda: ask(broker, "GET", "/readyz").status == 200, "room again")
            eventually(30, lambda: told(broker), "the limit is counted")
            for connection in held:
                connection.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
