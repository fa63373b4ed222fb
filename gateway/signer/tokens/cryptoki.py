"""PKCS#11 libraries: loading, sessions, finding and using what a URI names.

Rules. One thread for each library does everything with it, because libraries of this kind crash when several threads open sessions.
A failed call is tried once more on a library set up anew, because that is how a device that was pulled and put back is found again;
while the device is away it is looked for at most once a second, and every call fails at once. A wrong PIN is never tried twice:
tokens lock themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, ObjectClass

from gateway.core.errors import KeyTokenError
from gateway.settings.pkcs11uri import Pkcs11Uri

T = TypeVar("T")

PIN_ERRORS = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired)
_LOOK_AGAIN_AFTER = 1.0  # seconds


class Library:
    """One PKCS#11 library in this process and the thread that owns it. `generation` changes when all handles became void."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pkcs11")
        self._loaded: Any = None
        self._looked = 0.0
        self._sessions: dict[bytes, Any] = {}
        self.generation = 0

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` in the owning thread; its exceptions are raised here."""
        return self._thread.submit(work).result()

    def loaded(self) -> Any:
        """The library. In its own thread only. KeyTokenError when it is not one."""
        if self._loaded is None:
            try:
                self._loaded = pkcs11.lib(self._path)
            except (RuntimeError, OSError) as e:
                raise KeyTokenError(f"{self._path} is no usable PKCS#11 library", code="token_not_found") from e
        return self._loaded

    def session(self, uri: Pkcs11Uri, pin: str | None) -> Any:
        """The session with the one token that the URI names; a login counts for a whole token, so there is one session for each.
        In its own thread only. PKCS11Error."""
        found = [t for s in self.loaded().get_slots(token_present=True) if _is_named(t := s.get_token(), uri)]
        if len(found) != 1:
            raise pkcs11.NoSuchToken(f"{len(found)} tokens")
        token = found[0]
        if token.serial not in self._sessions:
            self._sessions[token.serial] = token.open(user_pin=pin)
        return self._sessions[token.serial]

    @contextmanager
    def writing(self, uri: Pkcs11Uri, pin: str | None) -> Iterator[Any]:
        """A session that may make objects on the token. In its own thread only. PKCS11Error."""
        with self.session(uri, pin).token.open(rw=True) as session:  # the login of the other session counts for it
            yield session

    def start_again(self) -> None:
        """Set the library up anew: the only way to see a device that came back. In its own thread only."""
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN_AFTER:
            raise KeyTokenError("the token is not there", code="token_not_available")
        self._looked = now
        self.generation += 1
        self._sessions.clear()
        self.loaded().reinitialize()


library = lru_cache(maxsize=None)(Library)


class TokenObject:
    """The one object of its kind that a URI names. From any thread."""

    def __init__(self, uri: Pkcs11Uri, pin: str | None, kind: ObjectClass) -> None:
        self._uri = uri
        self._pin = pin
        self._kind = kind
        self._library = library(uri.module)
        self._found: Any = None
        self._generation = -1
        self._pin_refused = False

    def use(self, work: Callable[[Any], T]) -> T:
        """`work` with the object, in the library's thread; it may raise PKCS11Error and is called once more then. KeyTokenError in
        words."""
        return self._library.call(lambda: self._use(work))

    # --- in the library's thread ---------------------------------------------------------------------------------------

    def _use(self, work: Callable[[Any], T]) -> T:
        try:
            return work(self._object())
        except pkcs11.PKCS11Error as first:
            self._refuse_pin_errors(first)
            try:
                self._library.start_again()
                return work(self._object())
            except pkcs11.PKCS11Error as e:
                self._refuse_pin_errors(e)
                self._found = None
                raise KeyTokenError(
                    f"the token does not answer ({type(e).__name__})", code="token_not_available"
                ) from e

    def _refuse_pin_errors(self, error: pkcs11.PKCS11Error) -> None:
        if isinstance(error, PIN_ERRORS):
            self._pin_refused = True
            raise KeyTokenError(f"{self._uri}: the token does not take the PIN", code="pin_incorrect") from error

    def _object(self) -> Any:
        if self._found is None or self._generation != self._library.generation:
            if self._pin_refused:
                raise KeyTokenError(f"{self._uri}: the token does not take the PIN", code="pin_incorrect")
            self._found = find_one(self._library.session(self._uri, self._pin), self._uri, self._kind)
            self._generation = self._library.generation
        return self._found


def template(uri: Pkcs11Uri, kind: ObjectClass) -> dict[Attribute, Any]:
    """What objects of this kind under the URI's name have in common."""
    return {
        Attribute.CLASS: kind,
        **({} if uri.object is None else {Attribute.LABEL: uri.object}),
        **({} if uri.id is None else {Attribute.ID: uri.id}),
    }


def find_one(session: Any, uri: Pkcs11Uri, kind: ObjectClass) -> Any:
    """KeyTokenError when there is not exactly one. PKCS11Error."""
    found = list(session.get_objects(template(uri, kind)))
    if len(found) == 1:
        return found[0]
    raise KeyTokenError(f"{uri}: {len(found)} objects of this name, not one", code="key_not_found")


def _is_named(token: Any, uri: Pkcs11Uri) -> bool:
    serial = token.serial.decode("utf-8", "replace").strip("\0 ")
    label = token.label.strip("\0 ")
    return uri.token in (None, label) and uri.serial in (None, serial)
