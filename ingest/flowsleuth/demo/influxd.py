"""An InfluxDB of one's own for an hour: find `influxd` or build it, run it on loopback, end it.

The demo and the tests need a real InfluxDB and may not assume one. 1.8.10 is the last 1.x that
`go install` builds from the module proxy (80 s, once, kept in the user's cache folder); a 2.x on
the PATH serves as well. All that it writes is in a folder that goes with it.
"""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from flowsleuth.errors import ServiceError

MODULE = "github.com/influxdata/influxdb/cmd/influxd@v1.8.10"

BUILD_LIMIT_S = 900
"""A build takes 80 s on two cores; whoever waits longer than this has other trouble."""

START_LIMIT_S = 30
"""influxd answers after a second; a machine under load may take some more."""

USER, PASSWORD, TOKEN = "admin", "flowsleuth-local", "flowsleuth-local-token"
ORG = "flowsleuth"
"""Of a server on loopback that lives for minutes: nothing to keep secret."""

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
max-series-per-database = 0
max-values-per-tag = 0
[coordinator]
write-timeout = "60s"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {auth}
log-enabled = false
max-body-size = 0
[logging]
level = "warn"
"""


def cache_folder() -> Path:
    """Return where a built influxd is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flowsleuth" / "bin"


def find_influxd() -> Path | None:
    """Return the influxd to use: of the PATH, built before, or in Go's own folder; None if none."""
    if found := shutil.which("influxd"):
        return Path(found)
    go_path = Path(os.environ.get("GOPATH") or Path.home() / "go")
    places = (cache_folder(), Path(os.environ.get("GOBIN") or go_path / "bin"))
    return next((p / "influxd" for p in places if os.access(p / "influxd", os.X_OK)), None)


def build_influxd(tell: Callable[[str], None] = lambda _: None) -> Path:
    """Build InfluxDB 1.8.10 with Go into the cache folder and return it; `tell` hears of it.

    Raises ServiceError: no Go here, or the build fails.
    """
    go = shutil.which("go")
    if go is None:
        raise ServiceError("no influxd on the PATH, and no Go to build one with: install either")
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=folder) as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes one builds, the others wait
        if os.access(folder / "influxd", os.X_OK):
            return folder / "influxd"
        tell(f"building InfluxDB 1.8.10 into {folder} (once, a minute or two)")
        # Moved into place when it is whole: a build that is broken off leaves no half influxd.
        environment = {**os.environ, "GOBIN": scratch, "GOFLAGS": "-mod=mod"}
        try:
            subprocess.run(  # noqa: S603  go, with our own arguments
                [go, "install", MODULE],
                env=environment,
                cwd=scratch,
                check=True,
                timeout=BUILD_LIMIT_S,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"go install {MODULE}: not done in {BUILD_LIMIT_S} s") from None
        except subprocess.CalledProcessError as error:
            lines = [line for line in error.stderr.splitlines() if line.strip()] or ["no message"]
            raise ServiceError(f"go install {MODULE}: {lines[-1]}") from None
        (Path(scratch) / "influxd").replace(folder / "influxd")
    return folder / "influxd"


class LocalInfluxd:
    """A running influxd on free ports of 127.0.0.1: a context manager, or start() and stop().

    binary: an influxd 1.8 or 2.x. folder: where its data go (kept), or None for a temporary folder.
    auth: whether a 1.8 asks who writes (2.x always does).
    After the start: url, token and org as `config.Influx` takes them; kind: '1.8' or '2'.
    """

    def __init__(self, binary: Path, folder: Path | None = None, *, auth: bool = False) -> None:
        self.binary = binary
        self.auth = auth
        self.kind: Literal["1.8", "2"] = "2" if _is_2(binary) else "1.8"
        self.port = 0
        self._temporary = folder is None
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """What `influx.token` needs to be."""
        if self.kind == "2":
            return TOKEN
        return f"{USER}:{PASSWORD}" if self.auth else ""

    @property
    def org(self) -> str:
        """What `influx.org` needs to be."""
        return ORG if self.kind == "2" else ""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; raises ServiceError with its own last words.

        A port that was free may be taken by the time influxd binds it: then others are tried.
        """
        fresh = self._folder is None
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flowsleuth-influxd-"))
        for last in (False, False, True):
            self.port, rpc = (
                _free_ports() if fresh or not self.port else (self.port, _free_ports()[1])
            )
            self._launch(self._folder, rpc)
            if self._answers():
                break
            self._end()
            if last:
                said = self._last_words()
                self.stop()
                raise ServiceError(f"{self.binary} does not start: {said}")
        if self.kind == "2" or self.auth:
            try:
                self._first_user()
            except ServiceError:
                self.stop()
                raise

    def stop(self) -> None:
        """End it, and remove its folder if that was a temporary one."""
        self._end()
        if self._temporary and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def pause(self) -> None:
        """End it and keep port and data: `start` brings the same server back."""
        self._end()

    def kill(self) -> None:
        """End it at once, as a crash does; port and data stay."""
        if self._process is not None:
            self._process.kill()
        self._end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, folder: Path, rpc: int) -> None:
        if self.kind == "2":
            arguments = [
                "--bolt-path", f"{folder}/influxd.bolt",
                "--sqlite-path", f"{folder}/influxd.sqlite",
                "--engine-path", f"{folder}/engine",
                "--http-bind-address", f"127.0.0.1:{self.port}",
                "--reporting-disabled",
            ]  # fmt: skip
        else:
            auth = str(self.auth).lower()
            text = _CONFIG.format(folder=folder, port=self.port, rpc=rpc, auth=auth)
            (folder / "influxd.conf").write_text(text)
            arguments = ["-config", f"{folder}/influxd.conf"]
        with (folder / "influxd.log").open("ab") as log:
            # A session of its own: Ctrl-C is for us, who still have points to write.
            self._process = subprocess.Popen(  # noqa: S603  a binary that the user chose
                [self.binary, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _answers(self) -> bool:
        """Wait until it answers; return whether it does."""
        deadline = time.monotonic() + START_LIMIT_S
        ready = "/health" if self.kind == "2" else "/ping"
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._ask("GET", ready)[0] in {200, 204}:
                    return True
            time.sleep(0.05)
        return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _first_user(self) -> None:
        """Make the first user, without which neither kind lets anybody in."""
        if self.kind == "2":
            body = {"username": USER, "password": PASSWORD, "org": ORG, "bucket": "first"}
            text = json.dumps(body | {"token": TOKEN})
            status, said = self._ask("POST", "/api/v2/setup", text)
        else:
            create = f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
            status, said = self._ask("POST", f"/query?q={quote(create)}")
        if status not in {200, 201, 401, 422}:  # the last two: it was made in an earlier life
            raise ServiceError(f"{self.binary}: the first user cannot be made: {status}: {said}")

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def _last_words(self) -> str:
        log = (self._folder or Path()) / "influxd.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return lines[-1] if lines else "it says nothing"


def _free_ports() -> tuple[int, int]:
    """Return two TCP ports of 127.0.0.1 that are free just now."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def _is_2(binary: Path) -> bool:
    """Return whether `influxd version` says 2.x; one built with `go install` says `unknown`."""
    try:
        said = subprocess.run(  # noqa: S603  a binary that the user chose
            [binary, "version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "InfluxDB v2" in said or "InfluxDB 2" in said
