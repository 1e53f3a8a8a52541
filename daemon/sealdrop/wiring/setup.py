"""From settings to a setup: the one place that knows which class stands behind which port.

Reading top to bottom gives the product's wiring: outboxes, rules, keys, transports. Whatever was opened before a
problem showed is closed again, so that a bad configuration at a reload costs nothing.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sealdrop import settings as config
from sealdrop.adapters.gnupg import GnupgSealer, KeySet, Recipient
from sealdrop.adapters.hints import WatchHints
from sealdrop.adapters.outbox import Convention, FolderOutbox, RemoteOutbox
from sealdrop.adapters.reports import ReportShelf
from sealdrop.adapters.transports.directory import DirectoryOptions, DirectoryTransport
from sealdrop.adapters.transports.guarded import Deadline, Guarded
from sealdrop.adapters.transports.sftp import Proxy, SftpOptions, SftpTransport, TemporaryName, TemporaryStyle
from sealdrop.adapters.validator import ProfileValidator, load_profile
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.readiness import Protocol, ReadinessPolicy
from sealdrop.core.retry import RetryPolicy
from sealdrop.flow.setup import DuplicatePolicy, KindSetup, OutboxSetup, RouteSetup, Setup
from sealdrop.ports.clock import Clock
from sealdrop.ports.intake import Outbox
from sealdrop.ports.sealing import KeyInfo
from sealdrop.ports.transport import Transport
from sealdrop.shipped import calendars, profile_path
from sealdrop.wiring.folders import reports_path

#: Checks and seals wait half of their time, for the disk, the ledger, gpg and its agent; twice as many as cores keep
#: those busy. No pool gets more than the configuration could say.
WORKERS_PER_CORE = 2
MOST_WORKERS = 64


def make_setup(settings: config.Settings, config_dir: Path, clock: Clock) -> Setup:
    """Make everything that a configuration decides.

    Args:
        settings: checked settings.
        config_dir: folder of the configuration file; profiles named by path are relative to it.
        clock: for everything that needs one.

    Raises:
        ConfigurationError: something the configuration names will not do; every problem that can be told at once.
        KeyUnusable, SealFailed: GnuPG refuses a key.
        NoSpace, StorageFailure: a folder of ours could not be written.
    """
    with ExitStack() as undo:
        sealers = {
            name: make_sealer(settings, name, seal_workers(settings))
            for name in sorted({kind.keys for kind in settings.kinds.values()})
        }
        for sealer in sealers.values():
            undo.callback(sealer.close)
        kinds = {
            name: make_kind(settings, name, make_validator(settings, name, config_dir), sealers[kind.keys])
            for name, kind in settings.kinds.items()
        }
        routes = {name: make_route(settings, name, clock) for name in settings.routes}
        outboxes = tuple(make_outbox(settings, name, clock) for name in settings.outboxes)
        local = tuple(settings.outbox_path(name) for name, outbox in settings.outboxes.items() if not outbox.remote)
        setup = Setup(
            environment=settings.environment,
            settings_sha256=config.fingerprint(settings),
            outboxes=outboxes,
            kinds=kinds,
            routes=routes,
            reserve_bytes=settings.agent.free_space_reserve_bytes,
            sweep_seconds=settings.agent.sweep_seconds,
            stuck_seconds=settings.agent.stuck_alarm_seconds,
            check_workers=settings.agent.check_workers or usual_workers(),
            seal_workers=seal_workers(settings),
            hints=(WatchHints(local),) if local else (),
        )
        undo.pop_all()
    return setup


def keys_in_use(setup: Setup, at: datetime) -> list[KeyInfo]:
    """Return the keys that some kind uses, each key set once, with what is to be said of them as of ``at``."""
    sealers = {kind.key_set: kind.sealer for kind in setup.kinds.values()}
    return [key for sealer in sealers.values() for key in sealer.keys(at)]


def seal_workers(settings: config.Settings) -> int:
    """Return how many files are sealed at once."""
    return settings.agent.seal_workers or usual_workers()


def usual_workers() -> int:
    """Return how many workers a pool has when nobody says."""
    return min(WORKERS_PER_CORE * len(os.sched_getaffinity(0)), MOST_WORKERS)


def make_outbox(settings: config.Settings, name: str, clock: Clock) -> OutboxSetup:
    """Make one outbox.

    Raises:
        ConfigurationError: it is not on the spool's mount, or a remote one without a protocol that is safe there.
    """
    outbox = settings.outboxes[name]
    marker = outbox.marker_suffix if outbox.protocol is Protocol.MARKER else None
    convention = Convention(
        accept=outbox.accept,
        in_progress=outbox.in_progress_suffixes,
        marker=marker,
        stale_seconds=outbox.alarm_seconds,
    )
    folder, results = settings.outbox_path(name), settings.results_path(name)
    made: Outbox
    if outbox.remote:
        made = RemoteOutbox(
            name,
            folder,
            settings.root,
            convention=convention,
            protocol=outbox.protocol,
            clock=clock,
            results=results,
        )
    else:
        made = FolderOutbox(name, folder, settings.root, convention=convention, clock=clock, results=results)
    return OutboxSetup(
        outbox=made,
        kind=outbox.kind,
        readiness=ReadinessPolicy(
            protocol=outbox.protocol, quiet_seconds=outbox.quiet_seconds, alarm_seconds=outbox.alarm_seconds
        ),
    )


def make_validator(settings: config.Settings, name: str, config_dir: Path) -> ProfileValidator:
    """Make the rules of one kind.

    Raises:
        ConfigurationError: its profile is missing or wrong.
    """
    kind = settings.kinds[name]
    path = profile_path(kind.profile, config_dir, setting=f"kinds.{name}.profile")
    reports = ReportShelf(reports_path(settings))
    return ProfileValidator(load_profile(path, calendars()), own_user_ids=kind.own_user_ids, reports=reports)


def make_sealer(settings: config.Settings, name: str, homes: int = 1) -> GnupgSealer:
    """Make the sealer of one key set; its private homes live in the runtime folder.

    Args:
        settings: checked settings.
        name: of the key set.
        homes: how many seals may run at a time; each home costs a moment at the start.

    Raises:
        ConfigurationError: a key file will not do. KeyUnusable, SealFailed: GnuPG refuses a key.
        NoSpace, StorageFailure: the runtime folder could not be written.
    """
    return GnupgSealer(key_set(settings, name), settings.runtime, homes=homes)


def key_set(settings: config.Settings, name: str) -> KeySet:
    """Return one key set as the sealer wants it.

    Raises:
        ConfigurationError: a credential is named, but no service manager handed any over.
    """
    keys = settings.keys[name]
    return KeySet(
        name=name,
        environment=keys.environment,
        signer=keys.signer,
        signer_key=config.resolve_secret(keys.signer_key),
        passphrase=config.resolve_secret(keys.passphrase) if keys.passphrase is not None else None,
        passphrase_is_random=keys.passphrase_is_random,
        recipients=tuple(Recipient(fingerprint=one.fingerprint, public_key=one.file) for one in keys.recipients),
    )


def make_kind(settings: config.Settings, name: str, validator: ProfileValidator, sealer: GnupgSealer) -> KindSetup:
    """Make one kind of file."""
    kind = settings.kinds[name]
    return KindSetup(
        name=name,
        priority=kind.priority,
        legs=kind.plan,
        validator=validator,
        sealer=sealer,
        key_set=kind.keys,
        order=kind.order,
        max_bytes=kind.max_bytes,
        max_active_files=kind.max_active_files,
        max_active_bytes=kind.max_active_bytes,
        duplicates=DuplicatePolicy(kind.duplicates),
        duplicate_window=timedelta(days=kind.duplicate_window_days),
        patience=timedelta(hours=kind.patience_hours),
        keep=kind.keep,
        output_name=kind.output_name,
    )


def make_route(settings: config.Settings, name: str, clock: Clock) -> RouteSetup:
    """Make one route with its transports, each guarded.

    Raises:
        ConfigurationError: a transport's options can never work.
    """
    route = settings.routes[name]
    transports: list[Transport] = []
    for transport_name, options in settings.transports(name):
        if isinstance(options, config.SftpTransport):
            made: Transport = SftpTransport(sftp_options(transport_name, options, route), clock)
        else:
            made = DirectoryTransport(DirectoryOptions(name=transport_name, folder=options.path), clock)
        transports.append(Guarded(made, clock=clock, deadline=Deadline(base=route.attempt_seconds)))
    return RouteSetup(
        name=name,
        transports=tuple(transports),
        retry=RetryPolicy(
            first=timedelta(seconds=route.retry.first_seconds),
            factor=route.retry.factor,
            longest=timedelta(seconds=route.retry.max_seconds),
            jitter=route.retry.jitter,
        ),
        max_parallel=route.max_parallel,
        max_waiting_files=route.max_waiting_files,
    )


def sftp_options(name: str, sftp: config.SftpTransport, route: config.Route) -> SftpOptions:
    """Return the options of one SFTP transport.

    Raises:
        ConfigurationError: they can never work, or a credential is named that nobody handed over.
    """
    proxy = urlsplit(sftp.proxy) if sftp.proxy is not None else None
    # SFTP has no hash of the far end's own: what would do for a hash must be read back here.
    minimum = ProofLevel.DIGEST if route.minimum_proof is ProofLevel.DIGEST_XOR else route.minimum_proof

    def place(ref: config.SecretRef | None) -> Path | None:
        return config.resolve_secret(ref) if ref is not None else None

    return SftpOptions(
        name=name,
        host=sftp.host,
        port=sftp.port,
        user=sftp.user,
        host_keys=sftp.known_hosts or tuple(sftp.host_keys),
        private_key=place(sftp.private_key),
        passphrase=place(sftp.passphrase),
        password=place(sftp.password),
        folder=sftp.folder,
        temporary=TemporaryName(style=TemporaryStyle(sftp.temporary.style), text=sftp.temporary.text),
        minimum_proof=minimum,
        proxy=Proxy(host=proxy.hostname or "", port=proxy.port or 0) if proxy is not None else None,
        connect_timeout=sftp.connect_seconds,
        login_timeout=sftp.auth_seconds,
        request_timeout=sftp.request_seconds,
        in_flight=route.max_parallel,
    )
