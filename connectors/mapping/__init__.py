"""The mapping between a system's rows and master values: `decode` reads, `encode` writes, the manifest says how."""

from connectors.mapping.decode import LINK_SCHEMA, Counts, Decoded, decode
from connectors.mapping.encode import encode, encode_table
from connectors.mapping.errors import Inexpressible, MappingError, MissingColumn, Problem

__all__ = [
    "LINK_SCHEMA",
    "Counts",
    "Decoded",
    "Inexpressible",
    "MappingError",
    "MissingColumn",
    "Problem",
    "decode",
    "encode",
    "encode_table",
]
