"""The words of GitHub in our paths: what may stand for an owner and a repository."""

from starlette.convertors import Convertor, register_url_convertor

_RESERVED = "api|ui|static|v1|auth|shared|badge|local-issuer|dashboard|settings|docs"


class _Owner(Convertor[str]):
    """A name that GitHub gives to owners, and that is not a word of ours."""

    regex = rf"(?!(?:{_RESERVED})/)[A-Za-z0-9][A-Za-z0-9-]{{0,38}}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Repo(_Owner):
    regex = r"[A-Za-z0-9._-]{1,100}"


class _Address(_Owner):
    """A whole address of another site, with or without its scheme; a browser may join slashes."""

    regex = r"(?:https?:/{1,2})?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/.+"


register_url_convertor("address", _Address())
register_url_convertor("owner", _Owner())
register_url_convertor("repo", _Repo())

REPOSITORY = "/{owner:owner}/{repo:repo}"
SKILL = f"{REPOSITORY}/{{skill:path}}"
ADDRESS = "/{address:address}"
