"""The shape as a program: reads the source with `ast` and names every breach. Used by test_architecture."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "onboarding", "adoption")
PACKAGES = (*APPS, "lifecycle")

# model.md, "Layers, by module": imports point up this list, never down. The first match counts.
LAYERS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0, ("lifecycle.rules",)),
    (
        1,
        (
            "lifecycle.guard",
            "lifecycle.clock",
            "lifecycle.environment",
            "lifecycle.logs",
            "lifecycle.settings",
            "lifecycle.words",
        ),
    ),
    (1, ("lifecycle.celery", "lifecycle.wsgi")),
    (2, ("accounts.models", "lifecycle.policies.models", "lifecycle.mail.models")),
    (3, ("onboarding.models",)),
    (4, ("adoption.models",)),
    (5, ("lifecycle.milestones.models", "lifecycle.events.models")),
    (6, ("lifecycle.change",)),
    (
        6.5,
        (
            "lifecycle.milestones.planner",
            "lifecycle.mail.dispatch",
            "lifecycle.events.feed",
            "lifecycle.events.seal",
            "lifecycle.imports",
        ),
    ),
    (8, ("lifecycle.urls", "lifecycle.apps")),
    (7, PACKAGES),
)
APP_MODULES = {
    *("models", "forms", "views", "api", "admin", "apps", "urls", "tasks", "emails", "pdfs"),
    *("migrations", "templatetags", "management", "tests"),
}
FORBIDDEN_NAMES = {"services", "utils", "helpers", "common", "signals", "managers"}
RAW_SQL = (
    "lifecycle.change",
    "lifecycle.clock",
    "lifecycle.events.feed",
    "lifecycle.events.seal",
    "lifecycle.mail.dispatch",
    "lifecycle.milestones.planner",
)
CLOCK_READS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
CLOCK_READS |= {("timezone", "now"), ("time", "time")}
HERE_AND_NOW = {"localdate", "localtime"}  # where they are given no instant
# Not the domain's time but a process's own: supervising children, rate of a loop, age of a session.
OWN_CLOCK = ("lifecycle.clock", "lifecycle.supervisor", "lifecycle.middleware")
EDGES = ("views", "api", "tasks", "commands", "health", "context", "auth", "adapter", "dispatch")


def sources() -> Iterator[tuple[str, str]]:
    """Every module of the product with its text; tests, benchmarks and migrations left out."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not {"tests", "benchmarks", "migrations"} & set(parts):
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path.read_text()


def layer(module: str) -> float:
    """The place of a module in the order; KeyError for one that is not ours."""
    for number, prefixes in LAYERS:
        if any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes):
            return number
    raise KeyError(module)


def imports(module: str, text: str) -> list[str]:
    """The modules a source imports, ours and others', wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            found += [_deepest(base, alias.name) for alias in node.names]
    return found


def _deepest(base: str, name: str) -> str:
    path = ROOT.joinpath(*base.split("."), name)
    return f"{base}.{name}" if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else base


def breaches(module: str, text: str) -> list[str]:
    """Everything in one source that breaks the shape, in words."""
    return [
        *_climbing(module, text),
        *_rules_are_pure(module, text),
        *_known_module(module),
        *_forbidden_calls(module, text),
    ]


def _climbing(module: str, text: str) -> Iterator[str]:
    for target in imports(module, text):
        if target.split(".")[0] in PACKAGES and layer(target) > layer(module):
            yield f"{module} imports {target}, which lies above it"


def _rules_are_pure(module: str, text: str) -> Iterator[str]:
    if module.startswith("lifecycle.rules"):
        for target in imports(module, text):
            top = target.split(".")[0]
            if top not in sys.stdlib_module_names and not target.startswith("lifecycle.rules"):
                yield f"{module} imports {target}: rules know the standard library only"


def _known_module(module: str) -> Iterator[str]:
    parts = module.split(".")
    if parts[0] in APPS and len(parts) > 1 and parts[1] not in APP_MODULES:
        yield f"{module}: {parts[1]} is not a module of a domain app"
    for part in set(parts) & FORBIDDEN_NAMES:
        yield f"{module}: no module is called {part}"


def _forbidden_calls(module: str, text: str) -> Iterator[str]:
    raw_allowed = any(module == at or module.startswith(f"{at}.") for at in RAW_SQL)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "django.dispatch":
            yield f"{module} receives signals"
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".signals"):
            yield f"{module} imports {node.module}"
        if isinstance(node, ast.ImportFrom) and "contenttypes" in (node.module or ""):
            yield f"{module} uses content types: no generic foreign keys"
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in HERE_AND_NOW and not node.args:
            yield f"{module} reads the clock past lifecycle.clock"
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr == "get_model":
                yield f"{module} calls get_model"
            by_hand = node.attr in {"cursor", "raw", "extra", "copy"} and owner in {
                "connection",
                "objects",
                "cursor",
            }
            if by_hand and not raw_allowed:
                yield f"{module} writes SQL by hand"
            if (owner, node.attr) in CLOCK_READS and module not in OWN_CLOCK:
                yield f"{module} reads the clock past lifecycle.clock"
            if (owner, node.attr) == ("clock", "now") and not _is_edge(module):
                yield f"{module} reads the clock, but is no edge"


def _is_edge(module: str) -> bool:
    return bool(set(module.split(".")) & set(EDGES))


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The rings of a module graph, each once."""
    state: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        state[node] = 1
        path.append(node)
        for target in sorted(graph.get(node, ())):
            if state.get(target) == 1:
                found.append([*path[path.index(target) :], target])
            elif target not in state:
                visit(target)
        path.pop()
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node)
    return found
