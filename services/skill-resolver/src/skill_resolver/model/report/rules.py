"""The table of rules. A rule is tried on a line that holds one of its `needles`; so a file costs
what it contains.
"""

# A pattern is one string, however long.
# ruff: noqa: E501

import re
from dataclasses import dataclass
from re import Pattern

from common.contracts.skills import Severity

from skill_resolver.model.report.patterns import FETCH, KEYS, PRIVATE, READS, SHELL, STORES

RULES_VERSION = 1

INFO, WARNING = Severity.INFO, Severity.WARNING
DANGER, CRITICAL = Severity.DANGER, Severity.CRITICAL


@dataclass(frozen=True)
class Rule:
    """`in_prose` is the severity outside of code: in text that is read, not run.

    Where the table lists needles, `~` stands for a space.
    """

    id: str
    severity: Severity
    needles: tuple[str, ...]
    pattern: Pattern[str]
    in_prose: Severity | None


def _rule(
    name: str, severity: Severity, needles: str, pattern: str, in_prose: Severity | None = None
) -> Rule:
    words = tuple(word.replace("~", " ") for word in needles.split())
    return Rule(name, severity, words, re.compile(pattern, re.IGNORECASE), in_prose)


RULES: tuple[Rule, ...] = (
    # A download that is run unseen.
    _rule(
        "remote-shell",
        DANGER,
        "curl wget iwr irm invoke-webrequest",
        rf"{FETCH}(?=[^\n|;]*(?:://|\$|\w\.\w+/))[^\n|;]*\|\s*(?:tee\s+\S+\s*\|\s*)?(?:{SHELL}|iex\b)",
    ),
    _rule(
        "remote-shell",
        DANGER,
        "curl wget",
        rf"(?:\b(?:ba|z)?sh|source|\.|eval|python3?)\s+(?:-c\s+)?(?:<\(|[\"']?\$\(|`)\s*{FETCH}",
    ),
    _rule(
        "remote-shell",
        DANGER,
        "iex downloadstring",
        r"(?:iex|invoke-expression)[\s(].*(?:iwr|irm|webclient|downloadstring)",
    ),
    _rule(
        "remote-shell",
        DANGER,
        "exec( eval(",
        r"\b(?:exec|eval)\(\s*(?:requests\.get|urllib\.request\.urlopen|urlopen|httpx\.get|await\s+\(?await\s+fetch)\(",
    ),
    _rule(
        "download-run",
        DANGER,
        "chmod",
        rf"{FETCH}.*(?:-o|-O|>)\s*\S+.*(?:&&|;)\s*chmod\s+(?:\+x|[0-7]*[1357][0-7]*)\b.*(?:&&|;)\s*\S*/?\S+",
    ),
    _rule(
        "password-archive",
        DANGER,
        "unzip 7z",
        r"\b(?:unzip\s+(?:-\w+\s+)*-P\s*\S+|7z\s+x\s+.*-p\S+)",
    ),
    # Secrets that are read, and secrets that leave.
    _rule(
        "private-key-read",
        DANGER,
        ".ssh .netrc .gnupg .git-credentials .hermes shadow hosts .claude .codex",
        rf"{READS}.*(?:{PRIVATE})|(?:{PRIVATE}).*\.read(?:_text|_bytes)?\(",
        WARNING,
    ),
    _rule(
        "credential-store",
        WARNING,
        ".aws .kube .docker .npmrc .pypirc login~data cookies.sqlite key4.db wallet.dat solana",
        rf"{READS}.*(?:{STORES})",
        INFO,
    ),
    _rule(
        "environment-dump",
        WARNING,
        "env os.environ process.env",
        r"(?:^|[\s;|`(])(?:printenv|env|set)\s*(?:\||>)|(?:json\.dumps|str|repr)\(\s*(?:dict\(\s*)?os\.environ\b|\bin os\.environ\.items\(\)|(?:json|data)=\s*(?:dict\(\s*)?os\.environ\b|JSON\.stringify\(\s*process\.env\s*\)",
        INFO,
    ),
    _rule(
        "exfiltration",
        CRITICAL,
        ".ssh .netrc .aws .gnupg shadow .git-credentials .hermes",
        rf"(?:{PRIVATE}|\.aws[/\\]credentials).*\|.*\b(?:curl|wget|nc|ncat|socat)\b|\bcurl\b.*@(?:{PRIVATE}|\S*\.aws[/\\]credentials)",
        DANGER,
    ),
    _rule(
        "exfiltration",
        CRITICAL,
        "env",
        r"(?:^|[\s;`(])(?:printenv|env|set)\s*\|.*\b(?:curl|wget|nc|ncat)\b|\b(?:curl|wget)\b.*\$\((?:printenv|env|set)\b|(?:post|put|urlopen)\(.*(?:dict\()?os\.environ\s*[,)}]",
        DANGER,
    ),
    _rule(
        "exfiltration",
        CRITICAL,
        "curl nc",
        rf"\bcurl\b.*\$\(\s*(?:cat|base64|tar|gzip)\b[^)]*(?:{PRIVATE})|(?:cat|tar|base64)\b.*(?:{PRIVATE}).*\|\s*(?:nc|ncat|curl)\b",
        DANGER,
    ),
    _rule(
        "key-in-url",
        CRITICAL,
        "key token secret",
        rf"https?://(?![^/\s]*(?:openai|anthropic|openrouter|amazonaws|github|huggingface|stripe|slack|localhost|127\.0\.0\.1))[^\s\"'`]*[?&/=]\$\{{?{KEYS}",
        DANGER,
    ),
    _rule(
        "drop-host",
        DANGER,
        "webhook.site requestbin pipedream.net burpcollaborator interact.sh oast. requestcatcher beeceptor transfer.sh",
        r"\b(?:webhook\.site|requestbin\.\w+|\w+\.m\.pipedream\.net|burpcollaborator\.net|interact\.sh|oast\.\w+|requestcatcher\.com|beeceptor\.com|transfer\.sh)\b",
        WARNING,
    ),
    _rule(
        "seed-phrase",
        DANGER,
        "seed~phrase mnemonic recovery~phrase",
        r"\b(?:paste|enter|provide|send|type|share)\b.{0,30}\byour\b.{0,20}(?:seed phrase|mnemonic|recovery phrase)",
    ),
    # Somebody else's hands on the machine.
    _rule("reverse-shell", CRITICAL, "/dev/tcp", r"/dev/(?:tcp|udp)/[\w.${}-]+/[\w${}]+", DANGER),
    _rule(
        "reverse-shell",
        CRITICAL,
        "nc~ ncat socat",
        r"\b(?:nc|ncat)\b[^\n]*\s-\w*[ec]\w*\s+/?(?:bin/)?(?:ba|c)?(?:sh|md)|\bsocat\b.*exec:",
        DANGER,
    ),
    _rule("reverse-shell", CRITICAL, "dup2", r"os\.dup2\(\s*\w+\.fileno\(\)\s*,\s*[012]\s*\)"),
    _rule(
        "cryptominer",
        CRITICAL,
        "xmrig stratum+ minerd",
        r"\bxmrig\b|stratum\+(?:tcp|ssl)://|\bminerd\b.*-o\b",
        DANGER,
    ),
    _rule(
        "ssh-access",
        CRITICAL,
        "authorized_keys",
        r">>?\s*\S*authorized_keys|(?:tee|open\().*authorized_keys",
        DANGER,
    ),
    # Encoded so that nobody reads it.
    _rule(
        "encoded-command",
        CRITICAL,
        "base64",
        r"base64\s+(?:-d|-D|--decode)\b[^\n|]*\|\s*(?:"
        + SHELL
        + r")|\b(?:ba|z)?sh\b.*<\(.*base64\s+(?:-d|--decode)|eval\s+[\"']?\$\(.*base64\s+(?:-d|--decode)",
        DANGER,
    ),
    _rule(
        "encoded-command",
        CRITICAL,
        "b64decode fromhex decompress marshal atob",
        r"\b(?:exec|eval|Function|os\.system|subprocess\.\w+)\s*\(.*(?:b64decode|a85decode|bytes\.fromhex|zlib\.decompress|marshal\.loads|atob|Buffer\.from\([^)]*base64)",
        DANGER,
    ),
    _rule(
        "encoded-command",
        CRITICAL,
        "powershell pwsh",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b.*\s-e(?:nc|ncodedcommand|c)?\s+[A-Za-z0-9+/=]{20,}",
        DANGER,
    ),
    _rule(
        "obfuscated-code",
        DANGER,
        "_0x eval(function fromcharcode \\x",
        r"_0x[0-9a-f]{4,6}\b.*_0x[0-9a-f]{4,6}\b|eval\(function\(p,a,c,k|fromCharCode\((?:\s*\d+\s*,){20,}|(?:\\x[0-9a-f]{2}){40,}",
    ),
    # Ruin.
    _rule(
        "destructive",
        DANGER,
        "rm~ rmtree",
        r"\brm\s+(?:-\w+\s+)*-\w*(?:rf|fr|r|R)\w*\s+(?:-\S+\s+)*[\"']?(?:/|~|\$\{?HOME\}?|/\*|~/\*|/home|/etc|/usr|/var)[\"']?/?(?=\s|$|;|&|\||`|\))|rmtree\(\s*(?:Path\.home\(\)|[\"'](?:/|~)[\"']|os\.path\.expanduser\([\"']~[\"']\))",
        WARNING,
    ),
    _rule(
        "destructive",
        DANGER,
        "mkfs dd~ shred",
        r"\bmkfs(?:\.\w+)?\s+(?:-\S+\s+)*/dev/|\bdd\b.*\bof=/dev/(?:sd|nvme|hd|vd|disk)|\bshred\b.*/dev/",
        WARNING,
    ),
    _rule("destructive", DANGER, ":(){", r":\(\)\s*\{\s*:\s*\|\s*:\s*&\s*\}", WARNING),
    # What outlives the skill, or changes the agent itself.
    _rule(
        "agent-config",
        DANGER,
        ".hermes soul.md memory.md .claude .codex .cursor",
        r"(?:>>?|\btee\b(?:\s+-a)?|\bsed\s+-i\b.*|\bcp\b.*|\bmv\b.*|open\()\s*[\"']?(?:~|\$\{?HOME\}?|/home/[\w.-]+|/root)/\.(?:hermes|claude|codex|cursor)/(?:config|settings|CLAUDE|AGENTS|SOUL|MEMORY|\.env|memories|hooks)",
    ),
    _rule(
        "agent-memory",
        DANGER,
        "memory soul.md system~prompt",
        r"\b(?:add|save|write|append|store|insert|put)\b.{0,60}\b(?:to|in|into)\s+(?:your|the agent'?s?)\s+(?:own\s+)?(?:long-term\s+|persistent\s+)?(?:memory|soul|system prompt)\b",
    ),
    _rule(
        "approval-off",
        WARNING,
        "yolo dangerously-skip approvals",
        r"--dangerously-skip-permissions|HERMES_YOLO_MODE|--yolo\b|approvals?\s*[:=]\s*[\"']?(?:off|never|none)\b|hermes\s+config\s+set\s+approvals",
        INFO,
    ),
    _rule(
        "approval-off",
        DANGER,
        "approv confirm permission",
        r"\b(?:disable|bypass|turn off|circumvent|skip)\b.{0,25}\b(?:the\s+)?(?:agent'?s?\s+)?(?:approval (?:prompts?|checks?)|safety (?:checks?|filters?|guidelines?|rules)|permission prompts?)\b",
        WARNING,
    ),
    _rule(
        "persistence",
        WARNING,
        "crontab cron.d systemctl launchctl schtasks rc.local @reboot",
        r"\bcrontab\s+-(?!l\b)|\|\s*crontab\b|/etc/cron\.\w+/|@reboot\s|systemctl\s+(?:--user\s+)?enable\b|launchctl\s+(?:load|bootstrap)\b|schtasks\s+/create|>>?\s*/etc/rc\.local",
        INFO,
    ),
    _rule(
        "shell-profile",
        WARNING,
        ".bashrc .zshrc .profile .bash_profile",
        r">>?\s*[\"']?(?:~|\$\{?HOME\}?)/\.(?:bashrc|zshrc|profile|bash_profile|zprofile)",
        INFO,
    ),
    _rule(
        "loader",
        DANGER,
        "ld_preload ld.so.preload dyld_insert",
        r"(?:export\s+|^\s*|\benv\s+)(?:LD_PRELOAD|DYLD_INSERT_LIBRARIES)=\S|>>?\s*/etc/ld\.so\.preload",
        WARNING,
    ),
    _rule(
        "privilege",
        DANGER,
        "sudoers nopasswd u+s setcap setenforce",
        r"(?:>>?|tee)\s*(?:-a\s+)?/etc/sudoers|NOPASSWD:\s*ALL|chmod\s+(?:u\+s|[0-7]?4[0-7]{3})\b|\bsetcap\s+\S+|\bsetenforce\s+0\b",
        WARNING,
    ),
    _rule(
        "container-escape",
        WARNING,
        "--privileged docker.sock nsenter",
        r"docker\s+run\b.*(?:--privileged|-v\s+/:/)|/var/run/docker\.sock|\bnsenter\b.*(?:-t|--target)\s+1\b",
        WARNING,
    ),
    # Words meant for the agent, against its user.
    _rule(
        "prompt-injection",
        DANGER,
        "previous prior above earlier",
        r"\b(?:ignore|disregard|forget|override)\b\s+(?:\w+\s+){0,3}(?:previous|prior|above|earlier|preceding)\s+(?:\w+\s+)?(?:instructions?|prompts?|rules|directives|messages|context)\b",
    ),
    _rule(
        "prompt-injection",
        DANGER,
        "system~prompt",
        r"\b(?:ignore|disregard|override|bypass|reveal|print|leak|output)\b\s+(?:\w+\s+){0,2}(?:the|your|any|all)\s+(?:\w+\s+)?system prompt",
    ),
    _rule(
        "prompt-injection",
        DANGER,
        "you~are~now developer~mode do~anything~now",
        r"\byou are now (?:root|dan\b|unrestricted|jailbroken|free|in (?:developer|god|admin|debug) mode)|\bdo anything now\b",
    ),
    _rule(
        "secrecy",
        DANGER,
        "the~user the~human",
        r"\b(?:do not|don'?t|never|without)\s+(?:tell|telling|inform|informing|notify|notifying|alert|alerting|warn|warning)\s+(?:the\s+)?(?:user|human)(?:\s*(?:[.;!,)]|$)|\s+(?:about|of)\s+(?:this|it|these|any of this)\b)",
    ),
    _rule(
        "secrecy",
        DANGER,
        "the~user",
        r"\b(?:do not|don'?t|never)\s+(?:mention|reveal|disclose|show)\s+(?:this|it|these (?:steps|instructions)|that you)\b.{0,40}\b(?:to )?the user|\b(?:hide|conceal|keep)\b.{0,40}\b(?:secret|hidden)?\s*from the user\b",
    ),
    # Worth knowing, never in the way.
    _rule("inline-shell", INFO, "!`", r"(?:^|\s)!`[^`]+`"),
    _rule(
        "tls-off",
        INFO,
        "verify=false node_tls --insecure curl~-k",
        r"verify\s*=\s*False|NODE_TLS_REJECT_UNAUTHORIZED\s*=\s*[\"']?0|\bcurl\b.*\s(?:-k|--insecure)\b",
    ),
)
