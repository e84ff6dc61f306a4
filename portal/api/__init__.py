"""The JSON API (接口): what other programs may do, by the same rules as the pages; described by an OpenAPI document."""
