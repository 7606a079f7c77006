"""The queries that open as tabs in GraphiQL: the mini-program's own documents, and what staff begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schema
from app.graphiql import ReadyQuery

MEMBER_DOCUMENTS = Path(schema.__file__).parent / "documents"
STAFF_DOCUMENTS = Path(__file__).parent / "pages" / "queries"


def _ready(folder: Path, name: str, variables: Mapping[str, Any] | None = None) -> ReadyQuery:
    return ReadyQuery((folder / f"{name}.graphql").read_text("utf-8"), variables)


MEMBER_QUERIES = [
    _ready(MEMBER_DOCUMENTS, "Home"),
    _ready(MEMBER_DOCUMENTS, "CheckIn"),
    _ready(MEMBER_DOCUMENTS, "Draws"),
    _ready(MEMBER_DOCUMENTS, "Charity"),
    _ready(MEMBER_DOCUMENTS, "Statement", {"first": 20}),
]
STAFF_QUERIES = [
    _ready(
        STAFF_DOCUMENTS, "FindMember", {"search": {"reference": {"namespace": "EXTERNAL", "value": "demo-xiaohong"}}}
    ),
    _ready(
        STAFF_DOCUMENTS,
        "RecordOrder",
        {
            "input": {
                "externalId": "till-0001",
                "member": {"reference": {"namespace": "EXTERNAL", "value": "demo-xiaohong"}},
                "paidAt": "2026-01-15T12:00:00+08:00",
                "paidFen": 12800,
                "excludedFen": 0,
                "channel": "store",
                "currency": "CNY",
                "lines": [
                    {"sku": "latte", "category": "咖啡 Coffee", "quantity": 4, "netFen": 12800, "eligible": True}
                ],
            }
        },
    ),
    _ready(STAFF_DOCUMENTS, "DeadLetters"),
    _ready(STAFF_DOCUMENTS, "Liability", {"breakageBp": 1000}),
    _ready(STAFF_DOCUMENTS, "Books"),
]
