"""The issuer's side of logging in: where to send the browser, and what its code is worth."""

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from common.errors import ErrorCode, UnauthenticatedError, UnavailableError
from pydantic import SecretStr

from gateway.adapters.issuer_http import IssuerHttp
from gateway.adapters.tokens import IssuerVerifier
from gateway.model.identity import Identity
from gateway.settings import is_acceptable_url

_SCOPE = "openid"


class OidcLogin:
    """A `LoginProvider`; a client without a secret is a public one, which PKCE is made for."""

    def __init__(
        self,
        http: IssuerHttp,
        verifier: IssuerVerifier,
        *,
        client_id: str,
        client_secret: SecretStr | None,
        redirect_uri: str,
    ) -> None:
        self._http = http
        self._verifier = verifier
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri

    async def authorization_url(self, *, state: str, nonce: str, challenge: str) -> str:
        endpoint = await self._endpoint("authorization_endpoint")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def exchange(
        self, code: str, *, verifier: str, nonce: str, issuer: str | None
    ) -> Identity:
        # Another issuer's answer, mixed into this login, says so (RFC 9207).
        if issuer is not None and issuer != self._http.issuer:
            message = "this login was answered by another issuer"
            raise UnauthenticatedError(message, code=ErrorCode.TOKEN_INVALID)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        if self._client_secret is None:
            form["client_id"] = self._client_id
        endpoint = await self._endpoint("token_endpoint")
        status, answer = await self._http.post(endpoint, form, headers=self._auth())
        id_token = answer.get("id_token")
        if status != 200 or not isinstance(id_token, str):
            message = "the issuer does not accept this login: begin again"
            raise UnauthenticatedError(message)
        return self._identity(await self._verifier.claims(id_token), nonce)

    async def logout_url(self) -> str | None:
        found = (await self._http.discovery()).get("end_session_endpoint")
        if not isinstance(found, str) or not is_acceptable_url(found):
            return None
        return f"{found}?{urlencode({'client_id': self._client_id})}"

    def _identity(self, claims: dict[str, Any], nonce: str) -> Identity:
        is_ours = hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
        if not is_ours or claims.get("azp", self._client_id) != self._client_id:
            message = "the issuer's token is not for this login"
            raise UnauthenticatedError(message, code=ErrorCode.TOKEN_INVALID)
        return Identity(self._http.issuer, claims["sub"])

    def _auth(self) -> Mapping[str, str]:
        if self._client_secret is None:
            return {}
        secret = quote(self._client_secret.get_secret_value(), safe="")
        return {
            "Authorization": aiohttp.encode_basic_auth(quote(self._client_id, safe=""), secret)
        }

    async def _endpoint(self, name: str) -> str:
        found = (await self._http.discovery()).get(name)
        if not isinstance(found, str) or not is_acceptable_url(found):
            message = f"the issuer's discovery document names no usable {name}"
            raise UnavailableError(message)
        return found
