"""Other brokers on loopback, each with the settings that say what its ack means."""
import dataclasses
import pathlib
import subprocess

import peers
from harness import free_ports
from peers import FOLDER, Server, find

# Name, then why it is measured.
PACKAGES = {
    "redis-server": "streams with an append-only file: the fastest durable ack of what Debian has",
    "redis-tools": "holds the server's program",
    "liblzf1": "for redis",
    "libjemalloc2": "for redis",
    "nats-server": "JetStream, whose ack means the page cache",
    "mosquitto": "MQTT, what machines speak; its ack means memory",
    "libcjson1": "for mosquitto",
    "libdlt2": "for mosquitto",
    "libwrap0": "for mosquitto",
    "libmosquitto1": "for mosquitto",
    "rabbitmq-server": "streams over its own protocol; their ack means the page cache",
    **{f"erlang-{part}": "for rabbitmq" for part in (
        "base", "asn1", "crypto", "eldap", "ftp", "inets", "mnesia", "os-mon", "parsetools", "public-key", "runtime-tools", "ssl", "syntax-tools",
        "tftp", "tools", "xmerl")},
}
PROGRAMS = ("redis-server", "nats-server", "mosquitto", "rabbitmq-server", "erl")
KAFKA_JARS = FOLDER / "kafka"
# The broker with all that it needs, and what it says when it can't start.
KAFKA_ARTIFACTS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:1.7.36")
NEW_NATS = FOLDER / "nats"
NEW_NATS_MODULE = "github.com/nats-io/nats-server/v2@v2.15.2"
STREAMS = 100


class Redis(Server):
    protocol = "redis"
    fsync = "always"

    def command(self) -> list[str]:
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--appendonly", "yes",
                "--appendfsync", self.fsync, "--save", "", "--protected-mode", "no"]


class RedisEverySecond(Redis):
    fsync = "everysec"


class Nats(Server):
    protocol = "nats"

    def command(self) -> list[str]:
        return ["nats-server", "--addr", "127.0.0.1", "--port", str(self.port), "--jetstream", "--store_dir", str(self.folder / "store")]


class NewNats(Server):
    protocol = "nats"
    sync = "2m"

    def command(self) -> list[str]:
        file = self.folder / "nats.conf"
        file.write_text(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/store", sync_interval: {self.sync} }}\n')
        return [str(NEW_NATS / "nats-server"), "--config", str(file)]


class NewNatsAlways(NewNats):
    sync = "always"


class Mosquitto(Server):
    protocol = "mqtt"

    def command(self) -> list[str]:
        file = self.folder / "mosquitto.conf"
        file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self.folder}/\n"
                        "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n")
        return ["mosquitto", "-c", str(file)]


class RabbitMq(Server):
    """One node with its own port mapper, all on loopback; in the foreground, so that its process is the one that is measured."""
    protocol = "rabbitmq"

    def __init__(self, folder: pathlib.Path):
        super().__init__(folder)
        self.mapper = None
        self.mapper_port = free_ports(1)

    def command(self) -> list[str]:
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp = none\nstream.listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\n")
        (self.folder / "enabled_plugins").write_text("[rabbitmq_stream].")
        runtime = next(root for root in (FOLDER / "usr/lib/erlang", pathlib.Path("/usr/lib/erlang")) if root.exists())
        programs = next(runtime.glob("erts-*/bin"))
        # What is unpacked and not installed looks for itself where it would be installed.
        starter = self.folder / "bin" / "erl"
        starter.parent.mkdir()
        starter.write_text(f'#!/bin/sh\nexport ROOTDIR={runtime} BINDIR={programs} EMU=beam PROGNAME=erl\nexec "$BINDIR/erlexec" "$@"\n')
        starter.chmod(0o755)
        self.mapper = subprocess.Popen([programs / "epmd", "-address", "127.0.0.1", "-port", str(self.mapper_port)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        homes = [path for root in (FOLDER, pathlib.Path("/")) for path in root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")]
        return [str(homes[0] / "sbin" / "rabbitmq-server")]

    def environment(self) -> dict:
        base = super().environment()
        settings = {"NODENAME": "bench@localhost", "DIST_PORT": free_ports(1), "MNESIA_BASE": self.folder / "data", "LOG_BASE": self.folder / "logs",
                    "LOGS": "-", "CONFIG_FILE": self.folder / "rabbitmq", "CONF_ENV_FILE": self.folder / "none",
                    "ENABLED_PLUGINS_FILE": self.folder / "enabled_plugins", "ALLOW_INPUT": 1,
                    "SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}"}
        return {**base, "PATH": f"{self.folder}/bin:{base['PATH']}", "HOME": str(self.folder), "ERL_EPMD_PORT": str(self.mapper_port),
                "ERL_EPMD_ADDRESS": "127.0.0.1", **{f"RABBITMQ_{name}": str(value) for name, value in settings.items()}}

    def __exit__(self, *reason):
        super().__exit__(*reason)
        self.mapper.terminate()
        self.mapper.wait(30)


class Kafka(Server):
    """One node that is its own controller."""
    protocol = "kafka"
    is_slow_at_first = True  # what is hot is compiled as it runs
    settings = ""

    def command(self) -> list[str]:
        controller = free_ports(1)
        file = self.folder / "server.properties"
        file.write_text(f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n"
                        f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n"
                        f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={self.folder}/data\n"
                        f"num.partitions={STREAMS}\nauto.create.topics.enable=true\noffsets.topic.replication.factor=1\n{self.settings}")
        java = ["java", "-Xms1g", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{KAFKA_JARS}/*"]
        done = subprocess.run([find("java"), *java[1:], "kafka.tools.StorageTool", "format", "--cluster-id", "bWlsbHJhY2UtYmVuY2gtMQ", "--config", str(file)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka did not format its folder: {done.stdout}{done.stderr}")
        return [*java, "kafka.Kafka", str(file)]


class KafkaFlushing(Kafka):
    settings = "log.flush.interval.messages=1\n"


@dataclasses.dataclass
class Peer:
    server: type[Server]
    ack: str  # what it means
    flags: tuple[str, ...] = ()  # of the load


# A producer of Kafka without keys stays with a partition until a batch is full.
CHOOSES = ("--in-a-row", "256")


FROM_DEBIAN = {
    "Redis 7 streams, appendfsync always": Peer(Redis, "on disk"),
    "Redis 7 streams, everysec": Peer(RedisEverySecond, "in the page cache"),
    "NATS 2.9 JetStream": Peer(Nats, "in the page cache"),
    "Mosquitto 2, QoS 1": Peer(Mosquitto, "in memory"),
    "RabbitMQ 3.10 streams": Peer(RabbitMq, "in the page cache"),
}
FROM_MAVEN = {
    "Kafka 4.3, spread": Peer(Kafka, "in the page cache"),
    "Kafka 4.3, client chooses": Peer(Kafka, "in the page cache", CHOOSES),
    "Kafka 4.3 flushing each message, spread": Peer(KafkaFlushing, "on disk"),
    "Kafka 4.3 flushing each, client chooses": Peer(KafkaFlushing, "on disk", CHOOSES),
}
FROM_GO = {
    "NATS 2.15 JetStream": Peer(NewNats, "in the page cache"),
    "NATS 2.15 JetStream, sync always": Peer(NewNatsAlways, "on disk"),
}


def provide() -> dict[str, Peer]:
    """Those that can be had here, by what stands in the table."""
    peers.provide(PACKAGES, PROGRAMS)
    found = dict(FROM_DEBIAN)
    if peers.provide_jars(KAFKA_JARS, KAFKA_ARTIFACTS):
        found |= FROM_MAVEN
    if peers.provide_go_program(NEW_NATS, NEW_NATS_MODULE):
        found |= FROM_GO
    return found
