"""Trusted documents: the operations that our own clients send, known by the SHA-256 of their text.

They are parsed and validated when the process starts, and at use neither is done again. A request names one by
`documentId`, by `extensions.persistedQuery.sha256Hash`, or by sending exactly its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, specified_rules, validate
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class TrustedDocument:
    """A document under its id (64 hexadecimal digits): the text without surrounding blanks, parsed and valid."""

    id: str
    text: str
    document: DocumentNode


class TrustedDocuments:
    """All documents that are trusted at one endpoint."""

    def __init__(self, documents: Iterable[TrustedDocument] = ()) -> None:
        self._by_id: Mapping[str, TrustedDocument] = {each.id: each for each in documents}

    @classmethod
    def load(cls, folder: Path, schema: GraphQLSchema) -> TrustedDocuments:
        """Every `*.graphql` of a folder. Raises ValueError naming the file when one does not fit the schema."""
        return cls(trust(path.read_text("utf-8"), schema, path.name) for path in sorted(folder.glob("*.graphql")))

    def by_id(self, id: str) -> TrustedDocument | None:
        """The document under an id, also when written `sha256:…` or with capitals."""
        return self._by_id.get(id.removeprefix("sha256:").lower())

    def by_text(self, text: str) -> TrustedDocument | None:
        """The trusted document with this very text, if it is one."""
        return self._by_id.get(document_id(text)) if self._by_id else None

    def __iter__(self) -> Iterator[TrustedDocument]:
        return iter(self._by_id.values())

    def ids(self) -> list[str]:
        """The ids of all trusted documents, sorted."""
        return sorted(self._by_id)


def document_id(text: str) -> str:
    """SHA-256 of the text without surrounding blanks, in hexadecimal."""
    return sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()


def trust(text: str, schema: GraphQLSchema, name: str = "document") -> TrustedDocument:
    """Parse and validate a document. Raises ValueError with everything that is wrong with it."""
    try:
        document = parse(text.strip())
        errors = validation_errors(schema, document)
    except GraphQLError as error:
        errors = [error]
    if errors:
        raise ValueError(f"{name}: " + "; ".join(error.message for error in errors))
    return TrustedDocument(document_id(text), text.strip(), document)


def validation_errors(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    """What is wrong with a document. Names no field that the caller did not: suggestions would give the schema away."""
    return validate(schema, document, RULES, hide_suggestions=True)
