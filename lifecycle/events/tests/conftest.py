from lifecycle.api.tests.calling import api, later, one_instant, people  # noqa: F401 - fixtures
