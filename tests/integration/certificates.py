"""Certificates for tests in TLS, made as they run, by the command `openssl`."""
import pathlib
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A CA in a folder: `file` is its certificate."""

    def __init__(self, folder: pathlib.Path, name: str = "plant-ca"):
        self.folder = folder
        self.file = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        self._openssl("-x509", *KEY, "-keyout", self.key, "-out", self.file, "-days", "2", "-subj", f"/CN={name}",
                      "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name: str, alternatives: str) -> tuple[pathlib.Path, pathlib.Path]:
        """Files of a certificate for those names, `DNS:localhost,IP:127.0.0.1`, and of its key."""
        file, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._openssl("-x509", "-CA", self.file, "-CAkey", self.key, *KEY, "-keyout", key, "-out", file, "-days", "1", "-subj", f"/CN={name}",
                      "-addext", f"subjectAltName={alternatives}", "-addext", "basicConstraints=critical,CA:FALSE")
        return file, key

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", "req", *map(str, arguments)], check=True, capture_output=True, timeout=60)
