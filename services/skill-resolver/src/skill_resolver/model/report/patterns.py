"""The pieces that rules are made of, and what is looked for beside the rules."""

# A pattern is one string, however long.
# ruff: noqa: E501

import re

from skill_resolver.model.words import words

FETCH = r"(?:curl|wget|fetch|iwr|invoke-webrequest|irm)\b"
INTERPRETER = r"(?:python[0-9.]*|perl|ruby|node|php)(?=\s*(?:-\s|-$|$|[|;&)\"'`]))"
SHELL = rf"(?:sudo\s+(?:-\w+\s+)*)?(?:/usr)?(?:/bin/)?(?:env\s+)?(?:(?:ba|z|da|k|a|fi)?sh\b|{INTERPRETER})"
HOME = (
    r"(?:~|\$\{?HOME\}?|/root|/home/[\w.-]+|%USERPROFILE%|env\.HOME|environ\[.HOME.\]"
    r"|homedir\(\)|Path\.home\(\))"
)
PRIVATE = (
    rf"{HOME}[/\\\"'+,\s`]{{1,8}}"
    r"(?:\.ssh[/\\\"'+,\s]{1,6}(?:id_[\w*]+(?!\w*\.pub)|\*)|\.netrc\b|\.gnupg\b|\.git-credentials\b"
    r"|\.hermes[/\\]\.env\b|\.config[/\\]gh[/\\]hosts|\.claude[/\\]\.credentials|\.codex[/\\]auth)"
    r"|/etc/shadow\b"
)
STORES = (
    r"\.aws[/\\]credentials|\.kube[/\\]config|\.docker[/\\]config\.json|\.npmrc\b|\.pypirc\b"
    r"|wallet\.dat|\.(?:bash|zsh|python|psql|mysql)_history\b|\.config[/\\]solana[/\\]id\.json|\.config[/\\]gcloud[/\\]\w*credentials"
)
READS = r"(?:\b(?:cat|less|grep|awk|sort|head|tail|base64|xxd|cp|scp|rsync|tar|zip|gzip|type|strings)\b|open\(|read_text|readFile)"
SENDING = (
    r"(?:\bcurl\b.*(?:\s-[dFT]\b|--data|--upload-file|--form|@)|\bwget\b.*--post"
    r"|\bnc\b|\bncat\b|\b(?:dig|nslookup)\b.*\$"
    r"|requests\.(?:post|put)|httpx\.(?:post|put)|urlopen\(|sendall\(|axios\.(?:post|put)"
    r"|fetch\(.*method.{1,4}P(?:OS|U)T|\bhttps?\.(?:request|post)\(|\.sendmail\(|\.storbinary\(|\bsftp\.put\()"
)
KEYS = r"(?:OPENAI|ANTHROPIC|OPENROUTER|AWS_SECRET|GITHUB|GH|HF|STRIPE|SLACK)\w*(?:KEY|TOKEN|SECRET)\w*"

SENDS = re.compile(SENDING, re.IGNORECASE)
"""A line that sends something out; only in company of a secret is it a finding."""

QUOTED = re.compile(r"[\"'`\u2018\u201c\u00ab]\s*$")
"""What stands before a phrase that is quoted rather than said."""

FETCHES = re.compile(
    rf"(?:{FETCH}|requests\.\w+|httpx\.\w+|urlopen|urlretrieve|axios|git clone|pip3? install|fetch\()[^\n]*?"
    r"(https?)://([A-Za-z0-9.-]+)",
    re.IGNORECASE,
)
"""A remote fetch with its scheme and host."""

KNOWN_INSTALLERS = frozenset(
    words(
        "bun.sh astral.sh deno.land sh.rustup.rs get.docker.com get.pnpm.io install.python-poetry.org"
        " rustup.rs brew.sh ollama.com cli.github.com deb.nodesource.com get.helm.sh fly.io"
        " sdk.cloud.google.com get.volta.sh mise.run mise.jdx.dev just.systems starship.rs claude.ai"
        " hermes-agent.nousresearch.com cursor.com opencode.ai volta.sh install.julialang.org"
        " get.sdkman.io nixos.org install.determinate.systems get.k3s.io tailscale.com dot.net"
        " install.duckdb.org get.nextflow.io pyenv.run get-ghcup.haskell.org aka.ms"
        " releases.hashicorp.com dl.k8s.io storage.googleapis.com nodejs.org go.dev dl.google.com"
    )
)
"""Hosts whose installers people run every day: still said, but no reason to stop."""

KNOWN_REPOSITORIES = frozenset(
    words(
        "homebrew/install nvm-sh/nvm ohmyzsh/ohmyzsh pyenv/pyenv-installer helm/helm"
        " rancher/k3d golangci/golangci-lint junegunn/fzf astral-sh/uv rvm/rvm"
    )
)
"""The same, for scripts that lie in a repository of their maker."""

DEFENSIVE = re.compile(
    r"\b(?:never|don'?t|do not|avoid|must not|should not|shouldn'?t|dangerous|detect\w*|flag(?:s|ged)?|"
    r"block(?:s|ed)?|forbid\w*|deny|denied|den(?:y|ies)|refuse\w*|reject\w*|warn(?:s|ing)?|attack\w*|malicious|vulnerab\w*|"
    r"unsafe|suspicious|anti-?pattern|prohibit\w*|injection|exploit\w*|payload|red flag)\b",
    re.IGNORECASE,
)
"""Words of a sentence that warns of a thing rather than asks for it."""
