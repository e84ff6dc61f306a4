"""单向导出: what leaves is whole, encrypted and free of restricted facts; nothing can come back."""

from __future__ import annotations

import ast
import base64
import builtins
import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import ValidationError

import connectors.kinds.export as module
from connectors.base import Malformed, NotAllowed
from connectors.kinds.export import ExportConnector
from connectors.registry import connect
from tests.connectors.support import change_of, context_of, manifest_of

KEY = bytes(range(16))
FIRM = {"uscc": "91420106MA4KL0001X", "name": "武汉测试商贸有限公司", "phone": "02787654321", "revenue": "1234567.89"}


def open_file(path: Path, key: bytes = KEY) -> tuple[dict, bytes]:
    """What the receiver's tool does; written here from the description of the format, not from our code."""
    line, _, rest = path.read_bytes().partition(b"\n")
    header = json.loads(line)
    cipher = algorithms.SM4(key) if header["algorithm"] == "sm4-gcm" else algorithms.AES(key)
    decryptor = Cipher(cipher, modes.GCM(bytes.fromhex(header["nonce"]), rest[-16:])).decryptor()
    decryptor.authenticate_additional_data(line + b"\n")
    return header, decryptor.update(rest[:-16]) + decryptor.finalize()


@pytest.fixture
def connector(tmp_path: Path) -> ExportConnector:
    manifest = manifest_of("t_export")
    variables = {"T_EXPORT_DIR": str(tmp_path / "out"), "T_EXPORT_KEY": base64.b64encode(KEY).decode()}
    return connect(manifest, context_of(tmp_path, variables))


def test_whole_rows_arrive_encrypted(connector, tmp_path):
    manifest = connector.manifest
    changes = [
        change_of(manifest, "0007", {"phone": (None, "02787654321")}, number="a", current=FIRM),
        change_of(manifest, None, {"name": (None, "新单位")}, number="b", current={"name": "新单位"}),
    ]
    outcomes = {o.change_id: o for o in connector.push(changes)}
    assert {(o.state, o.code) for o in outcomes.values()} == {("sent", "exported")}
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "底册_20260301_001.csv.sm4"
    header, plain = open_file(file)
    assert header["sha256"] == hashlib.sha256(plain).hexdigest()
    assert outcomes["a"].receipt == f"{file.name}#{header['sha256'][:16]}"
    rows = list(csv.DictReader(io.StringIO(plain.decode("utf-8-sig"))))
    assert rows == [
        {"XH": "0007", "DM": FIRM["uscc"], "MC": FIRM["name"], "DH": FIRM["phone"], "YYSR": "", "BGQ": ""},
        {"XH": "", "DM": "", "MC": "新单位", "DH": "", "YYSR": "", "BGQ": "2028"},
    ]
    assert FIRM["name"].encode() not in file.read_bytes()


def test_restricted_values_never_leave(connector, tmp_path):
    change = change_of(connector.manifest, "1", {"revenue": (None, "1234567.89")}, current=FIRM)
    list(connector.push([change]))
    (file,) = (tmp_path / "out").iterdir()
    assert b"1234567.89" not in open_file(file)[1]


def test_a_second_push_makes_a_second_file(connector, tmp_path):
    change = change_of(connector.manifest, "1", {"name": (None, "甲")}, current={"name": "甲"})
    first, second = next(iter(connector.push([change]))), next(iter(connector.push([change])))
    assert first.receipt != second.receipt
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "底册_20260301_001.csv.sm4",
        "底册_20260301_002.csv.sm4",
    ]


def test_a_changed_byte_or_header_is_found_out(connector, tmp_path):
    list(connector.push([change_of(connector.manifest, "1", {"name": (None, "甲")}, current={"name": "甲"})]))
    (file,) = (tmp_path / "out").iterdir()
    content = file.read_bytes()
    for tampered in (
        content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
        content.replace(b'"rows": 1', b'"rows": 9'),
    ):
        file.write_bytes(tampered)
        with pytest.raises(InvalidTag):
            open_file(file)


def test_aes_for_a_receiver_without_sm4(tmp_path):
    key = bytes(range(32))
    connection = {"out_dir": "out", "key": base64.b64encode(key).decode(), "algorithm": "aes-256-gcm"}
    connector = ExportConnector(manifest_of("t_export", connection=connection), context_of(tmp_path, {}))
    list(connector.push([change_of(connector.manifest, "1", {"name": (None, "甲")}, current={"name": "甲"})]))
    assert "甲" in open_file(next((tmp_path / "out").iterdir()), key)[1].decode()


@pytest.mark.parametrize("key", ["not base64!", base64.b64encode(b"short").decode()])
def test_a_wrong_key_is_refused_without_showing_it(tmp_path, key):
    with pytest.raises(Malformed) as error:
        ExportConnector(manifest_of("t_export"), context_of(tmp_path, {"T_EXPORT_DIR": "out", "T_EXPORT_KEY": key}))
    assert key not in str(error.value)


def test_no_read_path_exists(connector, tmp_path, monkeypatch):
    with pytest.raises(ValidationError, match="no read path"):
        manifest_of("t_export", capabilities={"read": "full"})
    with pytest.raises(NotAllowed):
        connector.pull("units", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reply.csv").write_text("a return that must stay unread")
    opened: list[tuple[str, str]] = []
    genuine = builtins.open, io.open

    def watch(file, mode="r", *args, **kwargs):
        opened.append((str(file), mode))
        return genuine[1](file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", watch)
    monkeypatch.setattr(io, "open", watch)
    list(connector.push([change_of(connector.manifest, "1", {"name": (None, "甲")}, current={"name": "甲"})]))
    assert connector.read_back("units", ["1"]).num_rows == 0
    assert connector.check().ok
    assert [mode for _, mode in opened] == ["xb"]


def test_the_module_has_no_reading_code():
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {
        "read",
        "read_text",
        "read_bytes",
        "readline",
        "readlines",
        "reader",
        "DictReader",
        "decryptor",
        "iterdir",
        "glob",
    }
