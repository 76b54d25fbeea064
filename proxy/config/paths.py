"""What may stand in a path: exact, prefix, template, regex and rewrite texts."""

from __future__ import annotations

import re

import re2

from proxy.config.yaml_scalar import quoted
from proxy.routing.target import ambiguity, literal_view

MAX_PATTERN = 1000
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUERY_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]+")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def literal_path(text: str) -> str:
    """Check a path that is compared as it stands. Raises ValueError with the mend."""
    if "{" in text or "}" in text:
        raise ValueError(f"a path with {{names}} is a template: write template, got {quoted(text)}")
    _check_path(text)
    return text


def prefix_path(text: str) -> str:
    """Check a prefix. A slash at its end means nothing, as in Gateway API: `/cart/` is `/cart`."""
    literal_path(text)
    return text.rstrip("/") or "/"


def template_path(text: str) -> str:
    """Check a template: whole segments are literal or one `{name}`, names are unique."""
    names: set[str] = set()
    plain = []
    for segment in text.split("/"):
        if "{" not in segment and "}" not in segment:
            plain.append(segment)
            continue
        name = segment[1:-1]
        if not (segment.startswith("{") and segment.endswith("}")) or not _NAME.fullmatch(name):
            raise ValueError(
                f"a parameter is a whole segment such as {{slug}}, made of letters, digits and _, "
                f"got {quoted(segment)}"
            )
        if name in names:
            raise ValueError(f"the parameter {{{name}}} stands twice: every name may be used once")
        names.add(name)
        plain.append("x")
    _check_path("/".join(plain), text)
    return text


def template_names(text: str) -> frozenset[str]:
    """The parameter names of a template."""
    return frozenset(_VARIABLE.findall(text))


def regex(text: str) -> str:
    """Check an RE2 pattern; it must match the whole value. Raises ValueError."""
    if not text:
        raise ValueError("must not be empty")
    if len(text) > MAX_PATTERN:
        raise ValueError(f"must have at most {MAX_PATTERN} characters, has {len(text)}")
    try:
        re2.compile(text, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown"
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise ValueError(
            f"is not an RE2 pattern ({reason}; no look-around, no back-references), "
            f"got {quoted(text)}"
        ) from None
    return text


def rewrite_path(text: str) -> str:
    """Check a rewrite target; `{name}` and `{query.name}` stand for values of the request."""
    for name in rewrite_variables(text):
        query = name.removeprefix("query.")
        if not (_NAME.fullmatch(name) or (query != name and _QUERY_NAME.fullmatch(query))):
            raise ValueError(
                f"a variable is {{name}} of the template or {{query.name}}, got "
                f"{quoted(f'{{{name}}}')}"
            )
    bare = _VARIABLE.sub("x", text)
    if "{" in bare or "}" in bare:
        raise ValueError(f"braces are not closed, got {quoted(text)}")
    _check_path(bare, text)
    return text


def rewrite_variables(text: str) -> tuple[str, ...]:
    """The variables of a rewrite target, in order."""
    return tuple(_VARIABLE.findall(text))


def _check_path(text: str, shown: str | None = None) -> None:
    """Refuse what an upstream could read as another path than we do."""
    got = f", got {quoted(shown or text)}"
    if not text.startswith("/"):
        raise ValueError(f"must start with /{got}")
    if len(text) > MAX_PATTERN:
        raise ValueError(f"must have at most {MAX_PATTERN} characters, has {len(text)}")
    if "?" in text:
        raise ValueError(f"must not hold a query: match the parameters under query:{got}")
    if "#" in text:
        raise ValueError(f"must not hold a fragment: clients never send it{got}")
    if "//" in text:
        raise ValueError(f"must not hold an empty segment (//): such targets stay on legacy{got}")
    if ";" in text:
        raise ValueError(f"must not hold path parameters (;): such targets stay on legacy{got}")
    if "\\" in text:
        raise ValueError(f"must not hold a backslash: such targets stay on legacy{got}")
    lowered = text.lower()
    segments = lowered.replace("%2e", ".").split("/")
    if "." in segments or ".." in segments:
        raise ValueError(
            f"must not hold dot segments (/./, /../): such targets stay on legacy{got}"
        )
    if "%2f" in lowered or "%5c" in lowered or "%00" in lowered:
        raise ValueError(
            f"must not hold an encoded slash, backslash or NUL: such targets stay on legacy{got}"
        )
    why = ambiguity(literal_view(text))
    if why:
        raise ValueError(f"can never match, because {why}{got}")
