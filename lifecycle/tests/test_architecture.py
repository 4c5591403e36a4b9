"""Direction is a test, not a wish: and the test itself is tested with seeded breaches."""

import pytest
from django.apps import apps
from django.db import models

from lifecycle.tests.architecture import PACKAGES, breaches, cycles, imports, layer, sources

pytestmark = pytest.mark.sqlite_only


def test_no_module_breaks_the_shape():
    assert [breach for module, text in sources() for breach in breaches(module, text)] == []


def test_no_ring_of_modules():
    modules = dict(sources())
    graph = {
        module: {target for target in imports(module, text) if target in modules and target != module}
        for module, text in modules.items()
    }
    # A package and its own parts are one thing: `change/__init__` names what its parts define.
    inner = {
        m: {t for t in ts if not t.startswith(f"{m}.") and not m.startswith(f"{t}.")}
        for m, ts in graph.items()
    }
    assert cycles(inner) == []


def ours():
    return [model for model in apps.get_models() if model.__module__.split(".")[0] in PACKAGES]


def test_no_foreign_key_points_to_a_higher_layer():
    breaking = [
        f"{model.__name__}.{field.name}"
        for model in ours()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and field.related_model.__module__.split(".")[0] in PACKAGES
        if layer(field.related_model.__module__) > layer(model.__module__)
    ]
    assert breaking == []


def test_every_foreign_key_protects():
    loose = [
        f"{model.__name__}.{field.name}"
        for model in ours()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete is not models.PROTECT
    ]
    assert loose == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("lifecycle.rules.routing", "from accounts.models import Account"),
        ("lifecycle.rules.routing", "import django"),
        ("lifecycle.rules.duties", "from datetime import datetime\nnow = datetime.now()"),
        ("lifecycle.rules.duties", "from datetime import date\ntoday = date.today()"),
        ("accounts.models.account", "from onboarding.models import Onboarding"),
        ("accounts.models.account", "def f():\n    from adoption.models import Stage"),
        ("adoption.models.adoption", "from lifecycle.change import change"),
        ("lifecycle.change.door", "from lifecycle.milestones.planner import plan"),
        ("lifecycle.change.door", "from lifecycle import clock\nnow = clock.now()"),
        ("onboarding.views", "from lifecycle.urls import urlpatterns"),
        ("accounts.views", "from django.dispatch import receiver"),
        ("accounts.models.account", "from django.db.models.signals import post_save"),
        ("accounts.views", "from django.apps import apps\napps.get_model('accounts', 'Account')"),
        ("accounts.models.account", "from django.contrib.contenttypes.fields import GenericForeignKey"),
        ("accounts.views", "from django.db import connection\nwith connection.cursor() as cursor:\n    pass"),
        ("accounts.views", "from django.utils import timezone\nnow = timezone.now()"),
        ("accounts.services", ""),
        ("adoption.survey_things", ""),
    ],
)
def test_a_seeded_breach_is_found(module, text):
    assert breaches(module, text) != []


def test_what_the_shape_allows_is_no_breach():
    text = "from lifecycle import clock\nfrom lifecycle.change import change\nnow = clock.now()"
    assert breaches("accounts.views", text) == []


def test_a_ring_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]
