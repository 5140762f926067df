"""The programs of client/examples do what docs/client-library.md prints."""
import pathlib
import re
import subprocess
import unittest

from harness import Broker, binary

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "client-library.md"


def lines_of(text: str) -> list[str]:
    """Which partition a record lies in and what comes first among parts is up to the broker."""
    return sorted(re.sub(r"\d+@\d+", "N@N", line) for line in text.split("\n") if line)


class Workbench(unittest.TestCase):
    def test_it_prints_what_the_page_shows(self):
        shown = PAGE.read_text().partition("    $ millrace-example-workbench\n")[2].partition("\n\n")[0]
        with Broker() as broker:
            ran = subprocess.run([binary("millrace-example-workbench"), broker.native], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertEqual(lines_of(re.sub(r"letter \d+", "letter 1001", ran.stdout)),
                             lines_of(re.sub(r"letter \d+", "letter 1001", re.sub("^    ", "", shown, flags=re.MULTILINE))))
            self.assertEqual(broker.ask("subscription", "describe", "workbench")["letters_open"], 1)

    def test_without_a_broker_it_says_so(self):
        ran = subprocess.run([binary("millrace-example-workbench"), "127.0.0.1:1"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("workbench: ", ran.stderr)


if __name__ == "__main__":
    unittest.main()
