"""The registry of LLM providers, as data.

All are called by the model relay in OpenAI's wire form, at `base_url` + `/chat/completions`;
`key_name` is the secret an owner stores. Base URLs and key pages as each provider documents them.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Credit:
    """Where the answer of a key check tells what is left to spend."""

    field: tuple[str, ...]
    unit: str
    none_is_unlimited: bool = False


@dataclass(frozen=True)
class KeyCheck:
    """A call that only a good key answers with 200: GET `base_url` + `path`.

    `documented_at` is the provider's page it was taken from. None was tried against the live
    service.
    """

    path: str
    documented_at: str
    header: Literal["bearer", "x-api-key"] = "bearer"
    credit: Credit | None = None
    refused_by: tuple[int, ...] = (401, 403)
    refused_words: str = ""
    """Where a status alone does not say that the key is refused, these words of the answer do."""


@dataclass(frozen=True)
class Hermes:
    """How Hermes itself names the provider, and the variable it reads the key from.

    For a sandbox that calls the provider directly; behind the relay Hermes knows only the relay.
    """

    provider: str
    variable: str


@dataclass(frozen=True)
class Provider:
    """`base_url` is None where the owner gives it; `key_name` is None where no key is needed.

    Keys are got at `key_url` and paid for at `billing_url`. Without `check` the provider documents
    no call that tells whether a key is good.
    """

    name: str
    title: str
    base_url: str | None
    key_name: str | None
    default_model: str
    key_url: str | None = None
    note: str = ""
    is_key_required: bool = True
    billing_url: str | None = None
    check: KeyCheck | None = None
    hermes: Hermes | None = None


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="demo",
            title="Demo model",
            base_url=None,
            key_name=None,
            default_model="demo",
            note="A scripted model that shows how skills work; no real model.",
            is_key_required=False,
        ),
        Provider(
            name="openrouter",
            title="OpenRouter",
            base_url="https://openrouter.ai/api/v1",
            key_name="OPENROUTER_API_KEY",
            default_model="anthropic/claude-sonnet-4.5",
            key_url="https://openrouter.ai/keys",
            billing_url="https://openrouter.ai/credits",
            check=KeyCheck(
                path="/key",
                documented_at="https://openrouter.ai/docs/api_reference/limits",
                credit=Credit(("data", "limit_remaining"), "USD", none_is_unlimited=True),
            ),
            hermes=Hermes("openrouter", "OPENROUTER_API_KEY"),
        ),
        Provider(
            name="anthropic",
            title="Anthropic",
            base_url="https://api.anthropic.com/v1",
            key_name="ANTHROPIC_API_KEY",
            default_model="claude-sonnet-4-5",
            key_url="https://console.anthropic.com/settings/keys",
            billing_url="https://console.anthropic.com/settings/billing",
            check=KeyCheck(
                path="/models",
                documented_at="https://platform.claude.com/docs/en/api/models",
                header="x-api-key",
            ),
            hermes=Hermes("anthropic", "ANTHROPIC_API_KEY"),
            note="Through Anthropic's OpenAI-compatible endpoint.",
        ),
        Provider(
            name="openai",
            title="OpenAI",
            base_url="https://api.openai.com/v1",
            key_name="OPENAI_API_KEY",
            default_model="gpt-5.1",
            key_url="https://platform.openai.com/api-keys",
            billing_url="https://platform.openai.com/settings/organization/billing/overview",
            check=KeyCheck(
                path="/models",
                documented_at="https://platform.openai.com/docs/api-reference/models/list",
            ),
            hermes=Hermes("openai-api", "OPENAI_API_KEY"),
        ),
        Provider(
            name="google",
            title="Google Gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key_name="GEMINI_API_KEY",
            default_model="gemini-2.5-pro",
            key_url="https://aistudio.google.com/apikey",
            billing_url="https://ai.google.dev/gemini-api/docs/billing",
            check=KeyCheck(
                path="/models",
                documented_at="https://ai.google.dev/gemini-api/docs/openai",
                refused_words="API key not valid",
            ),
            hermes=Hermes("gemini", "GEMINI_API_KEY"),
            note="Through Gemini's OpenAI-compatible endpoint.",
        ),
        Provider(
            name="nous",
            title="Nous Research",
            base_url="https://inference-api.nousresearch.com/v1",
            key_name="NOUS_API_KEY",
            default_model="Hermes-4-405B",
            key_url="https://portal.nousresearch.com",
            billing_url="https://portal.nousresearch.com",
            hermes=Hermes("nous", "NOUS_API_KEY"),
        ),
        Provider(
            name="kimi",
            title="Kimi (Moonshot AI)",
            base_url="https://api.moonshot.ai/v1",
            key_name="KIMI_API_KEY",
            default_model="kimi-k2-0905-preview",
            key_url="https://platform.moonshot.ai/console/api-keys",
            billing_url="https://platform.moonshot.ai/console/pay",
            check=KeyCheck(
                path="/users/me/balance",
                documented_at="https://platform.moonshot.ai/docs/api/balance",
                credit=Credit(("data", "available_balance"), "USD"),
            ),
            hermes=Hermes("kimi-coding", "KIMI_API_KEY"),
        ),
        Provider(
            name="minimax",
            title="MiniMax",
            base_url="https://api.minimax.io/v1",
            key_name="MINIMAX_API_KEY",
            default_model="MiniMax-M2",
            key_url="https://platform.minimax.io",
            billing_url="https://platform.minimax.io",
            check=KeyCheck(
                path="/models",
                documented_at="https://platform.minimax.io/docs/api-reference/models/openai/list-models",
            ),
            hermes=Hermes("minimax", "MINIMAX_API_KEY"),
        ),
        Provider(
            name="custom",
            title="Any OpenAI-compatible endpoint",
            base_url=None,
            key_name="CUSTOM_API_KEY",
            default_model="",
            note="Ollama, vLLM, LiteLLM or your own gateway: give the base URL that ends in /v1.",
            is_key_required=False,
            check=KeyCheck(
                path="/models",
                documented_at="https://platform.openai.com/docs/api-reference/models/list",
            ),
        ),
    )
}
