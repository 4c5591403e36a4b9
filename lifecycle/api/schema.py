"""The OpenAPI document, its offline viewer, and what every operation of it has in common."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.renderers import OpenApiYamlRenderer2 as PlainYamlRenderer
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer

from lifecycle.api.problems import MEDIA_TYPE
from lifecycle.api.views import Api

UNSAFE = ("post", "put", "patch", "delete")


class Schema(Api, SpectacularAPIView):
    """This document."""

    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, PlainYamlRenderer, OpenApiYamlRenderer)
    permission_classes = Api.permission_classes
    authentication_classes = Api.authentication_classes
    other_parameters = ("format",)

    @extend_schema(
        operation_id="schema_retrieve",
        parameters=[OpenApiParameter("format", OpenApiTypes.STR, enum=["json", "yaml"])],
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().get(request, *args, **kwargs)


class Docs(Api, SpectacularSwaggerSplitView):
    """The document to read, without a request to anywhere else."""

    renderer_classes = (TemplateHTMLRenderer,)
    permission_classes = Api.permission_classes
    authentication_classes = Api.authentication_classes
    other_parameters = ("script",)
    schema = None
    template_name = "api/docs.html"


PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string", "description": "The query parameter, if it is one."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "missing": {
            "type": "array",
            "description": "What a gate still wants (409).",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "rule", "text")},
            },
        },
    },
}
PLAN = {
    "type": "array",
    "description": "Only with `dry_run=true`: the milestones that would be added, moved, done or cancelled.",
    "items": {
        "type": "object",
        "properties": {
            "action": {"type": "string", "enum": ["add", "move", "done", "cancel"]},
            "account": {"type": "integer"},
            "kind": {"type": "string"},
            "day": {"type": ["integer", "null"]},
            "title": {"type": "string"},
            "due_on": {"type": "string", "format": "date"},
            "was_due_on": {"type": ["string", "null"], "format": "date"},
        },
    },
}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add to every operation what all have in common: problems, ETags, conditions, the plan of a dry run."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"], schemas["Plan"] = PROBLEM, PLAN
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema["additionalProperties"] = False  # unknown fields are refused
        for shape in schema.get("properties", {}).values():
            if "oneOf" in shape:  # an empty text is of any format, where formats only annotate
                shape["anyOf"] = shape.pop("oneOf")
    failed = {
        "description": "A problem.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, methods in result["paths"].items():
        one = path.endswith("}/")
        for method, operation in methods.items():
            operation["responses"] |= {"4XX": failed, "5XX": failed}
            given = operation.setdefault("parameters", [])
            if method == "get" and one:
                operation["responses"]["304"] = {"description": "You have this one already."}
                given.append(_header("If-None-Match"))
            if method in UNSAFE and one:
                given.append(_header("If-Match"))
            if any(parameter["name"] == "dry_run" for parameter in given):
                _plan(operation, method)
    return result


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _plan(operation: dict[str, Any], method: str) -> None:
    plan = {"type": "object", "properties": {"plan": {"$ref": "#/components/schemas/Plan"}}}
    if method == "delete":
        content = {"application/json": {"schema": plan}}
        operation["responses"]["200"] = {"description": "With `dry_run=true`.", "content": content}
        return
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            for body in response.get("content", {}).values():
                body["schema"] = {"allOf": [body["schema"], plan]}
