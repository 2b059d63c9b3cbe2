"""Who gets the daily report, what each of them sees, and who is alerted: `config/report.yml`. No secret stands in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from email.utils import parseaddr
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import quote

import yaml

from lead_sla.errors import RefusedInput
from lead_sla.settings import Settings

CONFIG_VARIABLE = "LEAD_SLA_REPORT_CONFIG"
CONFIG = Path("config/report.yml")
EXAMPLE = Path("config/report.example.yml")
DEFAULT_SUBJECT = "SLA {date}: {on_the_list} on the list, Marketing {pace}"
SUBJECT_FIELDS = ("date", "scope", "on_the_list", "due_soon", "attainment", "pace")

_KEYS = {"sender", "reply_to", "subject", "crm_lead_url", "link", "not_before", "recipients", "channels", "alerts"}
DEFAULT_REPEAT_HOURS = 6
_LONGEST_REPEAT_HOURS = 7 * 24
_SCOPES = ("team", "manager", "rep")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
_URL = re.compile(r"https?://[^\s<>\"']+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_TODO = f"mend the file; {EXAMPLE} explains every key"


@dataclass(frozen=True)
class Scope:
    """Whose leads a recipient sees.

    Attributes:
        kind: `all`, `team`, `manager` (everybody below, and the manager) or `rep`.
        of: the name of the team, or the id of the manager or rep; empty for `all`.
    """

    kind: str = "all"
    of: str = ""


@dataclass(frozen=True)
class Recipient:
    """Somebody who gets one mail a day."""

    name: str
    address: str
    sees: Scope


@dataclass(frozen=True)
class Channel:
    """A chat channel that gets one short message a day. Its URL, which is a secret, is in an environment variable."""

    name: str
    url_env: str
    sees: Scope


@dataclass(frozen=True)
class Alerts:
    """Who is told when a night fails.

    Attributes:
        sender: the From address, that of the report.
        reply_to: where answers go; empty for the sender.
        link: where the marts can be looked at; empty for none.
        recipients: who gets a mail.
        channels: which chat channels get a message.
        repeat_after: for how long the same trouble is not told again.
    """

    sender: str
    reply_to: str
    link: str
    recipients: tuple[Recipient, ...]
    channels: tuple[Channel, ...]
    repeat_after: timedelta


@dataclass(frozen=True)
class ReportConfig:
    """What config/report.yml says of the report.

    Attributes:
        path: the file, for messages.
        sender: the From address, with or without a name.
        reply_to: where answers go; empty for the sender.
        subject: a text with the fields of SUBJECT_FIELDS in braces.
        crm_lead_url: the address of a lead in the CRM, with `{lead_id}` in it; empty for none.
        link: where the marts can be looked at further; empty for none.
        not_before: the time of day in the reporting time zone before which nothing is sent.
        recipients: who gets a mail.
        channels: which chat channels get a message.
    """

    path: Path
    sender: str
    reply_to: str
    subject: str
    crm_lead_url: str
    link: str
    not_before: time | None
    recipients: tuple[Recipient, ...]
    channels: tuple[Channel, ...]

    def lead_url(self, lead_id: str) -> str:
        """Give the address of a lead in the CRM, whatever its id is made of; empty where no pattern is configured."""
        return self.crm_lead_url.replace("{lead_id}", quote(lead_id, safe=""))

    @property
    def names(self) -> list[str]:
        """The names of all recipients and channels."""
        return [each.name for each in (*self.recipients, *self.channels)]


def config_path(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Give the path of the configuration: LEAD_SLA_REPORT_CONFIG, else config/report.yml of the project."""
    value = environ.get(CONFIG_VARIABLE)
    return Path(value).absolute() if value else settings.project / CONFIG


def load_config(path: Path) -> ReportConfig:
    """Read and check the configuration.

    Raises:
        RefusedInput: it is missing or wrong; every mistake is named, in a sentence each. No message repeats a value
            that could be a secret put in the wrong place.
    """
    content = _content(path)
    reader = _Reader()
    config = reader.config(path, content)
    reader.refuse_mistakes(path)
    assert config is not None
    return config


def load_alerts(path: Path) -> Alerts | None:
    """Read and check who is to be alerted.

    What is wrong elsewhere in the file does not matter: it may be the very trouble that is to be told.

    Returns:
        None where the file has no section `alerts`.

    Raises:
        RefusedInput: the file is missing, or what alerts need of it is wrong.
    """
    content = _content(path)
    reader = _Reader()
    alerts = reader.alerts(content)
    reader.refuse_mistakes(path)
    return alerts


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedInput(
            "Nobody is to get the daily report: there is no configuration",
            where=str(path),
            todo=f"copy {EXAMPLE} to {CONFIG} and say who gets what, or name another file by {CONFIG_VARIABLE}",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise RefusedInput("The report's configuration is not YAML", where=f"{path}{line}", todo=_TODO) from None


def lead_url_mistake(value: str) -> str:
    """Say what is wrong with the address of a lead in the CRM; empty where nothing is, or there is none."""
    if value and value.count("{lead_id}") != 1:
        return "has {lead_id} once, such as https://crm.example.com/leads/{lead_id}"
    return "" if not value or _URL.fullmatch(value) else "is no address that begins with https:// (or http://)"


class _Reader:
    """Reads the parts of the configuration, and collects what is wrong with them."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def refuse_mistakes(self, path: Path) -> None:
        if count := len(self.mistakes):
            raise RefusedInput(
                f"The report's configuration has {count} mistake{'s' if count > 1 else ''}",
                where=str(path),
                todo=_TODO,
                details=self.mistakes,
            )

    def config(self, path: Path, content: Any) -> ReportConfig | None:
        if not self._is_mapping(content):
            return None
        self._unknown(content, _KEYS, "")
        config = ReportConfig(
            path=path,
            sender=self._sender(self._text(content, "sender", "the address that the mail comes from")),
            reply_to=self._address(self._text(content, "reply_to"), "reply_to"),
            subject=self._subject(self._text(content, "subject") or DEFAULT_SUBJECT),
            crm_lead_url=self._lead_url(self._text(content, "crm_lead_url")),
            link=self._url(self._text(content, "link"), "link"),
            not_before=self._time(content.get("not_before")),
            recipients=tuple(self._recipient(*entry) for entry in self._entries(content, "recipients")),
            channels=tuple(self._channel(*entry) for entry in self._entries(content, "channels")),
        )
        if not config.names:
            self.mistakes.append("there are neither recipients nor channels: nobody would get the report")
        self._unique("name", config.names)
        # One mail a day per recipient: two entries would be two mails.
        self._unique("address", [recipient.address.casefold() for recipient in config.recipients])
        self._alerts(content, config.sender, config.reply_to, config.link)
        return config

    def alerts(self, content: Any) -> Alerts | None:
        """Read the section `alerts`, and of the others what it needs."""
        if not self._is_mapping(content) or content.get("alerts") is None:
            return None
        return self._alerts(
            content,
            self._sender(self._text(content, "sender", "the address that the mail comes from")),
            self._address(self._text(content, "reply_to"), "reply_to"),
            self._url(self._text(content, "link"), "link"),
        )

    def _alerts(self, content: dict[str, Any], sender: str, reply_to: str, link: str) -> Alerts | None:
        section = content.get("alerts")
        if section is None:
            return None
        if not isinstance(section, dict):
            self.mistakes.append("alerts: give recipients, channels, or both")
            return None
        self._unknown(section, {"recipients", "channels", "repeat_hours"}, "alerts: ")
        addresses = section.get("recipients") or []
        if not isinstance(addresses, list):
            self.mistakes.append("alerts: recipients: give a list of e-mail addresses")
            addresses = []
        recipients = [self._alerted(number, address) for number, address in enumerate(addresses, start=1)]
        entries = self._entries(section, "channels", "alerts: ")
        alerts = Alerts(
            sender,
            reply_to,
            link,
            tuple(recipients),
            tuple(self._alert_channel(*entry) for entry in entries),
            self._repeat_after(section.get("repeat_hours", DEFAULT_REPEAT_HOURS)),
        )
        if not addresses and not entries:
            self.mistakes.append("alerts: there are neither recipients nor channels: nobody would be alerted")
        self._unique("address", [recipient.address.casefold() for recipient in recipients], "alerts: ")
        self._unique("name", [channel.name for channel in alerts.channels], "alerts: ")
        return alerts

    def _alerted(self, number: int, address: Any) -> Recipient:
        label = f"alerts: recipients, entry {number}"
        address = self._address(self._text({label: address}, label, "an e-mail address"), label)
        return Recipient(address, address, Scope())

    def _alert_channel(self, label: str, entry: dict[str, Any]) -> Channel:
        self._unknown(entry, {"name", "url_env"}, f"{label}: ")
        return Channel(self._name(label, entry), self._variable(label, entry), Scope())

    def _repeat_after(self, value: Any) -> timedelta:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_REPEAT_HOURS:
            self.mistakes.append(
                f"alerts: repeat_hours is a number of hours above 0, and at most {_LONGEST_REPEAT_HOURS} (a week)"
            )
            return timedelta(hours=DEFAULT_REPEAT_HOURS)
        return timedelta(hours=value)

    def _is_mapping(self, content: Any) -> bool:
        if isinstance(content, dict):
            return True
        self.mistakes.append("the file is empty, or no mapping of keys to values")
        return False

    def _entries(self, content: dict[str, Any], key: str, label: str = "") -> list[tuple[str, dict[str, Any]]]:
        """Give the mappings of a list with a label for messages."""
        entries = content.get(key) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.mistakes.append(f"{label}{key}: give a list, each entry with its name")
            return []
        return [(f"{label}{key}, entry {number}", entry) for number, entry in enumerate(entries, start=1)]

    def _recipient(self, label: str, entry: dict[str, Any]) -> Recipient:
        self._unknown(entry, {"name", "address", "sees"}, f"{label}: ")
        address = self._address(self._text(entry, "address", "an e-mail address", f"{label}: "), f"{label}: address")
        return Recipient(self._name(label, entry), address, self._scope(label, entry))

    def _channel(self, label: str, entry: dict[str, Any]) -> Channel:
        self._unknown(entry, {"name", "url_env", "sees"}, f"{label}: ")
        return Channel(self._name(label, entry), self._variable(label, entry), self._scope(label, entry))

    def _variable(self, label: str, entry: dict[str, Any]) -> str:
        variable = self._text(entry, "url_env", "the name of an environment variable", f"{label}: ")
        if variable and not _VARIABLE.fullmatch(variable):
            self.mistakes.append(
                f"{label}: url_env is the name of an environment variable, in capitals (LEAD_SLA_SLACK_URL), and never the URL"
            )
        return variable

    def _name(self, label: str, entry: dict[str, Any]) -> str:
        name = self._text(entry, "name", "a short name", f"{label}: ")
        if name and not _NAME.fullmatch(name):
            self.mistakes.append(f"{label}: a name is made of letters, digits, dots, dashes and underscores")
        return name

    def _scope(self, label: str, entry: dict[str, Any]) -> Scope:
        sees = entry.get("sees")
        if sees == "all":
            return Scope()
        if isinstance(sees, dict) and len(sees) == 1:
            ((kind, of),) = sees.items()
            if kind in _SCOPES and isinstance(of, str) and of.strip() and of.isprintable():
                return Scope(kind, of)
        self.mistakes.append(
            f"{label}: sees is one of: all, {{team: NAME}}, {{manager: REP_ID}}, {{rep: REP_ID}}"
            + (" (what YAML takes for a number or a date stands in quotes)" if isinstance(sees, dict) else "")
        )
        return Scope()

    def _text(self, entry: dict[str, Any], key: str, needed: str = "", label: str = "") -> str:
        """Give a text without surrounding space; empty where it is missing."""
        value = entry.get(key)
        if value is None or value == "":
            if needed:
                self.mistakes.append(f"{label}{key} is missing: {needed}")
            return ""
        if not isinstance(value, str) or not value.isprintable():
            self.mistakes.append(f"{label}{key} is not a text on one line")
            return ""
        return value.strip()

    def _sender(self, value: str) -> str:
        if value and not _ADDRESS.fullmatch(parseaddr(value)[1]):
            self.mistakes.append("sender is not an e-mail address such as: Lead SLA <lead-sla@example.com>")
        return value

    def _address(self, value: str, label: str) -> str:
        if value and not _ADDRESS.fullmatch(value):
            self.mistakes.append(f"{label} is not one plain e-mail address such as anna@example.com")
        return value

    def _subject(self, value: str) -> str:
        try:
            fields = [
                (name, spec, conversion) for _, name, spec, conversion in Formatter().parse(value) if name is not None
            ]
        except ValueError:
            fields = [("", "", None)]
        if any(name not in SUBJECT_FIELDS or spec or conversion for name, spec, conversion in fields):
            self.mistakes.append(
                f"subject: what stands in braces is one of {', '.join(SUBJECT_FIELDS)}, and nothing else"
            )
        return value

    def _url(self, value: str, label: str) -> str:
        if value and not _URL.fullmatch(value):
            self.mistakes.append(f"{label} is no address that begins with https:// (or http://)")
        return value

    def _lead_url(self, value: str) -> str:
        if mistake := lead_url_mistake(value):
            self.mistakes.append(f"crm_lead_url {mistake}")
        return value

    def _time(self, value: Any) -> time | None:
        # YAML reads an unquoted 06:30 as the number 390.
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
            value = f"{value // 60:02}:{value % 60:02}"
        if value is None:
            return None
        match = _TIME.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.mistakes.append('not_before is a time of day such as "06:30"')
            return None
        return time(int(match[1]), int(match[2]))

    def _unknown(self, entry: dict[str, Any], known: set[str], label: str) -> None:
        # The key alone: its value may be a secret that somebody wrote into the file.
        self.mistakes += [f"{label}unknown key {key}" for key in map(str, entry) if key not in known]

    def _unique(self, what: str, values: list[str], label: str = "") -> None:
        twice = sorted({value for value in values if value and values.count(value) > 1})
        self.mistakes += [
            f"{label}the {what} {value} stands twice: every recipient and channel has its own" for value in twice
        ]
