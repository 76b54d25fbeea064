"""Rules and redactions matched while walking: one node per set of rules that can still match.

A deterministic automaton over member names and elements, built where it is walked. A step costs one
look-up however many rules there are, and names that no rule knows share one way on, so that the
automaton stays as small as the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.compare.paths import Step, Take
from proxy.compare_policy import Op, Rule

# What they say of a value holds for everything in it.
_INHERITED = frozenset({Op.IGNORE, Op.EXPECTED, Op.SHAPE})
# Values that may differ and still be the same: no help in telling elements of an array apart.
_LENIENT = frozenset({Op.IGNORE, Op.EXPECTED, Op.SHAPE, Op.DATETIME, Op.NUMBER, Op.BIJECTION})


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule with the name it is counted under: `rule:3` is compare.rules[3]."""

    name: str
    rule: Rule

    @property
    def op(self) -> Op:
        """What the rule does."""
        return self.rule.op


@dataclass(frozen=True, slots=True)
class Pattern:
    """The steps to where a rule holds; None as rule means that values there are redacted."""

    steps: tuple[Step, ...]
    rule: NamedRule | None

    @property
    def inherited(self) -> bool:
        """Whether it holds for everything below."""
        return self.rule is None or self.rule.op in _INHERITED


# Of each pattern how many steps are done.
_State = frozenset[tuple[int, int]]


class RuleNode:
    """What is known of a place: the rules that hold there, and the way to its members."""

    __slots__ = (
        *("_elements", "_indices", "_members", "_names", "_other", "_other_index", "_state"),
        *("_tree", "bijective", "lenient", "live", "redacted", "rules"),
    )

    def __init__(self, tree: RuleTree, state: _State) -> None:
        done = [
            tree.patterns[number]
            for number, position in sorted(state)
            if position == len(tree.patterns[number].steps)
        ]
        self.rules: tuple[NamedRule, ...] = tuple(p.rule for p in done if p.rule is not None)
        self.redacted = any(pattern.rule is None for pattern in done)
        self.lenient = any(rule.op in _LENIENT for rule in self.rules)
        # Whether anything can still match here or below.
        self.live = bool(state)
        self.bijective = any(
            (rule := tree.patterns[number].rule) is not None and rule.op is Op.BIJECTION
            for number, _ in state
        )
        self._tree = tree
        self._state = state
        self._members: dict[str, RuleNode] = {}
        self._indices: dict[int, RuleNode] = {}
        self._other: RuleNode | None = None
        self._other_index: RuleNode | None = None

    def member(self, name: str) -> RuleNode:
        """The node of a member."""
        if not self.live:
            return self
        found = self._members.get(name)
        if found is not None:
            return found
        if name in self._tree.names:
            found = self._members[name] = self._tree.step(self._state, name)
            return found
        if self._other is None:
            self._other = self._tree.step(self._state, None)
        return self._other

    def element(self, index: int = -1) -> RuleNode:
        """The node of an element of an array; -1 is none in particular."""
        if not self.live:
            return self
        found = self._indices.get(index)
        if found is not None:
            return found
        if index in self._tree.indices:
            found = self._indices[index] = self._tree.step(self._state, index)
            return found
        if self._other_index is None:
            self._other_index = self._tree.step(self._state, -1)
        return self._other_index


class RuleTree:
    """All patterns of one policy, with the nodes made so far."""

    __slots__ = ("_nodes", "indices", "names", "patterns", "root")

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self.patterns = patterns
        self.names = frozenset(
            step.name for p in patterns for step in p.steps if step.take is Take.MEMBER
        )
        self.indices = frozenset(
            step.index for p in patterns for step in p.steps if step.take is Take.INDEX
        )
        self._nodes: dict[_State, RuleNode] = {}
        self.root = self._node(frozenset((number, 0) for number in range(len(patterns))))

    def _node(self, state: _State) -> RuleNode:
        node = self._nodes.get(state)
        if node is None:
            node = self._nodes[state] = RuleNode(self, state)
        return node

    def step(self, state: _State, token: str | int | None) -> RuleNode:
        """The node one step on: a member by name, None a member no rule names, else an index."""
        reached: set[tuple[int, int]] = set()
        for number, position in state:
            pattern = self.patterns[number]
            if position == len(pattern.steps):
                if pattern.inherited:
                    reached.add((number, position))
                continue
            step = pattern.steps[position]
            if step.deep:
                reached.add((number, position))
            if _takes(step, token):
                reached.add((number, position + 1))
        return self._node(frozenset(reached))


def _takes(step: Step, token: str | int | None) -> bool:
    is_index = isinstance(token, int)
    match step.take:
        case Take.ANY:
            return True
        case Take.ANY_ELEMENT:
            return is_index
        case Take.ANY_MEMBER:
            return not is_index
        case Take.INDEX:
            return is_index and token == step.index
        case Take.MEMBER:
            return not is_index and token == step.name
