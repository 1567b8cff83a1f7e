"""OpenAPI 3.1, made from the very types that check the requests and write the answers."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.errors import ErrorBody
from api.principal import Who
from api.urls import SOCKET, Url

_REF = "#/components/schemas/{model}"
_REFUSALS = {
    400: "The request cannot be read, or a field is wrong",
    401: "Log in first",
    403: "Your account may not",
    404: "Not here",
    409: "Already so",
    413: "Too large",
    415: "Not taken here",
    503: "Not available now",
}


def openapi(urls: Iterable[Url], version: str) -> dict[str, Any]:
    described = [url for url in urls if url.method != SOCKET and not url.path.startswith("/docs")]
    paths: dict[str, dict[str, Any]] = {}
    for url in described:
        paths.setdefault(url.path, {})[url.method.lower()] = _operation(url)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Yu",
            "version": version,
            "description": "The private AI box. `WebSocket /api/v1/chat/stream` takes the frames `message`, `stop` and "
            "`resume` and answers with `start`, `token`, `complete` and `error`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(described),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _schemas(urls: Iterable[Url]) -> dict[str, Any]:
    kinds: dict[str, type[BaseModel]] = {"ErrorBody": ErrorBody}
    for url in urls:
        for kind in (url.body if not url.file else None, url.answers):
            if isinstance(kind, type):
                kinds[kind.__name__] = kind
    _, made = models_json_schema([(kind, "validation") for kind in kinds.values()], ref_template=_REF, by_alias=True)
    schemas: dict[str, Any] = made["$defs"]
    return schemas


def _operation(url: Url) -> dict[str, Any]:
    name = url.path.removeprefix("/api/v1")
    operation: dict[str, Any] = {
        "summary": url.summary,
        "operationId": f"{url.method.lower()}{re.sub(r'[^a-z0-9]+', '_', name)}".rstrip("_"),
        "tags": [name.strip("/").split("/")[0]],
        "responses": {str(url.status): _answered(url), **_refused()},
        "security": [] if url.who is Who.ANYBODY else [{"bearer": []}],
    }
    if parameters := [*_path_parameters(url), *_query_parameters(url), *_header_parameters(url)]:
        operation["parameters"] = parameters
    if url.body is not None:
        operation["requestBody"] = {"required": True, "content": _body(url, url.body)}
    return operation


def _answered(url: Url) -> dict[str, Any]:
    if url.answers is None:
        return {"description": "Done"}
    if isinstance(url.answers, str):
        return {"description": "OK", "content": {url.answers: {}}}
    return {
        "description": "OK",
        "content": {"application/json": {"schema": {"$ref": _REF.format(model=url.answers.__name__)}}},
    }


def _refused() -> dict[str, Any]:
    schema = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorBody")}}}
    return {str(status): {"description": text, "content": schema} for status, text in _REFUSALS.items()}


def _body(url: Url, kind: type[BaseModel]) -> dict[str, Any]:
    if url.file is None:
        return {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
    schema = kind.model_json_schema(ref_template=_REF)
    schema["properties"] = {url.file: {"type": "string", "format": "binary"}, **schema.get("properties", {})}
    schema["required"] = [url.file, *schema.get("required", [])]
    return {"multipart/form-data": {"schema": schema}}


def _path_parameters(url: Url) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", url.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(url: Url) -> list[dict[str, Any]]:
    if url.query is None:
        return []
    schema = url.query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _header_parameters(url: Url) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in url.headers]
