"""Manifests: one YAML file describes one system; `load` and `load_all` return them typed and checked."""

from connectors.manifest.errors import ManifestError, ManifestErrors
from connectors.manifest.loader import load, load_all
from connectors.manifest.model import Manifest

__all__ = ["Manifest", "ManifestError", "ManifestErrors", "load", "load_all"]
