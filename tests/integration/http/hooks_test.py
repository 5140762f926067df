"""Hooks: posts that are checked, turned into records, and acked when these are durable."""
import base64
import hashlib
import hmac
import json
import subprocess
import unittest

from door import Broker, ask, metric
from harness import binary

SECRET = "s3cret-of-the-shop"
HOOKS = """
hooks:
  - name: shop
    topic: '"shop." + .body.status'
    key: .body.customer
    event_id: .headers["x-delivery"]
    when: .body.status != "draft"
    signature: {header: X-Signature, prefix: sha256=, secret_env: SHOP_SECRET}
  - name: edi
    topic: '"edi.in"'
    token: {header: Authorization, prefix: "Bearer ", secret_file: SECRET_FILE}
  - name: odoo
    topic: '"odoo." + .body._model'
    key: .body._id
    event_id: '"\\(.body._model)/\\(.body._id)/\\(.body_sha256)"'
    open: true
"""


def signed(body: str, secret: str = SECRET, **headers) -> dict:
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {"X-Signature": f"sha256={digest}", "Content-Type": "application/json", **headers}


class Hooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(environment={"SHOP_SECRET": SECRET})
        secrets = cls.broker.directory / "edi.secret"
        secrets.write_text("second\nfirst\n")
        file = cls.broker.directory / "hooks.yaml"
        file.write_text(HOOKS.replace("SECRET_FILE", str(secrets)))
        cls.broker.arguments = ["--shards", "2", "--hooks-file", str(file)]
        cls.broker.start()
        for topic in ("shop.paid", "edi.in", "odoo.sale.order"):
            cls.broker.millrace("topic", "create", topic, "--partitions", "4")

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def records(self, topic: str) -> list[dict]:
        return ask(self.broker, "GET", f"/v1/topics/{topic}/records?max=1000").json["records"]

    def test_a_signed_post_is_published_once(self):
        body = json.dumps({"status": "paid", "customer": 7, "note": "Straße"})
        headers = signed(body, **{"X-Delivery": "d-1"})
        first = ask(self.broker, "POST", "/v1/hooks/shop", body, headers)
        self.assertEqual((first.status, first.json["published"]), (200, 1), first.body)
        again = ask(self.broker, "POST", "/v1/hooks/shop", body, headers)
        self.assertTrue(again.json["records"][0]["duplicate"])
        found = self.records("shop.paid")
        self.assertEqual([(record["key"], record["value"]["note"], record["headers"]["event-id"]) for record in found], [("7", "Straße", "d-1")])
        self.assertEqual(metric(self.broker, 'millrace_http_hook_posts_total{hook="shop",outcome="repeated"}'), 1)

    def test_who_can_not_prove_it_is_not_let_in(self):
        body = json.dumps({"status": "paid", "customer": 8})
        before = len(self.records("shop.paid"))
        for headers in ({}, {"X-Signature": "sha256=" + "0" * 64}, signed(body, secret="other"), signed(body + " ")):
            answer = ask(self.broker, "POST", "/v1/hooks/shop", body, headers)
            self.assertEqual(answer.status, 401)
            self.assertNotIn(SECRET.encode(), answer.body)
        self.assertEqual(ask(self.broker, "POST", "/v1/hooks/edi", "x", {"Authorization": "Bearer third"}).status, 401)
        self.assertEqual(len(self.records("shop.paid")), before)
        self.assertGreaterEqual(metric(self.broker, 'millrace_http_hook_posts_total{hook="shop",outcome="not_admitted"}'), 4)

    def test_every_line_of_a_secret_file_holds(self):
        for number, secret in enumerate(("first", "second")):
            answer = ask(self.broker, "POST", "/v1/hooks/edi", f"UNB+{number}'\xe9".encode("latin-1"), {"Authorization": f"Bearer {secret}"})
            self.assertEqual(answer.status, 200, answer.body)
        values = [base64.b64decode(record["value_base64"]) for record in self.records("edi.in")]
        self.assertEqual(sorted(values), [b"UNB+0'\xe9", b"UNB+1'\xe9"])

    def test_the_posts_of_one_change_become_the_ones_that_differ(self):
        posts = [{"_action": "write", "_id": 5, "_model": "sale.order", "state": state} for state in ["draft"] * 9 + ["sale"] * 12 + ["done"] * 7]
        for post in posts:
            self.assertEqual(ask(self.broker, "POST", "/v1/hooks/odoo", post).status, 200)
        self.assertEqual([record["value"]["state"] for record in self.records("odoo.sale.order")], ["draft", "sale", "done"])

    def test_what_a_hook_does_not_want_or_can_not_take_is_said(self):
        draft = json.dumps({"status": "draft"})
        answer = ask(self.broker, "POST", "/v1/hooks/shop", draft, signed(draft))
        self.assertEqual((answer.status, answer.json["published"]), (200, 0))
        nowhere = json.dumps({"status": "lost"})
        answer = ask(self.broker, "POST", "/v1/hooks/shop", nowhere, signed(nowhere))
        self.assertEqual((answer.status, answer.json["error"]), (404, "unknown_topic"))
        broken = "{"
        answer = ask(self.broker, "POST", "/v1/hooks/shop", broken, signed(broken))
        self.assertEqual((answer.status, answer.json["error"]), (400, "invalid_argument"))
        self.assertEqual(ask(self.broker, "POST", "/v1/hooks/none", "{}").status, 404)

    def test_hooks_are_listed_without_their_secrets(self):
        answer = ask(self.broker, "GET", "/v1/hooks")
        self.assertEqual({hook["name"]: hook["check"] for hook in answer.json["hooks"]}, {"shop": "signature", "edi": "token", "odoo": "open"})
        for secret in (SECRET, "first", "second"):
            self.assertNotIn(secret.encode(), answer.body)
        self.assertNotIn(SECRET, self.broker.log_tail(1000))


class Settings(unittest.TestCase):
    def test_a_bad_file_is_refused_at_start_and_by_config_check(self):
        broker = Broker()
        self.addCleanup(broker.close)
        file = broker.directory / "hooks.yaml"
        file.write_text("hooks:\n  - name: x\n    topic: '\"a\"'\n    key: .x +\n    open: true\n")
        for arguments, code in ((["config", "check"], 2), ([], 1)):
            done = subprocess.run([binary("millraced"), "--hooks-file", str(file), "--data-dir", str(broker.data), "--port", "0", "--http-port", "0",
                                   *arguments], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn("hooks.yaml:4", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
