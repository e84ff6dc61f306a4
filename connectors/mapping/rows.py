"""Rows of a page: their record keys, and each row's fate (taken, rejected, duplicate), so that none gets lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Dataset, Manifest
from connectors.mapping.errors import MissingColumn
from schemas.records import PLACE

NOTHING = pa.scalar(None, pa.string())

KEY_LENGTH = 200
"""Characters that a record key may have in the registers of the master (`crosswalk`, `outbox`, `pushed`)."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """Rows with a key, each key once, and what was left out.

    Attributes:
        rows: the rows that go on, in their order.
        keys: their record keys.
        without_key: places of the rows without key; bad_key: of those whose key no register can hold.
        duplicates: how many older versions of a key were left out.
    """

    rows: pa.Table
    keys: pa.StringArray
    without_key: pa.StringArray
    bad_key: pa.StringArray
    duplicates: int


def require_columns(rows: pa.Table, manifest: Manifest, dataset: Dataset, columns: tuple[str, ...]) -> None:
    """Raise `MissingColumn` when a page lacks one of these columns (an empty page may lack them all)."""
    present = set(rows.column_names)
    missing = tuple(c for c in columns if c not in present)
    if missing and rows.num_rows:
        raise MissingColumn(manifest.id, dataset.name, missing)


def key_rows(rows: pa.Table, manifest: Manifest, dataset: Dataset) -> Keyed:
    """Give each row its record key; of several rows with one key the last, the newest, goes on."""
    keys = record_keys(rows, manifest, dataset)
    places = texts(rows, PLACE)
    empty = places.slice(0, 0)
    if keys.null_count:
        has_key = keys.is_valid()
        empty = places.filter(pc.invert(has_key))
        rows, keys, places = rows.filter(has_key), keys.filter(has_key), places.filter(has_key)
    bad = pc.or_(pc.greater(pc.utf8_length(keys), KEY_LENGTH), pc.match_substring(keys, "\0"))
    if len(dataset.key) > 1:  # a|b and c would be the same key as a and b|c
        bad = pc.or_(bad, pc.not_equal(pc.count_substring(keys, "|"), len(dataset.key) - 1))
    refused = places.slice(0, 0)
    if pc.any(bad).as_py():
        refused, good = places.filter(bad), pc.invert(bad)
        rows, keys = rows.filter(good), keys.filter(good)
    coded = keys.dictionary_encode()
    duplicates = len(keys) - len(coded.dictionary)
    if duplicates:
        last = np.zeros(len(coded.dictionary), np.int64)
        last[coded.indices.to_numpy()] = np.arange(len(keys))  # of repeated indices the last assignment stays
        newest = pa.array(np.sort(last))
        rows, keys = rows.take(newest), keys.take(newest)
    return Keyed(rows, keys, empty, refused, duplicates)


def record_keys(rows: pa.Table, manifest: Manifest, dataset: Dataset) -> pa.StringArray:
    """The record key of each row: the key columns' text joined with `|`, NULL where one of them is empty.

    With several datasets the dataset's name stands in front (`persons/123`), since two tables may count alike.
    """
    parts = [blank_to_null(texts(rows, column)) for column in dataset.key]
    keys = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "|", null_handling="emit_null")
    return pc.binary_join_element_wise(dataset.name, keys, "/") if manifest.prefixed else keys


def raw_key(manifest: Manifest, dataset: Dataset, record_key: str) -> tuple[str, ...]:
    """The texts of the key columns behind a record key: the inverse of `record_keys`."""
    bare = record_key.removeprefix(f"{dataset.name}/") if manifest.prefixed else record_key
    return tuple(bare.split("|")) if len(dataset.key) > 1 else (bare,)


def texts(rows: pa.Table, column: str) -> pa.StringArray:
    """A column of a page as one array of text; all NULL when an optional column is not there."""
    if column not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.string())
    found = rows.column(column)
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps no chunk at all when there are no rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    return array if array.type == pa.string() else array.cast(pa.string())


def blank_to_null(array: pa.StringArray) -> pa.StringArray:
    """Texts without any visible character become NULL; others stay exactly as they are."""
    blank = pc.equal(pc.utf8_trim_whitespace(array), "")
    return pc.if_else(blank, NOTHING, array) if pc.any(blank).as_py() else array
