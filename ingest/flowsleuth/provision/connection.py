"""The API of a Grafana: who asks, by which TLS, and one line for each refusal."""

import os
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaException

from flowsleuth.config import Grafana as Settings
from flowsleuth.errors import ConfigError, ServiceError

Json = dict[str, Any]

EDITABLE = {"X-Disable-Provenance": "true"}
"""What is written with this header can be changed in the browser afterwards."""

LONGEST = 300
"""Characters of what Grafana says that a message quotes."""


class Refused(ServiceError):
    """Grafana answers with a status that is no success."""

    def __init__(self, text: str, status: int, said: str) -> None:
        """Take the line to print, the HTTP status, and Grafana's own words."""
        super().__init__(text)
        self.status = status
        self.said = said


def from_environment(settings: Settings) -> Settings:
    """Return settings with what they leave open taken from GRAFANA_URL, _TOKEN, _USER, _PASSWORD.

    Raises ConfigError where nobody says which Grafana, or who asks.
    """
    url = settings.url or os.environ.get("GRAFANA_URL", "").rstrip("/")
    if not url:
        raise ConfigError("which Grafana? Say --grafana URL, or grafana.url in the configuration")
    taken: Json = {"url": url}
    if not settings.token.get_secret_value() and not settings.user:
        taken["token"] = os.environ.get("GRAFANA_TOKEN", "")
        if not taken["token"]:
            taken["user"] = os.environ.get("GRAFANA_USER", "")
    if not settings.password.get_secret_value():
        taken["password"] = os.environ.get("GRAFANA_PASSWORD", "")
    known = settings.model_dump(exclude=set(taken))
    found = Settings.model_validate({**known, **taken})
    if not found.token.get_secret_value() and not found.user:
        raise ConfigError(
            f"who asks Grafana at {url}? Set GRAFANA_TOKEN to a service account's token, or "
            "GRAFANA_USER and GRAFANA_PASSWORD"
        )
    return found


def quoted(name: str) -> str:
    """Return a name as a path has it: the client quotes none."""
    return quote(name, safe="")


class Grafana:
    """The API of one Grafana; paths are those below /api. Raises ServiceError, one line."""

    def __init__(self, settings: Settings) -> None:
        """Take settings that name a URL and who asks; nothing is asked yet."""
        self.url = settings.url
        self.credential = settings.token.get_secret_value()
        self.who = "the token" if self.credential else f"user {settings.user}"
        parts = urlsplit(settings.url)
        path = parts.path.strip("/")
        self._api = GrafanaApi(
            self.credential or (settings.user, settings.password.get_secret_value()),
            host=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
            port=parts.port,
            url_path_prefix=f"{path}/" if path else "",
            protocol=parts.scheme,
            verify=_verify(settings),
            timeout=settings.timeout_s,
            user_agent="flowsleuth",
        )
        self.credential = self.credential or settings.password.get_secret_value()
        if settings.client_cert:
            self._api.client.s.cert = (
                (settings.client_cert, settings.client_key)
                if settings.client_key
                else settings.client_cert
            )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        self._api.client.s.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return what stands at a path."""
        return self._ask(lambda: self._api.client.GET(path, params=query or None), path)

    def find(self, path: str) -> Any:
        """Return what stands at a path, None where there is nothing, or nothing to be seen.

        Of what is not there Grafana tells an editor that they may not see it.
        """
        try:
            return self.get(path)
        except Refused as refused:
            if refused.status in {403, 404}:
                return None
            raise

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Write: what goes through the alerting API stays editable in the browser."""
        call = getattr(self._api.client, method)
        return self._ask(
            lambda: call(path, json=body, headers=dict(EDITABLE), accept_empty_json=True), path
        )

    def _ask(self, call: Callable[[], Any], path: str) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # --insecure is the user's word
                answer = call()
        except GrafanaException as error:
            raise self._refusal(error, path) from None
        except ValueError:
            raise self._stranger() from None
        except OSError as error:
            raise ServiceError(self._away(error)) from None
        if isinstance(answer, str) and answer:
            raise self._stranger()
        return answer

    def _refusal(self, error: GrafanaException, path: str) -> ServiceError:
        status = error.status_code
        if not status:
            return ServiceError(self._away(error))
        said = _said(error.response)
        place = f"Grafana at {self.url}"
        if status == 401:
            return Refused(
                f"{place} does not accept {self.who} (401: {said}): set a valid "
                "GRAFANA_TOKEN, or GRAFANA_USER and GRAFANA_PASSWORD",
                status,
                said,
            )
        if status == 403:
            return Refused(f"{place} does not let {self.who} do this (403: {said})", status, said)
        return Refused(f"{place} answers {status} at {path}: {said}", status, said)

    def _stranger(self) -> ServiceError:
        return ServiceError(f"{self.url} does not answer as a Grafana: see --grafana")

    def _away(self, error: Exception) -> str:
        reason = _innermost(error)
        remedy = "see that it runs, and --grafana"
        if "certificate" in reason.lower() or "ssl" in reason.lower():
            remedy = "--ca-file names certificates to trust"
        return f"Grafana at {self.url} cannot be reached: {reason}: {remedy}"


def _verify(settings: Settings) -> Any:
    """Return whether certificates are checked, or the file of those to trust; see that files are.

    Raises ConfigError.
    """
    named = {
        "ca_file": settings.ca_file,
        "client_cert": settings.client_cert,
        "client_key": settings.client_key,
    }
    for name, file in named.items():
        if file and not os.path.isfile(file):  # noqa: PTH113  Path has no say in what niquests opens
            raise ConfigError(f"grafana.{name}: {file}: no such file")
    return (settings.ca_file or True) if settings.verify_ssl else False


def _said(response: Any) -> str:
    """Return what an error's body says, on one line."""
    if isinstance(response, dict):
        response = response.get("message") or response.get("error") or response
    text = " ".join(str(response).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _innermost(error: BaseException) -> str:
    """Return what the system says, without the client's objects around it."""
    reason: Any = error
    while (inner := getattr(reason, "reason", None)) or (
        getattr(reason, "args", None) and isinstance(reason.args[0], BaseException)
    ):
        reason = inner or reason.args[0]
    text = " ".join(str(reason).split())
    return text.rpartition(">: ")[2][:LONGEST] or type(error).__name__
