from lifecycle.mail.models.letters import Draft, Link, MailTemplate
from lifecycle.mail.models.outbox import Attempt, Circuit, Message, ServiceBeat

__all__ = ["Attempt", "Circuit", "Draft", "Link", "MailTemplate", "Message", "ServiceBeat"]
