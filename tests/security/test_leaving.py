"""Somebody leaves for good: what they had is counted, and a search finds nobody."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from local_platform.visitor import Visitor
from security_kit.scanning import Stores, search, search_bytes

WORDS = "words-of-the-one-who-left"


@pytest.fixture(scope="module")
def left(new_visitor: Callable[[], Visitor]) -> dict[str, Any]:
    """Who left, with the answer they got."""
    user = new_visitor()
    user.http.put("/api/keys/OPENAI_API_KEY", json={"value": "sk-of-the-one-who-left"})
    user.http.put("/api/settings", json={"provider": "demo", "model": "demo"}).raise_for_status()
    user.post("/api/tokens", name="mine")
    launch = user.launched("examples/skills/hello")
    session = user.post("/api/sessions", launch_id=launch["id"])
    path = f"/api/sessions/{session['id']}"
    user.post(f"{path}/turns", text=f"[[say:{WORDS}]]")
    list(user.entries(f"{path}/events", until="turn.ended"))
    me, sandbox = user.get("/api/me"), user.get("/api/sandbox")
    answer = user.http.delete("/api/me", timeout=60).raise_for_status().json()
    return {
        **answer,
        "subject": me["subject"],
        "sandbox": sandbox["sandbox_id"],
        "session": session["id"],
        "launch": launch["id"],
        "again": user.get("/api/me")["owner_id"],
    }


class TestLeaving:
    def test_each_store_says_what_it_had(self, left: dict[str, Any]) -> None:
        counts = left["counts"]

        assert left["pending"] == []
        assert counts["keys.owners"] == counts["keys.data_keys"] == 1
        assert counts["keys.secrets"] == counts["keys.settings"] == counts["keys.api_tokens"] == 1
        assert counts["sandbox-manager.sandboxes"] == counts["sandbox-manager.launches"] == 1
        assert counts["chat-proxy.chat_sessions"] == counts["chat-proxy.turns"] == 1
        assert counts["chat-proxy.usage"] >= 1

    def test_whoever_comes_again_is_somebody_new(self, left: dict[str, Any]) -> None:
        assert left["again"] != left["owner_id"]

    def test_a_search_finds_neither_the_person_nor_what_they_said(
        self, left: dict[str, Any], stores: Stores
    ) -> None:
        texts = {"their words": WORDS, "their key": "sk-of-the-one-who-left"}
        ids = {"the owner": left["owner_id"], "the session": left["session"]}
        # Events tell the id of an owner, which is nobody's name, for seven days.
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            # keys itself purges some time later; until then the record names nobody.
            found = search(
                [
                    (name, text)
                    for name, text in stores.documents()
                    if not name.startswith("tryskills_keys.") and not name.endswith(".events")
                ],
                {**texts, **ids},
            )
            messages = [m for m in stores.messages() if not m[0].startswith("evt.")]
            found += search(messages, {**texts, **ids})
            if not found:
                break
            time.sleep(1)

        assert found == []
        assert search(stores.documents(), texts) == []

    def test_keys_no_longer_knows_who_that_was(self, left: dict[str, Any], stores: Stores) -> None:
        records = [text for name, text in stores.documents() if name == "tryskills_keys.owners"]
        theirs = [text for text in records if left["owner_id"] in text]

        assert not [text for text in theirs if left["subject"] in text]

    def test_the_sandbox_is_gone_with_its_disk(self, left: dict[str, Any], stores: Stores) -> None:
        names = [name for name, _ in stores.sandbox_files()]

        assert not [name for name in names if left["sandbox"] in name]
        assert search_bytes(stores.sandbox_files(), {"their words": WORDS}) == []
