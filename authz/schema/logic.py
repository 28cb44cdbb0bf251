"""Permissions as sets of terms: which relations must be held, which must not.

Belongs here: union, intersection and complement of such sets, and their packing into clauses. Does not belong here:
names, positions, and which relation may stand on which side.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from authz.schema.words import TERMS


class Term(NamedTuple):
    """All of `held`, none of `absent`: masks of relation bits."""

    held: int
    absent: int


Terms = frozenset[Term]
NEVER: Terms = frozenset()


class TooManyTermsError(Exception):
    """Multiplied out, the expression has more than TERMS terms."""


class Clause(NamedTuple):
    """The engine's form: at least one of `some`, all of `every`, none of `absent`."""

    some: int
    every: int
    absent: int


def minimal(terms: Iterable[Term]) -> Terms:
    """Without the terms that another one already contains."""
    kept: list[Term] = []
    for term in sorted(set(terms), key=lambda t: (t.held.bit_count() + t.absent.bit_count(), t)):
        if not any(k.held & ~term.held == 0 and k.absent & ~term.absent == 0 for k in kept):
            kept.append(term)
        if len(kept) > TERMS:
            raise TooManyTermsError
    return frozenset(kept)


def union(sides: Iterable[Terms]) -> Terms:
    """Any of them."""
    return minimal(term for side in sides for term in side)


def intersection(sides: Iterable[Terms]) -> Terms:
    """All of them."""
    product: Terms = frozenset({Term(0, 0)})
    for side in sides:
        if len(product) * len(side) > TERMS * 4:
            raise TooManyTermsError
        product = minimal(Term(a.held | b.held, a.absent | b.absent) for a in product for b in side)
    return product


def complement(terms: Terms) -> Terms:
    """None of them: of each term at least one part is not so."""
    return intersection(
        frozenset(
            {Term(0, bit) for bit in bits(term.held)} | {Term(bit, 0) for bit in bits(term.absent)},
        )
        for term in sorted(terms)
    )


def bits(mask: int) -> list[int]:
    """The single bits of a mask, ascending."""
    return [1 << i for i in range(mask.bit_length()) if mask >> i & 1]


def clauses(terms: Terms) -> tuple[Clause, ...]:
    """Packs terms that differ in one held relation into one clause. The same terms give the same clauses.

    Every term must hold something: what nobody holds cannot be a permission.
    """
    left = set(terms)
    packed: list[Clause] = []
    while left:
        around = Counter((term.held & ~bit, term.absent) for term in left for bit in bits(term.held))
        # The largest family first; among equals the smallest masks, so that the outcome does not hang on an order.
        every, absent = min(around, key=lambda key: (-around[key], key))
        family = {
            t for t in left if t.absent == absent and t.held & every == every and (t.held & ~every).bit_count() == 1
        }
        some = 0
        for term in family:
            some |= term.held & ~every
        packed.append(Clause(some, every, absent))
        left -= family
    return tuple(sorted(packed, key=lambda c: (c.every.bit_count(), -c.some.bit_count(), c)))
