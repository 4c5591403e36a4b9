"""Settings, read from the environment (and from `.env`, when there is one). A bad value stops the start with its
name and the form expected (lifecycle/environment.py)."""

import logging
import re
import secrets
import sys
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from environ import Env

from lifecycle.environment import boolean, number, text, url, wrong
from lifecycle.logs import LOGGING  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent
Env.read_env(BASE_DIR / ".env")  # the environment itself wins

# -- the site ------------------------------------------------------------------------------------------------
DEBUG = boolean("DEBUG")
VAR_DIR = BASE_DIR / text("VAR_DIR", "var")
SITE_NAME = text("SITE_NAME", "Waymark")
PORT = number("PORT", 8000, 1, 65535)
BASE_URL = url(
    "BASE_URL", f"http://localhost:{PORT}", {"http", "https"}, "https://waymark.example.com"
).rstrip("/")
HTTPS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = [host.strip() for host in text("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")]
if not all(re.fullmatch(r"\.?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]|\*", host) for host in ALLOWED_HOSTS):
    raise wrong("ALLOWED_HOSTS", "host names separated by commas, such as waymark.example.com,localhost")


def secret_key() -> str:
    """The variable, else the file that `up` makes; only development gets a key that everybody knows."""
    file = VAR_DIR / "secret"
    value = text("SECRET_KEY") or (file.read_text().strip() if file.is_file() else "")
    if not value and sys.argv[1:2] == ["up"]:
        value = secrets.token_urlsafe(48)
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(value)
    if not value and DEBUG:
        return "django-insecure-for-development-only"
    if len(value) < 32 or value.startswith("django-insecure"):
        raise wrong(
            "SECRET_KEY", "at least 32 random characters, and never a published default, while DEBUG is off"
        )
    return value


SECRET_KEY = secret_key()
# What seals the audit chain. Set it to the former SECRET_KEY when that one changes; to change it, write the new key
# before the old one: the first seals, the others still verify.
AUDIT_KEYS = [key.strip() for key in text("AUDIT_KEY").split(",") if key.strip()] or [SECRET_KEY]
if any(len(key) < 32 for key in AUDIT_KEYS):
    raise wrong("AUDIT_KEY", "keys of at least 32 characters, the newest first, separated by commas")
ROOT_URLCONF = "lifecycle.urls"
WSGI_APPLICATION = "lifecycle.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
METRICS = boolean("METRICS")  # request metrics of django-prometheus; our own need no switch

INSTALLED_APPS = [
    *(["django_prometheus"] if METRICS else []),
    "lifecycle.apps.LifecycleConfig",
    "lifecycle.policies",
    "lifecycle.events",
    "lifecycle.mail",
    "lifecycle.milestones",
    "lifecycle.dashboards",
    "lifecycle.api",
    "accounts",
    "onboarding",
    "adoption",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",  # `runserver` serves static files as gunicorn does
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "rest_framework",
]
MIDDLEWARE = [
    *(["django_prometheus.middleware.PrometheusBeforeMiddleware"] if METRICS else []),
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "lifecycle.middleware.SessionLifetime",
    "lifecycle.middleware.NoStore",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    *(["django_prometheus.middleware.PrometheusAfterMiddleware"] if METRICS else []),
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,  # the cached loader is Django's default, in development too
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lifecycle.dashboards.context.page",
            ]
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no second cookie

LANGUAGE_CODE = "en-us"
USE_I18N = False  # one language; dates are written the same everywhere
USE_TZ = True
FORMS_URLFIELD_ASSUME_HTTPS = True  # as Django 6 will
TIME_ZONE = text("TIME_ZONE", "UTC")
try:
    ZoneInfo(TIME_ZONE)
except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
    raise wrong("TIME_ZONE", "an IANA time zone such as Europe/Berlin") from problem

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_KEEP_ONLY_HASHED_FILES = True  # nothing asks for the others, and compressing takes seconds
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (
    "png",
    "webp",
    "woff2",
    "gz",
    "br",
    "zip",
    "map",
)  # maps: never asked for
MEDIA_ROOT = VAR_DIR / "media"  # never under a URL: downloads go through views that check who asks
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024


# -- database and cache --------------------------------------------------------------------------------------
STATEMENT_SECONDS = number(
    "STATEMENT_SECONDS", 30, 1, 3600
)  # of PostgreSQL; the web's is 10: lifecycle/wsgi.py


def database() -> dict:
    """SQLite that survives a power cut and never deadlocks on a lock upgrade, or PostgreSQL that never hangs."""
    value = url(
        "DATABASE_URL",
        f"sqlite:///{quote(str(VAR_DIR / 'waymark.sqlite3'))}",
        {"sqlite", "postgres", "postgresql"},
        "postgres://waymark:password@db.example.com:5432/waymark or sqlite:////srv/waymark.sqlite3",
        host=False,
    )
    config = Env.db_url_config(value)
    if not config["NAME"] or config["NAME"] == ":memory:":
        raise wrong("DATABASE_URL", "a URL that ends with the database's name or file")
    config |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    options = config.setdefault("OPTIONS", {})
    if value.startswith("sqlite"):
        file = BASE_DIR / config["NAME"]
        file.parent.mkdir(parents=True, exist_ok=True)
        config["NAME"] = str(file)
        options |= {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
        }
    else:
        limits = f"-c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout=30000"
        options.setdefault("connect_timeout", 5)
        options["options"] = f"{limits} {options.get('options', '')}".strip()
    return config


DATABASES = {"default": database()}

CACHE_SCHEMES = {"dbcache", "locmemcache", "redis", "rediss"}
CACHE_URL = url("CACHE_URL", "dbcache://cache", CACHE_SCHEMES, "redis://cache.example.com:6379/1", host=False)
CACHES = {"default": Env.cache_url_config(CACHE_URL)}

# -- people: sign-in, sessions, passwords --------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_ADAPTER = "lifecycle.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = [
    "email*",
    "password1*",
]  # nobody signs up (the adapter refuses); allauth checks it anyway
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # addresses come from whoever adds the person
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_SESSION_REMEMBER = True
SOCIALACCOUNT_ADAPTER = "lifecycle.adapter.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True  # the company's own identity provider vouches for its addresses
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = SITE_NAME
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
REQUIRE_MFA = boolean("REQUIRE_MFA")


def oidc() -> dict:
    """OIDC_SERVER_URL, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET together (and OIDC_NAME), or none of them."""
    known = {"OIDC_NAME", "OIDC_SERVER_URL", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}
    given = {name for name in Env.ENVIRON if name.startswith("OIDC_") and text(name)}
    for name in sorted(given - known):
        raise wrong(name, "to be one of " + ", ".join(sorted(known)))
    if not given:
        return {}
    for name in sorted(known - given - {"OIDC_NAME"}):
        raise wrong(name, "a value, because other OIDC_ variables are set")
    server = url("OIDC_SERVER_URL", "", {"https", "http"}, "https://login.example.com/realm")
    app = {
        "provider_id": "oidc",
        "name": text("OIDC_NAME", "your company account"),
        "client_id": text("OIDC_CLIENT_ID"),
        "secret": text("OIDC_CLIENT_SECRET"),
        "settings": {"server_url": server},
    }
    return {"openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True}}


SOCIALACCOUNT_PROVIDERS = oidc()

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

PREFIX = "__Host-" if HTTPS else ""  # browsers refuse __Host- names over plain http
SESSION_COOKIE_NAME = f"{PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{PREFIX}csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # pages hand the CSRF token to htmx themselves
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(hours=8).total_seconds())  # idle; lifecycle.middleware keeps it moving
SESSION_LONGEST = int(timedelta(days=7).total_seconds())
CSRF_TRUSTED_ORIGINS = [f"{urlsplit(BASE_URL).scheme}://{urlsplit(BASE_URL).netloc}"]

# -- what browsers are told ----------------------------------------------------------------------------------
# One directive holds the whole policy: the library writes directives in no fixed order, and ours is read literally.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [
            "'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ]
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: []
    for name in ("camera", "display-capture", "geolocation", "hid", "microphone", "payment", "serial", "usb")
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^livez$", r"^healthz$", r"^metrics$"]

# -- mail ----------------------------------------------------------------------------------------------------
MAIL_DIR = VAR_DIR / "mail"  # one .eml a message, until EMAIL_URL is set
EMAIL_TIMEOUT = 30
MAIL_LEASE_SECONDS = number("MAIL_LEASE_SECONDS", 900, 1, 86_400)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = text("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <waymark@localhost>")
if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(DEFAULT_FROM_EMAIL)[1]):
    raise wrong("DEFAULT_FROM_EMAIL", "an address such as Waymark <waymark@example.com>")
EMAIL_URL = text("EMAIL_URL")
if EMAIL_URL:
    MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
    mail = Env.email_url_config(
        url("EMAIL_URL", "", set(MAIL_PORTS), "smtp+tls://user:password@mail.example.com:587")
    )
    EMAIL_BACKEND = "lifecycle.mail.backends.SmtpBackend"
    EMAIL_HOST = mail["EMAIL_HOST"]
    EMAIL_PORT = mail["EMAIL_PORT"] or MAIL_PORTS[urlsplit(EMAIL_URL).scheme]
    EMAIL_HOST_USER = mail["EMAIL_HOST_USER"] or ""
    EMAIL_HOST_PASSWORD = mail["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS = mail.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = mail.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "lifecycle.mail.backends.FileBackend"
    EMAIL_FILE_PATH = str(MAIL_DIR)
MAIL_TRANSPORT = EMAIL_BACKEND  # what the outbox hands its messages to

# -- Celery: tasks carry nothing and may be lost; see lifecycle/celery.py ------------------------------------
CELERY_BROKER_URL = url(
    "BROKER_URL",
    f"redis+socket://{quote(str(VAR_DIR / 'valkey.sock'))}",
    {"redis", "rediss", "redis+socket", "filesystem"},
    "redis://broker.example.com:6379/0",
    host=False,
)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False  # a hung broker must not hang whoever publishes
# One process, which knows that it was asked to stop: a forked child that is told with its group dies in mid-mail, and
# one whose parent alone is told does not know. The limits count for those who choose another pool.
CELERY_WORKER_POOL = "solo"
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True  # late-acked: they come again
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: an absent broker only means no help
if CELERY_BROKER_URL.startswith("filesystem:"):
    BROKER_DIR = VAR_DIR / "broker"
    (BROKER_DIR / "control").mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR),
        "data_folder_out": str(BROKER_DIR),
        "control_folder": str(BROKER_DIR / "control"),
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1}
# Intervals only; which local hour it is anywhere is for the rules to say. What waits past its turn is dropped.
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": timedelta(seconds=every), "options": {"expires": every}}
    for name, every in {
        "milestones.plan": 60,
        "mail.drain": 15,
        "events.publish": 60,
        "events.seal": 60,
    }.items()
}

# -- REST ----------------------------------------------------------------------------------------------------
RATE = re.fullmatch(r"([1-9][0-9]{0,8})/(s|sec|min|h|hour|d|day)", text("API_RATE", "1200/min"))
if not RATE:
    raise wrong("API_RATE", "a number and a unit, such as 1200/min (units: sec, min, hour, day)")
API_RATE = (int(RATE[1]), {"s": 1, "m": 60, "h": 3600, "d": 86_400}[RATE[2][0]])  # requests, per seconds
WEBHOOK_ALLOW_PRIVATE = boolean("WEBHOOK_ALLOW_PRIVATE")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "lifecycle.api.auth.BearerAuthentication",
        "lifecycle.api.auth.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["lifecycle.api.auth.MayCall"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["lifecycle.api.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": None,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "lifecycle.api.problems.Problems",
    "EXCEPTION_FORMATTER_CLASS": "lifecycle.api.problems.ProblemFormatter",
}
SPECTACULAR_SETTINGS = {
    "TITLE": f"{SITE_NAME} API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "lifecycle.api.schema.complete",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# -- logs and errors -----------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # one line a request: the finished one
SENTRY_DSN = text("SENTRY_DSN")
if SENTRY_DSN:
    url("SENTRY_DSN", "", {"https", "http"}, "https://key@sentry.example.com/1")
    try:
        import sentry_sdk
    except ImportError as problem:
        raise wrong("SENTRY_DSN", "the package sentry-sdk to be installed beside it") from problem
    sentry_sdk.init(SENTRY_DSN, send_default_pii=False)
