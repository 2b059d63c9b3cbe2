"""Hands reports over: mails to an SMTP server, short messages to chat channels. No message of an error holds a secret."""

from __future__ import annotations

import base64
import contextlib
import logging
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from lead_sla.report.figures import clean

HOST, PORT = "LEAD_SLA_SMTP_HOST", "LEAD_SLA_SMTP_PORT"
USER, PASSWORD = "LEAD_SLA_SMTP_USER", "LEAD_SLA_SMTP_PASSWORD"
SECURITY, CA_FILE = "LEAD_SLA_SMTP_SECURITY", "LEAD_SLA_SMTP_CA_FILE"
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_TIMEOUT_SECONDS = 30.0
# Between the tries, in seconds: enough for greylisting's shortest and a restart, short enough for a nightly run.
WAITS = (2.0, 10.0)


class Undelivered(Exception):
    """A report was not handed over.

    Args:
        sentence: why, without full stop and without secrets.
        again: whether another try may help.
        unsure: whether it may have arrived all the same.
        everybody: whether no other mail would get through either.

    Attributes:
        attempts: how often it was tried.
    """

    def __init__(self, sentence: str, *, again: bool = False, unsure: bool = False, everybody: bool = False) -> None:
        super().__init__(sentence)
        self.sentence, self.again, self.unsure, self.everybody = sentence, again, unsure, everybody
        self.attempts = 1


@dataclass(frozen=True)
class MailServer:
    """The SMTP server and how to talk to it.

    Attributes:
        security: `starttls` (the connection is encrypted before anything is said), `tls` (from its beginning), `none`.
        ca_file: a file of certificates to trust in place of the system's; empty for the system's.
    """

    host: str
    port: int
    security: str
    ca_file: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> MailServer:
        """Read LEAD_SLA_SMTP_HOST, _PORT, _USER, _PASSWORD, _SECURITY and _CA_FILE.

        Raises:
            Undelivered: a variable is missing or wrong.
        """

        def refuse(sentence: str) -> Undelivered:
            return Undelivered(sentence, everybody=True)

        host = environ.get(HOST, "").strip()
        user, password = environ.get(USER, ""), environ.get(PASSWORD, "")
        security = environ.get(SECURITY, "").strip().lower() or "starttls"
        if not host:
            raise refuse(f"no mail server is configured: set {HOST}")
        if security not in _PORTS:
            raise refuse(f"{SECURITY} is one of {', '.join(_PORTS)}")
        port = environ.get(PORT, "").strip() or str(_PORTS[security])
        if not (port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
            raise refuse(f"{PORT} is no port number")
        if bool(user) != bool(password):
            raise refuse(f"set both {USER} and {PASSWORD}, or neither")
        if not (user + password).isascii():
            raise refuse(f"SMTP takes user and password in plain ASCII letters alone: change {PASSWORD}")
        if user and security == "none":
            raise refuse(f"a password is not sent over an open connection: set {SECURITY} to starttls or tls")
        return cls(host, int(port), security, environ.get(CA_FILE, ""), user, password)

    def send(self, sender: str, address: str, content: bytes, about_to: Callable[[], None]) -> None:
        """Hand one mail over.

        Args:
            sender: the address that answers for it.
            address: to whom.
            content: the whole mail.
            about_to: called after the server has accepted sender and recipient, and before it gets the content.

        Raises:
            Undelivered: the server did not take it, or nobody knows.
        """
        try:
            smtp = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise self._explain(error, address, everybody=True) from None
        try:
            try:
                _accepted(smtp.mail(sender))
                _accepted(smtp.rcpt(address))
            except (OSError, smtplib.SMTPException) as error:
                raise self._explain(error, address) from None
            about_to()
            try:
                _accepted(smtp.data(content))
            except smtplib.SMTPResponseException as error:
                raise self._explain(error, address) from None
            except (OSError, smtplib.SMTPException):
                raise Undelivered(
                    "the connection broke while the mail was handed over: it may have arrived", unsure=True
                ) from None
            # The mail is the server's now, whatever it says to our farewell.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        finally:
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        """Open a connection, encrypted and logged in as configured."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError:
            raise Undelivered(f"{CA_FILE} names no readable file of certificates", everybody=True) from None
        if self.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT_SECONDS)
        try:
            smtp.ehlo_or_helo_if_needed()
            if self.security == "starttls":
                if not smtp.has_extn("starttls"):
                    raise Undelivered(
                        f"the mail server offers no STARTTLS, and mail is not sent in the open (see {SECURITY})",
                        everybody=True,
                    )
                smtp.starttls(context=context)
                smtp.ehlo_or_helo_if_needed()
            if self.user:
                smtp.login(self.user, self.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _explain(self, error: Exception, address: str, *, everybody: bool = False) -> Undelivered:
        """Say what the server or the network said, in words that hold neither the password nor the address."""
        if isinstance(error, smtplib.SMTPAuthenticationError):
            sentence = f"the mail server refused user and password ({error.smtp_code}): check {USER} and {PASSWORD}"
            return Undelivered(sentence, again=_is_temporary(error.smtp_code), everybody=True)
        if isinstance(error, smtplib.SMTPResponseException):
            words = (
                error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            said = self._hide(clean(words)[:200], address)
            sentence = f"the mail server answered {error.smtp_code} {said}".rstrip()
            return Undelivered(sentence, again=_is_temporary(error.smtp_code), everybody=everybody)
        if isinstance(error, ssl.SSLCertVerificationError):
            sentence = f"the mail server's certificate is not trusted ({error.verify_message}): see {CA_FILE}"
            return Undelivered(sentence, everybody=True)
        if isinstance(error, ssl.SSLError):
            sentence = (
                f"the mail server and we found no common encryption ({error.reason or 'broken off'}): see {SECURITY}"
            )
            return Undelivered(sentence, again=True, everybody=True)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Undelivered("the mail server does not let anybody log in over this connection", everybody=True)
        if isinstance(error, socket.gaierror):
            return Undelivered(f"the mail server of {HOST} is not known to the network", again=True, everybody=True)
        what = "did not answer in time" if isinstance(error, TimeoutError) else "cannot be reached, or broke off"
        return Undelivered(f"the mail server {what} ({type(error).__name__})", again=True, everybody=everybody)

    def _hide(self, text: str, address: str) -> str:
        for secret in (self.password, self.user):
            text = hide(text, secret)
        return re.sub(re.escape(address), "the recipient", text, flags=re.IGNORECASE)


def _accepted(reply: tuple[int, bytes]) -> None:
    """Raise a server's refusal, which smtplib only returns."""
    code, words = reply
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, words)


def _is_temporary(code: int) -> bool:
    return 400 <= code < 500


def post(url: str, title: str, text: str) -> None:
    """Hand a short message over to a chat channel.

    Args:
        url: the channel, in the words of apprise. It is a secret.
        title: one line.
        text: some more.

    Raises:
        Undelivered: the service did not take it.
    """
    import apprise

    channel = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Lead SLA", app_desc="Lead SLA", async_mode=False))
    with _silent(), apprise.LogCapture(level=logging.INFO, fmt="%(message)s") as said:
        understood = channel.add(url)
        if not understood or len(channel) != 1:
            raise Undelivered("its URL is not one that apprise understands (one URL a channel)")
        if channel.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT):
            return
        status = re.search(r"error\s*=\s*(\d{3})", said.getvalue())
    if status is None:
        raise Undelivered("the service cannot be reached", again=True)
    code = int(status[1])
    raise Undelivered(f"the service answered HTTP {code}", again=code in (408, 429) or code >= 500)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what apprise and its HTTP client log to themselves: it may hold the URL, or parts of it."""
    apprise, http = logging.getLogger("apprise"), logging.getLogger("urllib3.connectionpool")
    before = apprise.propagate, http.disabled
    apprise.propagate, http.disabled = False, True
    try:
        yield
    finally:
        apprise.propagate, http.disabled = before


def hide(text: str, secret: str) -> str:
    """Blot a secret out of a text, as it is and in the forms in which it travels."""
    if secret:
        for form in {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}:
            text = text.replace(form, "•••")
    return text


def with_retries(attempt: Callable[[], None], sleep: Callable[[float], None]) -> int:
    """Try up to three times, as long as another try may help.

    Args:
        attempt: what to try; it raises Undelivered.
        sleep: waits for so many seconds.

    Returns:
        How many tries it took.

    Raises:
        Undelivered: the last one; its `attempts` says how many there were.
    """
    for number, wait in enumerate((*WAITS, None), start=1):
        try:
            attempt()
        except Undelivered as error:
            error.attempts = number
            if wait is None or not error.again:
                raise
            sleep(wait)
        else:
            return number
    raise AssertionError("the last try either returns or raises")
