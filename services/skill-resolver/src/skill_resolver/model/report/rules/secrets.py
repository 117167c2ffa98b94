"""Secrets that are read, and secrets that leave."""

# A pattern is one string, however long.
# ruff: noqa: E501

from skill_resolver.model.report.patterns import HOME, KEYS, PRIVATE, READS, SENDING, STORES
from skill_resolver.model.report.rules.rule import CRITICAL, DANGER, INFO, WARNING, rule

_NET = r"\b(?:curl|wget|nc|ncat|socat)\b"
_FOLDERS = rf"{HOME}[/\\]\.(?:ssh|aws|gnupg|kube|azure|docker)(?=[\s\"'*/|;]|$)(?!/[\w.-]+\.pub|/config\b|/known_hosts)"

RULES = (
    rule(
        "private-key-read",
        DANGER,
        ".ssh .netrc .gnupg .git-credentials .hermes /shadow gh/hosts .claude/.c .codex/auth",
        rf"{READS}.*(?:{PRIVATE})|(?:{PRIVATE}).*\.read(?:_text|_bytes)?\(",
        WARNING,
    ),
    rule(
        "private-key-read",
        DANGER,
        ".ssh .aws .gnupg .kube .azure .docker",
        rf"\b(?:tar|zip|7z|scp|rsync|rclone|gsutil|aws\s+s3|cp\s+-\w*[raR])\b.*{_FOLDERS}",
        WARNING,
    ),
    rule(
        "private-key-read",
        DANGER,
        "export-secret",
        r"\bgpg2?\b.*--export-secret-(?:keys|subkeys)",
        WARNING,
    ),
    rule(
        "credential-store",
        WARNING,
        "keystore exodus electrum metamask .bitcoin ledger~live phantom atomic~wallet",
        r"\.ethereum[/\\]keystore|\.bitcoin[/\\]|(?:Application[\\ ]+Support|AppData|\.config)\S*[/\\ ](?:Exodus|Electrum|atomic|Ledger Live)|(?:MetaMask|nkbihfbeogaeaoehlefnkodbefgpgknn|Phantom).{0,60}(?:Local Extension Settings|extension|leveldb)",
        INFO,
    ),
    rule(
        "credential-store",
        WARNING,
        ".aws .kube .docker .npmrc .pypirc solana wallet.dat gcloud _history",
        rf"{READS}.*(?:{STORES})|(?:{STORES}).*\.read(?:_text|_bytes)?\(",
        INFO,
    ),
    rule(
        "credential-store",
        WARNING,
        "login~data cookies key4.db keychains find-generic-password find-internet-password local~storage",
        r"(?:google-chrome|Google/Chrome|chromium|BraveSoftware|Microsoft.?Edge|Firefox)\b.*(?:Login Data|Cookies|Local Storage|key4\.db|cookies\.sqlite)|\bLogin Data\b|\bkey4\.db\b|\bcookies\.sqlite\b|Library/Keychains|security\s+find-(?:generic|internet)-password",
        INFO,
    ),
    rule(
        "credential-print",
        WARNING,
        "auth~token print-access-token get-access-token export-credentials get-session-token",
        r"\bgh\s+auth\s+token\b|\bgcloud\s+auth\s+(?:application-default\s+)?print-access-token\b|\baz\s+account\s+get-access-token\b|\baws\s+(?:configure\s+export-credentials|sts\s+get-session-token)\b",
        INFO,
    ),
    rule(
        "cloud-metadata",
        DANGER,
        "169.254.169.254 metadata.google.internal",
        r"169\.254\.169\.254/\S*(?:iam|security-credentials|identity|token|user-data)|metadata\.google\.internal/\S*token",
        WARNING,
    ),
    rule(
        "environment-dump",
        WARNING,
        "env~| env| env~> env> set~| set~> printenv os.environ process.env",
        r"(?:^|[\s;|`(])(?:printenv|env|set)\s*(?:\||>)|(?:json\.dumps|str|repr)\(\s*(?:dict\(\s*)?os\.environ\b|\bin os\.environ\.items\(\)|(?:json|data)=\s*(?:dict\(\s*)?os\.environ\b|JSON\.stringify\(\s*process\.env\s*\)",
        INFO,
    ),
    rule(
        "exfiltration",
        CRITICAL,
        ".ssh .netrc .aws .gnupg .kube shadow .git-credentials .hermes .env",
        rf"(?:{PRIVATE}|\.aws[/\\]credentials|{_FOLDERS}|['\"\s/]\.env\b).*\|.*{_NET}|\bcurl\b.*@(?:{PRIVATE}|\S*\.aws[/\\]credentials|(?:\S*/)?\.env\b)",
        DANGER,
    ),
    rule(
        "exfiltration",
        CRITICAL,
        "env~| env| set~| printenv $(env $(set os.environ",
        rf"(?:^|[\s;`(])(?:printenv|env|set)\s*\|.*{_NET}|\b(?:curl|wget)\b.*\$\((?:printenv|env|set)\b|(?:post|put|urlopen)\(.*(?:dict\()?os\.environ\s*[,)}}]",
        DANGER,
    ),
    rule(
        "exfiltration",
        CRITICAL,
        ".ssh .netrc .gnupg .git-credentials .hermes /shadow",
        rf"\b(?:curl|wget|dig|nslookup|host)\b.*(?:\$\(|`)\s*(?:cat|base64|tar|gzip)\b[^)]*(?:{PRIVATE})|(?:cat|tar|base64)\b.*(?:{PRIVATE}).*\|\s*(?:nc|ncat|curl)\b",
        DANGER,
    ),
    rule(
        "exfiltration",
        DANGER,
        "auth~token print-access-token get-access-token find-generic-password",
        rf"(?:{SENDING}).*(?:\$\(|`)\s*(?:gh\s+auth\s+token|gcloud\s+auth\s+\S*\s*print-access-token|az\s+account\s+get-access-token|security\s+find-)(?!.*(?:googleapis|github|azure|microsoft)\.com)",
        WARNING,
    ),
    rule(
        "private-key-read",
        DANGER,
        ".ssh .netrc .gnupg .git-credentials .hermes gh/hosts .claude/.c codex/auth",
        rf"\b(?:read|open|copy|print|paste|send|include|upload|attach|show)\b.{{0,60}}(?:{PRIVATE})",
    ),
    rule(
        "exfiltration",
        DANGER,
        "environment~variables .env credentials private~key ssh~key browser~cookies passwords shell~history",
        r"\b(?:send|post|upload|transmit|forward|report|submit|include|collect|gather|read)\b\s+(?:[\w'`/~-]+\s+){0,6}?`?(?:(?:all |the )?environment variables|(?:\S*/)?\.env\b|\S*\.aws[/\\]credentials|credentials? files?|private keys?|ssh keys?|browser cookies|(?:saved )?passwords|shell history)\b.{0,160}\b(?:send|sent|post|upload|include|transmit|forward|request|put|embed|append)\b.{0,80}https?://|\b(?:send|post|upload|transmit|forward)\b\s+(?:[\w'`/~-]+\s+){0,4}?`?(?:(?:all |the )?environment variables|(?:\S*/)?\.env\b|\S*\.aws[/\\]credentials|private keys?|ssh keys?|browser cookies|(?:saved )?passwords|shell history)\b.{0,100}\b(?:to|at)\b",
    ),
    rule(
        "exfiltration",
        CRITICAL,
        "_history pbpaste xclip xsel wl-paste get-clipboard",
        rf"(?:\.(?:bash|zsh|python|psql|mysql)_history\b|\bpbpaste\b|\bxclip\b.*-o|\bxsel\b|\bwl-paste\b|\bGet-Clipboard\b).*\|.*{_NET}|\bcurl\b.*@\S*_history\b",
        DANGER,
    ),
    rule(
        "drop-host",
        WARNING,
        "discord.com/api/webhooks discordapp.com/api/webhooks api.telegram.org/bot hooks.slack.com/services/t",
        r"discord(?:app)?\.com/api/webhooks/\d{5,}/[\w-]{10,}|api\.telegram\.org/bot\d{5,}:[\w-]{10,}|hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{10,}",
        INFO,
    ),
    rule(
        "exfiltration",
        CRITICAL,
        "process.env os.environ",
        r"(?:\bfetch\(|axios\.\w+\(|requests\.\w+\(|httpx\.\w+\(|urlopen\(|\bcurl\b).*https?://.*(?:JSON\.stringify\(\s*process\.env\s*\)|(?:dict|str|dumps)\(\s*(?:dict\()?os\.environ\s*\))",
        DANGER,
    ),
    rule(
        "exfiltration",
        CRITICAL,
        "akia ghp_ sk- begin~rsa begin~openssh",
        rf"\bgrep\b.*(?:AKIA|ghp_|sk-|BEGIN (?:RSA|OPENSSH)).*\|.*{_NET}",
        DANGER,
    ),
    rule(
        "secret-asked",
        DANGER,
        "token api~key password credential secret passphrase",
        r"\bask\b.{0,80}\b(?:tokens?|api keys?|passwords?|credentials?|secrets?|passphrase)\b.{0,100}\b(?:send|post|submit|upload|forward)\b.{0,60}https?://|\bask\b.{0,40}\b(?:sudo|admin|root|login|system|keychain)\s+(?:password|passphrase)\b.{0,80}\b(?:save|store|write|send|echo|keep|cache)\b",
    ),
    rule(
        "exfiltration",
        DANGER,
        "|~ssh |ssh --post-file --body-file",
        rf"\b(?:tar|zip|cat|find|cpio)\b.*(?:{HOME}|/etc\b|/home\b).*\|\s*ssh\s|\bwget\b.*--(?:post|body)-file[=\s]+(?:/etc/|{HOME})",
        WARNING,
    ),
    rule(
        "exfiltration",
        DANGER,
        "conversation chat~history transcript any~keys all~keys any~secrets",
        r"\b(?:send|post|upload|include|append|transmit|forward|report)\b.{0,80}\b(?:the conversation|conversation history|chat history|transcript|any keys|all keys|any secrets)\b.{0,80}https?://",
    ),
    rule(
        "exfiltration",
        CRITICAL,
        ".ssh .netrc .gnupg .git-credentials .hermes gh/hosts",
        rf"(?:{PRIVATE}).*(?:{SENDING}).*https?://|(?:{SENDING}).*https?://.*(?:{PRIVATE})",
        DANGER,
    ),
    rule(
        "secret-asked",
        DANGER,
        "osascript",
        r"\bosascript\b.*(?:hidden answer|password)",
        WARNING,
    ),
    rule(
        "key-in-url",
        CRITICAL,
        "_key _token _secret",
        rf"https?://(?![^/\s]*(?:openai|anthropic|openrouter|amazonaws|github|huggingface|stripe|slack|localhost|127\.0\.0\.1))[^\s\"'`]+[\"'`]?.{{0,40}}(?:os\.environ|process\.env|getenv)\W{{1,6}}{KEYS}",
        DANGER,
    ),
    rule(
        "key-in-url",
        CRITICAL,
        "=$ &$ /$ ?$",
        rf"https?://(?![^/\s]*(?:openai|anthropic|openrouter|amazonaws|github|huggingface|stripe|slack|localhost|127\.0\.0\.1))[^\s\"'`]*[?&/=]\$\{{?{KEYS}",
        DANGER,
    ),
    rule(
        "drop-host",
        DANGER,
        "webhook.site requestbin pipedream.net burpcollaborator interact.sh oast. requestcatcher beeceptor transfer.sh",
        r"\b(?:webhook\.site|requestbin\.\w+|\w+\.m\.pipedream\.net|burpcollaborator\.net|interact\.sh|oast\.\w+|requestcatcher\.com|beeceptor\.com|transfer\.sh)\b",
        WARNING,
    ),
    rule(
        "url-leak",
        DANGER,
        "](http",
        r"!\[[^\]]*\]\(https?://[^)\s]*[?&][^)\s]*(?:\{|\$|%7b|<)[\w .-]*(?:conversation|history|transcript|message|secret|token|key|passw|memory|prompt|context|answer|reply|response|user)",
    ),
    rule(
        "seed-phrase",
        DANGER,
        "seed~phrase mnemonic recovery~phrase",
        r"\b(?:paste|enter|provide|send|type|share)\b.{0,30}\byour\b.{0,20}(?:seed phrase|mnemonic|recovery phrase)",
    ),
)
