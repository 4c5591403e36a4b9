"""How allauth behaves here: people are added by an administrator, and nobody signs up."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.contrib.sites.shortcuts import get_current_site

from lifecycle import clock
from lifecycle.mail.emails import post


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "Email or password is not right",
    }

    def is_open_for_signup(self, request):
        return False

    def set_password(self, user, password):
        """The guard lets a password through by itself; allauth would save the whole row."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def send_mail(self, template_prefix, email, context):
        """Into the outbox: no request talks to a mail server."""
        request = allauth_context.request
        about = {"request": request, "email": email, "current_site": get_current_site(request)}
        mail = self.render_mail(template_prefix, email, about | context)
        post(email, mail.subject, mail.body, now=clock.now())


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request, sociallogin):
        return False
