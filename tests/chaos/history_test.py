"""The checks of a history, on histories that break one promise each."""
import unittest

from history import Event, History, Read


def event(number: int, key: str = "w-0") -> Event:
    return Event("w", number, key)


def log_of(*numbers: int) -> list[Read]:
    return [Read(0, offset, event(number)) for offset, number in enumerate(numbers)]


class Checks(unittest.TestCase):
    def setUp(self):
        self.history = History()
        self.history.note_sent(map(event, range(5)))
        self.history.note_acked(map(event, range(4)))

    def assert_found(self, *words: str):
        self.assertEqual([text.split(":")[0] for text in self.history.violations], list(words), self.history.violations)

    def test_what_keeps_the_promises(self):
        for log in (log_of(0, 1, 2, 3), log_of(0, 1, 2, 3, 4), log_of(0, 4, 1, 2, 3)):
            self.setUp()
            self.history.note_read(log[:2])
            self.history.check_log(log)
            self.history.check_deliveries("a queue", [read.event for read in [*log, *log]])
            self.assert_found()

    def test_what_is_lost_doubled_invented_or_out_of_order(self):
        for log, words in ((log_of(0, 1, 3), ["lost"]), (log_of(0, 1, 1, 2, 3), ["doubled"]), (log_of(0, 1, 2, 3, 9), ["invented"]),
                           (log_of(0, 2, 1, 3), ["order of w-0 in the log"])):
            self.setUp()
            self.history.check_log(log)
            self.assert_found(*words)

    def test_what_was_read_and_is_gone_or_another_now(self):
        self.history.note_read(log_of(0, 4))
        self.history.check_log(log_of(0, 1, 2, 3))
        self.assert_found("changed")
        self.setUp()
        self.history.note_read([Read(1, 7, event(4))])
        self.history.check_log(log_of(0, 1, 2, 3))
        self.assert_found("gone, though it was read before")

    def test_a_read_that_lacks_what_was_acked_before(self):
        self.history.note_read(log_of(0, 1, 2))
        self.history.check_seen({event(0), event(1)})
        self.assert_found()
        self.history.check_seen(self.history.acked_by_now())
        self.assert_found("unseen")

    def test_deliveries_that_lack_something_or_come_in_another_order(self):
        self.history.check_log(log_of(0, 1, 2, 3))
        self.history.check_deliveries("a queue", list(map(event, (0, 1, 0, 1, 2))))
        self.assert_found("not delivered to a queue")
        self.setUp()
        self.history.check_log(log_of(0, 1, 2, 3))
        self.history.check_deliveries("a queue", list(map(event, (0, 2, 1, 3))))
        self.assert_found("order of w-0 in a queue")
        self.setUp()
        self.history.check_log(log_of(0, 1, 2, 3))
        self.history.check_deliveries("a queue", list(map(event, (0, 1, 2, 3, 4))))
        self.assert_found("delivered to a queue, but not in the log")


if __name__ == "__main__":
    unittest.main(verbosity=1)
