"""Contact points: each way to be told, with what Grafana has to know of it and our templates.

Data alone: `provision` puts those into Grafana whose variables are set in its environment, and
`provisioning/alerting/contact-points/` has a file for each, for Grafana's own provisioning. There
they are not read unless they are copied one folder up: a contact point without its address stops a
Grafana from starting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHORT, LONG = '{{ template "flowsleuth.short" . }}', '{{ template "flowsleuth.long" . }}'
TITLE, ALERT = '{{ template "flowsleuth.title" . }}', '{{ template "flowsleuth.alert" . }}'

RECEIVER = "FlowSleuth"
"""The contact point's name."""

WALL = "FlowSleuth: for the wall only"
"""The name of a contact point, and of a mute timing that is always on: who is told by both is
nobody. Alerts for the wall only name them; without a receiver of their own, the user's notification
policies would tell somebody."""

WALL_SETTINGS = {"url": "http://localhost/never"}
"""Of that contact point, a webhook: Grafana knows none that does nothing."""

ALWAYS = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to be told.

    kind: our name; type: Grafana's. settings: Grafana's; a value that begins with $ names a
    variable of the environment. secret: settings not to show. needs: how to get what it asks for.
    """

    kind: str
    type: str
    settings: Mapping[str, Any]
    secret: frozenset[str]
    needs: str

    @property
    def variables(self) -> dict[str, str]:
        """Return the variable of each setting that has one."""
        return {
            name: value[1:]
            for name, value in self.settings.items()
            if isinstance(value, str) and value.startswith("$")
        }

    def filled(self, environment: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the settings with the environment's values, None if any is not set."""
        variables = self.variables
        if not all(environment.get(name) for name in variables.values()):
            return None
        return {**self.settings, **{key: environment[name] for key, name in variables.items()}}


CONTACTS = (
    Contact(
        "email",
        "email",
        {
            "addresses": "$FLOWSLEUTH_MAIL_TO",
            "singleEmail": True,
            "subject": TITLE,
            "message": LONG,
        },
        frozenset(),
        "Addresses, with ; between them. Grafana needs a mail server: [smtp] in grafana.ini.",
    ),
    Contact(
        "slack",
        "slack",
        {
            "url": "$FLOWSLEUTH_SLACK_URL",
            "title": SHORT,
            "text": '{{ template "flowsleuth.slack" . }}',
        },
        frozenset({"url"}),
        "The URL of an incoming webhook of a Slack app.",
    ),
    Contact(
        "teams",
        "teams",
        {
            "url": "$FLOWSLEUTH_TEAMS_URL",
            "title": SHORT,
            "message": '{{ template "flowsleuth.markdown" . }}',
        },
        frozenset({"url"}),
        "The URL of a workflow “When a Teams webhook request is received”.",
    ),
    Contact(
        "telegram",
        "telegram",
        {
            "bottoken": "$FLOWSLEUTH_TELEGRAM_TOKEN",
            "chatid": "$FLOWSLEUTH_TELEGRAM_CHAT",
            "parse_mode": "HTML",
            "disable_web_page_preview": True,
            "message": '{{ template "flowsleuth.html" . }}',
        },
        frozenset({"bottoken"}),
        "A bot's token, from @BotFather, and the number of the chat that the bot is in.",
    ),
    Contact(
        "pagerduty",
        "pagerduty",
        {
            "integrationKey": "$FLOWSLEUTH_PAGERDUTY_KEY",
            "summary": SHORT,
            "severity": "{{ .CommonLabels.severity }}",
            "class": ALERT,
            "component": "{{ .CommonLabels.network }}",
            "client": "FlowSleuth",
            "client_url": '{{ template "flowsleuth.hunt" (index .Alerts 0) }}',
            "details": {"message": LONG},
        },
        frozenset({"integrationKey"}),
        "The integration key of a service's Events API v2.",
    ),
    Contact(
        "ntfy",
        "webhook",
        {
            "url": "$FLOWSLEUTH_NTFY_URL",
            "httpMethod": "POST",
            "title": ALERT,
            "message": '{{ template "flowsleuth.plain" . }}',
        },
        frozenset({"url"}),
        "The topic's URL with ntfy's own template behind it, for it gets Grafana's JSON: "
        "https://ntfy.sh/TOPIC?template=yes&title=%7B%7B.title%7D%7D&message=%7B%7B.message%7D%7D",
    ),
    Contact(
        "webhook",
        "webhook",
        {
            "url": "$FLOWSLEUTH_WEBHOOK_URL",
            "httpMethod": "POST",
            "title": SHORT,
            "message": LONG,
        },
        frozenset({"url"}),
        "Any URL. It gets Grafana's JSON: `title` is the short form, `message` the long one.",
    ),
)
