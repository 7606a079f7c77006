"""What is wrong with a plain request, as JSON that names the field (`application/problem+json`, RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """A request that is not answered: status, stable code, what is wrong for people, and which field it is about."""

    def __init__(
        self, status: int, code: str, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        body = {"status": self.status, "code": self.code, "detail": self.detail}
        if self.field is not None:
            body["field"] = self.field
        return Response(orjson.dumps(body), self.status, self.headers, PROBLEM_JSON)


def bad_field(field: str, detail: str) -> Problem:
    """A parameter that cannot be worked with."""
    return Problem(400, "BAD_USER_INPUT", detail, field=field)
