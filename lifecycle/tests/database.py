"""Tests that commit get the database back as the migrations left it, their rows of policies and templates included.

Django would empty every table instead, which loses those rows for all later tests (and the event log, being
append-only, refuses to be emptied).
"""

import sqlite3

import pytest
from django.db import connection
from django.test import TransactionTestCase

PRISTINE = "_pristine"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        keep = keep_file if connection.vendor == "sqlite" else keep_template
        restore, forget = keep()
    teardown = TransactionTestCase._fixture_teardown
    TransactionTestCase._fixture_teardown = lambda self: restore()
    yield
    TransactionTestCase._fixture_teardown = teardown
    with django_db_blocker.unblock():
        forget()


def keep_file():
    pristine = sqlite3.connect(":memory:")
    connection.ensure_connection()
    connection.connection.backup(pristine)

    def restore():
        connection.close()
        connection.ensure_connection()
        pristine.backup(connection.connection)

    return restore, pristine.close


def keep_template():
    """PostgreSQL copies a whole database faster than it truncates our tables, and sequences come with it."""
    name = connection.settings_dict["NAME"]
    copy = name + PRISTINE

    def replace(old: str, template: str = ""):
        connection.close()
        with connection._nodb_cursor() as cursor:  # statements without parameters: names are our own
            cursor.execute(f'DROP DATABASE IF EXISTS "{old}" WITH (FORCE)')
            if template:
                cursor.execute(f'CREATE DATABASE "{old}" TEMPLATE "{template}"')

    def forget():
        replace(copy)
        with (
            connection._nodb_cursor() as cursor
        ):  # a server's thread may still hold a connection: the run is over
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )

    replace(copy, template=name)
    return lambda: replace(name, template=copy), forget
