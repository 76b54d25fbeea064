"""A finding of `figway check`, and the catalogue of every rule with its stable id."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; notes alone do not fail a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that is looked for. Ids are never given to another rule."""

    id: str
    severity: Severity
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One place where a rule was broken: where, what, and how to mend it."""

    file: str
    line: int
    column: int
    rule: str
    severity: Severity
    key: str
    message: str
    mend: str

    def __str__(self) -> str:
        """Format as `file:line: severity RULE: message; mend`, the form editors can jump to."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        mend = f" ({self.mend})" if self.mend else ""
        return f"{where}: {self.severity} {self.rule}:{key} {self.message}{mend}"


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_RULES = (
    # The file itself: reported by the loader, which refuses such a file.
    ("READ", _E, "The file cannot be read."),
    ("YAML001", _E, "A plain word that is a boolean to YAML 1.1: yes, no, on, off, y, n."),
    ("YAML002", _E, "A key that stands twice in one mapping."),
    ("YAML003", _E, "An alias, anchor, tag or merge key."),
    ("YAML004", _E, "A number or date that YAML readers do not agree about: 010, 12:30, 1e3."),
    ("YAML005", _E, "Text that is not one plain YAML document in UTF-8 of at most 1 MiB."),
    ("LOAD001", _E, "An unknown key."),
    ("LOAD002", _E, "A required key is missing."),
    ("LOAD003", _E, "A value that cannot stand there."),
    ("LOAD004", _E, "A name that is not defined: upstream, group, segment, route or parameter."),
    ("LOAD005", _E, "A name or address that is taken already, or reserved."),
    ("LOAD006", _E, "Not exactly one upstream has role legacy."),
    ("LOAD007", _E, "Keys that do not go together."),
    ("LOAD008", _E, "A file named in the configuration does not exist."),
    ("TABLE", _E, "The route table cannot be made from the file."),
    ("SETTING", _E, "A setting in the environment or on the command line."),
    # Matching.
    ("MATCH001", _E, "Two routes overlap and neither is more specific: the file order decides."),
    ("MATCH002", _E, "A route that no request can reach."),
    ("MATCH003", _E, "No catch-all, or one that does not go to legacy."),
    ("MATCH004", _W, "A method that the proxy answers with 501."),
    ("MATCH005", _N, "GET is matched and HEAD goes somewhere else."),
    # Paths.
    ("PATH001", _N, "Routes that match without a trailing slash only."),
    ("PATH002", _W, "Paths that differ in upper and lower case only."),
    ("PATH003", _W, "A wildcard or regex character in a path that is taken literally."),
    ("PATH004", _N, "A path that is matched in another spelling than it is written."),
    ("PATH005", _N, "A regex or template that would be simpler, and found first, as another kind."),
    # Stages.
    ("STAGE001", _E, "A stage that is not one step ahead of the one before, or leaves complete."),
    ("STAGE002", _N, "A completed route: no rollback applies to it."),
    ("STAGE003", _W, "Stage shadow with nothing to copy."),
    ("STAGE004", _W, "A key that has no effect at this stage, or without new."),
    ("SHADOW001", _W, "Shadow traffic for methods that are never copied."),
    ("SHADOW002", _W, "The kill switch is on: nothing is copied."),
    ("SHADOW003", _W, "A mode for copied writes that copies none."),
    ("SHADOW004", _N, "Copies of writes that the new side promises not to carry out."),
    ("SHADOW005", _N, "Routes that are live without a shadow of legacy."),
    ("SHADOW006", _W, "Legacy is asked with the session of a visitor."),
    ("SHADOW007", _W, "Copies of GET requests whose address names an action."),
    # Comparing, and its verdict.
    ("COMPARE001", _W, "A comparison rule that has expired."),
    ("COMPARE002", _N, "A comparison rule that ends within two weeks."),
    ("COMPARE003", _W, "A comparison rule that ignores a whole body."),
    ("GATE001", _N, "A gate and nothing that is copied."),
    ("GATE002", _W, "More critical mismatches are borne than major ones."),
    # Cohorts.
    ("STICK001", _W, "A canary without a key: the percentage moves nobody."),
    ("STICK002", _W, "Different keys, or a login, in one canary group."),
    ("STICK003", _W, "A key that changes when the client logs in."),
    ("COHORT001", _W, "A segment that is in always and in never."),
    ("GROUP001", _W, "Reads and writes of one path are moved separately."),
    ("GROUP002", _N, "Pages are moved without the scripts and styles they load."),
    # Flags as they are now: with --live.
    ("FLAG001", _W, "A canary that no source of flags speaks of."),
    ("FLAG002", _W, "A flag that cannot be followed: strategy, operator, segment or parent."),
    ("FLAG003", _W, "A flag above the ceiling of its route."),
    ("FLAG004", _W, "A flag that picks its clients by another hash than the route."),
    ("FLAG005", _W, "A flag that asks for a field which routes.yaml does not map."),
    # Upstreams.
    ("FALLBACK001", _E, "A fallback that may do a write twice."),
    ("FALLBACK002", _W, "A fallback to legacy code that is gone."),
    ("FALLBACK003", _W, "A fallback that can never happen."),
    ("REWRITE001", _N, "A rewrite that needs a query parameter which requests may lack."),
    ("CAP001", _W, "A rollback could send legacy more than it is known to bear."),
    ("CAP002", _N, "Routes are live and the capacity of legacy is not known."),
    ("UPSTREAM001", _N, "An upstream, group or segment that nothing uses."),
    ("UPSTREAM002", _W, "A new upstream with an address of legacy."),
    ("UPSTREAM003", _W, "A file of an upstream that does not exist here."),
    ("UPSTREAM004", _N, "Several endpoints and no health check."),
    ("PERCENT001", _W, "A share below one without its percent sign."),
)
RULES = {rule: Rule(id=rule, severity=severity, summary=text) for rule, severity, text in _RULES}
