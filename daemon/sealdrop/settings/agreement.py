"""How the values of a configuration must agree: environments, references, and pairs of keys.

Works on ``Parts``, so that every contradiction is reported beside every bad value. Folders are in ``places``.

Promise of the product that lives here: test and live never mix. Every place that carries an environment must carry
the instance's, and each that does not is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sealdrop.core.errors import Problem
from sealdrop.settings.models import KeySet, Kind, Outbox, Route, SftpTransport, Transport, transport_name
from sealdrop.settings.parts import Parts
from sealdrop.settings.places import misplaced
from sealdrop.settings.problems import suggestion

_MIXTURE = "Test and live never mix: run another instance, with its own configuration, for another environment."


def disagreements(parts: Parts) -> Iterator[Problem]:
    """Yield every contradiction between values that are good by themselves."""
    yield from _mixed_environments(parts)
    yield from _dangling_references(parts)
    for name, outbox in parts.outboxes.items():
        yield from _outbox(f"outboxes.{name}", outbox)
    for name, kind in parts.kinds.items():
        yield from _kind(f"kinds.{name}", kind)
    for name, key_set in parts.keys.items():
        yield from _keys(f"keys.{name}", key_set)
    for name, route in parts.routes.items():
        yield from _route(f"routes.{name}", route)
    yield from _transport_names(parts)
    yield from _far_ends(parts)
    yield from misplaced(parts)


# --- environments and references ---------------------------------------------------------------------------


def _mixed_environments(parts: Parts) -> Iterator[Problem]:
    places = dict(parts.environments)
    own = places.pop("environment", None)
    if own is None:
        if len(set(places.values())) > 1:
            listed = ", ".join(f"{path} = '{value}'" for path, value in places.items())
            yield Problem(path="environment", what=f"several environments are mixed: {listed}", hint=_MIXTURE)
        return
    for path, value in places.items():
        if value != own:
            yield Problem(path=path, what=f"is '{value}', but this instance is '{own}'", hint=_MIXTURE)


def _dangling_references(parts: Parts) -> Iterator[Problem]:
    for path, section, name in parts.references:
        known = parts.declared[section]
        if name not in known:
            hint = suggestion(name, known, "There are") or f"Add a table [{section}.{name}]."
            yield Problem(path=path, what=f"there is no [{section}.{name}]", hint=hint)


# --- one table at a time -----------------------------------------------------------------------------------


def _outbox(path: str, outbox: Outbox) -> Iterator[Problem]:
    for suffix in outbox.in_progress_suffixes:
        if outbox.marker_suffix.endswith(suffix):
            yield Problem(
                path=f"{path}.marker_suffix",
                what=f"ends like files in progress ('{suffix}'), so no marker would ever be seen",
                hint="Choose another suffix for markers.",
            )


def _kind(path: str, kind: Kind) -> Iterator[Problem]:
    if kind.route is None and kind.legs is None:
        yield Problem(
            path=f"{path}.route", what="is missing", hint="Give a route, or several with legs = [{ name, route }]."
        )
    if kind.route is not None and kind.legs is not None:
        yield Problem(path=f"{path}.legs", what="stands beside route", hint="Keep one of the two.")
    yield from _repeated(f"{path}.legs", "leg name", [leg.name for leg in kind.plan])
    yield from _repeated(f"{path}.legs", "route", [leg.route for leg in kind.plan])
    if kind.max_active_bytes < kind.max_bytes:
        yield Problem(
            path=f"{path}.max_active_bytes",
            what="is less than max_bytes, so the largest file could never be taken",
            hint=f"Give at least {kind.max_bytes}, or lower max_bytes.",
        )


def _keys(path: str, key_set: KeySet) -> Iterator[Problem]:
    yield from _repeated(f"{path}.recipients", "fingerprint", [one.fingerprint for one in key_set.recipients])
    if key_set.passphrase_is_random and key_set.passphrase is None:
        what = "speaks of a passphrase, and there is none"
        yield Problem(path=f"{path}.passphrase_is_random", what=what, hint="Remove it, or give the passphrase.")


def _route(path: str, route: Route) -> Iterator[Problem]:
    if route.retry.max_seconds < route.retry.first_seconds:
        yield Problem(
            path=f"{path}.retry.max_seconds",
            what="is less than first_seconds",
            hint="The longest pause cannot be shorter than the first.",
        )
    for place, transport in enumerate(route.transports):
        if isinstance(transport, SftpTransport):
            yield from _sftp(f"{path}.transports.{place}", transport)


def _sftp(path: str, sftp: SftpTransport) -> Iterator[Problem]:
    if not sftp.host_keys and sftp.known_hosts is None:
        yield Problem(
            path=f"{path}.host_keys",
            what="is missing: without a pinned key nobody knows who answers",
            hint='Ask the far end for its public host key and write it as host_keys = ["ssh-ed25519 AAAA…"].',
        )
    if sftp.host_keys and sftp.known_hosts is not None:
        yield Problem(path=f"{path}.known_hosts", what="stands beside host_keys", hint="Keep one of the two.")
    if sftp.private_key is None and sftp.password is None:
        yield Problem(
            path=f"{path}.private_key",
            what="is missing",
            hint='Give private_key = { file = "/…" } or { credential = "name" }; or password, the same way.',
        )
    if sftp.private_key is not None and sftp.password is not None:
        yield Problem(path=f"{path}.password", what="stands beside private_key", hint="Keep one; prefer the key.")
    if sftp.passphrase is not None and sftp.private_key is None:
        yield Problem(path=f"{path}.passphrase", what="belongs to a private_key, and there is none", hint="Remove it.")
    yield from _temporary(f"{path}.temporary.text", sftp)


def _temporary(path: str, sftp: SftpTransport) -> Iterator[Problem]:
    text, style = sftp.temporary.text, sftp.temporary.style
    if style == "folder":
        if text == sftp.folder:
            yield Problem(path=path, what="is the folder itself", hint="Give another one on the same file system.")
    elif "/" in text or (style == "suffix" and not text.strip(".")):
        yield Problem(path=path, what=f"does not make a {style}", hint='Give one such as "." before or ".part" after.')


def _repeated(path: str, what: str, names: list[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(path=path, what=f"{what} '{name}' appears {count} times", hint="Keep one.")


# --- transports across routes ------------------------------------------------------------------------------


def _transport_names(parts: Parts) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for path, name, _, _ in _transports(parts):
        if name in seen:
            yield Problem(
                path=f"{path}.name",
                what=f"'{name}' is also the name of {seen[name]}",
                hint="The ledger tells transports apart by name: give this one a name of its own.",
            )
        seen.setdefault(name, path)


def _far_ends(parts: Parts) -> Iterator[Problem]:
    """Two environments must not meet at one far end, whatever the rest of the file says."""
    seen: dict[tuple[object, ...], tuple[str, str]] = {}
    for path, _, environment, transport in _transports(parts):
        if isinstance(transport, SftpTransport):
            end: tuple[object, ...] = (transport.host.lower().rstrip("."), transport.port, transport.folder)
        else:
            end = (transport.path,)
        other, other_environment = seen.setdefault(end, (path, environment))
        if environment != other_environment:
            yield Problem(
                path=path,
                what=f"is '{environment}' and leads to the same place as {other}, which is '{other_environment}'",
                hint=_MIXTURE,
            )


def _transports(parts: Parts) -> Iterator[tuple[str, str, str, Transport]]:
    for name, route in parts.routes.items():
        for place, transport in enumerate(route.transports):
            path = f"routes.{name}.transports.{place}"
            yield path, transport_name(name, place, transport), route.environment, transport
