"""Starts real Millrace processes on loopback for the integration tests and the demonstration; standard library only."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Below the ports that the kernel gives to connections of others while a broker is down.
PORTS = (10_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        first = random.randrange(PORTS[0], PORTS[1] - count)
        if all(map(is_free, range(first, first + count))):
            return first


def binary(name: str) -> str:
    """The built program: from MILLRACE_BUILD_DIR, which CMake sets for tests, else from the newest build."""
    build = os.environ.get("MILLRACE_BUILD_DIR")
    places = [pathlib.Path(build)] if build else sorted(
        (ROOT / "build").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
    folders = ("broker", "client/cli", "client/examples", "bench/load", "tests/stand_ins/odoo_sim", "tests/stand_ins/plant",
               "tests/stand_ins", "tests/integration")
    for place in places:
        for folder in folders:
            candidate = place / folder / name
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return str(candidate)
    raise FileNotFoundError(f"{name} is not built; looked in {', '.join(map(str, places)) or 'build/'}")


def eventually(seconds: float, condition, what: str):
    """Waits for a condition; returns its first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Broker:
    """One millraced with its own data directory. `start` after `kill` continues with the same data and ports."""

    def __init__(self, directory: str | None = None, arguments: list[str] | None = None, environment: dict | None = None):
        self.own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="millrace-"))
        self.arguments = arguments or []
        self.environment = {**os.environ, **(environment or {})}
        self.ready_file = self.directory / "ready.json"
        self.log = self.directory / "millraced.log"
        self.process = None
        first = free_ports(2)
        self.native, self.http = (f"127.0.0.1:{port}" for port in (first, first + 1))

    @property
    def data(self) -> pathlib.Path:
        return self.directory / "data"

    def launch(self):
        command = [binary("millraced"), "--data-dir", str(self.data), "--port", self.native.rpartition(":")[2],
                   "--http-port", self.http.rpartition(":")[2], "--ready-file", str(self.ready_file), *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment)

    def start(self, wait_seconds: float = 30) -> "Broker":
        self.ready_file.unlink(missing_ok=True)
        self.launch()

        def is_ready():
            if self.process.poll() is not None:
                # While it was down, a connection of some other process may have been given its port for a while.
                if "Address already in use" in self.log_tail(1):
                    self.launch()
                    return False
                raise AssertionError(f"millraced ended with {self.process.returncode}:\n{self.log_tail()}")
            return self.ready_file.exists()

        eventually(wait_seconds, is_ready, f"millraced ready; log:\n{self.log_tail()}")
        ready = json.loads(self.ready_file.read_text())
        self.native, self.http = ready["native"], ready["http"]
        return self

    def kill(self):
        """SIGKILL: no goodbye, as a power cut would be for the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, wait_seconds: float = 30) -> int:
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.terminate()
        return self.process.wait(wait_seconds)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def millrace(self, *arguments: str, text: str | None = None, check: bool = True, timeout: float = 120):
        """Runs the command-line tool against this broker."""
        done = subprocess.run([binary("millrace"), "--brokers", self.native, *arguments], input=text, text=True,
                              capture_output=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"millrace {' '.join(arguments)} ended with {done.returncode}: {done.stderr}\n{self.log_tail()}")
        return done

    def ask(self, *arguments: str):
        """What a command answers with --output json."""
        return json.loads(self.millrace("--output", "json", *arguments).stdout)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
