"""What shops tell of orders, which points may wait for."""

from enum import Enum

import strawberry


@strawberry.enum(description="What happened to an order after it was paid.")
class OrderEventType(Enum):
    RECEIVED = strawberry.enum_value("RECEIVED", description="The customer has received it.")
    REFUND_WINDOW_CLOSED = strawberry.enum_value(
        "REFUND_WINDOW_CLOSED", description="It can no longer be returned for a refund."
    )
