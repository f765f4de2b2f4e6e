"""Tell people, through blocks of the Prefect server: a decision to trade, data refused, a run that failed.

alvh.toml names the blocks; addresses and secrets stay in them. Whatever can be notified can be named: notification
blocks (custom-webhook/NAME, slack-webhook/NAME, ...), a plain webhook (webhook/NAME) and, with the extra `email`, a
mail server (email-server-credentials/NAME). An alert that cannot be delivered is told and fails nothing.
"""

from email.message import EmailMessage
from typing import Any

from prefect import task
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.logging import get_run_logger
from prefect.utilities.asyncutils import run_coro_as_sync

from flows.settings import AlertSettings
from transforms.errors import AlvhError

EMAIL_BLOCK = "email-server-credentials"
RETRY_DELAYS_SECONDS = [2.0, 10.0]


class AlertFailed(AlvhError):
    """A block took a message and did not deliver it."""


@task(
    name="alert",
    task_run_name="alert {block}",
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
)
def alert_task(block: str, subject: str, body: str, email_from: str | None, email_to: tuple[str, ...]) -> None:
    """Send one message through one block."""
    kind, _, name = block.partition("/")
    if kind == EMAIL_BLOCK:
        send_email(name, subject, body, sender=email_from, recipients=email_to)
        return
    loaded: Any = Block.load(block)
    if isinstance(loaded, NotificationBlock):
        # In a task without async, `notify` sends at once; its annotation knows only the other way.
        send: Any = loaded.notify
        with loaded.raise_on_failure():
            send(body, subject=subject)
        return
    if isinstance(loaded, Webhook):
        answer: Any = run_coro_as_sync(loaded.call({"subject": subject, "body": body}))
        if answer.is_error:
            raise AlertFailed(f"the webhook of {block} answered {answer.status_code}; check its address in the block")
        return
    raise AlertFailed(
        f"{block} is a {type(loaded).__name__}, which delivers no messages; name a notification block, a webhook or"
        f" {EMAIL_BLOCK}/NAME in [alerts] blocks"
    )


def send_email(name: str, subject: str, body: str, *, sender: str | None, recipients: tuple[str, ...]) -> None:
    """Send a message through the mail server of a block.

    Raises
    ------
    AlertFailed
        If the extra `email` is not installed, or sender or recipients are not set.
    """
    try:
        from prefect_email import EmailServerCredentials
    except ImportError as error:
        raise AlertFailed(f"{EMAIL_BLOCK}/{name} needs the extra: pip install 'alvh[email]'") from error
    if not sender or not recipients:
        raise AlertFailed(f"{EMAIL_BLOCK}/{name} needs [alerts] email_from and email_to in alvh.toml")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, sender, ", ".join(recipients)
    message.set_content(body)
    credentials: Any = EmailServerCredentials.load(name)
    with credentials.get_server() as server:
        server.send_message(message)


def send_alerts(settings: AlertSettings, *, on: str, subject: str, body: str) -> list[str]:
    """Send a message through every block of the settings if they ask for such; return what was not delivered."""
    if on not in settings.on:
        return []
    failed = []
    for block in settings.blocks:
        state = alert_task(block, subject, body, settings.email_from, settings.email_to, return_state=True)
        if not state.is_completed():
            failed.append(f"the alert through {block} was not delivered: {state.message}")
            get_run_logger().warning(failed[-1])
    return failed
