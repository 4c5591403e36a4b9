"""The project, and the engine that accounts, onboarding and adoption share.

Empty on purpose: importing `lifecycle.rules` must not bring Celery or Django with it. `celery -A lifecycle`
finds its app in `lifecycle/celery.py`; tasks import it from there.
"""
