"""A download that is run unseen, or packages from where nobody looks."""

# A pattern is one string, however long.

from skill_resolver.model.report.patterns import FETCH, SHELL
from skill_resolver.model.report.rules.rule import DANGER, INFO, WARNING, rule

_LOCAL = r"(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[::1\]|host\.docker)"

RULES = (
    rule(
        "remote-shell",
        DANGER,
        "curl wget iwr irm invoke-webrequest",
        rf"{FETCH}(?=[^\n|;]*(?:://|\$|\w\.\w+/))[^\n|;]*\|\s*(?:tee\s+\S+\s*\|\s*)?(?:{SHELL}|iex\b)",
    ),
    rule(
        "remote-shell",
        DANGER,
        "curl wget",
        rf"(?:\b(?:ba|z)?sh|source|\.|eval|python3?)\s+(?:-c\s+)?(?:<\(|[\"']?\$\(|`)\s*{FETCH}",
    ),
    rule(
        "remote-shell",
        DANGER,
        "iex downloadstring",
        r"(?:iex|invoke-expression)[\s(].*(?:iwr|irm|webclient|downloadstring)",
    ),
    rule(
        "remote-shell",
        DANGER,
        "exec( eval(",
        r"\b(?:exec|eval)\(\s*(?:requests\.get|urllib\.request\.urlopen|urlopen|httpx\.get|await\s+\(?await\s+fetch)\(",
    ),
    rule(
        "password-archive",
        DANGER,
        "unzip 7z",
        r"\b(?:unzip\s+(?:-\w+\s+)*-P\s*(?![\"']?\$)\S+|7z\s+x\s+.*\s-p(?![\"']?\$)\S+)",
    ),
    rule(
        "package-source",
        DANGER,
        "--index-url --extra-index-url --trusted-host --registry --find-links",
        rf"--(?:extra-)?index-url[=\s]+http://(?!{_LOCAL})|--trusted-host[=\s]+(?!{_LOCAL})\S+|--registry[=\s]+http://(?!{_LOCAL})|--find-links[=\s]+http://(?!{_LOCAL})",
        WARNING,
    ),
    rule(
        "package-source",
        INFO,
        "--index-url --extra-index-url --registry",
        r"--(?:(?:extra-)?index-url|registry)[=\s]+https://",
    ),
    rule(
        "package-source",
        DANGER,
        "npx uvx pipx bunx",
        r"\b(?:npx|bunx|uvx|pipx(?:\s+run)?)\s+(?:-\S+\s+)*(?:--from\s+)?https?://(?!(?:www\.)?(?:github\.com|registry\.npmjs\.org|pkg\.pr\.new))",
    ),
    rule(
        "package-source",
        DANGER,
        'install"',
        r"\"(?:pre|post)?install\"\s*:\s*\".*(?:\bnode\s+-e|\bcurl\b|\bwget\b|\b(?:ba)?sh\s+-c|powershell|\beval\b)",
    ),
    rule(
        "paste-site",
        DANGER,
        "glot.io pastebin.com rentry. hastebin paste.ee ghostbin termbin 0x0.st dpaste",
        r"\b(?:copy|paste|run|execute|terminal|curl|wget|fetch)\b.*\b(?:glot\.io|pastebin\.com|rentry\.(?:co|org)|hastebin\.\w+|paste\.ee|ghostbin\.\w+|termbin\.com|0x0\.st|dpaste\.\w+)/\w|\b(?:glot\.io|pastebin\.com|rentry\.(?:co|org)|paste\.ee)/\w.*\b(?:copy|run|execute|terminal)\b",
    ),
    rule(
        "password-archive",
        DANGER,
        "password pass:",
        r"\b(?:download|extract|unzip|unpack)\b.{0,160}(?:\.zip|\.7z|\.rar|archive).{0,120}\bpass(?:word)?\b\W{0,4}[`\"'(]\w+|(?:\.zip|\.7z|\.rar)\b.{0,120}\bpass(?:word)?\s*[:=]?\s*[`\"']\w+",
    ),
    rule(
        "tls-off",
        INFO,
        "verify=false node_tls --insecure curl~-k",
        r"verify\s*=\s*False|NODE_TLS_REJECT_UNAUTHORIZED\s*=\s*[\"']?0|\bcurl\b.*\s(?:-k|--insecure)\b",
    ),
)
