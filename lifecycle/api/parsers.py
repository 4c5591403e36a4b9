"""Reading bodies: JSON, where NaN is left for the field to refuse by name, and JSON lines for bulk."""

from __future__ import annotations

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.parsers import JSONParser as DrfJSONParser


class JSONParser(DrfJSONParser):
    """NaN and Infinity are parsed: no field takes them, and its error then has a pointer."""

    strict = False

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None


class LinesParser(BaseParser):
    """One JSON object a line. A line that is none becomes a row that fails by itself."""

    media_type = "application/x-ndjson"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> list[Any]:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        return [_line(line) for line in text.split("\n") if line.strip()]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
