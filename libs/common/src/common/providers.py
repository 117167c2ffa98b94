"""The registry of LLM providers, as data.

All are called by the model relay in OpenAI's wire form, at `base_url` + `/chat/completions`;
`key_name` is the secret an owner stores. Base URLs and key pages as each provider documents them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """`base_url` is None where the owner gives it; `key_name` is None where no key is needed."""

    name: str
    title: str
    base_url: str | None
    key_name: str | None
    default_model: str
    key_url: str | None = None
    note: str = ""
    is_key_required: bool = True


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
        ),
        Provider(
            name="anthropic",
            title="Anthropic",
            base_url="https://api.anthropic.com/v1",
            key_name="ANTHROPIC_API_KEY",
            default_model="claude-sonnet-4-5",
            key_url="https://console.anthropic.com/settings/keys",
            note="Through Anthropic's OpenAI-compatible endpoint.",
        ),
        Provider(
            name="openai",
            title="OpenAI",
            base_url="https://api.openai.com/v1",
            key_name="OPENAI_API_KEY",
            default_model="gpt-5.1",
            key_url="https://platform.openai.com/api-keys",
        ),
        Provider(
            name="google",
            title="Google Gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key_name="GEMINI_API_KEY",
            default_model="gemini-2.5-pro",
            key_url="https://aistudio.google.com/apikey",
            note="Through Gemini's OpenAI-compatible endpoint.",
        ),
        Provider(
            name="nous",
            title="Nous Research",
            base_url="https://inference-api.nousresearch.com/v1",
            key_name="NOUS_API_KEY",
            default_model="Hermes-4-405B",
            key_url="https://portal.nousresearch.com",
        ),
        Provider(
            name="kimi",
            title="Kimi (Moonshot AI)",
            base_url="https://api.moonshot.ai/v1",
            key_name="KIMI_API_KEY",
            default_model="kimi-k2-0905-preview",
            key_url="https://platform.moonshot.ai/console/api-keys",
        ),
        Provider(
            name="minimax",
            title="MiniMax",
            base_url="https://api.minimax.io/v1",
            key_name="MINIMAX_API_KEY",
            default_model="MiniMax-M2",
            key_url="https://platform.minimax.io",
        ),
        Provider(
            name="custom",
            title="Any OpenAI-compatible endpoint",
            base_url=None,
            key_name="CUSTOM_API_KEY",
            default_model="",
            note="Ollama, vLLM, LiteLLM or your own gateway: give the base URL that ends in /v1.",
            is_key_required=False,
        ),
    )
}
