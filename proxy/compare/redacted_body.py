"""Bodies without secrets: taken apart by media type, put together again where something was found.

Whatever is returned was read again in every spelling a reader could use (entities, percent and
backslash escapes, two-byte characters): if a secret is left, `SecretLeft` is raised instead.
"""

from __future__ import annotations

import codecs
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote_from_bytes, unquote, unquote_to_bytes

from proxy.compare.charset import codec_of, text_of
from proxy.compare.json_text import Json, NotJson, parse
from proxy.compare.media import guessed, looks_like_json
from proxy.compare.policy import CompiledPolicy
from proxy.compare.reader import Incomparable, Media
from proxy.compare.rule_tree import RuleNode
from proxy.compare.secrets import (
    REDACTED,
    has_secret,
    is_secret_name,
    opens_named,
    redacted_prose,
    redacted_text,
    without_named,
)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
# Characters that must stay references: they would become markup.
_MARKUP = frozenset("<>&\"'")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\/")
_TAG = re.compile(r"<(?:input|meta)\b[^<>]{0,8192}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""(?<![\w-])(name|id|property|type|value|content)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<script\b[^<>]{0,2048}>", re.IGNORECASE)
_SCRIPT_END = re.compile(r"</script", re.IGNORECASE)
_XML_TAG = re.compile(r"<([A-Za-z_][\w:.-]*)([^<>]*)>")
_XML_ATTRIBUTE = re.compile(r"""(\s)([\w:.-]+)\s{0,3}=\s{0,3}("[^"<>]*"|'[^'<>]*')""")
_PART_NAME = re.compile(r'\bname="([^"\r\n]{0,200})"')


class SecretLeft(Exception):
    """A body from which a secret could not be taken: nothing of it may be kept."""


def without_secrets(
    content: bytes, media: Media | None, charset: str, policy: CompiledPolicy
) -> bytes:
    """The body, the same object without any secret; raises SecretLeft where one stays."""
    if not content:
        return content
    if media is None or (media is not Media.BINARY and looks_like_json(content)):
        media = guessed(content)
    if _names_all_of(media, policy):
        raise SecretLeft
    if media is Media.BINARY:
        clean = content
    else:
        text = text_of(content, charset)
        redacted = _CLEANERS[media](text, policy)
        clean = content if redacted == text else _encoded(redacted, content, charset)
    _check(clean, charset, media)
    return clean


def _names_all_of(media: Media, policy: CompiledPolicy) -> bool:
    """Whether the policy redacts places in such a body that are found by comparing alone."""
    prefixes = {Media.HTML: ("html:",), Media.XML: ("xml:",), Media.TEXT: ("text",)}
    return any(path.startswith(prefixes.get(media, ("body",))) for path in policy.policy.redact)


def _encoded(text: str, content: bytes, charset: str) -> bytes:
    mark, codec = next(
        ((mark, name) for mark, name in _MARKS if content.startswith(mark)),
        (b"", codec_of(charset) or "utf-8"),
    )
    try:
        return mark + text.encode(codec, "surrogateescape")
    except UnicodeError:
        raise SecretLeft from None


def _check(content: bytes, charset: str, media: Media) -> None:
    texts = {text_of(content, charset)}
    if b"\x00" in content:
        # Two-byte characters that nobody announced.
        texts.add(text_of(content.replace(b"\x00", b"")))
    if media is Media.BINARY:
        texts.add(content.decode("latin-1"))
    spellings = set(texts)
    for text in texts:
        spellings.add(html.unescape(text))
        if "%" in text:
            spellings.add(unquote(text, encoding="latin-1"))
        if "\\" in text:
            spellings.add(_ESCAPE.sub(_unescaped, text))
    if any(map(has_secret, spellings)):
        raise SecretLeft


def _unescaped(found: re.Match[str]) -> str:
    digits = found[1] or found[2]
    return chr(int(digits, 16)) if digits else "/"


def _clean_json(text: str, policy: CompiledPolicy) -> str:
    try:
        document = parse(text.encode("utf-8", "surrogatepass"), "", policy.limits)
    except (NotJson, Incomparable, UnicodeError):
        if "" in policy.hidden:
            raise SecretLeft from None
        return _clean_text(text, policy)
    cleaner = _Json()
    written = cleaner.write(document.value, policy.root)
    # Written anew, a body loses its spaces: only where it must be.
    return written if cleaner.found or has_secret(text) else text


class _Json:
    """Writes values again, without what is redacted."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found = False

    def write(self, value: Json, node: RuleNode, name: str = "") -> str:
        """JSON text of a value that stands under a name."""
        if node.redacted or (is_secret_name(name) and value not in (None, "", True, False)):
            self.found = True
            return f'"{REDACTED}"'
        if isinstance(value, dict):
            members = ", ".join(
                f"{self._text(key)}: {self.write(inner, node.member(key), key)}"
                for key, inner in value.items()
            )
            return f"{{{members}}}"
        if isinstance(value, list):
            elements = (
                self.write(inner, node.element(index), name) for index, inner in enumerate(value)
            )
            return f"[{', '.join(elements)}]"
        if isinstance(value, bytes):
            number = value.decode("ascii")
            return number if redacted_text(number) == number else self._text(number)
        return self._text(value) if isinstance(value, str) else json.dumps(value)

    def _text(self, text: str) -> str:
        clean = redacted_prose(text)
        self.found |= clean != text
        return json.dumps(clean, ensure_ascii=False)


def _clean_html(text: str, policy: CompiledPolicy) -> str:
    return _clean_markup(_TAG.sub(_clean_tag, _clean_scripts(text, policy)), policy)


def _clean_scripts(text: str, policy: CompiledPolicy) -> str:
    """A page whose script elements with JSON are without secrets."""
    kept: list[str] = []
    end = 0
    for tag in _SCRIPT.finditer(text):
        if tag.start() < end or "json" not in tag[0].lower():
            continue
        close = _SCRIPT_END.search(text, tag.end())
        if close is None:
            break
        kept += (text[end : tag.end()], _clean_json(text[tag.end() : close.start()], policy))
        end = close.start()
    return "".join((*kept, text[end:])) if kept else text


def _clean_tag(found: re.Match[str]) -> str:
    """An input or meta element without the value of a secret: a password, a token."""
    tag = found[0]
    said = {match[1].lower(): match[2].strip("\"'") for match in _ATTRIBUTE.finditer(tag)}
    names = (said.get(key, "") for key in ("name", "id", "property"))
    if said.get("type", "").lower() != "password" and not any(map(is_secret_name, names)):
        return tag

    def emptied(attribute: re.Match[str]) -> str:
        if attribute[1].lower() not in ("value", "content") or not attribute[2].strip("\"'"):
            return attribute[0]
        return f'{attribute[1]}="{REDACTED}"'

    return _ATTRIBUTE.sub(emptied, tag)


def _clean_markup(text: str, policy: CompiledPolicy) -> str:
    clean = _without_hidden(redacted_prose(text), policy)
    if "&" in clean and has_secret(html.unescape(clean)):
        clean = redacted_prose(_REFERENCE.sub(_spelled_out, clean))
    return clean


def _without_hidden(text: str, policy: CompiledPolicy) -> str:
    """JSON in a text without what the policy redacts; raises SecretLeft where that is no scalar."""
    if not policy.hidden:
        return text
    text = without_named(text, policy.hidden)
    if opens_named(text, policy.hidden):
        raise SecretLeft
    return text


def _clean_xml(text: str, policy: CompiledPolicy) -> str:
    """Without the values of attributes, and what stands in elements, whose names are secrets'."""
    kept: list[str] = []
    end = 0
    for tag in _XML_TAG.finditer(text):
        if tag.start() < end:
            continue
        clean = _XML_ATTRIBUTE.sub(_clean_attribute, tag[2])
        kept += (text[end : tag.start(2)], clean)
        end = tag.end(2)
        if tag[2].endswith("/") or not is_secret_name(tag[1].rpartition(":")[2]):
            continue
        close = text.find(f"</{tag[1]}", tag.end())
        if close < 0:
            raise SecretLeft
        if text[tag.end() : close].strip():
            kept += (">", REDACTED)
            end = close
    return _clean_markup("".join((*kept, text[end:])), policy)


def _clean_attribute(found: re.Match[str]) -> str:
    name, value = found[2].rpartition(":")[2], found[3]
    hidden = is_secret_name(name) and len(value) > len('""')
    return f"{found[1]}{found[2]}={value[0]}{REDACTED}{value[0]}" if hidden else found[0]


def _spelled_out(found: re.Match[str]) -> str:
    character = html.unescape(found[0])
    return found[0] if _MARKUP.intersection(character) else character


def _clean_form(text: str, policy: CompiledPolicy) -> str:
    pairs = []
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        plain_name, plain = (_decoded(part) for part in (name, value))
        if value and (is_secret_name(plain_name) or policy.at(f"form:{plain_name}").redacted):
            value = REDACTED
        elif redacted_prose(plain) != plain:
            value = _coded(redacted_prose(plain))
        if redacted_text(plain_name) != plain_name:
            name = _coded(redacted_text(plain_name))
        pairs.append(f"{name}{equals}{value}")
    return "&".join(pairs)


def _decoded(text: str) -> str:
    raw = unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _coded(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe="[] ").replace(" ", "+")


def _clean_text(text: str, policy: CompiledPolicy) -> str:
    if text.startswith("--") and "Content-Disposition" in text:
        text = _clean_parts(text)
    clean = _without_hidden(redacted_prose(text), policy)
    if "\\" in clean and has_secret(_ESCAPE.sub(_unescaped, clean)):
        clean = redacted_prose(_ESCAPE.sub(_unescaped, clean))
    if "%" in clean and has_secret(unquote(clean, encoding="latin-1")):
        clean = redacted_prose(unquote(clean, errors="surrogateescape"))
    return clean


def _clean_parts(text: str) -> str:
    """The parts of multipart/form-data (RFC 7578) without the values of secrets."""
    boundary = text.split("\n", 1)[0].rstrip("\r")
    parts = []
    for part in text.split(boundary):
        head, gap, _ = part.partition("\r\n\r\n")
        name = _PART_NAME.search(head)
        if gap and name is not None and is_secret_name(name[1]):
            part = f"{head}{gap}{REDACTED}\r\n"
        parts.append(part)
    return boundary.join(parts)


_CLEANERS: dict[Media, Callable[[str, CompiledPolicy], str]] = {
    Media.JSON: _clean_json,
    Media.HTML: _clean_html,
    Media.XML: _clean_xml,
    Media.FORM: _clean_form,
    Media.TEXT: _clean_text,
}
