"""A download that is run unseen, or packages from where nobody looks."""

# A pattern is one string, however long.

# A pattern is one string, however long.
# ruff: noqa: E501

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
        "exec( eval( pickle.load marshal.load dill.load joblib.load",
        r"\b(?:exec|eval)\(.{0,60}(?:\burlopen|requests\.\w+|httpx\.\w+|\bfetch)\(|\b(?:pickle|marshal|dill|joblib|cloudpickle)\.loads?\(.{0,60}(?:\burlopen|requests\.\w+|httpx\.\w+)\(",
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
        "package-source",
        DANGER,
        "install~ npm~i pnpm~add yarn~add",
        r"\b(?:npm\s+(?:i|install)|pnpm\s+(?:add|install)|yarn\s+(?:global\s+)?add|pip3?\s+install|uv\s+(?:pip\s+install|add|tool\s+install)|gem\s+install|cargo\s+install)\b[^|;&`]*\s(?:git\+)?https?://(?!(?:\S+@)?(?:www\.)?(?:github\.com|gitlab\.com|codeberg\.org|bitbucket\.org|huggingface\.co|files\.pythonhosted\.org|registry\.npmjs\.org|download\.pytorch\.org|storage\.googleapis\.com|pkg\.pr\.new|raw\.githubusercontent\.com|data\.pyg\.org))(?!\S*(?:/simple|/whl))",
    ),
    rule(
        "download-run",
        DANGER,
        "certutil mshta bitsadmin regsvr32 rundll32",
        r"\bcertutil\b.*-urlcache|\bmshta\s+[\"']?(?:https?|javascript|vbscript):|\bbitsadmin\b.*/transfer|\bregsvr32\b.*https?:|\brundll32\b.*(?:javascript:|https?:)",
        WARNING,
    ),
    rule(
        "download-run",
        DANGER,
        "/bin/",
        rf"{FETCH}.*(?:-o|-O|>|--output)\s*[\"']?(?:~|\$\{{?HOME\}}?|/usr|/opt)?\S*/bin/(?:git|sudo|ssh|ls|cat|python3?|node|npm|npx|curl|bash|sh|claude|hermes)\b",
    ),
    rule(
        "remote-shell",
        DANGER,
        "uri.open open-uri file_get_contents( include( require( new~function( .then(eval import(",
        r"\beval\W{1,3}.{0,40}(?:URI\.open|file_get_contents|\bopen)\W{1,3}\s*[\"']https?:|\b(?:include|require)(?:_once)?\s*\(?\s*[\"']https?:|\bfetch\(.*(?:new\s+Function\(|\beval\b)|(?<!//)\bimport\(\s*[\"']https?://(?!(?:\w+\.)*(?:esm\.sh|jsdelivr\.net|unpkg\.com|skypack\.dev|deno\.land|jsr\.io|cdnjs\.cloudflare\.com|googleapis\.com|gstatic\.com))",
    ),
    rule(
        "remote-shell",
        DANGER,
        "deno~run deno~install bun~run",
        r"\b(?:deno\s+(?:run|install)|bun\s+run)\b[^|;&]*\shttps?://(?!(?:\w+\.)*(?:deno\.land|jsr\.io|esm\.sh))",
    ),
    rule(
        "package-source",
        DANGER,
        "config~set~registry index-url~http config~set~proxy",
        rf"\b(?:npm|pnpm|yarn)\s+config\s+set\s+(?:registry|(?:https?-)?proxy)\s+http://(?!{_LOCAL})|\bpip3?\s+config\s+set\s+\S*index-url\s+http://(?!{_LOCAL})",
        WARNING,
    ),
    rule(
        "remote-instructions",
        DANGER,
        "whatever~it whatever~they exactly~what everything~it anything~it",
        r"\b(?:execute|follow|do|run|obey|apply)\s+(?:whatever|everything|anything|exactly what)\s+(?:it|they|the (?:page|file|answer|response|server))\s+(?:say|contain|tell|return)",
    ),
    rule(
        "remote-instructions",
        DANGER,
        "http://",
        r"\b(?:fetch|download|read|load|get|retrieve)\b.{0,60}http://\S+.{0,80}\b(?:follow|execute|obey|carry out)\b",
    ),
    rule(
        "remote-instructions",
        DANGER,
        "every~conversation each~conversation every~session each~session every~message each~message",
        r"\b(?:every|each)\s+(?:conversation|session|message)\b.{0,60}\b(?:fetch|download|load|get|retrieve)\b.{0,60}https?://|\b(?:fetch|download|load|retrieve)\b.{0,60}https?://\S+.{0,80}\b(?:every|each)\s+(?:conversation|session|message)\b",
    ),
    rule(
        "remote-instructions",
        WARNING,
        "https://",
        r"\b(?:fetch|download|load|retrieve)\b.{0,60}https://\S+.{0,80}\b(?:follow|execute|obey|carry out)\b.{0,30}\b(?:instructions?|steps|rules|commands)\b",
    ),
    rule(
        "download-run",
        DANGER,
        "git~clone",
        r"\bgit\s+clone\b[^|]*https?://(?!(?:\S+@)?(?:www\.)?(?:github|gitlab|codeberg|bitbucket|huggingface|salsa\.debian|git\.sr)\.)[^|]*(?:&&|;)[^|]*(?:/\S+\.(?:sh|py|js)\b|\bmake\s+install\b)",
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
