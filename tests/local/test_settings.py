"""Settings are refused at the start, with a name, rather than found wrong later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from app.local.programme import settings_from

KEYS = {
    "MEMBER_TOKEN_KEY": "01" * 32,
    "STAFF_TOKEN_KEY": "02" * 32,
    "PHONE_KEY": "03" * 32,
    "PHONE_INDEX_KEY": "04" * 32,
    "LOG_SIGNING_KEY": "05" * 32,
    "QUOTE_KEY": "06" * 32,
}
GIVEN = {**KEYS, "DATABASE_URL": "postgres://jifen@127.0.0.1/jifen", "REDIS_URL": "redis://127.0.0.1/0"}
LOG = {"LOG_ORIGIN": "example.com/ledger", "CHECKPOINT_DIRECTORY": "checkpoints"}
PRODUCTION = {**GIVEN, **LOG, "ENVIRONMENT": "production", "WECHAT_APPID": "wx1", "WECHAT_SECRET": "s"}


def test_the_defaults_are_those_of_the_measurements() -> None:
    """Pools of 4; statements may take 4 s, locks 2 s, idle transactions 5 s, connections 2 s, requests 6 s."""
    settings = settings_from(GIVEN)
    assert settings.database_options() == {
        "role": "jifen_app",
        "pool_min": 1,
        "pool_max": 4,
        "acquire_timeout_seconds": 2.0,
        "statement_timeout_seconds": 4.0,
        "lock_timeout_seconds": 2.0,
        "idle_in_transaction_timeout_seconds": 5.0,
        "statement_cache_size": 1024,
    }
    assert (settings.origin, settings.request_timeout_seconds) == ("http://127.0.0.1:8000", 6.0)
    assert settings.member_token_key.get_secret_value() == b"\x01" * 32


@pytest.mark.parametrize("key", ["", "01" * 31, "not hexadecimal at all, however long it may be written"])
@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_key_shorter_than_32_bytes_is_refused(name: str, key: str) -> None:
    """The refusal names the setting and never shows the key."""
    with pytest.raises(ValidationError) as refusal:
        settings_from({**GIVEN, name: key})
    assert name.lower() in str(refusal.value)
    assert not key or key not in str(refusal.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"STAFF_TOKEN_KEY": KEYS["MEMBER_TOKEN_KEY"]}, "must differ"),
        ({"PHONE_KEY": "03" * 33}, "PHONE_KEY must be exactly 32 bytes"),
        ({"LOG_SIGNING_KEY": "05" * 33}, "LOG_SIGNING_KEY must be exactly 32 bytes"),
        ({"LOG_ORIGIN": "two words"}, "log_origin"),
        ({"DRAND_RELAYS": ""}, "drand_relays"),
        ({"DRAND_RELAYS": "https://api.drand.sh,ftp://x"}, "drand_relays"),
        ({"DRAND_RELAYS": "https://api.drand.sh, ,"}, "drand_relays"),
        ({"DATABASE_URL": "mysql://jifen@127.0.0.1/jifen"}, "database_url"),
        ({"REDIS_URL": "127.0.0.1:6379"}, "redis_url"),
    ],
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, str], message: str) -> None:
    """Equal keys, a wrong length and wrong addresses end the process at its start."""
    with pytest.raises(ValidationError, match=message):
        settings_from({**GIVEN, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"WECHAT_APPID": "wxlocal"}, "WECHAT_APPID is the local one"),
        ({"WECHAT_SECRET": ""}, "WECHAT_SECRET is empty"),
        ({"WECHAT_BASE_URL": "http://api.weixin.qq.com"}, "WECHAT_BASE_URL is not https"),
        ({"WECHAT_BASE_URL": "https://127.0.0.1:9"}, "WECHAT_BASE_URL is this machine"),
        (
            {"DRAND_RELAYS": "https://api.drand.sh,http://127.0.0.1:9"},
            "DRAND_RELAYS holds an address that is not https",
        ),
        ({"LOG_ORIGIN": "jifen.local/ledger"}, "LOG_ORIGIN is the local one"),
        ({"CHECKPOINT_DIRECTORY": ""}, "CHECKPOINT_DIRECTORY is empty"),
        ({"CLOCK_OFFSET": "P1D"}, "CLOCK_OFFSET moves the clock"),
        ({"GRAPHIQL_TOKENS_FILE": "tokens.json"}, "GRAPHIQL_TOKENS_FILE hands out tokens"),
    ],
)
def test_production_refuses_what_is_comfortable_locally(wrong: dict[str, str], message: str) -> None:
    """Each local default is refused in production, and fine on a developer's machine."""
    assert settings_from(PRODUCTION).environment == "production"
    with pytest.raises(ValidationError, match=message):
        settings_from({**PRODUCTION, **wrong})
    assert settings_from({**GIVEN, **wrong}).environment == "local"


def test_the_clock_can_be_moved_locally() -> None:
    """CLOCK_OFFSET is an ISO 8601 duration."""
    assert settings_from({**GIVEN, "CLOCK_OFFSET": "P2DT3H"}).clock_offset == timedelta(days=2, hours=3)


def test_relays_are_named_with_commas_between_them() -> None:
    """In the order in which they are asked; blanks and closing slashes do not count."""
    settings = settings_from({**GIVEN, "DRAND_RELAYS": "https://one.example/drand/, http://127.0.0.1:9"})
    assert settings.drand_relays == "https://one.example/drand,http://127.0.0.1:9"
