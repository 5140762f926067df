"""Programs to measure beside: from the machine where they are installed, else from registries, unpacked under build/bench-peers and not installed."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from measuring import ROOT

from harness import eventually, free_ports

# Name, then why it and not code of our own. Unpacked and not installed: installing one would start a server on its own port.
HTTP_PACKAGES = {
    "wrk": "closed loops over HTTP at the speed of the machine, with percentiles that others know",
    "libluajit-5.1-2": "runs wrk's scripts",
    "nginx": "a static answer: what HTTP itself costs on this machine",
}
FOLDER = ROOT / "build" / "bench-peers"
NGINX = """
daemon off;
user root;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 204; }}
    }}
}}
"""


def find(name: str) -> str | None:
    """Of the machine, else of what was unpacked."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(FOLDER / "usr/bin"), str(FOLDER / "usr/sbin")])
    return shutil.which(name, path=path)


def provide(packages: dict[str, str], programs: tuple[str, ...]):
    """Makes programs available; says what it fetches. Ends the program where that fails."""
    if all(map(find, programs)):
        return
    print("bench: fetching from Debian, unpacked under build/bench-peers, nothing is installed:", file=sys.stderr)
    for name, reason in packages.items():
        print(f"  {name:16} {reason}", file=sys.stderr)
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["apt-get", "download", "-q", *packages], cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: apt-get download failed; apt-get update may help, or install {', '.join(programs)}:\n{done.stderr}")
    for package in sorted(FOLDER.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(FOLDER)], check=True)
    for name in programs:
        if not find(name):
            sys.exit(f"bench: no {name} in what was fetched to {FOLDER}")


def provide_jars(folder: pathlib.Path, artifacts: tuple[str, ...]) -> bool:
    """Java libraries with all that they need, by Maven; false, and why on standard error, where that can't be."""
    if any(folder.glob("*.jar")):
        return True
    if not (find("java") and find("mvn")):
        print(f"bench: {folder.name} is left out: it takes java (17 or later) and mvn", file=sys.stderr)
        return False
    print(f"bench: fetching {', '.join(artifacts)} with Maven into {os.path.relpath(folder)}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = "".join("<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>".format(*one.split(":"))
                     for one in artifacts)
    (folder / "pom.xml").write_text("<project><modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>peer</artifactId>"
                                    f"<version>1</version><dependencies>{wanted}</dependencies></project>")
    done = subprocess.run([find("mvn"), "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
                          cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"bench: {folder.name} is left out, for Maven ended with {done.returncode}:\n{done.stdout}{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def provide_go_program(folder: pathlib.Path, module: str) -> bool:
    """A program built from its Go module; false, and why on standard error, where that can't be."""
    if any(folder.glob("*")):
        return True
    if not find("go"):
        print(f"bench: {module} is left out: it takes go", file=sys.stderr)
        return False
    print(f"bench: building {module} into {os.path.relpath(folder)}", file=sys.stderr)
    done = subprocess.run([find("go"), "install", module], env={**os.environ, "GOBIN": str(folder)}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"bench: {module} is left out, for go ended with {done.returncode}:\n{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def environment() -> dict:
    libraries = [str(folder) for folder in FOLDER.glob("usr/lib/*") if folder.is_dir()]
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join([*libraries, os.environ.get("LD_LIBRARY_PATH", "")]).strip(os.pathsep)}


def run_wrk(*arguments: str) -> str:
    done = subprocess.run([find("wrk"), *arguments], env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"wrk {' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


class Server:
    """A process of a program that was found, on a free port of loopback, with files of its own in `folder`."""

    is_slow_at_first = False

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.process = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """With what it needs written to `folder`."""
        raise NotImplementedError

    def environment(self) -> dict:
        return environment()

    def __enter__(self):
        self.folder.mkdir()
        self.port = free_ports(1)
        program, *arguments = self.command()
        log = self.folder / "log"
        with log.open("w") as output:
            self.process = subprocess.Popen([find(program), *arguments], env=self.environment(), cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output)

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{program} ended with {self.process.returncode}: {log.read_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                return False

        eventually(60, answers, f"{program} answers")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


class Nginx(Server):
    """Answers 204 to everything."""

    def command(self) -> list[str]:
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=self.folder, port=self.port, workers=os.cpu_count()))
        return ["nginx", "-p", str(self.folder), "-c", str(file), "-e", str(self.folder / "nginx.log")]
