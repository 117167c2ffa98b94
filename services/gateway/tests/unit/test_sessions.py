"""What a browser keeps for us: sealed, of one kind, for a time."""

import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
from common.errors import UnauthenticatedError
from cryptography.fernet import Fernet
from gateway.adapters.sealing import FernetSeal
from gateway.endpoints.session_cookie import Cookies
from gateway.model.identity import Identity
from gateway.service.login import SealedSessions
from starlette.responses import Response

OLD, NEW = b"o" * 32, b"n" * 32
HOUR = timedelta(hours=1)
ALICE = Identity("https://issuer.example", "alice")


class TestSeal:
    def test_a_rotated_key_still_opens_and_no_longer_seals(self) -> None:
        before = FernetSeal([OLD]).seal("session", {"a": "1"})

        assert FernetSeal([NEW, OLD]).unseal("session", before, within=HOUR) == {"a": "1"}
        assert FernetSeal([NEW]).unseal("session", before, within=HOUR) is None
        after = FernetSeal([NEW, OLD]).seal("session", {"a": "1"})
        assert FernetSeal([OLD]).unseal("session", after, within=HOUR) is None

    def test_one_kind_is_not_another(self) -> None:
        sealed = FernetSeal([NEW]).seal("login", {"issuer": "x", "subject": "y"})

        assert FernetSeal([NEW]).unseal("session", sealed, within=HOUR) is None

    @pytest.mark.parametrize("text", ["", "x", "gAAAA", "\N{SNOWMAN}", "a" * 10_000])
    def test_nonsense_is_nothing(self, text: str) -> None:
        assert FernetSeal([NEW]).unseal("session", text, within=HOUR) is None


class TestSession:
    def test_it_holds_for_its_time_and_no_longer(self) -> None:
        content = json.dumps({"issuer": ALICE.issuer, "subject": "alice", "kind": "session"})
        made_at = int(time.time()) - 1800
        sealed = Fernet(urlsafe_b64encode(NEW)).encrypt_at_time(content.encode(), made_at).decode()
        seal = FernetSeal([NEW])

        assert SealedSessions(seal, ttl=HOUR).opened(sealed) == ALICE
        with pytest.raises(UnauthenticatedError, match="log in again"):
            SealedSessions(seal, ttl=timedelta(minutes=29)).opened(sealed)


class TestCookie:
    def test_over_https_it_is_bound_to_the_host(self) -> None:
        response = Response()

        Cookies(is_https=True).keep_session(response, "x", HOUR)

        kept = response.headers.getlist("set-cookie")[0]
        assert kept.startswith("__Host-session=x; ")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(kept.split("; "))
        assert "Domain" not in kept
