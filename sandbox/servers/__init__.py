"""The stand-in servers, one module for each kind of integration.

Each has `class <Kind>Server` made of `(manifests, home)` with `async start() -> dict[str, str]` (the variables that the
manifests refer to as `${NAME}`) and `async stop()`; `sandbox.supervisor` hosts them all in one process.
"""
