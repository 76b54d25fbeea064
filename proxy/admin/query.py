"""The parameters of a call's query, read as strictly as a body."""

from __future__ import annotations

from aiohttp import web

from proxy.admin.problem import AdminError


def query(request: web.Request, *needed: str, optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The parameters: each at most once, none that the call does not know. Raises AdminError 400.

    An optional one that is not given is empty.
    """
    asked = {}
    for name in request.query:
        if name not in (*needed, *optional):
            known = ", ".join((*needed, *optional)) or "none"
            raise AdminError(400, f"unknown parameter {name[:50]!r}; this call takes {known}")
        if len(request.query.getall(name)) > 1:
            raise AdminError(400, f"the parameter {name} is given twice")
        if name in optional and not request.query[name]:
            raise AdminError(400, f"the parameter {name} is empty: leave it out, or ?{name}=...")
    for name in (*needed, *optional):
        asked[name] = request.query.get(name, "")
    for name in needed:
        if not asked[name]:
            raise AdminError(400, f"the parameter {name} is missing: ?{name}=...")
    return asked
