"""The questions that the supervisor asks for people, and their answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from proxy.evidence.answers import ReportAnswer
from proxy.evidence.report import as_document
from proxy.observer.comparer import Comparer
from proxy.observer.store import EvidenceStore
from proxy.observer.terms import Terms
from proxy.observer.upstreams import Upstreams
from proxy.tally import TallySnapshot


class Questions:
    """Answers with a status as in HTTP and a JSON text."""

    def __init__(
        self,
        *,
        terms: Terms,
        upstreams: Upstreams,
        comparer: Comparer,
        store: EvidenceStore,
        snapshot: Callable[[], TallySnapshot],
    ) -> None:
        self._terms = terms
        self._store = store

    async def answer(self, what: str, params: str) -> tuple[int, str]:
        given = json.loads(params)
        reports = await asyncio.to_thread(self._store.report, given.get("route"))
        return 200, json.dumps(as_document(ReportAnswer(routes=reports)))
