from lifecycle.mail.models.letters import Draft, Link, MailTemplate
from lifecycle.mail.models.outbox import Attempt, Bounce, Circuit, Message, ServiceBeat

__all__ = ["Attempt", "Bounce", "Circuit", "Draft", "Link", "MailTemplate", "Message", "ServiceBeat"]
