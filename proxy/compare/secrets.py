"""Secrets known by their looks or by the name they stand under, and texts without them.

Looks: e-mail addresses, JSON Web Tokens, payment card numbers, IBANs, keys of well-known services,
`Bearer` and `Basic` credentials. A number is a card's, an account an IBAN, only if it checks.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

REDACTED = "[redacted]"

# The part before the @ is found backwards from it: looked for forwards, every word is a candidate.
_DOMAIN = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CODED_DOMAIN = re.compile(r"%40[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_LOCAL = frozenset("!#$%&'*+/=?^`{|}~-._")
_LOCAL_LENGTH = 64
# Each with a text without which it cannot match.
_LOOKS = tuple(
    (telling, re.compile(rf"(?<![\w-])(?:{looks})"))
    for telling, looks in (
        # RFC 7519, 3.1: two base64url parts that begin with {" and a third, perhaps empty.
        ("eyJ", r"eyJ[\w-]{5,}+\.[\w-]{2,}+(?:\.[\w-]*+)?"),
        ("Bearer", r"Bearer\s{1,8}[\w.~+/=-]{8,}+"),
        ("Basic", r"Basic\s{1,8}[A-Za-z0-9+/=]{8,}+"),
        ("_live_", r"[spr]k_live_\w{10,}+"),
        ("_test_", r"[spr]k_test_\w{10,}+"),
        ("whsec_", r"whsec_\w{16,}+"),
        ("AKIA", r"AKIA[0-9A-Z]{16}"),
        ("AIza", r"AIza[\w-]{30,}+"),
        ("xox", r"xox[abprs]-[\w-]{10,}+"),
        ("glpat-", r"glpat-[\w-]{20,}+"),
        ("gh", r"gh[pousr]_\w{20,}+"),
    )
)
# ISO/IEC 7812: 14 to 19 digits that begin as those of the issuers do, in groups or not. (A bar code
# has 13, and every tenth would check.)
_CARD = re.compile(
    r"(?<![\w.,-])(?:4\d|5[1-5]|2[2-7]|3[04-8]|6[0245])(?:[ -]?\d){12,17}(?!\w|[.,-]\d)"
)
# By the first two digits: American Express has 15, Diners 14, Visa 16 or 19; others 16 or more.
_LENGTHS = {
    **dict.fromkeys((34, 37), (15,)),
    **dict.fromkeys((30, 36, 38), (14, 16)),
    **dict.fromkeys(range(40, 50), (16, 19)),
    **dict.fromkeys((*range(51, 56), *range(22, 28), 35), (16,)),
}
_USUAL = (16, 17, 18, 19)
# ISO 13616: country, two check digits, 11 to 30 letters and digits, in groups of four or not.
_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?!\w)")
_SHORTEST = 13
# Names of members, fields, parameters and cookies that hold a secret.
_NAME = re.compile(
    r"pass(?:word|wd|phrase|wort)|pwd|secret(?!ar)|token|api_?-?key|access_?-?key|private_?-?key"
    r"|authorization|auth_?key|csrf|xsrf|nonce|sess(?:ion)?_?-?id|credential"
    r"|card_?-?(?:number|no)|cc_?-?num|cvv|cvc",
    re.IGNORECASE,
)
# Whole words of a name only: `className` and `footprint` are none.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset({"iban", "ssn", "otp", "totp"})
# Whole names only: `pinned`, `author` and `side` are none.
_SHORT_NAMES = frozenset({"auth", "pin", "sid", "tan", "key", "session", "sectok", "pan", "bic"})
# `password=...`, `"token": "..."` in text of no known format.
_NAMED_BY = ("passw", "secret", "token", "apikey", "api_key", "sessid")
_NAMED = re.compile(
    r"""((?:passw(?:or)?d|secret|token|api_?key|sessid)[\w.-]{0,20}["']?\s{0,3}[=:]\s{0,3})"""
    r"""("[^"\r\n]{1,4096}"|'[^'\r\n]{1,4096}'|[^\s"'&;,<>]{4,4096})""",
    re.IGNORECASE,
)
# `"pin": "1234"` in text that is no JSON or has some in it: each name in quotes is looked at.
_QUOTED = re.compile(
    r"""(["'])([\w.-]{1,60})\1(\s{0,3}:\s{0,3})("(?:[^"\\\r\n]|\\.){0,4096}"|'[^'\r\n]{0,4096}'"""
    r"""|[\w.+-]{1,400})"""
)
_OPENS = re.compile(r"""["']([\w.-]{1,60})["']\s{0,3}:\s{0,3}[\[{]""")
# Parameters of addresses and forms, wherever they stand in a text.
_PARAMETER = re.compile(r"(?<![\w.\[\]%-])([\w.\[\]%-]{1,60})=([^\s&;,\"'<>#]{1,4096})")
_WORDS = frozenset({"null", "true", "false"})
# What separates the names in a path: `$.a['b'][*].c`, `xml:/a/@b`, `form:a[b]`.
_BETWEEN_NAMES = re.compile(r"[.\[\]'{}*/@:]+")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands under a name is a secret, whatever it looks like."""
    name = name[:200]
    return (
        name.lower() in _SHORT_NAMES
        or _NAME.search(name) is not None
        or any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))
    )


def redacted_text(text: str) -> str:
    """A text without the secrets that are known by their looks; the same object without any."""
    if "@" in text:
        text = _without_mail(text, _DOMAIN)
    if len(text) < _SHORTEST:
        return text
    if "%40" in text:
        text = _without_mail(text, _CODED_DOMAIN)
    for telling, looks in _LOOKS:
        if telling in text:
            text = looks.sub(REDACTED, text)
    return _IBAN.sub(_without_iban, _CARD.sub(_without_card, text))


def redacted_prose(text: str) -> str:
    """The same for text of no known format, where `password=...` is looked for too."""
    text = redacted_text(text)
    if len(text) < _SHORTEST:
        return text
    lower = text.lower()
    if any(word in lower for word in _NAMED_BY):
        text = _NAMED.sub(_without_value, text)
    return without_named(text) if '":' in text or "':" in text else text


def without_named(text: str, names: Set[str] = frozenset()) -> str:
    """A text without the values of JSON members in it whose name is a secret's, or one of these."""

    def clean(found: re.Match[str]) -> str:
        value = found[4]
        if value in _WORDS or not (found[2] in names or is_secret_name(found[2])):
            return found[0]
        quote = value[0] if value[0] in "\"'" else '"'
        return f"{found[1]}{found[2]}{found[1]}{found[3]}{quote}{REDACTED}{quote}"

    return _QUOTED.sub(clean, text)


def opens_named(text: str, names: Set[str]) -> bool:
    """Whether an object or array begins in a text under one of these names."""
    return any(found[1] in names for found in _OPENS.finditer(text))


def shown_text(text: str) -> str:
    """A piece of a text as people may be shown it: prose, code, or an address with parameters."""
    text = redacted_prose(text)
    return _PARAMETER.sub(_without_parameter, text) if "=" in text else text


@lru_cache(maxsize=4096)
def is_secret_place(path: str) -> bool:
    """Whether a path leads to, or into, what stands under the name of a secret.

    Of a place in a page only what follows the selector counts: the attribute, or the field.
    """
    if path.startswith("header:"):
        return False
    if path.startswith("html:"):
        selector, end, part = path.partition("]")
        path = part if end and "$" not in selector else path.partition("$")[2]
    return any(map(is_secret_name, filter(None, _BETWEEN_NAMES.split(path))))


def has_secret(text: str) -> bool:
    """Whether `redacted_text` would take something out."""
    return redacted_text(text) != text


def _without_mail(text: str, domains: re.Pattern[str]) -> str:
    kept: list[str] = []
    end = 0
    for domain in domains.finditer(text):
        start = at = domain.start()
        while start > max(end, at - _LOCAL_LENGTH) and _is_local(text[start - 1]):
            start -= 1
        if start < at:
            kept += (text[end:start], REDACTED)
            end = domain.end()
    if not kept:
        return text
    kept.append(text[end:])
    return "".join(kept)


def _is_local(character: str) -> bool:
    return character.isalnum() or character in _LOCAL


def _without_card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    if len(digits) not in _LENGTHS.get(10 * digits[0] + digits[1], _USUAL):
        return found[0]
    # Luhn (ISO/IEC 7812-1, annex B): every second digit from the right counts double.
    total = sum(
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    )
    return REDACTED if total % 10 == 0 else found[0]


def _without_iban(found: re.Match[str]) -> str:
    number = found[0].replace(" ", "").upper()
    if not 15 <= len(number) <= 34:
        return found[0]
    # ISO 7064, MOD 97-10: the first four go to the end, letters are 10 to 35.
    spelled = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
    return REDACTED if int(spelled) % 97 == 1 else found[0]


def _without_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}={REDACTED}" if is_secret_name(found[1]) else found[0]


def _without_value(found: re.Match[str]) -> str:
    value = found[2]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found[1]}{quote}{REDACTED}{quote}"
