"""Access tokens as text: no text is accepted that PyJWT's own reader refuses, and what ours refuses beyond it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, tzinfo
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.access_tokens import TokenKey
from app.auth import LEEWAY, Access
from gamification.core.actors import Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.members import service as members
from gamification.members.errors import Unauthenticated
from tests.conftest import MONDAY_MORNING
from tests.members.people import a_member

KEY, OTHER_KEY = b"m" * 32, b"x" * 32
NOW = int(MONDAY_MORNING.timestamp())
OURS = TokenKey(KEY)
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
HEADER = b'{"alg":"HS256","typ":"JWT"}'
ABSENT = object()
CLAIMS_THAT_MUST_BE = ["iss", "aud", "sub", "sid", "jti", "iat", "exp"]
ONCE_PER_TEST = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: str, payload: str, key: bytes = KEY, digest: str = "HS256") -> str:
    """A token of these very segments, under a genuine signature."""
    text = f"{header}.{payload}"
    return f"{text}.{encoded(hmac.new(key, text.encode(), DIGESTS[digest]).digest())}"


def a_token(header: bytes = HEADER, payload: bytes = b'{"sub":"mei"}', **given: Any) -> str:
    return signed(encoded(header), encoded(payload), **given)


def ours(token: str) -> dict[str, Any] | None:
    """The claims that we read, or None for what we refuse."""
    try:
        return OURS.claims(token)
    except ValueError:
        return None


def theirs(token: str) -> dict[str, Any] | None:
    """The claims that PyJWT reads, which looks at nothing but the signature."""
    options: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    try:
        return jwt.decode(token, KEY, ["HS256"], options=options)
    except jwt.PyJWTError:
        return None


def stricter(token: str) -> str | None:
    """Why we refuse a genuine token that PyJWT accepts."""
    header, payload, _ = token.split(".")
    if "=" in token:
        return "padding"
    header_text, text = (base64.urlsafe_b64decode(each + "===") for each in (header, payload))
    if any(not each.strip().startswith(b"{") or b"NaN" in each or b"\\ud800" in each for each in (header_text, text)):
        return "no JSON of RFC 8259"
    return "a header that speaks of more" if json.loads(header_text).keys() - {"alg", "typ"} else None


HEADERS: st.SearchStrategy[bytes] = st.one_of(
    st.just(HEADER),
    st.fixed_dictionaries(
        {},
        optional={
            "alg": st.sampled_from(["HS256", "HS256", "HS512", "none", "None", "hs256", "", None, 1, ["HS256"]]),
            "typ": st.sampled_from(["JWT", "at+jwt", "", 1]),
            "kid": st.sampled_from(["a", 1, None]),
            "crit": st.sampled_from([[], ["b64"], ["exp"], "b64"]),
            "b64": st.booleans(),
            "jwk": st.just({"kty": "oct", "k": encoded(OTHER_KEY)}),
        },
    ).map(lambda header: json.dumps(header).encode()),
    st.sampled_from([b"", b"{", b"null", b'"HS256"', b"[]", HEADER + b" ", b'{"alg":"none","alg":"HS256"}',
                     b'{"alg":"HS256","alg":"none"}', b"\xef\xbb\xbf" + HEADER, "{}".encode("utf-16")]),
)  # fmt: skip
PAYLOADS: st.SearchStrategy[bytes] = st.one_of(
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5), max_size=3)
    .map(lambda claims: json.dumps(claims).encode()),
    st.sampled_from([b"", b"{", b"null", b"[1]", b"1", b'"sub"', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":1,"a":2}',
                     b"\xff", b"{}" + b" " * 5_000, "{}".encode("utf-16"), b"\xef\xbb\xbf{}", b'{"a":' * 5_000]),
    st.binary(max_size=12),
)  # fmt: skip
SEGMENTS = st.sampled_from(["", "=", "==", "===", "A", "!", "\n", " ", "é", "+/", ".", "A=="])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Tokens, genuine and not, written properly and not, and what is left of them when somebody was at them."""
    header, payload = encoded(draw(HEADERS)), encoded(draw(PAYLOADS))
    if draw(st.integers(0, 3)) == 0:
        header += draw(SEGMENTS)
    if draw(st.integers(0, 3)) == 0:
        payload += draw(SEGMENTS)
    token = signed(header, payload, draw(st.sampled_from([KEY, KEY, KEY, OTHER_KEY])),
                   draw(st.sampled_from(["HS256", "HS256", "HS256", "HS384", "HS512"])))  # fmt: skip
    if draw(st.integers(0, 2)) == 0:
        place = draw(st.integers(0, len(token)))
        token = token[:place] + draw(SEGMENTS) + token[place + draw(st.integers(0, 1)) :]
    return token


@given(token=texts())
@example(token=a_token())
@settings(ONCE_PER_TEST, max_examples=600)
def test_no_text_is_accepted_that_pyjwt_refuses(token: str) -> None:
    """Whatever the header, payload, key and writing: the claims are those that PyJWT reads, or there are none."""
    read, expected = ours(token), theirs(token)
    if read is not None:
        assert read == expected
    elif expected is not None:
        assert stricter(token) is not None


@given(claims=st.dictionaries(st.text(max_size=9), st.none() | st.booleans() | st.text() | st.lists(st.integers(0, 9))))
def test_what_is_signed_is_read(claims: dict[str, Any]) -> None:
    """Claims come back as they were signed; PyJWT reads the same of the token."""
    token = OURS.sign(claims)
    assert ours(token) == theirs(token) == claims


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (a_token() + "=", "padding"),
        (signed(encoded(HEADER), encoded(b'{"sub":"m"}') + "="), "padding"),
        (a_token(b'{"alg":"HS256","kid":"a"}'), "a header that speaks of more"),
        (a_token(b'{"alg":"HS256","b64":true,"crit":["b64"]}'), "a header that speaks of more"),
        (a_token(payload=b'{"sub":NaN}'), "no JSON of RFC 8259"),
        (a_token(payload=b'{"sub":"\\ud800"}'), "no JSON of RFC 8259"),
        (a_token(payload="{}".encode("utf-16")), "no JSON of RFC 8259"),
    ],
)
def test_what_our_own_signer_never_writes_is_refused(token: str, reason: str) -> None:
    """Beyond PyJWT we refuse what it overlooks: padding, further words of the header, JSON that is none."""
    assert (ours(token), stricter(token)) == (None, reason) and theirs(token) is not None


def test_every_changed_character_is_noticed() -> None:
    """A token with any one character changed, left out or doubled is another text, and refused."""
    token = OURS.sign({"sub": "mei"})
    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        for changed in (other, "", character * 2, ".", "\n"):
            assert changed == character or ours(token[:place] + changed + token[place + 1 :]) is None


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a", "é.é.é", "\ud800.\ud800.\ud800", "\x00.\x00.\x00",
                                   "." * 100_000, "A" * 1_000_000, f"{'A' * 500_000}.{'A' * 500_000}."])  # fmt: skip
def test_any_other_text_is_refused_as_no_token(token: str) -> None:
    """Nothing, noise, text that cannot be encoded and a million characters are refused like a wrong signature."""
    with pytest.raises(ValueError, match=r"signed|surrogates"):
        OURS.claims(token)


def test_a_genuine_token_has_three_segments() -> None:
    """Two genuine segments, or four under a genuine signature, are no token."""
    header, payload, signature = a_token().split(".")
    four = signed(header, f"{payload}.{payload}")
    for token in (f"{header}.{signature}", f"{payload}.{signature}", f"{a_token()}.{signature}", four):
        assert ours(token) is None and theirs(token) is None


class MondayMorning(datetime):
    """The clock that PyJWT reads, standing where ours stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return MONDAY_MORNING.astimezone(tz)


def near(*seconds: int) -> list[int]:
    """Instants about now, and about the leeway from it."""
    return [NOW + each + more for each in seconds for more in (-1, 0, 1)]


def changed_claims() -> st.SearchStrategy[dict[str, Any]]:
    """Claims to put in the place of good ones, of right and of wrong types."""
    leeway = int(LEEWAY.total_seconds())
    wrong = [ABSENT, None, True, 0, -1, 1.5, "", "x", [], {}, 10**15, float(NOW), str(NOW)]
    own: dict[str, list[Any]] = {
        "iat": near(0, leeway, -900), "exp": near(0, -leeway, 900), "nbf": near(0, leeway), "jti": ["2", 17, ["1"]],
        "aud": ["jifen:staff", ["jifen:member"], ["jifen:member", "x"], "jifen:member "], "iss": ["Jifen", ["jifen"]],
        "sub": ["nobody", 17, ["mei"]], "sid": ["none", 17],
    }  # fmt: skip
    values = {name: st.sampled_from([*wrong, *given, *given]) for name, given in own.items()}
    return st.lists(st.sampled_from(list(own)), max_size=2).flatmap(
        lambda names: st.fixed_dictionaries({name: values[name] for name in names})
    )


def stricter_claim(claims: dict[str, Any]) -> bool:
    """Whether we refuse claims that PyJWT accepts: a date that is no whole number or in no calendar, a start, no id."""
    dates = [claims["iat"], claims["exp"]]
    is_dated = all(isinstance(each, int) and each < 10**15 for each in dates)
    are_ids = all(isinstance(claims[name], str) and len(claims[name]) == 36 for name in ("sub", "sid"))
    return not is_dated or not are_ids or "nbf" in claims


@given(changes=changed_claims())
@example(changes={"jti": 17})
@example(changes={"nbf": NOW + 60})
@example(changes={"iat": NOW + 5})
@example(changes={"exp": NOW - 5})
@settings(ONCE_PER_TEST, max_examples=150)
async def test_no_claims_are_accepted_that_pyjwt_refuses(
    books: None, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Missing, of wrong types, too early, too late, for others: as PyJWT decides on the same clock, or stricter."""
    clock = FixedClock(MONDAY_MORNING)
    access = Access(member_key=KEY, staff_key=OTHER_KEY, clock=clock, calendar=Calendar())
    mei = await a_member(clock)
    grant = await members.open_member_session(mei.id, chain=access.chain, now=clock.now())
    actor = Actor("member", mei.id, session_id=grant.session.id)
    good = {"iss": "jifen", "aud": "jifen:member", "sub": str(mei.id), "sid": str(grant.session.id), "jti": "1",
            "iat": NOW, "exp": NOW + 900}  # fmt: skip
    claims = {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}
    token = a_token(payload=json.dumps(claims).encode())
    with monkeypatch.context() as patch:
        patch.setattr("jwt.api_jwt.datetime", MondayMorning)
        options: Any = {"require": CLAIMS_THAT_MUST_BE, "strict_aud": True}
        try:
            jwt.decode(token, KEY, ["HS256"], options, audience="jifen:member", issuer="jifen", leeway=LEEWAY)
            is_accepted = not stricter_claim(claims)
        except jwt.PyJWTError:
            is_accepted = False
    if is_accepted:
        assert await access.authenticate(f"Bearer {token}", "member") == actor
    else:
        with pytest.raises(Unauthenticated):
            await access.authenticate(f"Bearer {token}", "member")
