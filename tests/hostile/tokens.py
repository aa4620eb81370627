"""Tokens that prove nothing: one thing of a good one is wrong, or many."""

import base64
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.hostile.request import TEXTS
from tests.support.care.clinical_path import ClinicalPath
from tests.support.identity.sign_in import User

Parts = tuple[dict[str, Any], dict[str, Any]]
Signer = Callable[[bytes], bytes]
DEEP = 60_000
"""Brackets in one another: more than a parser's stack has."""


def encode(part: object) -> str:
    """Return a part of a token: JSON, or the bytes themselves."""
    content = part if isinstance(part, bytes) else json.dumps(part).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(header: object, claims: object, sign: Signer) -> str:
    """Return a token with a signature over what is sent."""
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(sign(signed.encode()))}"


def es384(key: ec.EllipticCurvePrivateKey) -> Signer:
    """Return the signer of ES384."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")

    return sign


def rs256(key: rsa.RSAPrivateKey) -> Signer:
    """Return the signer of RS256."""
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def hs(secret: bytes, digest: str = "sha256") -> Signer:
    """Return the signer of HS256, or of another digest."""
    return lambda message: hmac.new(secret, message, getattr(hashlib, digest)).digest()


VALUES: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    1e308,
    float("nan"),
    float("inf"),
    2**70,
    True,
    [],
    {},
    [[]],
    "../../../../etc/passwd",
    "' OR 1=1 --",
    "\x00",
    "\ud800",
    "A" * 4000,
    *TEXTS[:6],
)
HEADERS: tuple[dict[str, Any], ...] = (
    {"alg": "none"},
    {"alg": "None"},
    {"alg": "NONE"},
    {"alg": ""},
    {"alg": None},
    {"alg": ["ES384"]},
    {"alg": "HS256"},
    {"alg": "HS384"},
    {"alg": "ES256"},
    {"alg": "ES512"},
    {"alg": "PS256"},
    {"alg": "RSA-OAEP", "enc": "A256GCM"},
    {"alg": "EdDSA"},
    {"jku": "https://attacker.example/keys"},
    {"jku": "https://ehr.north.example@attacker.example/keys"},
    {"jku": 5},
    {"x5u": "https://attacker.example/chain"},
    {"x5c": ["MIIB"]},
    {"crit": ["exp"]},
    {"crit": ["b64"], "b64": False},
    {"crit": []},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"typ": "at+jwt"},
    {"typ": "JOSE"},
    {"typ": None},
)
KIDS: tuple[Any, ...] = (
    "other",
    "",
    None,
    7,
    ["ehr-1"],
    {"kid": "ehr-1"},
    "../../../../dev/null",
    "/proc/self/environ",
    "' UNION SELECT 'x' --",
    "ehr-1\x00",
    "K" * 5000,
    *TEXTS[:3],
)


class Tokens:
    """Tokens of one issuer, each wrong in one way.

    Parameters
    ----------
    source
        Where everything random comes from.
    good
        Returns header and claims of a good token.
    sign
        The signer that the service trusts.
    other
        A signer of the same algorithm with another key.
    public
        Texts of the trusted public key, which a confused verifier would take as a secret.
    """

    def __init__(
        self,
        source: random.Random,
        good: Callable[[], Parts],
        sign: Signer,
        other: Signer,
        public: tuple[bytes, ...],
        claims: Mapping[str, tuple[Any, ...]],
    ) -> None:
        self._source, self._good, self._sign, self._other, self._public = source, good, sign, other, public
        self._claims = claims

    def wrong(self) -> str:
        """Return a token that must be refused."""
        return self._source.choice((self._signature, self._header, self._claim, self._claim, self._form, self._flip))()

    def _signature(self) -> str:
        header, claims = self._good()
        sign = self._source.choice(
            (
                self._other,
                lambda _: b"",
                lambda _: bytes(96),
                lambda _: bytes(256),
                lambda _: b"\x30\x06\x02\x01\x00\x02\x01\x00",
                lambda message: self._sign(message)[:-1],
                lambda message: self._sign(message) + b"\0",
                lambda message: self._sign(message[:-1]),
                lambda message: self._sign(message)[::-1],
                hs(self._source.choice(self._public)),
            )
        )
        return token(header, claims, sign)

    def _header(self) -> str:
        header, claims = self._good()
        if self._source.random() < 0.4:
            kid = self._source.choice(KIDS)
            # A key of no other name is tried where the header has none, so it is signed by another.
            return token(header | {"kid": kid}, claims, self._other if kid is None else self._sign)
        wrong = self._source.choice(HEADERS)
        name = str(wrong.get("alg", ""))
        if name.startswith("HS"):
            return token(header | wrong, claims, hs(self._source.choice(self._public), f"sha{name[2:]}"))
        if "alg" in wrong:
            return token(header | wrong, claims, self._source.choice((self._sign, lambda _: b"")))
        key = {"jwk": {"kty": "oct", "k": encode(b"secret")}} if self._source.random() < 0.3 else {}
        return token(header | wrong | key, claims, self._other)

    def _claim(self) -> str:
        header, claims = self._good()
        name = self._source.choice(tuple(self._claims))
        wrong = self._source.choice(self._claims[name])
        left = {key: value for key, value in claims.items() if key != name}
        return token(header, left if wrong is ABSENT else left | {name: wrong}, self._sign)

    def _form(self) -> str:
        header, claims = self._good()
        good = token(header, claims, self._sign)
        first, second, third = good.split(".")
        deep = b'{"a":' + b"[" * self._source.choice((10, 900, 3000)) + b"}"
        return self._source.choice(
            (
                "",
                ".",
                "..",
                "...",
                first,
                f"{first}.{second}",
                f"{first}.{second}.",
                f"{first}..{third}",
                f".{second}.{third}",
                f"{good}.{third}",
                f"{good}.{third}.{third}",
                f"{good}=",
                f"{first}=.{second}==.{third}",
                good.replace(".", " ."),
                f"{first}.{encode(deep)}.{third}",
                f"{encode(deep)}.{second}.{third}",
                f"{first}.{encode(b'[]')}.{third}",
                f"{first}.{encode(b'null')}.{third}",
                f"{encode(b'null')}.{second}.{third}",
                f"{encode(b'5')}.{encode(b'5')}.{third}",
                f"{first}.{encode(bytes([0xFF, 0xFE]))}.{third}",
                f"{first}.{encode(json.dumps(claims)[:-1].encode() + b', ' + b'1' * 9000 + b'}')}.{third}",
                "A" * self._source.choice((100, 9_000, 20_000, 60_000)),
                f"{first}.{'A' * 30_000}.{third}",
                self._source.choice(TEXTS),
                "\N{SNOWMAN}" * 5,
                "null",
            )
        )

    def _flip(self) -> str:
        """Return a good token of which one character is another one; not the last, whose last bits mean nothing."""
        header, claims = self._good()
        good = token(header, claims, self._sign)
        place = self._source.choice([number for number, letter in enumerate(good[:-1]) if letter != "."])
        other = self._source.choice([letter for letter in "ABCabc012-_" if letter != good[place]])
        return good[:place] + other + good[place + 1 :]


class _Absent:
    """Stands for a claim that is left out."""


ABSENT = _Absent()


def of_ehr(path: ClinicalPath, source: random.Random, audience: str) -> Tokens:
    """Return tokens of the EHR for an address."""
    key = path.ehr.key.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)

    def good() -> Parts:
        now = int(time.time())
        claims = {"iss": path.ehr.iss, "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
        return {"alg": "ES384", "typ": "JWT", "kid": "ehr-1"}, claims

    now = int(time.time())
    numbers = (ABSENT, *VALUES)
    claims: dict[str, tuple[Any, ...]] = {
        "iss": (*numbers, "https://ehr.south.example", path.ehr.iss + "/", path.ehr.iss.upper(), [path.ehr.iss]),
        "aud": (
            *numbers,
            "https://south.example",
            audience[:-1],
            audience + "x",
            audience + "?a=b",
            [audience + "x"],
            {"aud": audience},
        ),
        "exp": (*(one for one in numbers if one not in (1e308, 2**70)), now - 3600, now - 40, now + 86400 * 365, "9"),
        "iat": (*(one for one in numbers if one is not ABSENT), now + 3600, now - 86400, str(now)),
        "nbf": (now + 3600, "x", 1e308, [], {}, float("nan"), float("inf")),
        "jti": (ABSENT, None, "", 0, -1, True, [], {}, "J" * 257, "J" * 5000),
    }
    return Tokens(source, good, es384(key), es384(ec.generate_private_key(ec.SECP384R1())), _public(key), claims)


def of_people(path: ClinicalPath, source: random.Random, user: User) -> Tokens:
    """Return access tokens of the identity provider."""
    issuer = path.provider.issuer
    key = issuer.key.private_key
    assert isinstance(key, rsa.RSAPrivateKey)

    def good() -> Parts:
        return {"alg": "RS256", "kid": issuer.key.kid}, issuer.claims(user)

    now = int(time.time())
    claims: dict[str, tuple[Any, ...]] = {
        "iss": (ABSENT, *VALUES, issuer.url + "/", issuer.url.replace("north", "south")),
        "aud": (ABSENT, *VALUES, issuer.client, "south-care", [issuer.client]),
        "exp": (
            *(one for one in (ABSENT, *VALUES) if one not in (1e308, 2**70, float("inf"))),
            now - 5,
            now - 86400,
            "9",
        ),
        "typ": (ABSENT, *VALUES, "ID", "Refresh"),
        "acr": (ABSENT, *VALUES, "1", 2, ["2"]),
        "hospital": (ABSENT, *VALUES, "south", ["north"]),
        "sub": (ABSENT, None, "", 0, -1, True, [], {}, "S" * 4000),
        "sid": (ABSENT, None, "", 0, -1, True, [], {}, "S" * 4000),
        "units": (ABSENT, None, "cardiology", 0, {}, [5], [None], ["U" * 4000]),
        "roles": (ABSENT, None, "coordinator", 0, {}, [5], [None], ["R" * 4000]),
    }
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Tokens(source, good, rs256(key), rs256(other), _public(key), claims)


def _public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[bytes, ...]:
    public, form = key.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    return (
        public.public_bytes(serialization.Encoding.PEM, form),
        public.public_bytes(serialization.Encoding.PEM, form).strip(),
        public.public_bytes(serialization.Encoding.DER, form),
        b"",
        b"secret",
    )
