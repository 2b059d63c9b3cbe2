"""Takes out of a text what must not leave the machine: secrets of the environment, and people's addresses and numbers."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

BLOT = "•••"
# What must be hidden whatever its length; other values are only taken for secrets from six characters on, or every "none"
# and "true" of a text would be blotted out.
_ALWAYS = ("LEAD_SLA_SMTP_PASSWORD",)
_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|KEY|URL|DSN|CREDENTIAL|^LEAD_SLA_SMTP_USER$", re.IGNORECASE
)
_SHORTEST = 6
# The parts of a URL that are secrets by themselves: what stands between its marks, and looks made by a machine.
_PART = re.compile(r"(?=[^/:@?&=#]*[A-Za-z])(?=[^/:@?&=#]*\d)[^/:@?&=#]{8,}")
_PASSWORD_IN_URL = re.compile(r"//[^/@\s]*:([^/@\s]+)@")

# E-mail addresses, and telephone numbers as people write them: +49 30 1234567, 0049 30 1234567, (030) 123-4567,
# 555-123-4567, 030/1234567, 5551234567. Instants, decimals and counts do not look like that.
# Every repetition has an end, or a line of a megabyte would take hours.
PERSONAL = re.compile(
    r"[^\s@<>()'\",;:=]{1,64}@[^\s@<>()'\",;:]{1,255}\.[^\W\d_]{2,}"
    r"|\+\d[\d\s().-]{6,20}\d"
    r"|(?<![\w.+-])(?:"
    r"00[1-9]\d(?:[ .-]?\d){6,12}"
    r"|\(\d{2,5}\)[ .-]?\d(?:[ .-]?\d){4,9}"
    r"|\d{3}[ .-]\d{3}[ .-]\d{4}"
    r"|0\d{1,4}[ /-]\d{3,}(?:[ -]?\d){2,8}"
    r"|\d{10,11}"
    r")(?![\w-]|\.\d)"
)


def scrub(text: str, environ: Mapping[str, str] = os.environ, *, variables: Iterable[str] = ()) -> str:
    """Blot secrets and people's data out of a text.

    Secrets are the values of the variables whose names hold PASSWORD, TOKEN, SECRET, KEY, URL and the like, of
    LEAD_SLA_SMTP_USER, of those named in `variables`, and every value that is a URL; as they are, and as they travel:
    quoted for a URL, escaped for JSON, in base64 alone or among other things. People's data are e-mail addresses and
    telephone numbers.

    Args:
        text: what would be told.
        environ: the environment variables.
        variables: names of further variables that hold secrets, such as the channels' `url_env`.

    Returns:
        The text with `•••` in their places.
    """
    pattern = _pattern(frozenset(_secrets(environ, {*_ALWAYS, *variables})))
    if pattern:
        text = pattern.sub(BLOT, text)
    return PERSONAL.sub(BLOT, text)


def _secrets(environ: Mapping[str, str], always: set[str]) -> Iterator[str]:
    for name, raw in environ.items():
        value = raw.strip()
        is_url = "://" in value
        if value and (name in always or (len(value) >= _SHORTEST and (is_url or _NAME.search(name)))):
            yield value
            if is_url:
                yield from _PART.findall(value)
                yield from (part for part in _PASSWORD_IN_URL.findall(value) if len(part) >= _SHORTEST)


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Give what finds the secrets in each of their forms, the longest first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return None
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield json.dumps(secret)[1:-1]
    content = secret.encode()
    # Among other things (a user before a password), base64 shows a secret in one of three ways, by where it begins.
    # The characters at its ends are shared with its neighbours.
    for offset in range(3):
        begins, ends = -(-offset * 8 // 6), (offset + len(content)) * 8 // 6
        core = base64.b64encode(bytes(offset) + content)[begins:ends].decode()
        if len(core) >= _SHORTEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")
