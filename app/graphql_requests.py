"""A GraphQL request: its media types, its body or query string, checked before anything is looked up for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType
from typing import Any
from urllib.parse import parse_qsl

import orjson
from graphql import GraphQLError
from starlette.types import Receive

RESPONSE_JSON = "application/graphql-response+json"
LEGACY_JSON = "application/json"
EVENT_STREAM = "text/event-stream"

PARAMETERS_MAX = 20


class RequestRejected(Exception):
    """A request that is not executed. `well_formed` ones are GraphQL's to refuse: legacy clients read those as 200."""

    def __init__(
        self,
        errors: list[GraphQLError],
        status: int = 400,
        *,
        well_formed: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.status = status
        self.well_formed = well_formed
        self.headers = dict(headers or {})


def rejected(message: str, code: str = "BAD_REQUEST", status: int = 400, **headers: str) -> RequestRejected:
    """A rejection of the request itself, whatever is in its document. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestRejected([GraphQLError(message, extensions={"code": code})], status, headers=named)


@dataclass(slots=True)
class OperationRequest:
    """What a client asks for: a text or the id of a trusted document, variables, and which operation of it."""

    query: str | None = None
    document_id: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)


def request_from_json(body: bytes | str) -> OperationRequest:
    """Raises RequestRejected for broken JSON, anything but an object, and parameters of a wrong type."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise rejected("The body is no JSON.") from None
    if isinstance(payload, list):
        raise rejected("A body holds one operation; batches are not answered.", "BATCH_REFUSED")
    return request_from_parameters(payload)


def request_from_query_string(query_string: bytes) -> OperationRequest:
    """Raises RequestRejected likewise; `variables` and `extensions` are JSON."""
    try:
        text = query_string.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise rejected("The query string cannot be read.") from None
    parameters: dict[str, Any] = dict(pairs)
    for name in ("variables", "extensions"):
        if name in parameters:
            try:
                parameters[name] = orjson.loads(parameters[name]) if parameters[name] else None
            except orjson.JSONDecodeError:
                raise rejected(f"`{name}` is no JSON.") from None
    return request_from_parameters(parameters)


def request_from_parameters(payload: object) -> OperationRequest:
    """The parameters of the GraphQL-over-HTTP specification; unknown ones are ignored."""
    if not isinstance(payload, dict):
        raise rejected("The request is no JSON object.")
    for name, kind, called in _PARAMETERS:
        if not isinstance(payload.get(name), (kind, NoneType)):
            raise rejected(f"`{name}` must be {called} or null.")
    extensions = payload.get("extensions") or {}
    document_id = payload.get("documentId") or _persisted_id(extensions)
    if not payload.get("query") and not document_id:
        raise rejected("`query` or `documentId` is missing.")
    return OperationRequest(
        query=payload.get("query") or None,
        document_id=document_id,
        variables=payload.get("variables") or {},
        operation_name=payload.get("operationName") or None,
        extensions=extensions,
    )


_PARAMETERS = (
    ("query", str, "a string"),
    ("documentId", str, "a string"),
    ("operationName", str, "a string"),
    ("variables", dict, "an object"),
    ("extensions", dict, "an object"),
)


def _persisted_id(extensions: Mapping[str, Any]) -> str | None:
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    found = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(found, str):
        raise rejected("`extensions.persistedQuery.sha256Hash` must be a string.")
    return found


@lru_cache(maxsize=256)
def negotiate(accept: str | None) -> str:
    """The media type of the answer. Raises RequestRejected (406) when none of ours is accepted.

    An event stream is served only to those who name it first: some clients list it last on every request and cannot
    read it.
    """
    offers = [_media_range(part) for part in (accept or "*/*").split(",")]
    if offers[0][0] == EVENT_STREAM:
        return EVENT_STREAM
    for name, quality in sorted(offers, key=lambda offer: -offer[1]):
        if quality > 0 and name in (RESPONSE_JSON, LEGACY_JSON):
            return name
        if quality > 0 and name in ("*/*", "application/*"):
            return LEGACY_JSON
    raise rejected(f"Answers are {RESPONSE_JSON} or {LEGACY_JSON}.", "NOT_ACCEPTABLE", 406)


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def check_content(headers: Mapping[str, str]) -> None:
    """Raises RequestRejected (415) for anything but uncompressed JSON in UTF-8."""
    if not _is_json(headers.get("content-type", "")):
        raise rejected(f"The body must be {LEGACY_JSON} in UTF-8.", "UNSUPPORTED_MEDIA_TYPE", 415)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise rejected("The body must not be compressed.", "UNSUPPORTED_MEDIA_TYPE", 415)


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    name, *parameters = (each.strip().lower() for each in content_type.split(";"))
    charsets = [each.partition("=")[2].strip('"') for each in parameters if each.startswith("charset=")]
    return name == LEGACY_JSON and all(each in ("utf-8", "utf8") for each in charsets)


async def read_body(receive: Receive, headers: Mapping[str, str], bytes_max: int) -> bytes:
    """The body, of at most `bytes_max` bytes. Raises RequestRejected (413), before reading when the length is told."""
    told = headers.get("content-length", "")
    size, chunks = int(told) if told.isdecimal() else 0, []
    more = size <= bytes_max
    if more:
        size = 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise rejected("The client went away.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False) and size <= bytes_max
    if size > bytes_max:
        text = f"The body must not be longer than {bytes_max} bytes."
        error = GraphQLError(text, extensions={"code": "BODY_TOO_LARGE", "limit": bytes_max, "used": size})
        raise RequestRejected([error], 413, headers={"connection": "close"})
    return b"".join(chunks)
