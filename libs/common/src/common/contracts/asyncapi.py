"""The events as an AsyncAPI 3 document, from the contracts."""

from typing import Any

from common.contracts.events import (
    CONTENT_TYPE,
    DUPLICATE_WINDOW,
    EVENTS,
    RETENTION,
    STREAM,
    Event,
)

Document = dict[str, Any]

_ABOUT = " ".join(
    (
        "What happens on the platform, told to other teams: CloudEvents 1.0 on NATS.",
        f"The JetStream stream `{STREAM}` keeps every event for {RETENTION.days} days.",
        "Events are delivered at least once: `id` (the header `Nats-Msg-Id` too) removes doubles;",
        "what concerns one entity is told in order.",
        "No event holds a secret or the text of a message.",
        "New optional fields may come at any time; any other change is a new version.",
    )
)
_ENVELOPE: Document = {
    "title": "CloudEvent",
    "type": "object",
    "required": [
        *("specversion", "id", "source", "type", "subject", "time"),
        *("datacontenttype", "dataschema", "data"),
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "The same however often it is delivered."},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "The entity that it happened to."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri"},
        "data": {"type": "object"},
    },
}
_HEADERS: Document = {
    "type": "object",
    "properties": {
        "Nats-Msg-Id": {
            "type": "string",
            "description": f"The event's id; the stream drops doubles within "
            f"{DUPLICATE_WINDOW.seconds // 60} minutes.",
        },
        "content-type": {"const": CONTENT_TYPE},
        "traceparent": {"type": "string", "description": "W3C trace context, where there is one."},
    },
}


def asyncapi_document() -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tryskills events",
            "version": "1.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "bus": {
                "host": "{host}:4222",
                "protocol": "nats",
                "description": "The deployment's NATS; its operator gives out read-only users.",
                "variables": {"host": {"default": "127.0.0.1"}},
                "security": [{"$ref": "#/components/securitySchemes/reader"}],
            }
        },
        "channels": {event.type: _channel(event) for event in EVENTS},
        "operations": {f"tell.{event.type}": _operation(event) for event in EVENTS},
        "components": {
            "messages": {event.type: _message(event) for event in EVENTS},
            "schemas": {"CloudEvent": _ENVELOPE, **{e.type: _data(e) for e in EVENTS}},
            "messageTraits": {"event": {"headers": _HEADERS, "contentType": CONTENT_TYPE}},
            "securitySchemes": {
                "reader": {
                    "type": "userPassword",
                    "description": "May read `evt.>` and its own durable consumer, no more.",
                }
            },
        },
    }


def _channel(event: Event[Any]) -> Document:
    return {
        "address": event.subject,
        "description": f"Told when {event.told}. In the order of one entity: {event.entity}.",
        "servers": [{"$ref": "#/servers/bus"}],
        "messages": {"event": {"$ref": f"#/components/messages/{event.type}"}},
        "tags": [{"name": event.service}],
    }


def _operation(event: Event[Any]) -> Document:
    return {
        "action": "send",
        "summary": f"Told by {event.service} when {event.told}.",
        "channel": {"$ref": f"#/channels/{event.type}"},
        "messages": [{"$ref": f"#/channels/{event.type}/messages/event"}],
    }


def _message(event: Event[Any]) -> Document:
    own = {
        "type": {"const": event.type},
        "source": {"const": event.source},
        "dataschema": {"const": event.schema_id},
        "data": {"$ref": f"#/components/schemas/{event.type}"},
    }
    return {
        "name": event.type,
        "title": event.data.__name__,
        "payload": {
            "allOf": [{"$ref": "#/components/schemas/CloudEvent"}, {"properties": own}],
        },
        "traits": [{"$ref": "#/components/messageTraits/event"}],
    }


def _data(event: Event[Any]) -> Document:
    """Inside the document a schema goes by its place, not by its `$id`."""
    schema = event.schema()
    return {word: schema[word] for word in schema if word not in {"$id", "$schema"}}
