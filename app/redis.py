"""Redis or Valkey: the doorbell of the job queue. Nothing in it is needed to recover; PostgreSQL remembers.

Jobs are JSON, never pickle: whoever can write to Redis must not be able to run code.
"""

from __future__ import annotations

from typing import Any

import orjson
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

QUEUE = "jifen:jobs"
DELIVER = "deliver"

RESTART_RETRIES = 30


def encode(value: Any) -> bytes:
    """A job's record; an exception, which arq may put into a result, becomes its text."""
    return orjson.dumps(value, default=repr)


decode = orjson.loads


def open_redis(url: str, *, timeout_seconds: float = 2.0) -> ArqRedis:
    """A client that gives up after the time-out instead of retrying; close it with `close_redis`."""
    return _client(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)


def open_patient_redis(url: str) -> ArqRedis:
    """A client that lives through a restart of Redis (about half a minute), as arq's worker does not by itself."""
    return _client(
        url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.1), RESTART_RETRIES),
        retry_on_error=[RedisConnectionError, RedisTimeoutError, OSError],
        retry_on_timeout=True,
    )


def _client(url: str, **options: Any) -> ArqRedis:
    pool = ConnectionPool.from_url(url, **options)
    return ArqRedis(pool, job_serializer=encode, job_deserializer=decode, default_queue_name=QUEUE)


async def close_redis(client: ArqRedis) -> None:
    """Close a client and all its connections."""
    await client.aclose(close_connection_pool=True)
