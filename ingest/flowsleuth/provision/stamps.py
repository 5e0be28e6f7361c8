"""What an item carries to say that it is ours, and what each part of it was when it was put there.

`flowsleuth-wall panel%203=1a2b3c4d title=…`: its own uid, since who copies an item copies the stamp
too, and a short hash for each part. So a later run tells what somebody changed in Grafana from
what a newer version or configuration wants otherwise, without a note of its own anywhere.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

NAME = "flowsleuth"
"""What the key is called under which an item carries its stamp."""

SECRET = "secret "  # noqa: S105  how the names of such parts begin
"""Parts of this name are fingerprints: Grafana takes the secret and never gives it back."""


def digest(part: Any) -> str:
    """Return a short hash of a part; equal for equal JSON."""
    text = json.dumps(canonical(part), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def canonical(value: Any) -> Any:
    """Return JSON as another program would give it back: no difference between 1 and 1.0."""
    if isinstance(value, Mapping):
        return {key: canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def fingerprint(secret: str, key: str) -> str:
    """Return what tells a secret from another one to who has the key, and says nothing else.

    A stamp can be read by whoever may see the item. So it is made with the credential by which
    Grafana is asked, and costs 16 MB and some 30 ms to try (scrypt, RFC 7914): a weak password
    cannot be guessed from it. With another credential it is another one, and the secret is sent
    again.
    """
    salt = hashlib.sha256(f"flowsleuth {key}".encode()).digest()
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, dklen=16).hex()


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of one item: its uid, and the hash of each part."""

    uid: str
    parts: Mapping[str, str]

    @classmethod
    def of(cls, uid: str, parts: Mapping[str, Any]) -> "Stamp":
        """Return the stamp of an item as it is put there."""
        return cls(uid, {name: digest(part) for name, part in parts.items()})

    def text(self) -> str:
        """Return it as it is carried."""
        pairs = (f"{quote(name, safe='.')}={value}" for name, value in sorted(self.parts.items()))
        return " ".join([quote(self.uid, safe=""), *pairs])


def read(text: object, uid: str) -> Stamp | None:
    """Return the stamp that an item of this uid carries, None if it carries none of its own."""
    words = str(text or "").split()
    if not words or unquote(words[0]) != uid:
        return None
    pairs = (word.partition("=") for word in words[1:])
    return Stamp(uid, {unquote(name): value for name, _, value in pairs})
