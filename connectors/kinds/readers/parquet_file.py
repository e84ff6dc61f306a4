"""Parquet files: columns of any type become text; structs are flattened with dots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.kinds.readers.cells import column_text
from connectors.kinds.readers.chunk import PAGE_ROWS, Chunk, FileSpec, positions, text_table


def read_parquet(spec: FileSpec) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file, some row groups at a time; raises `Malformed` when it is none."""
    try:
        file = pq.ParquetFile(spec.path)
    except (pa.ArrowInvalid, OSError) as error:
        raise spec.malformed("the file is no whole Parquet file", "Fetch it again.") from error
    with file:
        heads = [name.split(".")[0] for name in spec.wanted]
        plain = [name for name in file.schema_arrow.names if name in spec.wanted or name in heads]
        number = 0
        empty = _flat(file.schema_arrow.empty_table().select(plain))
        positions(spec, empty.column_names, None)
        for batch in file.iter_batches(batch_size=PAGE_ROWS, columns=plain):
            table = _flat(pa.Table.from_batches([batch]))
            columns = {
                name: column_text(pa.concat_arrays(table.column(name).chunks))
                for name in spec.wanted
                if name in table.column_names
            }
            lines = pa.array(np.arange(number + 1, number + 1 + batch.num_rows)).cast(pa.string())
            places = pc.binary_join_element_wise(spec.place, lines, "!")
            number += batch.num_rows
            yield Chunk(text_table(spec, columns, places))


def _flat(table: pa.Table) -> pa.Table:
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table
