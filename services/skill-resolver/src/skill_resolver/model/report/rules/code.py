"""Code so encoded that nobody reads it, and somebody else's hands on the machine."""

# A pattern is one string, however long.
# ruff: noqa: E501

from skill_resolver.model.report.patterns import SHELL
from skill_resolver.model.report.rules.rule import CRITICAL, DANGER, rule

RULES = (
    rule(
        "encoded-command",
        CRITICAL,
        "base64",
        r"base64\s+(?:-d|-D|--decode)\b[^\n|]*\|\s*(?:"
        + SHELL
        + r")|\b(?:ba|z)?sh\b.*<\(.*base64\s+(?:-d|--decode)|eval\s+[\"']?\$\(.*base64\s+(?:-d|--decode)",
        DANGER,
    ),
    rule(
        "encoded-command",
        CRITICAL,
        "xxd openssl base32 uudecode |~rev |rev printf~",
        rf"(?:\bxxd\b[^|]*\s-\w*r|\bopenssl\s+(?:enc\b|aes|base64)[^|]*\s-d\b|\bbase32\s+(?:-d|--decode)|\buudecode\b|\|\s*rev|\bprintf\s+[\"']?(?:\\x?[0-9a-f]{{2,3}}){{8,}})[^\n|]*\|\s*(?:{SHELL})",
        DANGER,
    ),
    rule(
        "encoded-command",
        CRITICAL,
        "b64decode fromhex decompress marshal atob buffer.from",
        r"(?:(?<![.\w])exec|\beval|\b(?-i:Function)|os\.system|subprocess\.\w+)\s*\(.*(?:b64decode|a85decode|bytes\.fromhex|zlib\.decompress|marshal\.loads|atob|Buffer\.from\([^)]*base64)",
        DANGER,
    ),
    rule(
        "encoded-command",
        CRITICAL,
        "chr( map(chr map(~chr fromcharcode",
        r"(?:(?<![.\w])exec|\beval|\b(?-i:Function)|os\.system)\s*\(.*(?:map\(\s*chr\b|(?:chr\(\s*\d+\s*\)\s*\+\s*){3,}|fromCharCode)",
        DANGER,
    ),
    rule(
        "encoded-command",
        CRITICAL,
        "powershell pwsh",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b.*\s-e(?:nc|ncodedcommand|c)?\s+[A-Za-z0-9+/=]{20,}",
        DANGER,
    ),
    rule(
        "obfuscated-code",
        DANGER,
        "_0x eval(function fromcharcode \\x",
        r"_0x[0-9a-f]{4,6}\b.*_0x[0-9a-f]{4,6}\b|eval\(function\(p,a,c,k|fromCharCode\((?:\s*\d+\s*,){20,}|(?:\\x[0-9a-f]{2}){40,}",
    ),
    rule(
        "obfuscated-code",
        DANGER,
        "__import__(",
        r"__import__\(\s*[\"'](?:os|subprocess|base64|socket|builtins|marshal|zlib)[\"']\s*\)\s*\.",
    ),
    rule("reverse-shell", CRITICAL, "/dev/tcp", r"/dev/(?:tcp|udp)/[\w.${}-]+/[\w${}]+", DANGER),
    rule(
        "reverse-shell",
        CRITICAL,
        "nc~ ncat socat",
        r"\b(?:nc|ncat)\b[^\n]*\s-\w*[ec]\w*\s+/?(?:bin/)?(?:ba|c)?(?:sh|md)|\bsocat\b.*exec:|\bmkfifo\b.*\|\s*(?:/bin/)?(?:ba)?sh\s+-i.*\|\s*(?:nc|ncat)\b",
        DANGER,
    ),
    rule(
        "reverse-shell",
        CRITICAL,
        "dup2 connect( fsockopen tcpsocket",
        r"os\.dup2\(\s*\w+\.fileno\(\)\s*,|\.connect\(\(.{0,80}\).*(?:pty\.spawn|/bin/(?:ba)?sh|cmd\.exe)|\bfsockopen\(.*(?:exec|system|shell_exec|proc_open)\(|TCPSocket\.(?:new|open)\(.*(?:exec|spawn|IO\.popen)",
        DANGER,
    ),
    rule(
        "reverse-shell",
        CRITICAL,
        "sockaddr_in inet_aton pf_inet net.socket socket( mkfifo",
        r"(?:sockaddr_in|inet_aton|PF_INET|net\.Socket|Socket\().*(?:/bin/(?:ba|da|z)?sh\b|cmd\.exe|pty\.spawn)|\bmkfifo\b.*(?:/bin/)?(?:ba)?sh\b.*\|\s*(?:nc|ncat|telnet|openssl)\b|\|\s*telnet\b.*\|\s*(?:/bin/)?(?:ba)?sh\b",
        DANGER,
    ),
    rule(
        "cryptominer",
        CRITICAL,
        "xmrig stratum+ minerd",
        r"\bxmrig\b|stratum\+(?:tcp|ssl)://|\bminerd\b.*-o\b",
        DANGER,
    ),
)
