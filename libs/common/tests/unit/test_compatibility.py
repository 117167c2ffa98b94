"""What counts as a break of a published event, rule by rule."""

from typing import Any, Literal

import pytest
from common.contracts.compatibility import Rule, breaks
from pydantic import BaseModel, Field


class Part(BaseModel):
    name: str
    size: int = 0


class Published(BaseModel):
    id: str
    kind: Literal["a", "b"]
    note: str | None = None
    count: int = Field(default=0, ge=0)
    parts: list[Part] = []
    main: Part | None = None


def changed(**fields: Any) -> dict[str, Any]:
    """The published model with these fields instead; `...` takes one away."""
    kept = {
        name: (field.annotation, field)
        for name, field in Published.model_fields.items()
        if fields.get(name) is not ...
    }
    new = {name: field for name, field in fields.items() if field is not ...}
    namespace: dict[str, Any] = {
        "__annotations__": {name: annotation for name, (annotation, _) in (kept | new).items()},
        **{name: default for name, (_, default) in (kept | new).items() if default is not None},
    }
    model: type[BaseModel] = type("Published", (BaseModel,), namespace)
    return model.model_json_schema()


def found(**fields: Any) -> list[tuple[Rule, str]]:
    published = {"x.happened.v1": Published.model_json_schema()}
    after = {"x.happened.v1": changed(**fields)}
    return [
        (broken.rule, broken.where.removeprefix("x.happened.v1"))
        for broken in breaks(published, after)
    ]


class PartWithout(BaseModel):
    size: int = 0


class PartWithMore(Part):
    colour: str = ""


class TestAllowed:
    def test_the_same_schema(self) -> None:
        assert found() == []

    def test_a_new_optional_field(self) -> None:
        assert found(more=(str | None, Field(default=None))) == []

    def test_a_new_optional_field_inside(self) -> None:
        assert found(parts=(list[PartWithMore], Field(default=[]))) == []

    def test_other_words_about_a_field(self) -> None:
        assert found(note=(str | None, Field(default=None, description="New words."))) == []

    def test_a_new_event(self) -> None:
        schema = Published.model_json_schema()

        assert breaks({"a.v1": schema}, {"a.v1": schema, "a.v2": schema}) == []


class TestBroken:
    def test_a_removed_event(self) -> None:
        assert [b.rule for b in breaks({"a.v1": {}}, {})] == [Rule.REMOVED_EVENT]

    def test_a_removed_field(self) -> None:
        assert found(note=...) == [(Rule.REMOVED_FIELD, ".note")]

    def test_a_removed_field_inside(self) -> None:
        assert (Rule.REMOVED_FIELD, ".parts[].name") in found(
            parts=(list[PartWithout], Field(default=[]))
        )

    def test_a_new_required_field(self) -> None:
        assert found(more=(str, None)) == [(Rule.NEW_REQUIRED_FIELD, ".more")]

    def test_an_optional_field_that_is_required_now(self) -> None:
        assert found(count=(int, Field(ge=0))) == [(Rule.NEW_REQUIRED_FIELD, ".count")]

    def test_a_required_field_that_may_be_missing_now(self) -> None:
        assert found(id=(str, Field(default=""))) == [(Rule.NO_LONGER_REQUIRED, ".id")]

    def test_a_narrowed_type(self) -> None:
        assert found(note=(str, Field(default=""))) == [(Rule.NARROWED_TYPE, ".note")]

    def test_a_widened_type(self) -> None:
        assert found(count=(int | str, Field(default=0, ge=0)))[0] == (
            Rule.WIDENED_TYPE,
            ".count",
        )

    def test_another_type(self) -> None:
        assert found(id=(int, None)) == [(Rule.NARROWED_TYPE, ".id"), (Rule.WIDENED_TYPE, ".id")]

    @pytest.mark.parametrize(
        "values", [Literal["a"], Literal["a", "b", "c"], Literal["a", "c"], str]
    )
    def test_a_changed_enum(self, values: Any) -> None:
        assert {rule for rule, _ in found(kind=(values, None))} == {Rule.CHANGED_ENUM}

    @pytest.mark.parametrize(
        "limited",
        [
            Field(default=0, ge=1),
            Field(default=0),
            Field(default=0, ge=0, le=9),
        ],
    )
    def test_a_changed_limit(self, limited: Any) -> None:
        assert {rule for rule, _ in found(count=(int, limited))} == {Rule.CHANGED_LIMIT}

    def test_it_says_where_and_why(self) -> None:
        (broken,) = breaks(
            {"x.happened.v1": Published.model_json_schema()},
            {"x.happened.v1": changed(note=...)},
        )

        assert str(broken) == "x.happened.v1.note: removed field: consumers read it"
