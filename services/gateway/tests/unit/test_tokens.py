"""Which tokens pass: those of our issuer, for us, signed by its key, in time; and nothing else."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from common.errors import ErrorCode, UnauthenticatedError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.adapters.local_issuer import LocalIssuer
from gateway.adapters.tokens import IssuerVerifier, choose, only_public
from gateway.model.identity import Identity

ISSUER = "https://issuer.example"
AUDIENCE = "tryskills"


@pytest.fixture
def issuer(issuer_key: Ed25519PrivateKey) -> LocalIssuer:
    return LocalIssuer(ISSUER, issuer_key)


@pytest.fixture
def verifier(issuer: LocalIssuer) -> IssuerVerifier:
    return IssuerVerifier(issuer, issuer=ISSUER, audience=AUDIENCE)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 60}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def kid_of(issuer: LocalIssuer) -> str:
    return str(issuer.published.jwks["keys"][0]["kid"])


def encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class Published:
    """A key source of any keys."""

    def __init__(self, *keys: Mapping[str, Any]) -> None:
        self._keys = only_public(list(keys))

    async def find(self, kid: str | None) -> Mapping[str, Any] | None:
        return choose(self._keys, kid)


class TestAccepted:
    async def test_a_token_of_the_issuer(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey
    ) -> None:
        token = jwt.encode(claims(), issuer_key, algorithm="EdDSA")

        assert await verifier.verify(token) == Identity(ISSUER, "alice")

    async def test_a_token_that_names_the_key(
        self, verifier: IssuerVerifier, issuer: LocalIssuer, issuer_key: Ed25519PrivateKey
    ) -> None:
        headers = {"kid": kid_of(issuer)}
        token = jwt.encode(claims(), issuer_key, algorithm="EdDSA", headers=headers)

        assert (await verifier.verify(token)).subject == "alice"

    async def test_one_of_several_audiences(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey
    ) -> None:
        token = jwt.encode(claims(aud=["other", AUDIENCE]), issuer_key, algorithm="EdDSA")

        assert (await verifier.verify(token)).subject == "alice"

    async def test_a_clock_that_is_a_little_off(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey
    ) -> None:
        token = jwt.encode(claims(exp=int(time.time()) - 5), issuer_key, algorithm="EdDSA")

        assert (await verifier.verify(token)).subject == "alice"

    @pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
    async def test_rsa_keys_that_name_no_algorithm(self, algorithm: str) -> None:
        key = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        verifier = IssuerVerifier(Published({**jwk, "kid": "k"}), issuer=ISSUER, audience=AUDIENCE)
        token = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": "k"})

        assert (await verifier.verify(token)).subject == "alice"

    async def test_elliptic_curve_keys(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        verifier = IssuerVerifier(Published(jwk), issuer=ISSUER, audience=AUDIENCE)

        token = jwt.encode(claims(), key, algorithm="ES256")

        assert (await verifier.verify(token)).subject == "alice"


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"exp": 1_000_000}, ErrorCode.TOKEN_EXPIRED),
            ({"exp": None}, ErrorCode.TOKEN_INVALID),
            ({"iss": "https://other.example"}, ErrorCode.TOKEN_INVALID),
            ({"iss": ISSUER + "/"}, ErrorCode.TOKEN_INVALID),
            ({"iss": None}, ErrorCode.TOKEN_INVALID),
            ({"aud": "other"}, ErrorCode.TOKEN_INVALID),
            ({"aud": None}, ErrorCode.TOKEN_INVALID),
            ({"sub": None}, ErrorCode.TOKEN_INVALID),
            ({"sub": ""}, ErrorCode.TOKEN_INVALID),
            ({"sub": "x" * 501}, ErrorCode.TOKEN_INVALID),
            ({"nbf": 9_999_999_999}, ErrorCode.TOKEN_NOT_YET_VALID),
            ({"iat": 9_999_999_999}, ErrorCode.TOKEN_NOT_YET_VALID),
        ],
    )
    async def test_claims_that_do_not_hold(
        self,
        verifier: IssuerVerifier,
        issuer_key: Ed25519PrivateKey,
        changes: dict[str, Any],
        code: ErrorCode,
    ) -> None:
        token = jwt.encode(claims(**changes), issuer_key, algorithm="EdDSA")

        with pytest.raises(UnauthenticatedError) as refusal:
            await verifier.verify(token)

        assert refusal.value.code is code
        assert token not in refusal.value.detail

    async def test_another_key(self, verifier: IssuerVerifier) -> None:
        await self.refused(
            verifier, jwt.encode(claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA")
        )

    async def test_a_key_the_issuer_does_not_publish(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey
    ) -> None:
        headers = {"kid": "made-up"}

        await self.refused(
            verifier, jwt.encode(claims(), issuer_key, algorithm="EdDSA", headers=headers)
        )

    async def test_no_signature(self, verifier: IssuerVerifier, issuer: LocalIssuer) -> None:
        for algorithm in ("none", "None", "NONE", ""):
            header = {"alg": algorithm, "typ": "JWT", "kid": kid_of(issuer)}

            await self.refused(verifier, f"{encoded(header)}.{encoded(claims())}.")

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    async def test_the_public_key_used_as_a_shared_secret(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey, algorithm: str
    ) -> None:
        public = issuer_key.public_key()
        secrets = (
            public.public_bytes_raw(),
            public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )
        for secret in secrets:
            header = {"alg": algorithm, "typ": "JWT"}
            signing = f"{encoded(header)}.{encoded(claims())}"
            algorithm_of = jwt.algorithms.HMACAlgorithm
            digest = {"HS256": "SHA256", "HS384": "SHA384", "HS512": "SHA512"}[algorithm]
            signer = algorithm_of(getattr(algorithm_of, digest))
            signature = base64.urlsafe_b64encode(signer.sign(signing.encode(), secret))

            await self.refused(verifier, f"{signing}.{signature.rstrip(b'=').decode()}")

    async def test_a_symmetric_key_in_the_issuers_list(self) -> None:
        shared = {"kty": "oct", "k": encoded({"a": "secret of thirty-two bytes at least"})}
        verifier = IssuerVerifier(Published(shared), issuer=ISSUER, audience=AUDIENCE)

        await self.refused(verifier, f"{encoded({'alg': 'HS256'})}.{encoded(claims())}.AAAA")

    async def test_a_key_for_another_algorithm(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        verifier = IssuerVerifier(
            Published({**jwk, "alg": "RS512"}), issuer=ISSUER, audience=AUDIENCE
        )

        await self.refused(verifier, jwt.encode(claims(), key, algorithm="RS256"))

    async def test_a_key_for_encryption(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        verifier = IssuerVerifier(
            Published({**jwk, "use": "enc"}), issuer=ISSUER, audience=AUDIENCE
        )

        await self.refused(verifier, jwt.encode(claims(), key, algorithm="RS256"))

    async def test_a_critical_header_we_do_not_know(
        self, verifier: IssuerVerifier, issuer_key: Ed25519PrivateKey
    ) -> None:
        headers = {"crit": ["exp"], "exp": 0}

        await self.refused(
            verifier, jwt.encode(claims(), issuer_key, algorithm="EdDSA", headers=headers)
        )

    async def test_a_key_that_comes_with_the_token(self, verifier: IssuerVerifier) -> None:
        own = Ed25519PrivateKey.generate()
        jwk = dict(LocalIssuer(ISSUER, own).published.jwks["keys"][0])
        headers = {"jwk": jwk, "jku": "https://evil.example/keys"}

        await self.refused(verifier, jwt.encode(claims(), own, algorithm="EdDSA", headers=headers))

    @pytest.mark.parametrize(
        "token", ["x", "a.b", "a.b.c", "a.b.c.d.e", "é.é.é", "." * 10, "ey" * 5000, "\ud800.b.c"]
    )
    async def test_what_is_no_token(self, verifier: IssuerVerifier, token: str) -> None:
        await self.refused(verifier, token)

    async def test_a_header_nested_without_end(self, verifier: IssuerVerifier) -> None:
        nested = base64.urlsafe_b64encode(b"[" * 6000).decode()

        await self.refused(verifier, f"{nested}.e30.AAAA")

    async def test_a_token_without_key_id_among_several_keys(
        self, issuer_key: Ed25519PrivateKey
    ) -> None:
        keys = [
            LocalIssuer(ISSUER, key).published.jwks["keys"][0]
            for key in (issuer_key, Ed25519PrivateKey.generate())
        ]
        verifier = IssuerVerifier(Published(*keys), issuer=ISSUER, audience=AUDIENCE)

        await self.refused(verifier, jwt.encode(claims(), issuer_key, algorithm="EdDSA"))

    async def refused(self, verifier: IssuerVerifier, token: str) -> None:
        with pytest.raises(UnauthenticatedError) as refusal:
            await verifier.verify(token)

        assert refusal.value.code is ErrorCode.TOKEN_INVALID
        assert len(refusal.value.detail) < 200
