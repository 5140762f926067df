"""What the runs share: the load generator, the machine's processor time, a broker's metrics, and the file with the result."""
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(ROOT / "bench" / "others"))
from harness import Broker, binary  # noqa: E402


def bench(*arguments: str) -> list[dict]:
    """Runs the load generator: one JSON object a line."""
    done = subprocess.run([binary("millrace-bench"), *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"millrace-bench {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def metric(broker: Broker, name: str, **labels: str) -> float:
    """The sum over all series of that name that have these labels."""
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(line.rpartition(" ")[2]) for line in lines
               if line.partition("{")[0].partition(" ")[0] == name and all(one in line for one in wanted))


def resident_mib(broker: Broker) -> float:
    return broker.ask("status")["resident_bytes"] / (1 << 20)


def processor_times() -> list[int]:
    return [int(ticks) for ticks in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def stolen_share(before: list[int], after: list[int]) -> float:
    """Of the machine's processor time, what its host gave to others: figures with much of it say little."""
    return (after[7] - before[7]) / max(sum(after) - sum(before), 1)


def server_cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(rounds: list[dict], *path) -> float:
    values = []
    for entry in rounds:
        for key in path:
            entry = entry[key]
        values.append(entry)
    return statistics.median(values)


def last_result_file(kind: str = "") -> pathlib.Path | None:
    """The newest committed result of a run; of the table without a name."""
    listed = subprocess.run(["git", "log", "--format=", "--name-only", "--", "bench/results"], cwd=ROOT, capture_output=True, text=True, check=False)
    for name in listed.stdout.split():
        path = ROOT / name
        # <date>-<commit>.json; other runs have a name behind that.
        if "-".join(path.stem.split("-")[4:]) == kind and path.exists():
            return path
    return None


def last_result() -> dict:
    """The newest committed result of the table; empty when there is none."""
    path = last_result_file()
    return json.loads(path.read_text()) if path else {}


def write_result(kind: str, result: dict, folder: str | None = None):
    """<date>-<commit>[-kind].json in bench/results or `folder`, with the machine it was measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    results = pathlib.Path(folder) if folder else ROOT / "bench" / "results"
    results.mkdir(parents=True, exist_ok=True)
    path = results / ("-".join(filter(None, [str(datetime.date.today()), commit, kind])) + ".json")
    machine = {"commit": commit, "cpus": os.cpu_count(), "kernel": platform.release()}
    path.write_text(json.dumps({**machine, **result}, indent=1))
    print(f"written to {os.path.relpath(path)}")
