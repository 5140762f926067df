"""Every cause of a failure, produced by the stand-in and handled by the broker and the sink."""
import json
import pathlib
import unittest

import place  # noqa: F401
from feed_test import Feed, some
from harness import eventually

FINISH = """mappings:
  - topics: [plant1.part.>]
    lane: .value.product
    steps:
      - {name: product, action: lookup, model: product.product, domain: '[["name", "=", .value.product]]', cache_missing_s: 0}
      - name: order
        model: mrp.production
        external_id: '"wo_" + (.value.id | external_name)'
        fields: {product_id/.id: .steps.product.id, product_qty: '10', origin: .value.id}
      - {action: call, model: mrp.production, method: action_confirm, id: .steps.order.id, expect: {state: [confirmed, progress, to_close, done]}}
      - {action: write, model: mrp.production, only_if: .value.note == "in part", id: .steps.order.id, fields: {qty_producing: '6'}}
      - {action: call, model: mrp.production, method: button_mark_done, id: .steps.order.id, expect: {state: done}}
"""
USERS = """mappings:
  - topics: [plant1.part.user]
    steps: [{model: res.users, external_id: .value.id | external_name, fields: {login: .value.id}}]
"""
SCRAP = """mappings:
  - topics: [plant1.part.>]
    steps:
      - {name: product, action: lookup, model: product.product, domain: '[["name", "=", .value.product]]'}
      - {action: create, mode: ledger, model: stock.scrap, fields: {product_id: .steps.product.id, scrap_qty: '1', origin: .value.id}}
"""
PARTS = """
  - topics: [plant1.part.>]
    steps: [{model: stock.lot, external_id: .value.id | external_name, fields: {name: .value.id, product_id: .value.product}}]
"""


class Causes(unittest.TestCase):
    def orders(self, feed) -> dict:
        return {record["values"]["origin"]: record["values"] for record in feed.odoo.records("mrp.production")}

    def test_configuration_unknown_database_stops_the_feed_and_says_so(self):
        feed = Feed()
        feed.odoo.database = "no-such-plant"
        with feed:
            feed.publish(*some(5))
            status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn('database "no-such-plant" does not exist', status["reason"])
            self.assertEqual(feed.letters(), [])
            self.assertEqual(feed.status()["lag_records"], 5)

    def test_authorization_no_right_on_a_model_stops_its_mapping_and_loses_nothing(self):
        with Feed(mapping=USERS + PARTS) as feed:
            feed.broker.millrace("topic", "create", "plant1.part.user")
            lines = "".join(json.dumps({"topic": "plant1.part.user", "key": f"k{number}", "value": {"id": f"u{number}"}}) + "\n" for number in range(3))
            feed.broker.millrace("publish", "--jsonl", text=lines)
            status = eventually(60, lambda: "is stopped" in (s := feed.status())["reason"] and s, "the mapping is stopped")
            self.assertRegex(status["reason"], r"mapping \S*mapping.yaml:2 is stopped, authorization: res.users: .*AccessError")
            feed.publish(*some(5))
            eventually(60, lambda: len(feed.lots()) == 5, "events of the other entry go on")
            eventually(60, lambda: feed.status()["lag_records"] == 3, "those of the stopped one wait")
            status = feed.status()
            self.assertEqual((status["circuit"], feed.letters()), ("closed", []))
            shown = feed.broker.millrace("odoo", "status", "--subscription", "odoo-parts", "--http", feed.broker.http, "--for", "100ms").stdout
            self.assertRegex(shown, r"stopped: +\S*mapping.yaml:2")
            self.assertIn("AccessError", shown)

    def test_authorization_a_key_that_expires_and_comes_back_costs_nothing(self):
        for interface in ((), ("--odoo-api", "json2")):
            with self.subTest(interface), Feed("--odoo-version", "19", broker_arguments=interface) as feed:
                feed.publish(*some(5))
                feed.all_settled(30)
                feed.odoo.tell("user", key_expired=True)
                feed.publish(*some(20, start=5))
                status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
                self.assertRegex(status["reason"], "refuses the (login|API key)|AccessDenied")
                self.assertEqual((len(feed.lots()), status["lag_records"], feed.letters()), (5, 20, []))
                feed.odoo.tell("user", key_expired=False)
                feed.all_settled(60)
                eventually(10, lambda: feed.status()["circuit"] == "closed", "the circuit is closed")
                self.assertEqual((len(feed.lots()), feed.letters()), (25, []))
                self.assertEqual({lot["writes"] for lot in feed.lots().values()}, {1})

    def test_mapping_a_record_that_a_rule_hides_waits_as_a_letter_until_it_is_shown(self):
        with Feed(mapping=FINISH) as feed:
            nut = next(one["id"] for one in feed.odoo.records("product.product") if one["values"]["name"] == "Nut")
            feed.odoo.tell("hide", model="product.product", id=nut)
            feed.publish(("hidden", "Nut", "A"), ("seen", "Bolt", "B"))
            letter = eventually(30, feed.letters, "a letter")[0]
            self.assertIn('no product.product is found by [["name","=","Nut"]]', letter["error"])
            feed.odoo.tell("hide", model="product.product", id=nut, show=True)
            feed.broker.millrace("dlq", "redrive", "odoo-parts", "--all")
            eventually(30, lambda: {name for name, order in self.orders(feed).items() if order["state"] == "done"} == {"hidden", "seen"}, "both are done")

    def test_mapping_a_record_that_is_hidden_after_it_was_looked_up_is_looked_up_again(self):
        confirm = '''mappings:
  - topics: [plant1.part.>]
    steps:
      - {name: order, action: lookup, model: sale.order, domain: '[["name", "=", .value.product]]'}
      - {action: write, model: sale.order, id: .steps.order.id, fields: {client_order_ref: .value.id}}
'''
        with Feed(mapping=confirm) as feed:
            partner = feed.odoo.tell("records", model="res.partner", values={"name": "Acme"})["id"]
            order = feed.odoo.tell("records", model="sale.order", values={"name": "Nut", "partner_id": partner})["id"]
            feed.publish(("one", "Nut", "A"))
            feed.all_settled(30)
            feed.odoo.tell("hide", model="sale.order", id=order)
            feed.publish(("two", "Nut", "A"))
            letter = eventually(30, feed.letters, "a letter")[0]
            self.assertIn('no sale.order is found by [["name","=","Nut"]]', letter["error"])
            self.assertEqual((letter["cause"], feed.status()["circuit"]), ("mapping", "closed"))
            other = feed.odoo.tell("records", model="sale.order", values={"name": "Nut", "partner_id": partner})["id"]
            feed.broker.millrace("dlq", "redrive", "odoo-parts", "--all")
            eventually(30, lambda: {one["id"]: one["values"] for one in feed.odoo.records("sale.order")}[other]["client_order_ref"] == "two", "applied")

    def test_mapping_a_wizard_is_no_success_and_becomes_a_letter_after_a_few_tries(self):
        with Feed(mapping=FINISH) as feed:
            feed.publish(("whole", "Nut", "A"), ("a part", "Bolt", "B"))
            lines = json.dumps({"topic": "plant1.part.made", "key": "C", "value": {"id": "part", "product": "Nut", "note": "in part"}}) + "\n"
            feed.broker.millrace("publish", "--jsonl", text=lines)
            letter = eventually(60, feed.letters, "a letter")[0]
            self.assertEqual(letter["cause"], "mapping")
            self.assertIn("button_mark_done has not done what is expected", letter["error"])
            self.assertEqual(letter["attempts"], 3)
            self.assertEqual(self.orders(feed)["whole"]["state"], "done")
            self.assertEqual(self.orders(feed)["a part"]["state"], "done")
            self.assertEqual(self.orders(feed)["part"]["state"], "confirmed")

    def test_mapping_a_lookup_that_finds_nothing_waits_as_a_letter(self):
        with Feed(mapping=FINISH) as feed:
            feed.publish(("one", "Gear", "A"))
            letter = eventually(30, feed.letters, "a letter")[0]
            self.assertIn('no product.product is found by [["name","=","Gear"]]', letter["error"])
            feed.odoo.create("product.product", "Gear")
            feed.broker.millrace("dlq", "redrive", "odoo-parts", "--all")
            eventually(30, lambda: self.orders(feed).get("one", {}).get("state") == "done", "applied after the redrive")

    def test_mapping_a_product_that_was_deleted_and_made_anew_costs_no_letters(self):
        mapping = '''mappings:
  - topics: [plant1.part.>]
    steps:
      - {name: product, action: lookup, model: product.product, domain: '[["name", "=", .value.product]]'}
      - {model: stock.lot, external_id: .value.id | external_name, fields: {name: .value.id, product_id/.id: .steps.product.id}}
'''
        with Feed(mapping=mapping) as feed:
            feed.publish(*some(5))
            feed.all_settled(30)
            feed.odoo.tell("forget", model="product.product", name="Nut")
            feed.odoo.create("product.product", "Nut")
            feed.publish(*some(60, start=5), *some(5, start=100, product="Bolt"))
            feed.all_settled(30)
            self.assertEqual(feed.letters(), [])
            new = feed.odoo.records("product.product")[-1]
            self.assertEqual((new["values"]["name"], feed.lots()["part 30"]["values"]["product_id"]), ("Nut", new["id"]))
            self.assertGreater(feed.metric("millrace_odoo_lookups_stale_total"), 0)
            feed.odoo.tell("forget", model="product.product", name="Nut")
            feed.publish(*some(2, start=200))
            eventually(30, lambda: len(feed.letters()) == 2, "gone for good: a letter each")
            self.assertIn("no product.product is found by", feed.letters()[0]["error"])

    def test_mapping_a_model_that_odoo_does_not_know_waits_as_a_letter(self):
        with Feed(mapping="mappings:" + PARTS.replace("stock.lot", "stock.lott")) as feed:
            feed.publish(*some(3))
            eventually(30, lambda: len(feed.letters()) == 3, "a letter each")
            self.assertEqual({(letter["cause"], letter["attempts"]) for letter in feed.letters()}, {("mapping", 1)})
            self.assertIn("Object stock.lott doesn't exist", feed.letters()[0]["error"])
            self.assertEqual(feed.status()["circuit"], "closed")

    def test_transient_classes_are_tried_again(self):
        for name in ("psycopg2.errors.DeadlockDetected", "psycopg2.errors.LockNotAvailable"):
            with self.subTest(name), Feed("--seed", "3", mapping=FINISH) as feed:
                feed.odoo.tell("mode", mode="conflict", share=0.3, **{"class": name})
                feed.publish(*some(20))
                feed.all_settled(90)
                self.assertEqual(feed.letters(), [])
                self.assertEqual({order["state"] for order in self.orders(feed).values()}, {"done"})

    def test_outcome_unknown_timeouts_and_killed_workers_are_resolved(self):
        self.lose_answers("jsonrpc")

    def test_outcome_unknown_timeouts_and_killed_workers_are_resolved_over_json2(self):
        self.lose_answers("json2")

    def lose_answers(self, api: str):
        with Feed("--seed", "11", "--odoo-version", "19", mapping=FINISH, broker_arguments=("--odoo-timeout-ms", "1000", "--odoo-api", api)) as feed:
            feed.publish(*some(1))
            feed.all_settled(30)  # logged in
            feed.odoo.tell("mode", mode="slow", for_ms=4000)  # answers take 1.5 s, and are committed
            feed.publish(*some(9, start=1))
            eventually(60, lambda: feed.metric('millrace_odoo_events_total{outcome="outcome_unknown"}') > 0, "timeouts")
            feed.odoo.tell("mode", mode="worker_killed", share=0.3, for_ms=2000)
            feed.all_settled(90)
            self.assertEqual(len(feed.odoo.records("mrp.production")), 10)
            self.assertEqual({order["qty_produced"] for order in self.orders(feed).values()}, {10.0})
            self.assertEqual(feed.letters(), [])

    def test_outcome_unknown_conflicts_that_come_after_our_timeout_leave_one_effect_each(self):
        with Feed(mapping=SCRAP, broker_arguments=("--odoo-timeout-ms", "1000")) as feed:
            self.install_ledger(feed)
            feed.publish(*some(1))
            feed.all_settled(30)  # product and action are known: the next call is the one that counts
            feed.odoo.tell("mode", mode="late_conflict", for_ms=1500)  # answers after 16 to 19 s, with a worker held
            feed.publish(*some(9, start=1))
            eventually(60, lambda: feed.metric('millrace_odoo_events_total{outcome="outcome_unknown"}') > 0, "timeouts")
            feed.all_settled(120)
            self.assertEqual(sorted(scrap["values"]["origin"] for scrap in feed.odoo.records("stock.scrap")), [f"part {number}" for number in range(10)])
            self.assertEqual(feed.letters(), [])

    def install_ledger(self, feed):
        folder = pathlib.Path(feed.directory.name)
        (folder / "admin.key").write_text("admin-key")
        feed.broker.millrace("odoo", "install", "--mapping", str(folder / "mapping.yaml"), "--yes", "--url", feed.odoo.url, "--database", "plant",
                             "--login", "admin", "--key-file", str(folder / "admin.key"))

    def test_poison_what_never_gets_an_answer_becomes_a_letter_in_the_end(self):
        with Feed() as feed:
            feed.broker.millrace("subscription", "delete", "odoo-parts")
            feed.broker.millrace("subscription", "create", "odoo-parts", "--topic", "plant1.part.>", "--backoff-min", "10ms", "--backoff-max", "20ms",
                                 "--attempts", "5")
            feed.odoo.tell("mode", mode="pool_full")
            feed.publish(("stuck", "Nut", "A"))
            letter = eventually(60, feed.letters, "a letter")[0]
            self.assertEqual(letter["cause"], "poison")
            self.assertEqual(letter["attempts"], 5)
            self.assertIn("HTTP status 500", letter["error"])

    def test_outage_interface_error_makes_no_letters(self):
        with Feed() as feed:
            feed.odoo.tell("mode", mode="database_down", for_ms=1500, **{"class": "psycopg2.InterfaceError"})
            feed.publish(*some(20))
            feed.all_settled(60)
            self.assertEqual(len(feed.lots()), 20)
            self.assertEqual(feed.letters(), [])


    def test_outage_a_database_that_is_out_of_slots_makes_no_letters(self):
        with Feed() as feed:
            feed.odoo.tell("mode", mode="out_of_slots")
            feed.publish(*some(20))
            status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn("OperationalError", status["reason"])
            feed.odoo.tell("mode", mode="up")
            feed.all_settled(60)
            eventually(10, lambda: feed.status()["circuit"] == "closed", "the circuit is closed")
            self.assertEqual((len(feed.lots()), feed.letters()), (20, []))


class Interfaces(unittest.TestCase):
    def test_json2_does_the_same_with_a_bearer_key(self):
        with Feed("--odoo-version", "19", broker_arguments=("--odoo-api", "json2")) as feed:
            feed.publish(*some(50), ("bad", "Gear", "x"))
            eventually(30, lambda: len(feed.lots()) == 50 and feed.letters(), "50 lots and a letter")
            self.assertIn("No matching record found for name 'Gear'", feed.letters()[0]["error"])
            feed.odoo.tell("mode", mode="down", for_ms=1000)
            feed.publish(*some(20, start=100))
            eventually(60, lambda: len(feed.lots()) == 70, "all applied after the outage")

    def test_json2_of_an_odoo_that_has_none_is_a_matter_of_configuration(self):
        with Feed(broker_arguments=("--odoo-api", "json2")) as feed:
            feed.publish(*some(3))
            status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn("HTTP status 303", status["reason"])

    def test_json2_with_a_wrong_key_stops_and_shows_no_key(self):
        feed = Feed("--odoo-version", "19", broker_arguments=("--odoo-api", "json2"))
        feed.odoo.broker_environment = lambda: {"MILLRACE_ODOO_KEY": "sesame-42"}
        with feed:
            feed.publish(*some(3))
            status = eventually(30, lambda: (s := feed.status())["circuit"] != "closed" and s, "the circuit is open")
            self.assertIn("refuses the API key", status["reason"])
            self.assertNotIn("sesame-42", json.dumps(status) + feed.broker.log_tail(1000))

    def test_four_connections_never_write_one_record_at_a_time(self):
        with Feed("--workers", "4", "--latency", "measured", mapping=FINISH, broker_arguments=("--odoo-connections-max", "4")) as feed:
            feed.publish(*some(12), *some(12, product="Bolt", start=100))
            feed.all_settled(240)
            stats = feed.odoo.ask("stats")
            self.assertEqual(stats["concurrent_writes"], 0)
            self.assertEqual({order["state"] for order in self.orders(feed)}, {"done"})
            self.assertGreater(stats["records"]["mrp.production"] / stats["calls"]["mrp.production.load"], 1)

    def orders(self, feed) -> list:
        return [record["values"] for record in feed.odoo.records("mrp.production")]


if __name__ == "__main__":
    unittest.main(verbosity=2)
