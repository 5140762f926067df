"""Talks to the HTTP door of a broker; standard library only."""
import http.client
import json
import pathlib
import socket
import sys
import typing
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from harness import Broker  # noqa: E402  (the path comes first)


class Answer(typing.NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def connect(broker: Broker, timeout: float = 60) -> http.client.HTTPConnection:
    host, _, port = broker.http.rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def take(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def ask(broker: Broker, method: str, path: str, body=None, headers: dict | None = None) -> Answer:
    """One request on a connection of its own. What is neither text nor bytes goes as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection = connect(broker)
    try:
        connection.request(method, path, body.encode() if isinstance(body, str) else body, headers)
        return take(connection)
    finally:
        connection.close()


def raw(broker: Broker, timeout: float = 60) -> socket.socket:
    host, _, port = broker.http.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def read_all(connection: socket.socket) -> bytes:
    """Until the other side ends."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def metric(broker: Broker, name: str) -> float:
    """The sum over all label sets that begin so."""
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def reached(broker: Broker, limit: str) -> float:
    return metric(broker, f'millrace_http_limit_reached_total{{limit="{limit}"}}')
