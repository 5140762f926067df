"""Starts the stand-ins for Odoo and for a plant; standard library only."""
import json
import re
import subprocess
import urllib.request

from harness import binary


class OdooSim:
    """One millrace-odoo-sim on free ports of loopback. `url` is Odoo's, the methods talk to the controls."""

    KEY = "demo-key"

    def __init__(self, *arguments: str):
        self.arguments = arguments
        self.database = "plant"
        self.process = None
        self.url = ""
        self.control = ""

    def start(self) -> "OdooSim":
        self.process = subprocess.Popen([binary("millrace-odoo-sim"), "--key", self.KEY, *self.arguments],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.match(r"millrace-odoo-sim on (\S+), controls on (\S+)", line)
        if not found:
            raise AssertionError(f"millrace-odoo-sim said: {line!r}")
        self.url, self.control = found[1], found[2]
        return self

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
            self.process.stdout.close()

    def broker_arguments(self, mapping, subscription: str) -> list[str]:
        return ["--odoo-url", self.url, "--odoo-database", self.database, "--odoo-login", "millrace", "--odoo-mapping", str(mapping),
                "--odoo-subscription", subscription]

    def broker_environment(self) -> dict:
        return {"MILLRACE_ODOO_KEY": self.KEY}

    def tell(self, control: str, **body) -> dict:
        request = urllib.request.Request(f"{self.control}/sim/{control}", data=json.dumps(body).encode(), method="POST",
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def ask(self, control: str) -> dict:
        with urllib.request.urlopen(f"{self.control}/sim/{control}", timeout=120) as answer:
            return json.load(answer)

    def create(self, model: str, *names: str):
        for name in names:
            self.tell("records", model=model, values={"name": name})

    def records(self, model: str) -> list[dict]:
        return self.ask(f"records?model={model}")["records"]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


def external_name(text: str) -> str:
    """As the function of that name in mapping files."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else f"_{ord(c)}_" for c in text)
