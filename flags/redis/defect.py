"""A defect of ours, met while talking to Redis: told once per time, and survived."""

from __future__ import annotations

import asyncio

from flags.redis.faults import Fault


def survived(error: Exception, doing: str) -> Fault:
    """Tell the event loop's exception handler; the fault that stands for it.

    A control plane that stops for a bug would stop in silence.
    """
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"defect while {doing}", "exception": error}
    )
    detail = f"Figway itself failed while {doing} ({type(error).__name__}); its log has more"
    return Fault(state="down", detail=detail)
