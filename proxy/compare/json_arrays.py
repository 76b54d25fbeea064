"""Which elements of two JSON arrays belong together.

Equal ends are put aside. The rest is paired by a member that names its elements (`key_by`, or one
that looks like it: id, sku, ...), else equal elements by their hash, else by position.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from proxy.compare.alignment import Alignment, align, common_ends, zip_rest
from proxy.compare.json_digest import Digests
from proxy.compare.json_text import Json
from proxy.compare.rule_tree import RuleNode

# Members that name an element, the surest first.
_NAMING = (
    *("id", "uuid", "guid", "_id", "ID", "Id", "sku", "key", "code", "slug", "handle", "isbn"),
    *("ean", "product_id", "productId", "name", "url", "href", "title", "label", "value", "date"),
)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Positions (legacy, new) of elements that belong together but are not equal, and lonely ones.

    `moved` is a pair out of order. `known` is False where elements were only paired by
    position: of arrays with nothing in common nobody knows which element is missing.
    """

    changed: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]
    moved: tuple[int, int] | None
    known: bool = True
    # The member that names the elements, "" where none does.
    named_by: str = ""


def pair_elements(
    legacy: list[Json], new: list[Json], node: RuleNode, key: str, digests: Digests
) -> Pairing:
    """Pair the elements of two arrays; `node` is the place of the array, `key` of a rule key_by."""
    begin, end = common_ends(legacy, new)
    left = list(range(begin, len(legacy) - end))
    right = list(range(begin, len(new) - end))
    if len(left) == 1 == len(right) and not key:
        i, j = left[0], right[0]
        if _is_replaced(legacy[i], new[j], node.element()):
            return Pairing([], [i], [j], None)
        return Pairing([(i, j)], [], [], None)
    if not left or not right:
        return Pairing([], left, right, None)
    ones, others = legacy[begin : len(legacy) - end], new[begin : len(new) - end]
    named = _names(ones, others, node, key)
    if named is not None:
        return _by_name(named, left, right, ones, others)
    if len(left) == len(right):
        unequal = [i for i in left if legacy[i] != new[i]]
        if 2 * len(unequal) <= len(left):
            # Most stand where they stood: hashing the others is enough.
            left = right = unequal
            ones, others = [legacy[i] for i in unequal], [new[i] for i in unequal]
    shared = len(left) < len(legacy)
    hashed = align(
        [digests.of(value, node.element(i)) for i, value in zip(left, ones, strict=True)],
        [digests.of(value, node.element(j)) for j, value in zip(right, others, strict=True)],
    )
    element = node.element()
    replaced = [(i, j) for i, j in hashed.changed if _is_replaced(ones[i], others[j], element)]
    apart = set(replaced)
    changed = [pair for pair in hashed.changed if pair not in apart]
    # Equal hashes are no proof, and rules may make two values one that still differ.
    changed += [
        (i, j) for i, j in _with_ends(hashed, len(ones), len(others)) if ones[i] != others[j]
    ]
    return Pairing(
        sorted((left[i], right[j]) for i, j in changed),
        sorted(left[i] for i in (*hashed.missing, *(i for i, _ in replaced))),
        sorted(right[j] for j in (*hashed.extra, *(j for _, j in replaced))),
        None if hashed.moved is None else (left[hashed.moved[0]], right[hashed.moved[1]]),
        known=bool(shared or replaced) or len(hashed.changed) < min(len(ones), len(others)),
    )


def _is_replaced(one: Json, other: Json, node: RuleNode) -> bool:
    """Whether two objects in one place are two things: other names, and mostly other values."""
    if type(one) is not dict or type(other) is not dict:
        return False
    for name in _NAMING:
        if name in one and name in other and not node.member(name).lenient:
            names = _values([one], name), _values([other], name)
            if None in names or names[0] == names[1]:
                return False
            different = sum(
                1 for member, value in one.items() if member in other and value != other[member]
            )
            return 2 * different > max(len(one), len(other))
    return False


def _with_ends(alignment: Alignment, left: int, right: int) -> list[tuple[int, int]]:
    """The pairs with equal keys, those at both ends included."""
    begin_end = [*alignment.same, *alignment.changed]
    taken_left = {i for i, _ in begin_end} | set(alignment.missing)
    taken_right = {j for _, j in begin_end} | set(alignment.extra)
    rest, _, _ = zip_rest(
        (i for i in range(left) if i not in taken_left),
        (j for j in range(right) if j not in taken_right),
    )
    return [*alignment.same, *rest]


# Equal names are told apart by a number.
_Name = object


def _by_name(
    named: tuple[str, list[_Name], list[_Name]],
    left: list[int],
    right: list[int],
    ones: list[Json],
    others: list[Json],
) -> Pairing:
    """Elements with one name belong together, wherever they stand."""
    named_by, left_names, right_names = named
    places = {name: j for j, name in enumerate(right_names)}
    changed: list[tuple[int, int]] = []
    missing: list[int] = []
    moved: tuple[int, int] | None = None
    highest = -1
    for i, name in enumerate(left_names):
        j = places.pop(name, -1)
        if j < 0:
            missing.append(left[i])
            continue
        if j < highest and moved is None:
            moved = (left[i], right[j])
        highest = max(highest, j)
        if ones[i] != others[j]:
            changed.append((left[i], right[j]))
    extra = sorted(right[j] for j in places.values())
    return Pairing(changed, missing, extra, moved, named_by=named_by)


def _names(
    ones: list[Json], others: list[Json], node: RuleNode, key: str
) -> tuple[str, list[_Name], list[_Name]] | None:
    """The member that names them, and all names on both sides; None where nothing names them."""
    if not all(type(value) is dict for value in (*ones, *others)):
        return None
    if key:
        left, right = _values(ones, key), _values(others, key)
        if left is not None and right is not None:
            return key, _numbered(left), _numbered(right)
    # Beyond this point a name stands once on each side.
    element = node.element()
    for name in _NAMING:
        if name not in ones[0] or name not in others[0] or element.member(name).lenient:  # type: ignore[operator]  # both are dicts
            continue
        left, right = _values(ones, name), _values(others, name)
        if left is None or right is None:
            continue
        one, other = set(left), set(right)
        if len(one) == len(left) and len(other) == len(right):
            common = len(one & other)
            if common * 2 >= min(len(one), len(other)):
                return name, left, right
    return None


def _values(elements: list[Json], name: str) -> list[object] | None:
    """One member of all elements, 1 and "1" alike; None if it is not in all, or no scalar."""
    values: list[object] = []
    for element in elements:
        value = element.get(name)  # type: ignore[attr-defined]  # the caller has seen only dicts
        if type(value) is bytes:
            values.append(value.decode("ascii"))
        elif type(value) is str:
            values.append(value)
        else:
            return None
    return values


def _numbered(values: list[object]) -> list[_Name]:
    """Equal names are told apart by their number, so that the first belongs to the first."""
    seen: Counter[object] = Counter()
    names: list[_Name] = []
    for value in values:
        names.append((value, seen[value]))
        seen[value] += 1
    return names
