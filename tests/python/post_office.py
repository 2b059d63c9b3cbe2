"""A mail server and a webhook on this machine, and their fixtures, for the tests of what is sent."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD, TOKEN = "mailer", "p$$-w0rd=of/the+mailer", "t0ken-of-the-hook"


@dataclass
class Mailbox:
    """What an SMTP server got, and how it behaves. `script` is what it answers to the next RCPT or DATA, in place of 250."""

    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    logins: int = 0
    port: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    rcpt_script: list[str] = field(default_factory=list)
    data_script: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        if self.rcpt_script:
            return self.rcpt_script.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data_script:
            answer = self.data_script.pop(0)
            if answer == "hang up":
                server.transport.abort()
            return answer
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails += [(address, mail) for address in envelope.rcpt_tos]
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins += 1
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class _Server(Controller):
    """An SMTP server on a free port of this machine."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def serve(mailbox: Mailbox, **settings: Any) -> Controller:
    controller = _Server(mailbox, hostname="127.0.0.1", port=0, **settings)
    controller.start()
    return controller


@pytest.fixture
def mailbox(certificate: Path) -> Iterator[Mailbox]:
    """An SMTP server on this machine that wants STARTTLS and a password; `environ` says how to reach it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    box = Mailbox()
    controller = serve(
        box, tls_context=context, require_starttls=True, auth_required=True, authenticator=box.authenticate
    )
    box.port = controller.port
    yield box
    controller.stop()


@dataclass
class Hook:
    """A webhook on this machine: what it was told, and the HTTP codes that it answers next, in place of 200."""

    url: str
    told: list[dict[str, Any]]
    codes: list[int]


@pytest.fixture
def hook() -> Iterator[Hook]:
    told: list[dict[str, Any]] = []
    codes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            code = codes.pop(0) if codes else 200
            if code == 200:
                told.append(json.loads(content))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Hook(f"json://127.0.0.1:{server.server_port}/{TOKEN}", told, codes)
    server.shutdown()
    server.server_close()
