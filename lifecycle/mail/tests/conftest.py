from lifecycle.mail.tests.sending import sink  # noqa: F401 - a fixture
