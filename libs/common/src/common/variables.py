"""Names that nobody may set in an agent's environment, whoever asks: a skill, or a user for one.

They would change how programs are found and loaded, where the agent's model calls go, or how the
agent itself is guarded. A provider's key under its usual name is not among them: a skill may have
a key of its own, and what becomes of it is decided where it is put into the sandbox.
"""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_PREFIXES = (
    *("LD_", "DYLD_", "GCONV_", "MALLOC_", "GLIBC_"),
    *("PYTHON", "PERL5", "RUBY", "NPM_CONFIG_", "UV_", "PIP_", "BASH_", "GIT_CONFIG"),
    *("HERMES_", "_HERMES_", "API_SERVER_", "TERMINAL_", "GATEWAY_ALLOW", "DAYTONA_", "XDG_"),
)

_NAMES = frozenset(
    (
        *("PATH", "PATHEXT", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "IFS", "ENV"),
        *("PS4", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "CDPATH", "GLOBIGNORE"),
        *("TMPDIR", "TEMP", "TMP", "TERM", "TERMINFO", "TERMCAP", "LANG", "TZ", "LOCPATH"),
        *("NLSPATH", "EDITOR", "VISUAL", "PAGER", "BROWSER", "MANPAGER"),
        *("NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED"),
        *("LESSOPEN", "LESSCLOSE", "PS1", "HISTFILE", "MAIL", "ZDOTDIR"),
        *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "GEM_HOME"),
        *("GEM_PATH", "VIRTUAL_ENV"),
        *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_DIR", "GIT_ASKPASS", "GIT_PAGER"),
        *("GIT_EDITOR", "GIT_EXTERNAL_DIFF"),
        *("GIT_PROXY_COMMAND", "GIT_TEMPLATE_DIR", "SSH_AUTH_SOCK", "SSH_ASKPASS"),
        *("SUDO_ASKPASS", "SUDO_PASSWORD"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE"),
        *("CURL_CA_BUNDLE", "CURL_HOME", "OPENSSL_CONF"),
        *("HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
        *("FTP_PROXY", "NO_PROXY"),
        *("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENROUTER_BASE_URL", "ANTHROPIC_BASE_URL"),
        *("GEMINI_BASE_URL",),
        *("GOOGLE_BASE_URL", "NOUS_BASE_URL", "KIMI_BASE_URL", "MINIMAX_BASE_URL"),
        *("OLLAMA_HOST", "LLM_MODEL"),
    )
)


def is_refused(name: str) -> bool:
    """Whether `name` is no usable name of a variable, or one that nobody may set."""
    if not _NAME.fullmatch(name):
        return True
    upper = name.upper()
    return upper in _NAMES or upper.startswith(_PREFIXES)
