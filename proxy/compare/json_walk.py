"""One way through two JSON trees, side by side: what differs, where, and by what cause.

Equal subtrees are skipped by `==` in C; only what differs is walked.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.compare.comparison import Kind
from proxy.compare.excerpt import SHOWN, excerpts
from proxy.compare.findings import Findings, expecting
from proxy.compare.json_arrays import Pairing, pair_elements
from proxy.compare.json_digest import Digests
from proxy.compare.json_show import shown
from proxy.compare.json_text import Json, colons_of
from proxy.compare.paths import is_map, member, member_step
from proxy.compare.rule_tree import RuleNode
from proxy.compare.rules import accepting
from proxy.compare.secrets import is_secret_place, redacted_text
from proxy.compare_policy import Op, Severity


class Walk:
    """One way through two trees, side by side.

    `balance` is how many colons legacy has more, written as JSON, in what differs.
    """

    __slots__ = ("_digests", "_found", "balance")

    def __init__(self, found: Findings) -> None:
        self._found = found
        self._digests = Digests()
        self.balance = 0

    def differ(self, legacy: Json, new: Json, path: str, at: str, node: RuleNode) -> None:
        """Report two values that are not equal."""
        for rule in node.rules:
            if rule.op is Op.IGNORE:
                self._found.used(rule.name, path)
                self.balance += colons_of(legacy) - colons_of(new)
                return
        if type(legacy) is dict and type(new) is dict:
            self._objects(legacy, new, path, at, node)
        elif type(legacy) is list and type(new) is list:
            self._arrays(legacy, new, path, at, node)
        elif isinstance(legacy, dict | list) or isinstance(new, dict | list):
            self._other_type(legacy, new, path, at, node)
        else:
            self._scalars(legacy, new, path, at, node)

    def _same(self, value: Json, path: str, at: str, node: RuleNode) -> None:
        """Tell the bijections below that equal ids stand for themselves."""
        if isinstance(value, dict):
            for name, inner in value.items():
                below = node.member(name)
                if below.bijective:
                    self._same(inner, member(path, name), member(at, name), below)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                below = node.element(index)
                if below.bijective:
                    self._same(inner, f"{path}[*]", f"{at}[{index}]", below)
        else:
            for rule in node.rules:
                if rule.op is Op.BIJECTION and not self._found.bijections.holds(
                    rule.name,
                    value,  # type: ignore[arg-type]  # no container: a scalar
                    value,  # type: ignore[arg-type]  # the same
                ):
                    self._record(path, at, Kind.VALUE, Severity.MAJOR, value, value, node, *_UNEVEN)

    def _objects(
        self,
        legacy: dict[str, Json],
        new: dict[str, Json],
        path: str,
        at: str,
        node: RuleNode,
    ) -> None:
        step_of: Callable[[str], str] = member_step
        if node.redacted:
            # Names of what is redacted tell as much as values: addresses of users, for one.
            below_path, step_of = f"{path}.*", _hidden_step
        else:
            below_path = f"{path}{{*}}" if is_map(legacy, new) else ""
        missing: list[str] = []
        bijective = node.bijective
        partner = new.get
        for name, left in legacy.items():
            right = partner(name, _ABSENT)
            if right is _ABSENT:
                missing.append(name)
            elif left != right:
                step = step_of(name)
                self.differ(left, right, below_path or path + step, at + step, node.member(name))
            elif bijective:
                step = step_of(name)
                self._same(left, below_path or path + step, at + step, node.member(name))
        if len(new) + len(missing) == len(legacy):
            extra: list[str] = []
        else:
            extra = [name for name in new if name not in legacy]
        if missing and extra and not below_path:
            if (
                len(missing) == len(legacy)
                and len(extra) == len(new)
                and len(legacy) + len(new) > 2
            ):
                left_names, right_names = _styled(missing), _styled(extra)
                if left_names.keys().isdisjoint(right_names):
                    self._other_type(legacy, new, path, at, node)
                    return
            missing, extra = self._restyled(legacy, new, path, at, node, missing, extra)
        for name in missing:
            self.balance += 1 + name.count(":") + colons_of(legacy[name])
            step = step_of(name)
            below = node.member(name)
            self._absent(*(legacy[name], below_path or path + step, at + step, below, Kind.MISSING))
        for name in extra:
            self.balance -= 1 + name.count(":") + colons_of(new[name])
            step = step_of(name)
            below = node.member(name)
            self._absent(*(new[name], below_path or path + step, at + step, below, Kind.EXTRA))

    def _restyled(
        self,
        legacy: dict[str, Json],
        new: dict[str, Json],
        path: str,
        at: str,
        node: RuleNode,
        missing: list[str],
        extra: list[str],
    ) -> tuple[list[str], list[str]]:
        """Pair `created_at` with `createdAt`; returns the names that stay alone."""
        others = _styled(extra)
        matched: set[str] = set()
        alone: list[str] = []
        for name in missing:
            other = others.pop(_style(name), None)
            if other is None:
                alone.append(name)
                continue
            matched.add(other)
            below, place, inner = member(path, name), member(at, name), node.member(name)
            self.balance += name.count(":") - other.count(":")
            self._found.record(
                *(below, place, Kind.MISSING, Severity.CRITICAL, name, other),
                *("name_style", "the member is named in another style"),
                expected=expecting(inner.rules),
                redacted=False,
            )
            if legacy[name] != new[other]:
                self.differ(legacy[name], new[other], below, place, inner)
        extra = [name for name in extra if name not in matched]
        if len(alone) == len(extra) == 1 and _is_telling(legacy[alone[0]], new[extra[0]]):
            (name,), (other,) = alone, extra
            self.balance += name.count(":") - other.count(":")
            inner = node.member(name)
            self._found.record(
                *(member(path, name), member(at, name), Kind.MISSING, Severity.CRITICAL),
                *(name, other, "renamed", f"the new side calls it {redacted_text(other)}"),
                expected=expecting(inner.rules),
                redacted=False,
            )
            return [], []
        return alone, extra

    def _absent(self, value: Json, path: str, at: str, node: RuleNode, kind: Kind) -> None:
        """Report a member that is on one side only."""
        for rule in node.rules:
            if rule.op is Op.IGNORE or (rule.op is Op.NULL_EQUALS_MISSING and value is None):
                self._found.used(rule.name, path)
                return
        missing = kind is Kind.MISSING
        severity = Severity.CRITICAL if missing else Severity.MINOR
        if value is None:
            cause = "null_to_missing" if missing else "missing_to_null"
            note = "what was null is left out" if missing else "what was left out is null"
        else:
            cause = kind.value
            note = "" if missing else "the new side adds it"
        self._record(
            *(path, at, kind, severity, value if missing else _ABSENT),
            *(_ABSENT if missing else value, node, cause, note),
        )

    def _arrays(
        self, legacy: list[Json], new: list[Json], path: str, at: str, node: RuleNode
    ) -> None:
        keys = [rule for rule in node.rules if rule.op in (Op.KEY_BY, Op.UNORDERED)]
        of_elements = [
            rule for rule in node.element().rules if rule.op in (Op.KEY_BY, Op.UNORDERED)
        ]
        if of_elements and not any(type(value) is list for value in (*legacy, *new)):
            # What is said of elements that are no arrays is meant for the array of them.
            keys = [*of_elements, *keys]
        key = next((rule.rule.key for rule in keys if rule.op is Op.KEY_BY), "")
        pairing = pair_elements(legacy, new, node, key, self._digests)
        below = f"{path}[*]"
        if pairing.moved:
            if keys:
                self._found.used(keys[0].name, path)
            else:
                self._note_order(legacy, new, path, at, node, pairing)
        for i, j in pairing.changed:
            self.differ(legacy[i], new[j], below, f"{at}[{i}]", node.element(i))
        if node.bijective:
            self._same_elements(legacy, pairing, path, at, node)
        self.balance += sum(colons_of(legacy[i]) for i in pairing.missing)
        self.balance -= sum(colons_of(new[j]) for j in pairing.extra)
        if not pairing.known and (pairing.missing or pairing.extra):
            self._found.record(
                *(path, at, Kind.LENGTH, Severity.CRITICAL),
                *(f"{len(legacy)} elements", f"{len(new)} elements", "length"),
                "another number of elements",
                expected=expecting(node.rules),
                redacted=False,
            )
            return
        for i in pairing.missing:
            self._absent_element(legacy[i], below, f"{at}[{i}]", node.element(i), Kind.MISSING)
        for j in pairing.extra:
            self._absent_element(new[j], below, f"{at}[{j}]", node.element(j), Kind.EXTRA)

    def _note_order(
        self,
        legacy: list[Json],
        new: list[Json],
        path: str,
        at: str,
        node: RuleNode,
        pairing: Pairing,
    ) -> None:
        """Report another order: what names the elements, from where the order is another one."""
        i, j = pairing.moved or (0, 0)
        begin = max(0, min(i, j) - 1)
        name = pairing.named_by
        one, other = (_in_order(values, begin, name, node) for values in (legacy, new))
        self._found.record(
            *(path, at, Kind.ORDER, Severity.MAJOR, one, other, "order"),
            f"element {i} of legacy is element {j} of new",
            expected=expecting(node.rules),
            redacted=node.redacted or is_secret_place(path),
        )

    def _same_elements(
        self, legacy: list[Json], pairing: Pairing, path: str, at: str, node: RuleNode
    ) -> None:
        """What is neither changed nor missing has an equal partner, wherever it stands."""
        others = {i for i, _ in pairing.changed}.union(pairing.missing)
        for index, value in enumerate(legacy):
            below = node.element(index)
            if index not in others and below.bijective:
                self._same(value, f"{path}[*]", f"{at}[{index}]", below)

    def _absent_element(self, value: Json, path: str, at: str, node: RuleNode, kind: Kind) -> None:
        for rule in node.rules:
            if rule.op is Op.IGNORE:
                self._found.used(rule.name, path)
                return
        missing = kind is Kind.MISSING
        self._record(
            *(path, at, kind, Severity.CRITICAL if missing else Severity.MAJOR),
            *(value if missing else _ABSENT, _ABSENT if missing else value, node, kind.value),
            f"the new side {'lacks' if missing else 'adds'} an element",
        )

    def _other_type(self, legacy: Json, new: Json, path: str, at: str, node: RuleNode) -> None:
        """Report an object against an array or a quite different object, or either to a scalar."""
        cause, note = "", ""
        self.balance += colons_of(legacy) - colons_of(new)
        if isinstance(legacy, dict | list) and isinstance(new, dict | list):
            if not legacy and not new:
                if self._found.policy.php:
                    # PHP has one type for both, and json_encode([]) is [].
                    self._found.used("php:empty", path)
                    return
                cause, note = "empty_container", "PHP writes an empty map as []"
            elif name := _wrapper(legacy, new):
                cause, note = f"wrapped:{name}", f"the new side puts it into a member {name}"
            elif name := _wrapper(new, legacy):
                cause, note = f"unwrapped:{name}", f"the new side takes it out of the member {name}"
            elif isinstance(legacy, dict) and isinstance(new, dict):
                cause, note = "other_object", "the objects have no member in common"
            elif isinstance(legacy, list):
                cause, note = "array_to_object", "an array became an object"
            else:
                cause, note = "object_to_array", "an object became an array"
        elif legacy is None and not new:
            cause, note = "null_to_empty", "null became empty"
        elif new is None and not legacy:
            cause, note = "empty_to_null", "what was empty became null"
        self._record(path, at, Kind.TYPE, Severity.CRITICAL, legacy, new, node, cause, note)

    def _scalars(self, legacy: Json, new: Json, path: str, at: str, node: RuleNode) -> None:
        found = self._found
        if type(legacy) is str:
            self.balance += legacy.count(":")
        if type(new) is str:
            self.balance -= new.count(":")
        same = type(legacy) is type(new)
        if node.rules or (same and found.policy.php):
            rule = accepting(
                node.rules,
                legacy,  # type: ignore[arg-type]  # no container: a scalar
                new,  # type: ignore[arg-type]  # the same
                found.bijections,
                php=found.policy.php,
            )
            if rule:
                found.used(rule, path)
                return
        kind = Kind.VALUE if same else Kind.TYPE
        severity = Severity.MAJOR if same else Severity.CRITICAL
        if node.rules and any(rule.op is Op.BIJECTION for rule in node.rules):
            self._record(path, at, kind, severity, legacy, new, node, *_UNEVEN)
            return
        inferred = found.inference(path, legacy, new)
        severity = inferred.severity or severity
        self._record(path, at, kind, severity, legacy, new, node, inferred.cause, inferred.note)

    def _record(
        self,
        path: str,
        at: str,
        kind: Kind,
        severity: Severity,
        legacy: Json,
        new: Json,
        node: RuleNode,
        cause: str = "",
        note: str = "",
    ) -> None:
        expected = expecting(node.rules) if node.rules else ""
        if self._found.counted(path, kind, cause, expected=expected):
            return
        redacted = node.redacted or is_secret_place(path)
        if isinstance(legacy, str) and isinstance(new, str) and not redacted:
            legacy, new = excerpts(*self._found.harmless(legacy, new), SHOWN - 2)
        self._found.record(
            *(path, at, kind, severity),
            None if legacy is _ABSENT else shown(legacy, node),
            None if new is _ABSENT else shown(new, node),
            *(cause, note),
            expected=expected,
            redacted=redacted,
        )


_ABSENT = object()
# Envelopes have a member for what they hold, and a few for counts and links.
_WRAPPER_MEMBERS = 16
# Elements of an array that are shown where their order differs.
_IN_ORDER = 8
_UNEVEN = ("inconsistent_id", "the same id stands for different ones in this response")


def _hidden_step(name: str) -> str:
    return ".*"


def _in_order(values: list[Json], begin: int, name: str, node: RuleNode) -> str:
    """Some elements of an array, or the members that name them."""
    element = node.element()
    pieces = ["…"] if begin else []
    for value in values[begin : begin + _IN_ORDER]:
        if name and isinstance(value, dict) and name in value:
            pieces.append(shown(value[name], element.member(name)))
        else:
            pieces.append(shown(value, element))
    if len(values) > begin + _IN_ORDER:
        pieces.append("…")
    return f"[{', '.join(pieces)}]"


def _wrapper(inner: Json, outer: Json) -> str:
    """The member of `outer` that is `inner`, "" without one."""
    if not isinstance(outer, dict) or not inner or len(outer) > _WRAPPER_MEMBERS:
        return ""
    return next((name for name, value in outer.items() if value == inner), "")


def _style(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _is_telling(legacy: Json, new: Json) -> bool:
    """Whether two values are equal, and not so by chance."""
    if legacy != new or legacy is None or isinstance(legacy, bool):
        return False
    return len(legacy) > 2  # type: ignore[arg-type]  # neither null nor a boolean: it has a length


def _styled(names: list[str]) -> dict[str, str]:
    """Names by their style; of several in one style the first."""
    return {_style(name): name for name in reversed(names)}
