"""All keys of a vault in clear, by purpose, program and version.

1. A keyring never changes; a new catalogue makes a new one.
2. There is at most one active version for each purpose and program, and of an index key at most two: while codes
   move from one to the other, both are looked up and claimed, and the higher one leads. A vault that claims more is
   refused.
3. What each state is good for (after NIST SP 800-57 part 1 revision 5, section 7):

    state         protects anew   looks codes up   opens and verifies
    PRE_ACTIVE    no              no               yes, as another process may already use it
    ACTIVE        yes             yes              yes
    DEACTIVATED   no              no               yes
    COMPROMISED   no              no               opens only, so that records can be saved; no row tag counts
    DESTROYED     has no key, so it is never in a keyring
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from vault.crypto.digest import Digester
from vault.crypto.encoding import encode
from vault.crypto.envelope import WrappingKey
from vault.crypto.rowtag import Tagger
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

T = TypeVar("T")

_CONTEXT_LABEL: Final = "cardvault.v1.key"
_MOST_ACTIVE: Final[Mapping[int, int]] = {KeyPurpose.INDEX: 2}
_VERIFYING: Final = (KeyState.PRE_ACTIVE, KeyState.ACTIVE, KeyState.DEACTIVATED)


def key_context(vault_id: bytes, purpose: KeyPurpose, program: str, version: int) -> bytes:
    """Return the context in which custody wraps a key: the vault's 16 bytes, and whose key and which it is."""
    return encode((_CONTEXT_LABEL, vault_id, purpose, program, version))


class Key(NamedTuple):
    """One version of a key, in clear; ``program`` is empty for the vault's own."""

    purpose: KeyPurpose
    program: str
    version: int
    state: KeyState
    secret: Secret


class Keyring:
    """The keys of a vault, and what is made of them."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Take every key that is not destroyed.

        Raises:
            IntegrityFailure: KEY_VERSION: a version is there twice, or more versions are active for one purpose and
                program than may be.
        """
        self._keys: dict[tuple[int, str], dict[int, Key]] = {}
        self._active: dict[tuple[int, str], list[Key]] = {}
        self._made: dict[tuple[str, str], object] = {}
        for key in keys:
            place = (key.purpose, key.program)
            versions = self._keys.setdefault(place, {})
            if key.version in versions:
                message = f"version {key.version} of {_name(*place)} is there twice"
                raise IntegrityFailure(message, reason="KEY_VERSION")
            versions[key.version] = key
            if key.state == KeyState.ACTIVE:
                self._active.setdefault(place, []).append(key)
        for (purpose, program), active in self._active.items():
            active.sort(key=lambda key: -key.version)
            if len(active) > _MOST_ACTIVE.get(purpose, 1):
                message = f"{len(active)} versions of {_name(purpose, program)} are active"
                raise IntegrityFailure(message, reason="KEY_VERSION")

    def __repr__(self) -> str:
        return f"<Keyring of {sum(map(len, self._keys.values()))} keys>"

    def active(self, purpose: KeyPurpose, program: str = "") -> Key:
        """Return the active version, of two the higher one.

        Raises:
            IntegrityFailure: KEY_VERSION: there is none.
        """
        return self._all_active(purpose, program)[0]

    def get(self, purpose: KeyPurpose, program: str, version: int) -> Key:
        """Return one version, whatever its state.

        Raises:
            IntegrityFailure: KEY_VERSION: it is not there, or destroyed.
        """
        key = self._keys.get((purpose, program), {}).get(version)
        if key is None:
            message = f"there is no version {version} of {_name(purpose, program)}"
            raise IntegrityFailure(message, reason="KEY_VERSION")
        return key

    def versions(self, purpose: KeyPurpose, program: str = "") -> Mapping[int, Key]:
        """Return every version, whatever its state; none where there is none."""
        return MappingProxyType(self._keys.get((purpose, program), {}))

    def tagger(self) -> Tagger:
        """Return the vault's tagger.

        Raises:
            IntegrityFailure: KEY_VERSION: no row tag key is active.
        """
        return self._once("tagger", "", self._make_tagger)

    def digesters(self, program: str) -> tuple[Digester, ...]:
        """Return the digesters to look a program's codes up by: of each active version, the newest first.

        Raises:
            IntegrityFailure: KEY_VERSION: no index key is active.
        """
        return self._once("digesters", program, lambda: self._make_digesters(program))

    def claiming_digesters(self, program: str) -> tuple[Digester, ...]:
        """Return the digesters under which a new code claims a digest: all that codes are looked up by."""
        return self.digesters(program)

    def wrapping_keys(self, program: str) -> Mapping[int, WrappingKey]:
        """Return the program's key-encryption keys that open what they wrapped, by version."""
        return self._once("wrapping", program, lambda: self._make_wrapping_keys(program))

    def active_wrapping_key(self, program: str) -> WrappingKey:
        """Return the key-encryption key to wrap with.

        Raises:
            IntegrityFailure: KEY_VERSION: none is active.
        """
        return self.wrapping_keys(program)[self.active(KeyPurpose.WRAPPING, program).version]

    def _once(self, kind: str, program: str, make: Callable[[], T]) -> T:
        made = self._made.get((kind, program))
        if made is None:
            made = self._made[kind, program] = make()
        return made  # type: ignore[return-value]  # each kind is made by one function only

    def _make_tagger(self) -> Tagger:
        active = self.active(KeyPurpose.ROW_TAG)
        keys = self.versions(KeyPurpose.ROW_TAG).values()
        return Tagger({key.version: key.secret for key in keys if key.state in _VERIFYING}, active.version)

    def _all_active(self, purpose: KeyPurpose, program: str) -> list[Key]:
        keys = self._active.get((purpose, program))
        if not keys:
            message = f"no version of {_name(purpose, program)} is active"
            raise IntegrityFailure(message, reason="KEY_VERSION")
        return keys

    def _make_digesters(self, program: str) -> tuple[Digester, ...]:
        keys = self._all_active(KeyPurpose.INDEX, program)
        return tuple(Digester(key.version, key.secret, program) for key in keys)

    def _make_wrapping_keys(self, program: str) -> Mapping[int, WrappingKey]:
        keys = self.versions(KeyPurpose.WRAPPING, program).values()
        return MappingProxyType({key.version: WrappingKey(key.version, key.secret) for key in keys})


def _name(purpose: int, program: str) -> str:
    name = f"the {KeyPurpose(purpose).name.lower().replace('_', ' ')} key"
    return f"{name} of program {program!r}" if program else name
