"""Dead letters as an operator sees them: found, mended, sent again, taken out and back, across a kill."""
import json
import unittest

from harness import Broker

TOPIC = "plant1.orders"
QUEUE = "erp"


class Letters(unittest.TestCase):
    """Eight orders of four keys; the first of each key is a letter, the second is parked behind it."""

    def setUp(self):
        self.broker = Broker(arguments=["--shards", "2"]).start()
        self.addCleanup(self.broker.close)
        self.broker.millrace("topic", "create", TOPIC, "--partitions", "4")
        self.broker.millrace("subscription", "create", QUEUE, "--topic", TOPIC)
        lines = (json.dumps({"topic": TOPIC, "key": f"WO-{n % 4}", "headers": {"correlation-id": f"chain {n % 4}"},
                             "value": {"order": n, "product": "CH-9" if n % 2 else "CH-7"}}) + "\n" for n in range(8))
        self.broker.millrace("publish", "--jsonl", text="".join(lines))
        self.assertEqual(len(self.consume("--nack", "mapping", "--error", "no product")), 4)

    def consume(self, *arguments: str) -> list[dict]:
        lines = self.broker.millrace("subscription", "consume", QUEUE, "--format", "json", "--idle", "700ms", *arguments).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def orders(self, *filters: str) -> list[int]:
        """The first records of the keys whose open letters the filters name."""
        return sorted(int(letter["key"][3:]) for letter in self.broker.ask("dlq", "ls", QUEUE, *filters))

    def letter(self, order: int) -> dict:
        (found,) = self.broker.ask("dlq", "ls", QUEUE, "--key", f"WO-{order}", "--state", "all")
        return self.broker.ask("dlq", "show", QUEUE, str(found["id"]))

    def test_filters_narrow_the_list_together(self):
        self.assertEqual(self.orders(), [0, 1, 2, 3])
        self.assertEqual(self.orders("--where", '.value.product == "CH-9"'), [1, 3])
        self.assertEqual(self.orders("--where", '.value.product == "CH-9"', "--key", "WO-3"), [3])
        self.assertEqual(self.orders("--correlation-id", "chain 2"), [2])
        self.assertEqual(self.orders("--where", '.headers["correlation-id"] == "chain 0"'), [0])
        self.assertEqual(self.orders("--error", "product", "--cause", "mapping"), [0, 1, 2, 3])
        self.assertEqual(self.orders("--error", "other"), [])
        self.assertEqual(self.orders("--cause", "poison"), [])
        self.assertEqual(self.orders("--since", "1h"), [0, 1, 2, 3])

    def test_group_by_counts_and_describe_names_the_causes(self):
        groups = self.broker.ask("dlq", "ls", QUEUE, "--group-by", "cause")
        self.assertEqual([(group["cause"], group["count"]) for group in groups], [("mapping", 4)])
        self.assertEqual(self.broker.ask("subscription", "describe", QUEUE)["letters_by_cause"], {"mapping": 4})

    def test_edit_keeps_the_original_and_the_mended_record_goes_out_before_its_key(self):
        program = '.value.product = "CH-90"'
        self.broker.millrace("dlq", "edit", QUEUE, "--where", '.value.product == "CH-9"', "--transform", program, "--by", "ann")
        self.broker.kill()
        self.broker.start()
        letter = self.letter(1)
        self.assertEqual(letter["record"]["value"], {"order": 1, "product": "CH-9"})
        self.assertEqual(letter["edited"]["value"], {"order": 1, "product": "CH-90"})
        self.assertEqual([(action["action"], action["by"]) for action in letter["actions"]], [("opened", "broker"), ("edited", "ann")])
        self.assertEqual(self.consume(), [], "an edit alone sends nothing")

        self.broker.millrace("dlq", "redrive", QUEUE, "--key", "WO-1")
        self.assertEqual([record["value"] for record in self.consume()],
                         [{"order": 1, "product": "CH-90"}, {"order": 5, "product": "CH-9"}])
        self.assertEqual(self.letter(1)["state"], "resolved")

    def test_redrive_mends_on_its_way(self):
        self.broker.millrace("dlq", "redrive", QUEUE, "--where", ".value.order == 2", "--transform", ".value.fixed = true")
        self.assertEqual([record["value"] for record in self.consume()],
                         [{"order": 2, "product": "CH-7", "fixed": True}, {"order": 6, "product": "CH-7"}])

    def test_what_jq_or_the_order_refuses_changes_nothing(self):
        for program, word in ((".value |= (", "syntax error"), ('.key = "other"', "key"), ("1", "give the letter back"),
                              (".headers = 3", "headers"), (".[]", "results"), (".value.order + {}", "cannot be added")):
            done = self.broker.millrace("dlq", "edit", QUEUE, "--all", "--transform", program, check=False)
            self.assertNotEqual(done.returncode, 0, program)
            self.assertIn(word, done.stderr, program)
        self.assertNotIn("edited", self.letter(0))

    def test_a_dry_run_tries_the_transform_and_changes_nothing(self):
        program = 'if .value.order > 1 then error("no unit for \\(.value.order)") else .value.fixed = true end'
        trial = self.broker.ask("dlq", "redrive", QUEUE, "--all", "--transform", program, "--dry-run")
        self.assertEqual((trial["mended"], trial["failed"]), (2, 2))
        (failure,) = trial["failures"]
        self.assertEqual((failure["count"], failure["example_id"] in {self.letter(2)["id"], self.letter(3)["id"]}), (2, True))
        self.assertIn("no unit for", failure["example"])
        shown = self.broker.millrace("dlq", "redrive", QUEUE, str(self.letter(0)["id"]), "--transform", program, "--dry-run").stdout
        self.assertIn("the transform mends 1 of 1\n", shown)
        self.assertEqual(self.orders(), [0, 1, 2, 3])
        self.assertNotIn("edited", self.letter(0))
        bad = self.broker.millrace("dlq", "redrive", QUEUE, "--all", "--transform", ".value |=", "--dry-run", check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("transform: jq: error: syntax error", bad.stderr)

    def test_export_is_mended_in_an_editor_and_comes_back(self):
        exported = self.broker.millrace("dlq", "export", QUEUE).stdout
        same = self.broker.millrace("dlq", "import", QUEUE, text=exported)
        self.assertIn("unchanged 4", same.stderr)
        mended = exported.replace('"CH-7"', '"CH-70"')
        self.assertIn("edited 2, unchanged 2", self.broker.millrace("dlq", "import", QUEUE, text=mended).stderr)
        self.assertEqual(self.letter(0)["edited"]["value"]["product"], "CH-70")
        self.assertNotIn("edited", self.letter(1))
        other_key = self.broker.millrace("dlq", "import", QUEUE, text=json.dumps(self.letter(1) | {"record": self.letter(1)["record"] | {"key": "other"}}),
                                         check=False)
        self.assertEqual(other_key.returncode, 6, other_key.stderr)
        self.assertIn("key, headers and event time are not mended by an import", other_key.stderr)
        self.broker.millrace("dlq", "import", QUEUE, "--redrive", text=mended)
        self.assertEqual(sorted(record["value"]["order"] for record in self.consume()), list(range(8)))
        late = self.broker.millrace("dlq", "import", QUEUE, "--redrive", text=mended, check=False)
        self.assertEqual(late.returncode, 6, late.stderr)
        self.assertIn("no open letter", late.stderr)

    def test_groups_of_errors_leave_numbers_out_and_age_narrows(self):
        for order in (0, 1):
            self.broker.millrace("dlq", "redrive", QUEUE, str(self.letter(order)["id"]))
            self.consume("--nack", "mapping", "--error", f"no product CH-{order} for 'line {order}'")
        groups = self.broker.ask("dlq", "ls", QUEUE, "--group-by", "error")
        self.assertEqual([(group["error"], group["count"], group["cause"]) for group in groups],
                         [("no product", 2, "mapping"), ("no product # for #", 2, "mapping")])
        self.assertIn("CH-", groups[1]["example"])
        self.assertEqual([(group["topic"], group["count"]) for group in self.broker.ask("dlq", "ls", QUEUE, "--group-by", "topic")], [(TOPIC, 4)])
        self.assertEqual(len(self.broker.ask("dlq", "ls", QUEUE, "--group-by", "key")), 4)
        self.assertEqual(self.orders("--older-than", "1h"), [])
        self.assertEqual(self.orders("--older-than", "now"), [0, 1, 2, 3])

    def test_one_letter_takes_the_value_of_a_file(self):
        file = self.broker.directory / "order.json"
        file.write_text('{"order": 3, "by": "hand"}')
        self.broker.millrace("dlq", "edit", QUEUE, str(self.letter(3)["id"]), "--value-file", str(file))
        self.assertEqual(self.letter(3)["edited"]["value"], {"order": 3, "by": "hand"})
        many = self.broker.millrace("dlq", "edit", QUEUE, "--all", "--value-file", str(file), check=False)
        self.assertEqual(many.returncode, 2)


class LetterLimit(unittest.TestCase):
    def test_at_the_limit_nothing_new_goes_out_until_letters_are_settled(self):
        with Broker(arguments=["--shards", "1", "--letters-max", "3"]) as broker:
            broker.millrace("topic", "create", TOPIC)
            broker.millrace("subscription", "create", QUEUE, "--topic", TOPIC)
            lines = (json.dumps({"topic": TOPIC, "key": f"WO-{n}", "value": {"n": n}}) + "\n" for n in range(10))
            broker.millrace("publish", "--jsonl", text="".join(lines))
            consume = ("subscription", "consume", QUEUE, "--idle", "700ms", "--format", "json")
            broker.millrace(*consume, "--nack", "mapping", "--error", "no", "--count", "3")
            status = broker.ask("subscription", "describe", QUEUE)
            open_now = status["letters_open"]
            self.assertGreaterEqual(open_now, 3)
            self.assertIn("limit letters_max of 3", status["reason"])
            self.assertEqual(broker.millrace(*consume).stdout, "", "nothing new")
            broker.kill()
            broker.start()
            self.assertEqual(broker.millrace(*consume).stdout, "", "nor after a restart")
            ids = [str(letter["id"]) for letter in broker.ask("dlq", "ls", QUEUE)]
            broker.millrace("dlq", "redrive", QUEUE, *ids)
            self.assertEqual(len(broker.millrace(*consume).stdout.splitlines()), 10, "letters go out, and then the rest")
            self.assertEqual(broker.ask("subscription", "describe", QUEUE)["reason"], "no consumer is connected")


if __name__ == "__main__":
    unittest.main(verbosity=1)
