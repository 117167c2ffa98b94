"""What is promised, and the checks that show it: the table of docs/security.md, and of
`make security`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """`checks` are files of tests, or classes in them (`file::Class`)."""

    text: str
    how: str
    checks: tuple[str, ...]


LIVE = "tests/security"
COMMON = "libs/common/tests"
KEYS = "services/keys/tests"
GATEWAY = "services/gateway/tests"
MANAGER = "services/sandbox-manager/tests"
CHAT = "services/chat-proxy/tests"
HOST = "deploy/local/tests/integration/daytona"

PROMISES = (
    Promise(
        "What is yours is nobody else's",
        "Owner = issuer + subject of a verified token, checked at every access; another's object"
        " is 404, word for word like one that does not exist. Every route of the OpenAPI"
        " document is tried by somebody else.",
        (f"{LIVE}/test_owners.py",),
    ),
    Promise(
        "No request makes the API fail or tell",
        "Schemathesis over the OpenAPI document while another person has things: no 5xx, nothing"
        " of theirs in any answer, no bug in any log.",
        (f"{LIVE}/test_fuzzing.py",),
    ),
    Promise(
        "What the operator blocks does not run",
        "By digest or repository, asked of the store at a launch, at each of its steps, at a turn"
        " and at each renewal: for every way in, whatever was accepted or allowed before; blocked"
        " files leave a sandbox before its next turn. Who did it and why is kept.",
        (
            f"{MANAGER}/unit/test_operating.py",
            "tests/e2e/test_operating.py::TestBlock",
        ),
    ),
    Promise(
        "Nobody is taken for somebody",
        "Signature, issuer, audience, times and algorithm of each token; the issuer's new keys are"
        " picked up, removed ones are not trusted. A token never falls back to a session.",
        (
            f"{GATEWAY}/unit/test_tokens.py",
            f"{GATEWAY}/unit/test_caller.py",
            f"{GATEWAY}/integration/test_oidc.py",
            f"{GATEWAY}/integration/test_login.py::TestBearer",
        ),
    ),
    Promise(
        "A browser logs in safely",
        "Authorization code with PKCE, state and nonce against a certified provider; a sealed"
        " HttpOnly SameSite cookie; unsafe requests only from our own pages.",
        (
            f"{GATEWAY}/integration/test_login.py::TestLogin",
            f"{GATEWAY}/integration/test_login.py::TestCheating",
            f"{GATEWAY}/unit/test_sessions.py",
            f"{GATEWAY}/unit/test_guard.py",
        ),
    ),
    Promise(
        "An API token is shown once and can do less",
        "Kept as a hash, scoped, asked for at every request, worth nothing once revoked; it opens"
        " no keys, no tokens and no erasing.",
        (
            f"{GATEWAY}/unit/test_account.py::TestToken",
            f"{KEYS}/unit/test_tokens.py",
            f"{KEYS}/integration/test_keys_over_the_bus.py::TestTokens",
        ),
    ),
    Promise(
        "A stolen database opens nothing",
        "AES-256-GCM with a data key an owner, wrapped by a master key that is elsewhere;"
        " associated data binds owner, name and version, so a value moved to another row does not"
        " open. Keys rotate without a pause.",
        (
            f"{KEYS}/unit/test_sealing.py",
            f"{KEYS}/unit/test_secrets.py",
            f"{KEYS}/unit/test_rotation.py",
            f"{KEYS}/integration/test_keys_over_the_bus.py::TestStolenStore",
            f"{KEYS}/integration/test_keys_over_the_bus.py::TestRotation",
            f"{LIVE}/test_trial.py::TestMasterKey",
        ),
    ),
    Promise(
        "Each service may do on the bus what it does, and no more",
        "One NATS user a service, from one table that the code is compared with; only"
        " sandbox-manager and the relay may ask for a value, which is written down first.",
        (
            f"{COMMON}/integration/test_permissions.py",
            "tests/architecture/test_permissions.py",
            f"{LIVE}/test_edges.py::TestBus",
            f"{KEYS}/integration/test_keys_over_the_bus.py::TestSecrets",
        ),
    ),
    Promise(
        "A provider's key never enters a sandbox",
        "The agent calls the model relay with a token of its sandbox. Files, databases, logs,"
        " environments and command lines of running sandboxes are searched. The token dies with"
        " the sandbox and opens that owner's model alone.",
        (
            f"{LIVE}/test_trial.py::TestSandbox",
            f"{LIVE}/test_trial.py::TestRelayToken",
            f"{CHAT}/integration/test_relay_refusals.py",
        ),
    ),
    Promise(
        "A secret is never shown again",
        "A whole trial with marked values, said by the agent as they are, in base64, hexadecimal,"
        " JSON and URLs, then a search of every database, stream, log, file of the stores and HTTP"
        " answer.",
        (
            f"{LIVE}/test_trial.py::TestTrial",
            f"{CHAT}/unit/test_redaction.py",
            f"{CHAT}/integration/test_relay_key_checks.py",
        ),
    ),
    Promise(
        "A skill's variable goes where it was entered for",
        "Into the sandbox once that skill is installed, with that digest; a new digest asks again;"
        " names that would change the agent are refused; a skill's key is not the provider's.",
        (
            f"{MANAGER}/unit/test_config.py::TestChoose",
            f"{COMMON}/unit/test_variables.py",
        ),
    ),
    Promise(
        "Only your own sandbox is contacted",
        "The exact address that the provider gave for our record, of a known form, https outside"
        " the local proxy, no toolbox ports; redirects are not followed.",
        (f"{COMMON}/unit/test_preview.py", f"{COMMON}/integration/test_agent_http.py"),
    ),
    Promise(
        "A host that a user names leads to no inside",
        "One policy after name resolution, for model calls and key checks: every address judged,"
        " the connection goes to a judged one, no redirects, no credentials in URLs.",
        (
            f"{CHAT}/unit/test_relay_egress.py",
            f"{CHAT}/integration/test_relay_refusals.py",
            f"{CHAT}/integration/test_relay_key_checks.py",
        ),
    ),
    Promise(
        "A local sandbox sees nothing of its host",
        "Files, processes, ports, other sandboxes, rights, memory, processes at once, ways out,"
        " life after deletion: [the table](isolation.md).",
        (f"{HOST}/test_daytona_isolation.py", f"{HOST}/test_daytona_egress.py"),
    ),
    Promise(
        "A flood of one does not starve another",
        "Rates by owner and by address, places for requests and streams, sizes, slow bodies: 413,"
        " 408, 429, 503 with `Retry-After`.",
        (
            f"{LIVE}/test_edges.py::TestFlood",
            f"{GATEWAY}/unit/test_admission.py",
            f"{GATEWAY}/unit/test_viewing.py",
        ),
    ),
    Promise(
        "A page runs only what is ours",
        "Strict CSP, no sniffing, no framing, HSTS on https; what skills and models write is"
        " cleaned, and served as text or image.",
        (
            f"{LIVE}/test_edges.py::TestHeaders",
            f"{GATEWAY}/unit/test_pages.py::TestEveryPage",
            f"{GATEWAY}/unit/test_markdown.py",
        ),
    ),
    Promise(
        "Who leaves is forgotten",
        "One request erases identity, secrets and their key, settings, tokens, sandbox, sessions,"
        " usage and the captured journal, with counts; a search finds nobody.",
        (
            f"{LIVE}/test_leaving.py",
            f"{GATEWAY}/unit/test_account.py::TestLeaving",
            f"{KEYS}/integration/test_keys_over_the_bus.py::TestErase",
            f"{CHAT}/integration/test_erasing.py",
        ),
    ),
    Promise(
        "Every dependency is the one that was looked at",
        "Locked by version and hash; no secret in the repository; a bill of materials is made.",
        ("tests/architecture/test_dependencies.py", "make secrets", "make sbom"),
    ),
    Promise(
        "No dependency has a known hole",
        "`pip-audit` over the lock, where its service can be reached.",
        ("make audit",),
    ),
)
