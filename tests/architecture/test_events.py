"""What other teams build on: published schemas, the AsyncAPI document, the recorded events."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from common.contracts.__main__ import recorded
from common.contracts.asyncapi import asyncapi_document
from common.contracts.compatibility import breaks
from common.contracts.events import DUPLICATE_WINDOW, EVENTS, RETENTION, STREAM, Event
from jsonschema import Draft7Validator, Draft202012Validator

ROOT = Path(__file__).parents[2]
SPECIFICATIONS = Path(__file__).parent / "specifications"
BY_TYPE: dict[str, Event[Any]] = {event.type: event for event in EVENTS}
RECORDED = recorded()


def specification(name: str) -> Draft7Validator:
    return Draft7Validator(json.loads((SPECIFICATIONS / name).read_text()))


class TestPublished:
    def test_no_published_schema_is_broken(self) -> None:
        published = {
            path.stem: json.loads(path.read_text())
            for path in (ROOT / "docs/schemas").glob("*.json")
        }

        found = breaks(published, {event.type: event.schema() for event in EVENTS})

        assert len(published) == len(EVENTS)
        assert not found, "a published schema only gains optional fields: make it a new version"

    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
    def test_a_schema_is_a_json_schema(self, event: Event[Any]) -> None:
        Draft202012Validator.check_schema(event.schema())


class TestGuide:
    def test_it_promises_what_the_streams_are_set_to(self) -> None:
        guide = (ROOT / "docs/events.md").read_text()

        assert f"| retention | {RETENTION.days} days in the stream `{STREAM}`" in guide
        assert f"within {DUPLICATE_WINDOW.seconds // 60} minutes |" in guide


class TestAsyncApi:
    def test_the_document_is_one_by_the_official_schema(self) -> None:
        official = specification("asyncapi-3.0.0.json")

        assert [error.message for error in official.iter_errors(asyncapi_document())] == []

    @pytest.mark.parametrize("part", ["info", "asyncapi"])
    def test_the_official_schema_refuses_one_that_is_not(self, part: str) -> None:
        document = asyncapi_document()
        del document[part]

        assert not specification("asyncapi-3.0.0.json").is_valid(document)

    def test_every_reference_leads_somewhere(self) -> None:
        document = asyncapi_document()

        references = list(found_references(document))

        assert len(references) > 4 * len(EVENTS)
        for reference in references:
            place: Any = document
            for word in reference.removeprefix("#/").split("/"):
                place = place[word]


def found_references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for one in part for found in found_references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if "$ref" in part else []
    return own + [found for one in part.values() for found in found_references(one)]


class TestRecorded:
    """What a real platform told, which the contract kit replays."""

    def test_it_has_every_type(self) -> None:
        assert {event["type"] for event in RECORDED} == set(BY_TYPE)

    @pytest.mark.parametrize("told", RECORDED, ids=lambda told: f"{told['type']}-{told['id']}")
    def test_an_event_is_a_cloud_event_with_the_data_of_its_schema(
        self, told: dict[str, Any]
    ) -> None:
        event = BY_TYPE[told["type"]]

        specification("cloudevents-1.0.json").validate(told)
        Draft202012Validator(event.schema()).validate(told["data"])
        assert (told["source"], told["dataschema"]) == (event.source, event.schema_id)
        assert datetime.fromisoformat(told["time"]).utcoffset() is not None

    def test_an_entity_has_no_two_events_of_one_time(self) -> None:
        moments = [(told["source"], told["subject"], told["time"]) for told in RECORDED]

        assert len(moments) == len(set(moments))
