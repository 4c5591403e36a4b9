"""What gunicorn serves: `gunicorn lifecycle.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lifecycle.settings")
application = get_wsgi_application()
