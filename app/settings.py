"""Every setting, read once from the environment (names without a prefix: DATABASE_URL, PORT, ...)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PostgresDsn, RedisDsn, SecretBytes, SecretStr, TypeAdapter, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_BYTES_MIN = 32
ENCRYPTION_KEY_BYTES = 32
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
LOCAL_WECHAT_APPID = "wxlocal"
LOCAL_LOG_ORIGIN = "jifen.local/ledger"


def key_bytes(text: object) -> bytes:
    """The bytes of a key that is written in hexadecimal. Refuses fewer than 32 of them."""
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES_MIN:
        raise ValueError("a key is at least 32 random bytes in hexadecimal; `openssl rand -hex 32` makes one")
    return key


Key = Annotated[SecretBytes, BeforeValidator(key_bytes)]


def checked_url(kind: type[PostgresDsn] | type[RedisDsn]) -> BeforeValidator:
    """Text that reads as an address of this kind, kept as it was written."""

    def check(text: object) -> object:
        TypeAdapter(kind).validate_python(text)
        return text

    return BeforeValidator(check)


def http_addresses(text: object) -> object:
    """Addresses of HTTP servers with commas between them, without blanks and closing slashes."""
    addresses = [each.strip().rstrip("/") for each in text.split(",")] if isinstance(text, str) else []
    if not addresses or not all(_is_http_address(each) for each in addresses):
        raise ValueError("one or more addresses such as https://api.drand.sh, with commas between them")
    return ",".join(addresses)


def _is_http_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment


class Settings(BaseSettings):
    """What a process of Jifen is told. A wrong or missing value ends the process at its start, with its name."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    environment: Literal["local", "production"] = "local"
    database_url: Annotated[str, checked_url(PostgresDsn)]
    database_role: str = Field("jifen_app", description="role that pooled connections drop to; empty to stay")
    redis_url: Annotated[str, checked_url(RedisDsn)]
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)

    member_token_key: Key = Field(description="signs the members' access tokens")
    staff_token_key: Key = Field(description="signs the staff's access tokens")
    phone_key: Key = Field(description="encrypts phone numbers; exactly 32 bytes")
    phone_index_key: Key = Field(description="makes phone numbers findable without showing them")
    quote_key: Key = Field(description="signs quotes of deductions")
    log_signing_key: Key = Field(description="signs the transparency log's checkpoints; exactly 32 bytes")
    log_origin: str = Field(LOCAL_LOG_ORIGIN, pattern=r"^[^\s+]+$", description="the log's name, like an address")
    checkpoint_directory: str = Field("", description="where copies of checkpoints are kept, outside the database")

    wechat_base_url: str = "https://api.weixin.qq.com"
    wechat_appid: str = LOCAL_WECHAT_APPID
    wechat_secret: SecretStr = SecretStr("")

    drand_relays: Annotated[str, BeforeValidator(http_addresses)] = "https://api.drand.sh,https://drand.cloudflare.com"
    drand_timeout_seconds: float = Field(3.0, gt=0, le=30, description="the whole answer of one relay")
    drand_connect_timeout_seconds: float = Field(1.5, gt=0, description="connecting to a relay, within that")

    database_pool_min: int = Field(1, ge=0)
    database_pool_max: int = Field(4, ge=1, description="about twice the cores of this process")
    statement_cache_size: int = Field(1024, ge=0, description="0 behind PgBouncer in transaction mode")
    write_lanes: int = Field(2, ge=0, description="flushes of writes at once; 0 writes every command alone")
    write_waiting_max: int = Field(2000, ge=1, description="commands that may wait for a flush; more are refused")
    acquire_timeout_seconds: float = Field(2.0, gt=0)
    statement_timeout_seconds: float = Field(4.0, gt=0)
    lock_timeout_seconds: float = Field(2.0, gt=0)
    idle_in_transaction_timeout_seconds: float = Field(5.0, gt=0)
    request_timeout_seconds: float = Field(6.0, gt=0)

    documents_only: bool = Field(False, description="run trusted documents only, from the allow-list")
    execution: Literal["compiled", "core"] = Field("compiled", description="how operations run; core is graphql-core")
    graphiql_tokens_file: str = Field("", description="tokens that fill GraphiQL's header editor; local only")
    log_format: Literal["json", "console"] = "json"
    clock_offset: timedelta = Field(timedelta(0), description="moves the product's clock, to live through days locally")

    @property
    def origin(self) -> str:
        """Where the web process is reached from this machine."""
        return f"http://{self.host}:{self.port}"

    def database_options(self) -> dict[str, str | int | float]:
        """What `app.database.tortoise_config` is told besides the address."""
        return {
            "role": self.database_role,
            "pool_min": self.database_pool_min,
            "pool_max": self.database_pool_max,
            "acquire_timeout_seconds": self.acquire_timeout_seconds,
            "statement_timeout_seconds": self.statement_timeout_seconds,
            "lock_timeout_seconds": self.lock_timeout_seconds,
            "idle_in_transaction_timeout_seconds": self.idle_in_transaction_timeout_seconds,
            "statement_cache_size": self.statement_cache_size,
        }

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.member_token_key == self.staff_token_key:
            raise ValueError("MEMBER_TOKEN_KEY and STAFF_TOKEN_KEY must differ: no member's token may pass as staff's")
        if len(self.phone_key.get_secret_value()) != ENCRYPTION_KEY_BYTES:
            raise ValueError("PHONE_KEY must be exactly 32 bytes")
        if len(self.log_signing_key.get_secret_value()) != ENCRYPTION_KEY_BYTES:
            raise ValueError("LOG_SIGNING_KEY must be exactly 32 bytes")
        return self

    @model_validator(mode="after")
    def _refuse_local_defaults_in_production(self) -> Self:
        """Production says everything itself; what is comfortable on a developer's machine is a hole there."""
        if self.environment != "production":
            return self
        wechat = urlsplit(self.wechat_base_url)
        faults = {
            "WECHAT_APPID is the local one": self.wechat_appid == LOCAL_WECHAT_APPID,
            "WECHAT_SECRET is empty": not self.wechat_secret.get_secret_value(),
            "WECHAT_BASE_URL is not https": wechat.scheme != "https",
            "WECHAT_BASE_URL is this machine": wechat.hostname in LOCAL_HOSTS,
            "DRAND_RELAYS holds an address that is not https": "http://" in self.drand_relays,
            "LOG_ORIGIN is the local one": self.log_origin == LOCAL_LOG_ORIGIN,
            "CHECKPOINT_DIRECTORY is empty": not self.checkpoint_directory,
            "CLOCK_OFFSET moves the clock": self.clock_offset != timedelta(0),
            "GRAPHIQL_TOKENS_FILE hands out tokens": bool(self.graphiql_tokens_file),
        }
        if found := [fault for fault, present in faults.items() if present]:
            raise ValueError("production refuses: " + "; ".join(found))
        return self
