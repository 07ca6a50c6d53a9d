"""A small mail server for tests: it takes what is sent, and refuses when it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Certificate:
    """One for 127.0.0.1, for both sides of a connection."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@dataclass
class MailServer:
    """What it was sent: commands, and the lines of each mail. `refusing`: answers all mails with 451."""

    port: int
    commands: list[str] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    """The commands that came over TLS."""
    mails: list[bytes] = field(default_factory=list)
    refusing: bool = False


@contextmanager
def mail_server(
    certificate: Certificate | None = None, *, tls_at_once: bool = False
) -> Iterator[MailServer]:
    """A mail server on this machine; with a certificate it offers STARTTLS, or has TLS at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = MailServer(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):  # the client went away
                _Exchange(server, connection, certificate, tls_at_once).run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


class _Exchange:
    """One connection."""

    def __init__(
        self,
        server: MailServer,
        connection: socket.socket,
        certificate: Certificate | None,
        tls_at_once: bool,
    ) -> None:
        self._server = server
        self._connection = connection
        self._certificate = certificate
        self._is_encrypted = False
        if certificate is not None and tls_at_once:
            self._encrypt()
        self._lines = self._connection.makefile("rb")

    def _encrypt(self) -> None:
        assert self._certificate is not None
        self._connection = self._certificate.server.wrap_socket(self._connection, server_side=True)
        self._is_encrypted = True

    def _say(self, text: str) -> None:
        self._connection.sendall(f"{text}\r\n".encode())

    def run(self) -> None:
        try:
            self._say("220 here")
            while line := self._lines.readline():
                command = line.decode().strip()
                self._server.commands.append(command)
                if self._is_encrypted:
                    self._server.encrypted.append(command)
                if not self._answer(command.partition(" ")[0].upper()):
                    return
        finally:
            self._lines.close()
            self._connection.close()

    def _answer(self, verb: str) -> bool:
        if verb == "EHLO":
            can_encrypt = self._certificate is not None and not self._is_encrypted
            offers = ["here", *(["STARTTLS"] if can_encrypt else []), "AUTH PLAIN"]
            for offer in offers[:-1]:
                self._say(f"250-{offer}")
            self._say(f"250 {offers[-1]}")
        elif verb == "STARTTLS":
            self._say("220 go on")
            self._lines.close()
            self._encrypt()
            self._lines = self._connection.makefile("rb")
        elif verb == "AUTH":
            self._say("235 welcome")
        elif verb == "RCPT" and self._server.refusing:
            self._say("451 person@example.com is not served now")
        elif verb == "DATA":
            self._say("354 go on")
            self._server.mails.append(self._mail())
            self._say("250 taken")
        elif verb == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("250 fine")
        return True

    def _mail(self) -> bytes:
        lines = []
        while (line := self._lines.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


def make_certificate(folder: Path) -> Certificate:
    """Signed by itself, and trusted by the client's side."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / "mail.pem"
    path.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cadata=pem.decode()))
