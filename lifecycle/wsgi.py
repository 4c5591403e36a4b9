"""What gunicorn serves: `gunicorn lifecycle.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")
os.environ.setdefault("STATEMENT_SECONDS", "10")  # somebody waits
application = get_wsgi_application()
