"""Other brokers on loopback, as Debian packages them, each with the settings that say what its ack means."""
from peers import Server

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
}
PROGRAMS = ("redis-server", "nats-server", "mosquitto")


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


class Mosquitto(Server):
    protocol = "mqtt"

    def command(self) -> list[str]:
        file = self.folder / "mosquitto.conf"
        file.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self.folder}/\n"
                        "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n")
        return ["mosquitto", "-c", str(file)]


# What stands in the table, then what an ack means.
BROKERS = {
    "Redis 7 streams, appendfsync always": (Redis, "on disk"),
    "Redis 7 streams, everysec": (RedisEverySecond, "in the page cache"),
    "NATS 2.9 JetStream": (Nats, "in the page cache"),
    "Mosquitto 2, QoS 1": (Mosquitto, "in memory"),
}
