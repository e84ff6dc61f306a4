"""Arrow arrays from Python strings and numpy integers, put together from their buffers.

Why not `pyarrow.array`: it imports pandas, if that is installed, to look for its missing values; that costs a third of
a second in the first call of every process and is of no use here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def strings(values: Sequence[str | None]) -> pa.Array:
    """A string array; None becomes NULL.

    Raises:
        pyarrow.ArrowTypeError: if a value is neither a string nor None.
        pyarrow.ArrowInvalid: if the text is longer than the two gigabytes one array can hold, or no Unicode.
    """
    try:
        encoded = [b"" if value is None else value.encode() for value in values]
    except AttributeError as error:
        raise pa.ArrowTypeError("an address must be a string") from error
    except UnicodeEncodeError as error:
        raise pa.ArrowInvalid("an address must be Unicode text") from error
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    if len(ends) and ends[-1] >= 2**31:
        raise pa.ArrowInvalid("more text than one array can hold")
    offsets = np.r_[0, ends].astype(np.int32)
    valid = np.fromiter((value is not None for value in values), np.bool_, len(encoded))
    bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def integers(values: npt.NDArray[Any], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A 64-bit integer array over a numpy array; NULL where `known` is false."""
    bits = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    whole = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(whole), [bits, pa.py_buffer(whole)])


def numbers(array: pa.Array) -> npt.NDArray[np.int64]:
    """The values of an integer or truth array without NULLs, as 64-bit integers."""
    whole = array.cast(pa.int64())
    return np.frombuffer(whole.buffers()[1], np.int64, len(whole), whole.offset * 8)


def joined(parts: Sequence[pa.Array], separator: str = "") -> pa.Array:
    """Strings side by side, row by row, a NULL as the empty string.

    Why not `null_handling="skip"`: Arrow drops rows in which all parts are absent.
    """
    return pc.binary_join_element_wise(*[or_empty(part) for part in parts], strings([separator])[0])


def or_empty(array: pa.Array) -> pa.Array:
    """The array with the empty string for NULL."""
    return pc.coalesce(array, strings([""])[0])
