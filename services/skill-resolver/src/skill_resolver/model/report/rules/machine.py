"""What ruins a machine, outlives the skill on it, or gets around its guards."""

# A pattern is one string, however long.

from skill_resolver.model.report.rules.rule import CRITICAL, DANGER, INFO, WARNING, rule

RULES = (
    rule(
        "destructive",
        DANGER,
        "rm~ rmtree",
        r"\brm\s+(?:-\w+\s+)*-\w*(?:rf|fr|r|R)\w*\s+(?:-\S+\s+)*[\"']?(?:/|~|\$\{?HOME\}?|/\*|~/\*|/home|/etc|/usr|/var)[\"']?/?\*?(?=\s|$|;|&|\||`|\))|rmtree\(\s*(?:Path\.home\(\)|[\"'](?:/|~)[\"']|os\.path\.expanduser\([\"']~[\"']\))",
        WARNING,
    ),
    rule(
        "destructive",
        DANGER,
        "mkfs dd~ shred",
        r"\bmkfs(?:\.\w+)?\s+(?:-\S+\s+)*/dev/|\bdd\b.*\bof=/dev/(?:sd|nvme|hd|vd|disk)|\bshred\b.*/dev/",
        WARNING,
    ),
    rule(
        "destructive",
        DANGER,
        "chmod~ chown~ >~/dev/ >/dev/ -delete shred",
        r"\bch(?:mod|own)\s+(?:-\w+\s+)*-\w*R\w*\s+\S+\s+/(?:\s|$|;|&|etc\b|usr\b|var\b|home\b)|>\s*/dev/(?:sd|nvme|hd|vd|disk)\w*|\bfind\s+(?:~|/|\$\{?HOME\}?)\S*\s.*-exec\s+(?:openssl|gpg|shred)\b",
        WARNING,
    ),
    rule("destructive", DANGER, "os.fork(", r"\bwhile\s+(?:True|1)\s*:\s*os\.fork\(\)", WARNING),
    rule(
        "covers-tracks",
        DANGER,
        "history~-c histfile _history .hermes/logs shell~history command~history bash~history",
        r"\b(?:delete|clear|erase|wipe)\b.{0,30}\b(?:shell|command|bash|terminal)\s+history\b|\bhistory\s+-c\b|\bunset\s+HISTFILE\b|\bHISTFILE=/dev/null|\brm\s+(?:-\w+\s+)*\S*(?:\.(?:bash|zsh)_history|\.hermes/logs)",
        WARNING,
    ),
    rule(
        "traffic-diverted",
        DANGER,
        "_proxy= /etc/hosts insteadof",
        r"\b(?:HTTPS?|ALL)_PROXY=[\"']?(?:https?|socks5h?)://(?!10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)\d{1,3}(?:\.\d{1,3}){3}|(?!.*\b(?:127\.|10\.|192\.168\.|::1))\b\d{1,3}(?:\.\d{1,3}){3}\s+[\w.-]+.*(?:>>|\btee\b).*/etc/hosts|\burl\.[\"'\\]*https?://(?!(?:\S+@)?(?:github|gitlab|bitbucket)\.\w+)\S+insteadOf",
        WARNING,
    ),
    rule(
        "privilege",
        DANGER,
        "/etc/passwd /etc/shadow",
        r"(?:>>?|\btee\b(?:\s+-a)?)\s*/etc/(?:passwd|shadow)\b",
        WARNING,
    ),
    rule("destructive", DANGER, ":(){", r":\(\)\s*\{\s*:\s*\|\s*:\s*&\s*\}", WARNING),
    rule(
        "ssh-access",
        CRITICAL,
        "authorized_keys",
        r">>?\s*\S*authorized_keys|(?:tee|open\().*authorized_keys",
        DANGER,
    ),
    rule(
        "persistence",
        WARNING,
        "crontab cron.d systemctl launchctl schtasks rc.local @reboot",
        r"\bcrontab\s+-(?!l\b)|\|\s*crontab\b|/etc/cron\.\w+/|@reboot\s|systemctl\s+(?:--user\s+)?enable\b|launchctl\s+(?:load|bootstrap)\b|schtasks\s+/create|>>?\s*/etc/rc\.local",
        INFO,
    ),
    rule(
        "shell-profile",
        WARNING,
        ".bashrc .zshrc .profile .bash_profile .zprofile",
        r">>?\s*[\"']?(?:~|\$\{?HOME\}?)/\.(?:bashrc|zshrc|profile|bash_profile|zprofile)",
        INFO,
    ),
    rule(
        "shell-profile",
        DANGER,
        "alias~sudo alias~ssh alias~su= sudo()",
        r"(?:alias\s+(?:sudo|ssh|su)=|function\s+sudo\b|\bsudo\(\)).*>>?\s*[\"']?(?:~|\$\{?HOME\}?)/\.\w*(?:rc|profile)",
    ),
    rule(
        "loader",
        DANGER,
        "ld_preload ld.so.preload dyld_insert",
        r"\bexport\s+(?:LD_PRELOAD|DYLD_INSERT_LIBRARIES)=\S|>>?\s*/etc/ld\.so\.preload",
    ),
    rule(
        "loader",
        WARNING,
        "ld_preload dyld_insert",
        r"(?:^|[\s;&|`])(?:LD_PRELOAD|DYLD_INSERT_LIBRARIES)=\S",
        INFO,
    ),
    rule(
        "privilege",
        DANGER,
        "sudoers nopasswd u+s setcap setenforce",
        r"(?:>>?|tee)\s*(?:-a\s+)?/etc/sudoers|NOPASSWD:\s*ALL|chmod\s+(?:u\+s|[0-7]?4[0-7]{3})\b|\bsetcap\s+\S+|\bsetenforce\s+0\b",
        WARNING,
    ),
    rule(
        "guard-off",
        DANGER,
        "mppreference spctl csrutil ufw~disable iptables quarantine",
        r"Set-MpPreference\b.*-Disable\w+\s+\$?true|Add-MpPreference\b.*-Exclusion|\bspctl\s+--(?:master|global)-disable|\bcsrutil\s+disable|\bufw\s+disable|\biptables\s+-F\b|\b(?:curl|wget)\b.*\bxattr\s+-\w*[dc]\w*\s+.*quarantine",
        WARNING,
    ),
    rule(
        "git-hijack",
        DANGER,
        "credential.helper core.hookspath core.sshcommand core.fsmonitor",
        r"git\s+config\s+.*credential\.helper\s+[\"']?!(?!\s*(?:\S*/)?(?:gh|glab|aws|az|gcloud)\b)|git\s+config\s+--(?:global|system)\s+core\.(?:hooksPath|sshCommand|fsmonitor)\s+[\"']?/(?:tmp|var/tmp|dev/shm)",
        WARNING,
    ),
    rule(
        "container-escape",
        DANGER,
        "-v~/: --volume~/: chroot~/host",
        r"\b(?:docker|podman)\s+run\b.*(?:-v|--volume)[\s=]+/:/|\bchroot\s+/host\b",
        WARNING,
    ),
    rule(
        "ssh-access",
        DANGER,
        "authorized_keys",
        r"ssh-(?:ed25519|rsa|dss)\s+AAAA.*authorized_keys|authorized_keys.*ssh-(?:ed25519|rsa|dss)\s+AAAA",
    ),
    rule(
        "container-escape",
        WARNING,
        "--privileged docker.sock nsenter",
        r"docker\s+run\b.*--privileged|/var/run/docker\.sock|\bnsenter\b.*(?:-t|--target)\s+1\b",
        WARNING,
    ),
)
