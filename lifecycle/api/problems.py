"""Every error under /api/ as `application/problem+json` (RFC 9457): never a stack trace, never HTML."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from lifecycle.rules.refused import GateClosed, Refused

MEDIA_TYPE = "application/problem+json"
MOST_BYTES = 10 * 1024 * 1024


class TooLarge(exceptions.APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = "A request may carry at most 10 MB."
    default_code = "too_large"


class LengthRequired(exceptions.APIException):
    status_code = HTTPStatus.LENGTH_REQUIRED
    default_detail = "Say how long the body is (Content-Length)."
    default_code = "length_required"


class Stale(exceptions.APIException):
    status_code = HTTPStatus.PRECONDITION_FAILED
    default_detail = "This was changed meanwhile: read it again, then decide."
    default_code = "stale"


class Conflict(exceptions.APIException):
    status_code = HTTPStatus.CONFLICT
    default_detail = "The present state does not allow this."
    default_code = "conflict"


class Unavailable(exceptions.APIException):
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The database cannot be used just now. Nothing is half saved. Try again shortly."
    default_code = "unavailable"
    wait = 5


class BadParameter(exceptions.APIException):
    """A query parameter that is unknown, or whose value cannot be read."""

    status_code = HTTPStatus.BAD_REQUEST

    def __init__(self, name: str, code: str, detail: str) -> None:
        super().__init__(detail, code)
        self.name = name


class Problems(ExceptionHandler):
    """Turns what views, rules and the database raise into problems."""

    def should_not_handle(self, exc: Exception) -> bool:
        return False

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case Refused(conflict=True):
                return Conflict(exc.text, exc.code)
            case Refused():
                detail = [exceptions.ErrorDetail(exc.text, exc.code)]
                return exceptions.ValidationError({exc.field or api_settings.NON_FIELD_ERRORS_KEY: detail})
            case RequestDataTooBig():
                return TooLarge()
            case SuspiciousOperation() | BadRequest():
                return exceptions.ParseError("The request cannot be read.")
            case IntegrityError():
                return Conflict(
                    "Somebody else changed the same thing at the same time. Read it and try again."
                )
            case _ if is_unavailable(exc):
                return Unavailable()
        return super().convert_known_exceptions(exc)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        response = super().get_response(exc, data)
        response.content_type = MEDIA_TYPE
        return response


class ProblemFormatter(ExceptionFormatter):
    """The members of a problem: those of the RFC, `code`, and for bad input `errors`."""

    def run(self) -> dict[str, Any]:
        exc, cause = self.exc, self.original_exc
        if isinstance(exc, exceptions.ValidationError):
            errors = list(pointed(exc.detail))
            return problem(exc.status_code, "Some of the input is not valid.", "invalid", errors=errors)
        code = exc.get_codes()
        shown = problem(exc.status_code, str(exc.detail), code if isinstance(code, str) else "error")
        if isinstance(exc, BadParameter):
            error = {"pointer": "", "parameter": exc.name, "code": exc.get_codes(), "detail": str(exc.detail)}
            shown["errors"] = [error]
        if isinstance(cause, GateClosed):
            shown["missing"] = as_list(cause.missing)
        elif isinstance(cause, Refused) and cause.field:
            error = {"pointer": pointer([cause.field]), "code": cause.code, "detail": cause.text}
            shown["errors"] = [error]
        return shown


def problem(status: int, detail: str, code: str, **more: Any) -> dict[str, Any]:
    """A problem document; `more` are its further members."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": int(status),
        "detail": detail,
        "code": code,
        **more,
    }


def as_list(missing: Iterable[Any]) -> list[dict[str, str]]:
    """STAGE-10: what a gate still wants, as the API shows it."""
    return [{"field": item.field, "rule": item.rule, "text": item.text} for item in missing]


def pointer(path: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def pointed(detail: Any, path: tuple[Any, ...] = ()) -> Iterator[dict[str, str]]:
    """A validation error's nested detail, flat: one entry an error."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from pointed(inner, path if name == api_settings.NON_FIELD_ERRORS_KEY else (*path, name))
    elif isinstance(detail, list):
        nested = any(isinstance(item, dict | list) for item in detail)
        for place, inner in enumerate(detail):
            yield from pointed(inner, (*path, place) if nested else path)
    else:
        yield {"pointer": pointer(path), "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def answer(status: int, detail: str, code: str) -> JsonResponse:
    """A problem for what fails outside the views of the API (middleware, unknown hosts)."""
    return JsonResponse(problem(status, detail, code), status=status, content_type=MEDIA_TYPE)


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view (a foreign host, a malformed request)."""
    if is_api(request):
        return answer(400, "The request cannot be read.", "bad_request")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """What fails outside the views of the API: a problem under /api/, a page elsewhere, neither asking the database."""
    if is_unavailable(sys.exception()):
        return unavailable(request)
    if is_api(request):
        return answer(500, "Something went wrong here. It has been logged.", "error")
    reference = structlog.contextvars.get_contextvars().get("request_id", "")
    return HttpResponse(render_to_string("500.html", {"reference": reference}), status=500)


def is_unavailable(problem: BaseException | None) -> bool:
    """Whether the database or the disk is to blame: gone, refusing, too slow, full. The same request may work soon."""
    if isinstance(problem, OSError):
        return problem.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(problem, OperationalError | InterfaceError)


def unavailable(request: HttpRequest) -> HttpResponse:
    for handler in request.upload_handlers:
        if file := getattr(handler, "file", None):  # what found no room would stay until it is collected
            with suppress(OSError):
                file.close()
    if is_api(request):
        response: HttpResponse = answer(503, Unavailable.default_detail, Unavailable.default_code)
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)
    response["Retry-After"] = str(Unavailable.wait)
    return response
