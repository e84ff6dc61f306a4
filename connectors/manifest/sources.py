"""The kind-specific blocks of a manifest: `connection` (once per system) and `source` (once per dataset)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

OneOrMore = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class Part(BaseModel):
    """A kind-specific block; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- REST -----------------------------------------------------------------------------------------------------------


class OAuth2(Part):
    """OAuth2 client credentials (RFC 6749 §4.4)."""

    type: Literal["oauth2"]
    token_path: str
    client_id: str
    client_secret: str
    scope: str | None = None


HeaderRole = Literal["app_key", "timestamp", "nonce", "signature"]

APP_KEY_HEADERS: Mapping[HeaderRole, str] = {
    "app_key": "X-App-Key",
    "timestamp": "X-Timestamp",
    "nonce": "X-Nonce",
    "signature": "X-Signature",
}
"""The usual header names; a system may have its own."""


class AppKey(Part):
    r"""AppKey + timestamp + nonce + HMAC over `method\npath\nsorted query\ntimestamp\nnonce\nsha256(body) hex`."""

    type: Literal["appkey"]
    app_key: str
    secret: str
    algorithm: Literal["hmac-sha256", "hmac-sm3"] = "hmac-sha256"
    headers: dict[HeaderRole, str] = Field(default_factory=lambda: dict(APP_KEY_HEADERS))


class NoAuth(Part):
    """No login (only for tests and closed loops)."""

    type: Literal["none"]


class RestConnection(Part):
    """A REST interface. An answer counts as success only when `success_field` holds one of `success_values`."""

    base_url: str
    auth: OAuth2 | AppKey | NoAuth = Field(discriminator="type")
    success_field: str | None = "code"
    success_values: list[str] = Field(default_factory=lambda: ["0", "200"])
    message_field: str = "message"
    timeout_seconds: float = 20


class Paging(Part):
    """How pages follow one another: `cursor` (the answer names the next) or `page` (numbers until a short page)."""

    style: Literal["cursor", "page"]
    size: int = 200
    size_param: str = "limit"
    cursor_param: str = "cursor"
    page_param: str = "page"
    next_field: str = "data.next"


class RestSource(Part):
    """One resource: list, single read, batch write. Field names are dotted paths into the JSON answer."""

    path: str
    records: str = "data.rows"
    paging: Paging
    since_param: str | None = None
    """Query parameter that takes the cursor time; absent = every pull reads all."""
    batch_path: str | None = None
    batch_size: int = Field(default=200, le=500)
    batch_items: str = "rows"
    batch_results: str = "data.results"
    version_column: str | None = None
    """Column holding the row's version, sent back with an update (optimistic concurrency)."""
    omits_empty: bool = False
    """True where the list leaves out columns that are empty; else a column that no row of a page has is an error."""


# --- front-end exchange database (前置库) -----------------------------------------------------------------------------


class FrontdbConnection(Part):
    """A front-end exchange database by SQLAlchemy URL."""

    url: str
    schema_name: str | None = None


class FrontdbSource(Part):
    """Two staging tables: `out_table` (the system -> us) and `in_table` (we -> the system), with its flag columns."""

    out_table: str
    in_table: str | None = None
    row_id: str = "row_guid"
    operation: str = "op_flag"
    sync_flag: str = "sync_flag"
    error: str = "sync_error"
    batch: str = "batch_no"
    time: str = "op_time"
    sequence: str = "seq_no"
    """Rising number of the out table; the cursor."""


# --- SFTP -----------------------------------------------------------------------------------------------------------


class SftpConnection(Part):
    """An SFTP account; the server's host key is pinned by its fingerprint."""

    host: str
    port: str = "22"
    username: str
    password: str
    host_key: str | None = None
    """SHA256:... fingerprint; when absent the key is remembered at the first connection (known_hosts under home)."""


class CsvFormat(Part):
    """How a CSV is written."""

    encoding: str = "utf-8"
    delimiter: str = ","
    header_row: int = 1


class SftpSource(CsvFormat):
    """Outgoing files with .ok markers, an inbox for ours, a folder for receipts."""

    out_dir: str
    out_pattern: str
    in_dir: str
    receipt_dir: str


# --- Excel ----------------------------------------------------------------------------------------------------------


class ExcelConnection(Part):
    """The tray of a system that is fed by workbooks: exports are read from `out_dir`, filled templates go to `in_dir`."""

    out_dir: str
    in_dir: str
    receipt_dir: str


class ExcelSource(Part):
    """A sheet of the export and the official template to fill."""

    out_pattern: str
    sheet: str
    header_row: int = 1
    template: str
    template_sheet: str | None = None
    template_header_row: int | None = None


# --- form -----------------------------------------------------------------------------------------------------------


class FormConnection(Part):
    """A website with a login form (session cookie, CSRF token)."""

    base_url: str
    login_path: str = "/login"
    username: str
    password: str


class FormSource(Part):
    """List page (HTML table), edit form, and the form's field order."""

    list_path: str
    edit_path: str
    """With {key}."""
    new_path: str | None = None
    row_selector: str = "table.records tbody tr"
    next_selector: str = "a[rel=next]"


# --- queue and webhook ----------------------------------------------------------------------------------------------


class QueueConnection(Part):
    """A NATS JetStream broker."""

    url: str
    stream: str
    durable: str = "onefact"


class QueueSource(Part):
    """Subjects: events of the system, commands to it, its acknowledgements."""

    events: str
    commands: str
    acks: str


class WebhookConnection(Part):
    """Events are posted to our inbox by the system (spooled as JSON Lines); commands are posted to it, HMAC-signed."""

    inbox_dir: str
    listen: str | None = None
    """host:port on which `onefact` receives; the sandbox's own receiver spools when absent."""
    command_url: str
    secret: str


class WebhookSource(Part):
    """The event type of this dataset, and the path that answers a single record for read-back."""

    event: str
    command_path: str
    read_path: str


# --- export ---------------------------------------------------------------------------------------------------------


class ExportConnection(Part):
    """A one-way export: an encrypted file for the target's own tool. There is no read path (统计法 art. 28)."""

    out_dir: str
    key: str
    """Base64 of the 16-byte SM4 or 32-byte AES key agreed with the receiver."""
    algorithm: Literal["sm4-gcm", "aes-256-gcm"] = "sm4-gcm"


class ExportSource(Part):
    """File name pattern of the export."""

    file: str


# --- files ----------------------------------------------------------------------------------------------------------


class FilesConnection(Part):
    """A folder of extracts. Relative paths are relative to the manifest file."""

    folder: str
    out_dir: str | None = None
    """Where updates for this system are written as CSV; absent = the system cannot be written."""


class Footer(Part):
    """Rows below the data that are no records: the last `rows`, or from the first row whose first cell starts with one of `starts`."""

    rows: int = 0
    starts: OneOrMore = Field(default_factory=list)


class FilesSource(CsvFormat):
    """One set of files of one shape."""

    pattern: OneOrMore
    format: Literal["csv", "xlsx", "jsonl", "parquet"]
    sheet: str | None = None
    names: list[str] | None = None
    """Column names when the file has no header (`header_row: 0`)."""
    footer: Footer = Footer()
    quote: str = '"'
    records: str | None = None
    """For jsonl: dotted path to the record inside each line."""

    @model_validator(mode="after")
    def _names_or_header(self) -> Self:
        if (self.header_row == 0) != (self.names is not None) and self.format in {"csv", "xlsx"}:
            raise ValueError("`names` and `header_row: 0` belong together; a file with a header needs neither")
        return self


CONNECTIONS: dict[str, type[Part]] = {
    "rest": RestConnection,
    "frontdb": FrontdbConnection,
    "sftp_csv": SftpConnection,
    "excel": ExcelConnection,
    "form": FormConnection,
    "queue": QueueConnection,
    "webhook": WebhookConnection,
    "export": ExportConnection,
    "files": FilesConnection,
}
"""Kind -> model of its `connection` block."""

SOURCES: dict[str, type[Part]] = {
    "rest": RestSource,
    "frontdb": FrontdbSource,
    "sftp_csv": SftpSource,
    "excel": ExcelSource,
    "form": FormSource,
    "queue": QueueSource,
    "webhook": WebhookSource,
    "export": ExportSource,
    "files": FilesSource,
}
"""Kind -> model of a dataset's `source` block."""
