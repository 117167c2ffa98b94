"""Names that nobody may set in an agent's environment, whoever asks: a skill, or a user for one.

They would change how programs are found and loaded, where the agent's model calls go, or how the
agent itself is guarded. A provider's key under its usual name is not among them: a skill may have
a key of its own, and what becomes of it is decided where it is put into the sandbox.
"""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_PREFIXES = (
    *("LD_", "DYLD_", "GCONV_", "GLIBC_", "MALLOC_", "BASH_", "GIT_", "OPENSSL_", "XDG_"),
    *("PYTHON", "PIP_", "UV_", "PERL5", "RUBY", "NPM_CONFIG_", "CORECLR_", "SUDO_"),
    *("HERMES_", "_HERMES_", "API_SERVER_", "TERMINAL_", "GATEWAY_", "DAYTONA_"),
)

_OF_THE_SHELL = (
    *("PATH", "PATHEXT", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "IFS", "ENV"),
    *("PS1", "PS4", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "CDPATH", "FPATH", "GLOBIGNORE"),
    *("HISTFILE", "INPUTRC", "MAIL", "ZDOTDIR", "TMPDIR", "TEMP", "TMP", "TZ", "LANG", "LOCPATH"),
    *("NLSPATH", "TERM", "TERMINFO", "TERMCAP"),
    *("BROWSER", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN", "LESSCLOSE"),
)
_OF_INTERPRETERS = (
    *("NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED"),
    *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "MAVEN_OPTS"),
    *("GRADLE_OPTS", "GEM_HOME", "GEM_PATH", "VIRTUAL_ENV", "PERLLIB", "LUA_PATH", "LUA_CPATH"),
    *("LUA_INIT", "PHPRC", "PHP_INI_SCAN_DIR", "DOTNET_STARTUP_HOOKS", "MAKEFLAGS"),
    "RUSTC_WRAPPER",
)
_OF_THE_NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN", "SSH_AUTH_SOCK", "SSH_ASKPASS"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE"),
    *("CURL_CA_BUNDLE", "CURL_HOME"),
)
_OF_THE_MODEL = (
    *("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENROUTER_BASE_URL", "ANTHROPIC_BASE_URL"),
    *("GEMINI_BASE_URL", "GOOGLE_BASE_URL", "NOUS_BASE_URL", "KIMI_BASE_URL", "MINIMAX_BASE_URL"),
    *("OLLAMA_HOST", "LLM_MODEL"),
)
_NAMES = frozenset((*_OF_THE_SHELL, *_OF_INTERPRETERS, *_OF_THE_NETWORK, *_OF_THE_MODEL))


def is_refused(name: str) -> bool:
    """Whether `name` is no usable name of a variable, or one that nobody may set."""
    if not _NAME.fullmatch(name):
        return True
    upper = name.upper()
    return upper in _NAMES or upper.startswith(_PREFIXES)
