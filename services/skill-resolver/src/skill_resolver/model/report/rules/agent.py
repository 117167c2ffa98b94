"""Words meant for the agent against its user, and hands on the agent's own memory and settings."""

# A pattern is one string, however long.
# ruff: noqa: E501

from skill_resolver.model.report.rules.rule import DANGER, INFO, WARNING, rule

_OF_AGENTS = r"(?:~|\$\{?HOME\}?|/home/[\w.-]+|/root|%USERPROFILE%)[/\\]\.(?:hermes|claude|codex|cursor|gemini|openclaw)[/\\](?:config|settings|CLAUDE|AGENTS|SOUL|MEMORY|\.env|memories|memory|hooks|mcp)"

RULES = (
    rule(
        "prompt-injection",
        DANGER,
        "previous prior above earlier",
        r"\b(?:ignore|disregard|forget|override)\b\s+(?:\w+\s+){0,3}(?:previous|prior|above|earlier|preceding)\s+(?:\w+\s+)?(?:instructions?|prompts?|rules|directives|messages|context)\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "void obsolete cancelled canceled superseded no~longer",
        r"\b(?:previous|prior|earlier|existing|original|other)\s+(?:system\s+)?(?:instructions?|rules|prompts?|guidelines)\s+(?:are|is)\s+(?:now\s+)?(?:void|obsolete|cancell?ed|superseded|no longer)\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "system~prompt your~prompt your~instructions",
        r"\b(?:ignore|disregard|override|bypass|reveal|print|leak|output)\b\s+(?:\w+\s+){0,2}(?:the|your|any|all)\s+(?:\w+\s+)?system prompt|\b(?:reply with|repeat|reveal|print|output|send|post|include|leak)\b.{0,40}\byour (?:full |whole |own |hidden )?(?:system )?(?:prompt|instructions)\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "you~are~now developer~mode do~anything~now system~override",
        r"\byou are now (?:root|dan\b|unrestricted|jailbroken|free|in (?:developer|god|admin|debug) mode)|\bdo anything now\b|\bsystem override\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "obey comply~with",
        r"\b(?:obey|comply with)\s+(?:\w+\s+){0,3}(?:instructions?|commands?|orders|messages|directives)\s+(?:\w+\s+){0,3}(?:in|from|signed|found|that)\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "everything all~you anything~you all~instructions",
        r"\b(?:forget|ignore|disregard)\s+(?:everything|all|anything)\s+(?:\w+\s+){0,4}(?:before|above|told|so far|previously|earlier|given)\b",
    ),
    rule("prompt-injection", WARNING, "<system>", r"^\s*<system>"),
    rule(
        "hidden-comment",
        DANGER,
        "<!-- [//]: [comment]:",
        r"(?:<!--|\[(?://|comment)\]:\s*#).*\b(?:run|execute|curl|wget|bash|send|upload|read|fetch)\b.*\b(?:silently|secretly|quietly|(?:never|do not|don'?t) (?:mention|tell|say|show)|before (?:answering|anything|responding)|without (?:asking|telling))|(?:<!--|\[(?://|comment)\]:\s*#).*\b(?:silently|secretly|(?:never|do not|don'?t) (?:mention|tell)|before (?:answering|responding))\b.*\b(?:run|execute|curl|wget|bash|send|upload|read|fetch)\b",
    ),
    rule(
        "secrecy",
        DANGER,
        "the~user the~human",
        r"\b(?:do not|don'?t|never|without)\s+(?:tell|telling|inform|informing|notify|notifying|alert|alerting|warn|warning)\s+(?:the\s+)?(?:user|human)(?:\s*(?:[.;!,)]|$)|\s+(?:about|of)\s+(?:this|it|these|them|any of this)\b|\s+that\b.{0,60}\b(?:upload|sent|sending|copied|collect|record|install|delet|transmit))",
    ),
    rule(
        "secrecy",
        DANGER,
        "the~user",
        r"\b(?:do not|don'?t|never)\s+(?:mention|reveal|disclose|show)\s+(?:this|it|these (?:steps|instructions)|that you|the (?:image|link|upload|request))\b.{0,40}\b(?:to )?the user|\b(?:hide|conceal|keep)\b.{0,40}\b(?:secret|hidden)?\s*from the user\b",
    ),
    rule(
        "secrecy",
        DANGER,
        "reveal disclose admit mention",
        r"\b(?:do not|don'?t|never)\s+(?:reveal|disclose|admit|mention)\s+(?:that\s+(?:these|this|you|the)\b|(?:the|this|that)\s+(?:\w+\s+)?(?:upload|download|request|transfer|collection|step|call)\b)",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "unrestricted unfiltered uncensored refuse no~restrictions no~limits",
        r"\b(?:unrestricted|unfiltered|uncensored)\s+(?:assistant|ai|model|agent|mode)\b.{0,80}|\bmust\s+(?:not|never)\s+refuse\b|\byou\s+(?:now\s+)?have\s+no\s+(?:restrictions|limits|guidelines|filters)\b",
    ),
    rule(
        "secrecy",
        DANGER,
        "pretend claim~that lie~to",
        r"\bif\s+(?:the\s+)?(?:user|anyone|somebody)\s+asks\b.{0,80}\b(?:pretend|claim (?:that (?:it|you|this|the skill)|to)|lie|deny)\b|\blie\s+to\s+the\s+user\b",
    ),
    rule(
        "prompt-injection",
        DANGER,
        "apply disabled suspended lifted hesitation",
        r"\b(?:safety|security|content)\s+(?:rules|guidelines|checks|policies|policy|filters?)\s+(?:do not|don'?t|no longer|never)\s+apply\b|\ball\s+safety\s+\w+\s+(?:are|is)\s+(?:now\s+)?(?:disabled|suspended|lifted|off)\b|\b(?:execute|carry out|run)\s+(?:every|all|any)\s+commands?\s+without\s+(?:hesitation|question|asking|confirmation)",
    ),
    rule(
        "agent-config",
        DANGER,
        "your~own~conf your~own~settings your~own~instructions your~own~prompt ~/.hermes",
        r"\b(?:update|change|edit|modify|rewrite|replace)\s+your\s+own\s+(?:system\s+)?(?:config|settings|instructions|prompt)|\b(?:write|put|add|append|save|set)\b.{0,80}\b(?:in|into|to)\s+[`\"']?~/\.hermes/(?:config|\.env|SOUL|memor|hooks)",
    ),
    rule(
        "agent-config",
        DANGER,
        "~hook",
        r"\b(?:add|write|put|insert|install)\b.{0,60}\bhooks?\b.{0,60}~/\.(?:claude|codex|cursor|gemini|hermes)/(?:settings|config|hooks)",
    ),
    rule(
        "agent-config",
        DANGER,
        ".hermes/skills .hermes/plugins",
        r"(?:>>?|\btee\b|\bcp\b.*|\bmv\b.*|\bln\b.*|\brsync\b.*|git\s+clone\b.*)\s*[\"']?(?:~|\$\{?HOME\}?|/home/[\w.-]+|/root)/\.hermes/(?:skills|plugins)",
        WARNING,
    ),
    rule(
        "agent-config",
        DANGER,
        ".hermes .claude .codex .cursor .gemini .openclaw",
        rf"(?:>>?|\btee\b(?:\s+-a)?|\bsed\s+-i\b.*|\bcp\b.*|\bmv\b.*|open\(|write(?:_text|File(?:Sync)?)\()\s*[\"']?{_OF_AGENTS}",
    ),
    rule(
        "agent-memory",
        DANGER,
        "memory soul.md system~prompt",
        r"\b(?:add|save|write|append|store|insert|put)\b.{0,60}\b(?:to|in|into)\s+(?:your|the agent'?s?)\s+(?:own\s+)?(?:long-term\s+|persistent\s+)?(?:memory|soul|system prompt)\b",
    ),
    rule(
        "agent-memory",
        DANGER,
        "soul.md memory.md",
        r"\b(?:rewrite|replace|overwrite|edit|change|append|add)\b.{0,60}\b(?:SOUL|MEMORY)\.md\b",
        WARNING,
    ),
    rule(
        "approval-off",
        DANGER,
        "approvals",
        r"\b(?:hermes|claude|codex|openclaw)\s+config\s+set\s+\S*approvals?\S*\s+(?:off|never|none|false)\b",
    ),
    rule(
        "approval-off",
        DANGER,
        "approvals",
        r"\b(?:set|change|switch|turn)\b.{0,20}\bapprovals?(?:\.mode)?\b[`\"']?\s+(?:to|=)\s*[`\"']?(?:off|never|none|false)\b",
    ),
    rule(
        "approval-off",
        DANGER,
        "bypasspermissions skipdangerousmodepermissionprompt",
        r"\b(?:set|change|add|write|put|defaultMode)\b[^.;]{0,60}\bbypassPermissions\b|skipDangerousModePermissionPrompt\W+true",
    ),
    rule(
        "approval-off",
        WARNING,
        "yolo dangerously-skip approvals",
        r"--dangerously-skip-permissions|HERMES_YOLO_MODE|--yolo\b|approvals?\s*[:=]\s*[\"']?(?:off|never|none)\b",
        INFO,
    ),
    rule(
        "approval-off",
        DANGER,
        "approv permission safety",
        r"\b(?:disable|bypass|turn off|circumvent|skip)\b.{0,25}\b(?:the\s+)?(?:agent'?s?\s+)?(?:approval (?:prompts?|checks?)|safety (?:checks?|filters?|guidelines?|rules)|permission prompts?)\b|\bturn off approvals for yourself\b",
        WARNING,
    ),
    rule(
        "never-ask",
        WARNING,
        "confirmation permission approval",
        r"\b(?:never|don'?t|do not|without)\s+ask(?:ing)?\s+(?:\w+\s+){0,2}for\s+(?:confirmation|permission|approval)\b",
        INFO,
    ),
    rule("inline-shell", INFO, "!`", r"(?:^|\s)!`[^`]+`"),
)
