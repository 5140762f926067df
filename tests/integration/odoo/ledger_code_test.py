"""The code of the ledger's server action, run by Python itself."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import place  # noqa: F401
from harness import binary

MAPPING = """mappings:
  - topics: [a]
    steps:
      - {name: scrap, action: create, mode: ledger, model: stock.scrap, fields: {scrap_qty: .value}}
      - {action: call, mode: ledger, model: stock.scrap, method: action_validate, id: .steps.scrap.id, expect: {state: done}}
"""


class SerializationFailure(Exception):
    pass


class UserError(Exception):
    pass


class FakeRecords:
    """As much of a recordset as the code touches."""

    def __init__(self, env, model: str, record: int = 0):
        self.env, self.model, self.id = env, model, record

    def with_context(self, **context):
        return self

    def sudo(self):
        return self

    def create(self, values):
        return FakeRecords(self.env, self.model, self.env.insert(self.model, values))

    def browse(self, record):
        return FakeRecords(self.env, self.model, record)

    def write(self, values):
        self.env.tables[self.model][self.id].update(values)

    def action_validate(self):
        if self.env.fails:
            raise self.env.fails
        row = self.env.tables[self.model][self.id]
        row["state"] = "done" if row["scrap_qty"] < 100 else row["state"]

    def __getitem__(self, field):
        return self.env.tables[self.model][self.id][field]

    def read(self, fields):
        """A relation is its id and its name, as a tuple."""
        values = {field: self[field] for field in fields}
        return [{"id": self.id, **{field: tuple(value) if isinstance(value, list) else value for field, value in values.items()}}]

    def search(self, domain, limit=None):
        if limit:
            self.env.searched = domain
            return Nothing()
        names = domain[1][2]
        return [Marker(row) for row in self.env.tables.get("ir.model.data", {}).values() if row["name"] in names]


class Nothing(list):
    def unlink(self):
        pass


class Marker:
    def __init__(self, row):
        self.name, self.res_id = row["name"], row["res_id"]


class FakeSavepoint:
    def __init__(self, env):
        self.env, self.before = env, json.dumps(list(env.tables.items()))

    def close(self, rollback):
        if rollback:
            self.env.tables = {model: {int(key): row for key, row in rows.items()} for model, rows in json.loads(self.before)}


class FakeEnvironment:
    def __init__(self, context):
        self.context, self.tables, self.fails, self.cr, self.last = context, {}, None, self, 0

    def __getitem__(self, model):
        return FakeRecords(self, model)

    def savepoint(self):
        return FakeSavepoint(self)

    def insert(self, model, values):
        self.last += 1
        self.tables.setdefault(model, {})[self.last] = {"state": "draft", **values}
        return self.last


def scrap(marker: str, quantity: int) -> dict:
    return {"id": marker, "steps": [
        {"name": "scrap", "marker": marker + "__scrap", "model": "stock.scrap", "method": "create", "values": {"scrap_qty": quantity}},
        {"name": "", "marker": marker + "__done", "model": "stock.scrap", "method": "action_validate", "id": {"millrace_step": "scrap"},
         "arguments": {}, "expect": {"state": ["done"]}}]}


class LedgerCode(unittest.TestCase):
    """The code that Odoo gets, run with the few names that its sandbox gives."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="millrace-odoo-") as folder:
            path = pathlib.Path(folder) / "m.yaml"
            path.write_text(MAPPING)
            cls.code = subprocess.run([binary("millrace"), "odoo", "install", "--mapping", str(path), "--show"], capture_output=True, text=True, check=True).stdout

    def run_code(self, env, answer: str = "millrace"):
        allowed = {name: __builtins__[name] if isinstance(__builtins__, dict) else getattr(__builtins__, name)
                   for name in ("isinstance", "dict", "list", "tuple", "Exception", "repr", "str", "len")}
        space = {"env": env, "UserError": UserError, "__builtins__": allowed}
        exec(compile(self.code, "action", "exec"), space)  # pylint: disable=exec-used
        return space["action"][answer]

    def test_it_keeps_to_what_the_sandbox_allows(self):
        names, codes = set(), [compile(self.code, "action", "exec")]
        while codes:
            one = codes.pop()
            names.update(one.co_names, one.co_varnames)
            self.assertEqual((one.co_freevars, one.co_cellvars), ((), ()), "closures")
            codes += [const for const in one.co_consts if hasattr(const, "co_names")]
        self.assertEqual([name for name in names if "__" in name or name.startswith("_")], [])
        self.assertNotIn("\nwith ", self.code)

    def test_repeats_are_duplicates_and_bad_ones_stay_alone(self):
        env = FakeEnvironment({"millrace_events": [scrap("a", 1), scrap("b", 100), scrap("c", 2), scrap("a", 1)]})
        answers = self.run_code(env)
        self.assertEqual([answer["status"] for answer in answers], ["ok", "error", "ok", "duplicate"])
        self.assertEqual(answers[1]["class"], "MillraceUnexpected")
        self.assertEqual(answers[3]["ids"]["scrap"], answers[0]["ids"]["scrap"])
        self.assertEqual(sorted(row["scrap_qty"] for row in env.tables["stock.scrap"].values()), [1, 2])
        self.assertEqual(len(env.tables["ir.model.data"]), 4)

    def test_errors_come_with_their_class_and_conflicts_go_up(self):
        env = FakeEnvironment({"millrace_events": [scrap("a", 1)]})
        env.fails = UserError("no such stock")
        self.assertEqual(self.run_code(env)[0], {"status": "error", "class": "UserError", "message": "no such stock"})
        env.fails = SerializationFailure("could not serialize")
        with self.assertRaises(SerializationFailure):
            self.run_code(env)

    def test_a_relation_is_as_expected_by_its_id_or_its_name(self):
        for stage, status in ((7, "ok"), ("Scrapped", "ok"), (8, "error"), ("Scrap", "error")):
            event = scrap("a", 1)
            event["steps"][0]["values"]["stage_id"] = (7, "Scrapped")
            event["steps"][1]["expect"] = {"stage_id": [stage]}
            self.assertEqual(self.run_code(FakeEnvironment({"millrace_events": [event]}))[0]["status"], status, stage)

    def test_it_forgets_markers_of_its_own_feed_alone(self):
        begin = [("module", "=", "millrace_ledger"), ("name", "!=", "action"), ("create_date", "<", "2026-01-01 00:00:00")]
        for prefix, end in (("_fplant1__", [("name", "=like", r"\_fplant1\_\_%")]), ("", ["!", ("name", "=like", r"\_f%")])):
            env = FakeEnvironment({"millrace_forget_before": "2026-01-01 00:00:00", "millrace_forget_prefix": prefix})
            self.assertEqual(self.run_code(env, "forgotten"), 0)
            self.assertEqual(env.searched, begin + end)

    def test_a_method_that_is_not_named_is_refused(self):
        event = scrap("a", 1)
        event["steps"][1]["method"] = "unlink"
        self.assertEqual(self.run_code(FakeEnvironment({"millrace_events": [event]}))[0],
                         {"status": "error", "class": "MillraceUnknownMethod", "message": "stock.scrap.unlink"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
