"""Which class serves which kind of integration; a new kind is one module and one line here."""

from __future__ import annotations

from importlib import import_module

from connectors.base import Connector, Context
from connectors.manifest.model import Manifest

KINDS: dict[str, str] = {
    "rest": "connectors.kinds.rest:RestConnector",
    "frontdb": "connectors.kinds.frontdb:FrontdbConnector",
    "sftp_csv": "connectors.kinds.sftp_csv:SftpCsvConnector",
    "excel": "connectors.kinds.excel:ExcelConnector",
    "form": "connectors.kinds.form:FormConnector",
    "queue": "connectors.kinds.queue:QueueConnector",
    "webhook": "connectors.kinds.webhook:WebhookConnector",
    "export": "connectors.kinds.export:ExportConnector",
    "files": "connectors.kinds.files:FilesConnector",
}
"""Kind -> `module:class`; imported only when used, since each brings its own client library."""


def connect(manifest: Manifest, context: Context) -> Connector:
    """Return the connector of a manifest's kind, ready to use; raises `MissingVariable` for an unset `${NAME}`."""
    module, name = KINDS[manifest.kind].split(":")
    connector: Connector = getattr(import_module(module), name)(manifest, context)
    return connector
