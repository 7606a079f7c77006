"""Relay's global ids: `node(id)` is null for what is not there, and a refusal that names the argument for a bad id."""

from collections.abc import Awaitable
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.types.base import StrawberryObjectDefinition

from schema.context import Info
from schema.refusals import BadInput

ID_LENGTH_MAX = 200
NUMBER_MAX = 2**63 - 1


def read_id(value: str, *, argument: str = "id") -> tuple[str, str]:
    """The type name and the key inside a global id. Raises BadInput."""
    if len(value) <= ID_LENGTH_MAX:
        try:
            return relay.from_base64(value)
        except ValueError:
            pass
    raise BadInput(f"`{argument}` is no id.", argument=argument)


def key_of(value: str, type_name: str, *, argument: str = "id") -> UUID:
    """The key inside a global id of that type, for arguments of mutations. Raises BadInput."""
    found, key = read_id(value, argument=argument)
    if found == type_name:
        try:
            return UUID(key)
        except ValueError:
            pass
    raise BadInput(f"`{argument}` is no id of a {type_name}.", argument=argument)


def number_of(key: str) -> int:
    """The number inside a global id whose type counts its rows. Raises ValueError."""
    number = int(key) if key.isascii() and key.isdecimal() else 0
    if not 0 < number <= NUMBER_MAX:
        raise ValueError
    return number


def number_key_of(value: str, type_name: str, *, argument: str = "id") -> int:
    """The number inside a global id of that type, for arguments of mutations. Raises BadInput."""
    found, key = read_id(value, argument=argument)
    if found == type_name:
        try:
            return number_of(key)
        except ValueError:
            pass
    raise BadInput(f"`{argument}` is no id of a {type_name}.", argument=argument)


async def resolve_node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
) -> relay.Node | None:
    """Anything that has an id, if the caller may see it; each type's `resolve_nodes` says what that is."""
    type_name, key = read_id(id)
    definition = info.schema.get_type_by_name(type_name)
    if not isinstance(definition, StrawberryObjectDefinition) or not issubclass(definition.origin, relay.Node):
        raise BadInput("`id` is no id of this schema.", argument="id")
    try:
        found: Any = definition.origin.resolve_nodes(info=info, node_ids=[key], required=False)
        (node,) = await cast(Awaitable[list[relay.Node | None]], found) if hasattr(found, "__await__") else found
    except ValueError:
        raise BadInput(f"`id` is no id of a {type_name}.", argument="id") from None
    return cast(relay.Node | None, node)
