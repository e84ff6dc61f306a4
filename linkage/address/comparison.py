"""Compares addresses pairwise (地址比对): each distinct text is parsed once, each distinct pair judged once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.address.aliases import canonical
from linkage.address.alignment import Pairs
from linkage.address.decision import RELATIONS, decide, undecided
from linkage.address.elements import Ints, read_elements
from linkage.address.evidence import gather, look_at_texts
from linkage.address.spelling import spelled
from schemas.address import parse

SCHEMA: Final = pa.schema([pa.field("weight", pa.float64()), pa.field("relation", pa.string())])

Texts: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


def compare(left: Texts, right: Texts, *, aliases: pa.Table | None = None) -> pa.Table:
    """Compares addresses (地址) pairwise, one row for each pair, in order.

    Why elements instead of similar strings: one digit makes another house, while a missing city or estate changes
    nothing. Both texts are parsed and aligned element by element; names are compared by their core; where the parse is
    unsure, weighted pieces of the texts decide. The result depends on the pair alone, not on the batch or the order.

    Args:
        left: addresses, NULL where missing.
        right: as many.
        aliases: names by which compounds go, as `aliases.learn` finds them.

    Returns:
        weight: match weight in log2 units, positive = one place (or one within the other), never NULL.
        relation: same; contains (one is the place within which the other lies, whichever side); different; unsure.

    Raises:
        ValueError: if both sides are not equally long.
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError: if the texts are not strings.
    """
    sides = [_strings(left), _strings(right)]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"{len(sides[0])} addresses on the left, {len(sides[1])} on the right")
    coded = pa.concat_arrays(sides).dictionary_encode()
    ranks = _ranks(coded.dictionary)
    codes = np.asarray(coded.indices)
    low, high = np.sort(np.stack([ranks[codes[: len(sides[0])]], ranks[codes[len(sides[0]) :]]]), axis=0)
    keys, back = np.unique(low.astype(np.int64) * max(1, len(ranks)) + high, return_inverse=True)
    a, b = np.divmod(keys, max(1, len(ranks)))
    texts = [spelled(text) for text in coded.dictionary.take(pa.array(np.argsort(ranks))).to_pylist()]
    elements = read_elements(texts, parse(texts), canonical(aliases) if aliases is not None else None)
    pairs = Pairs(a.astype(np.int32), b.astype(np.int32))
    evidence = gather(elements, pairs)
    evidence = look_at_texts(elements, pairs, evidence, undecided(evidence))
    verdicts = decide(elements, pairs, evidence)
    relation = pa.DictionaryArray.from_arrays(pa.array(verdicts.relation[back]), pa.array(RELATIONS))
    weight = pa.array(np.round(verdicts.weight[back], 2), pa.float64())
    return pa.Table.from_arrays([weight, relation.cast(pa.string())], schema=SCHEMA)


def _strings(texts: Texts) -> pa.Array:
    """One string array; an address that is missing is an empty one, which identifies nothing."""
    column = texts if isinstance(texts, (pa.Array, pa.ChunkedArray)) else pa.array(list(texts), pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return pc.fill_null(column.cast(pa.string()), "")


def _ranks(texts: pa.Array) -> Ints:
    """The place of each text among all in order, so that a pair reads the same whichever side comes first."""
    order = np.asarray(pc.sort_indices(texts))
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return ranks
