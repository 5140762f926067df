"""Odoo behind TLS, with real processes: the feed, the source, and what `millrace odoo` asks."""
import json
import pathlib
import tempfile
import unittest

import place  # noqa: F401
from certificates import Authority
from feed_test import QUEUE, TOPIC, Feed, some
from harness import eventually
from source_test import SOURCE


class Https(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="millrace-https-")
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        self.ca = Authority(self.folder)

    def odoo(self, names: str = "DNS:localhost,IP:127.0.0.1") -> tuple:
        certificate, key = self.ca.issue("odoo", names)
        return ("--tls-cert", str(certificate), "--tls-key", str(key))

    def feed(self, *arguments: str, names: str = "DNS:localhost,IP:127.0.0.1", ca_file=None) -> Feed:
        return Feed(*self.odoo(names), broker_arguments=("--odoo-ca-file", str(ca_file or self.ca.file), *arguments))

    def why_not(self, feed: Feed) -> str:
        """What the circuit says once it is open; nothing is lost, dead or told."""
        feed.publish(*some(3))
        status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
        self.assertEqual(feed.letters(), [])
        self.assertEqual(feed.lots(), {})
        self.assertNotIn(feed.odoo.KEY, json.dumps(status) + feed.broker.log.read_text())
        return status["reason"]

    def test_events_reach_odoo_and_its_outage_is_one(self):
        with self.feed() as feed:
            self.assertTrue(feed.odoo.url.startswith("https://"))
            feed.publish(*some(100))
            feed.all_settled(30)
            feed.odoo.tell("mode", mode="down", for_ms=1000)
            feed.publish(*some(20, start=100))
            feed.all_settled(30)
            self.assertEqual(len(feed.lots()), 120)
            self.assertEqual(feed.letters(), [])
            self.assertNotIn(feed.odoo.KEY, feed.broker.log.read_text())

    def test_answers_that_are_lost_leave_one_record_each(self):
        with self.feed() as feed:
            feed.odoo.tell("mode", mode="drop_after_commit", share=0.5, for_ms=1000)
            feed.publish(*some(40))
            feed.all_settled(60)
            self.assertEqual(len(feed.odoo.records("stock.lot")), 40)

    def test_records_of_odoo_become_events(self):
        source = self.folder / "source.yaml"
        source.write_text((SOURCE % {"interval": 1, "wait": 2}).replace("sweep: {", "sweep: {from: beginning, "))
        with self.feed("--odoo-source", str(source)) as feed:
            broker = feed.broker
            for topic in ("odoo.hints", "odoo.sale.order.draft"):
                broker.millrace("topic", "create", topic)
            broker.millrace("subscription", "create", "odoo-source", "--topic", "odoo.hints")
            partner = feed.odoo.tell("records", model="res.partner", values={"name": "Acme"})["id"]
            feed.odoo.tell("records", model="sale.order", values={"name": "S1", "partner_id": partner})
            found = eventually(60, lambda: broker.millrace("consume", "odoo.sale.order.draft", "--from", "beginning", "--format", "{key}").stdout.split(),
                               "the sweep has found the order")
            self.assertEqual(found, ["S1"])

    def test_commands_reach_odoo(self):
        with self.feed() as feed:
            feed.publish(*some(3))
            feed.all_settled(30)
            folder = pathlib.Path(feed.directory.name)
            (folder / "odoo.key").write_text(feed.odoo.KEY)
            (folder / "admin.key").write_text("admin-key")
            (folder / "event.json").write_text(json.dumps({"topic": TOPIC, "key": "A", "value": {"id": "a", "product": "Nut", "note": "n"}}))
            mapping = str(folder / "mapping.yaml")

            def run(*arguments: str, login: str = "millrace", key: str = "odoo.key", ca: tuple = ("--ca-file", str(self.ca.file)), code: int = 0):
                done = feed.broker.millrace("odoo", *arguments, "--database", "plant", "--login", login, "--key-file", str(folder / key), *ca,
                                            check=False)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertNotIn(feed.odoo.KEY, done.stdout + done.stderr)
                return done.stdout + done.stderr

            url = feed.odoo.url
            self.assertIn("creates millrace.part_a", run("try", mapping, "--event", str(folder / "event.json"), "--against", url))
            self.assertRegex(run("verify", "--mapping", mapping, "--from", "-1h", "--url", url), r"missing: +0")
            install = ("install", "--mapping", mapping, "--yes", "--url", url)
            self.assertIn("is installed", run(*install, login="admin", key="admin.key"))
            # Without the plant's CA it is no server that this machine trusts.
            said = run(*install, login="admin", key="admin.key", ca=(), code=1)
            self.assertIn("none of the CAs that this system trusts: give the file with its CA as odoo_ca_file", said)
            said = run(*install, login="admin", key="admin.key", ca=("--ca-file", str(folder / "none.pem")), code=2)
            self.assertIn("none.pem", said)

    def test_a_ca_of_somebody_else_is_not_trusted(self):
        other = Authority(self.folder, "other-ca")
        with self.feed(ca_file=other.file) as feed:
            reason = self.why_not(feed)
            self.assertIn("configuration", reason)
            self.assertIn(f"issued by none of the CAs in {other.file}: correct odoo_ca_file", reason)

    def test_a_certificate_for_another_host_is_not_trusted(self):
        with self.feed(names="DNS:odoo.plant1.example") as feed:
            reason = self.why_not(feed)
            self.assertIn("configuration", reason)
            self.assertIn('its certificate is not for "127.0.0.1"', reason)


if __name__ == "__main__":
    unittest.main()
