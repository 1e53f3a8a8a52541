"""The shape of a configuration: every table and key there is, its bounds and its default.

Everything is frozen and strict, unknown keys are refused, numbers carry their unit in their name, and there is no
key that turns a check off. The description of each field is what the JSON schema and the messages say of it.

``Settings`` has one source, the file it is given; environment variables and dotenv files have no say. It is built by
``loading.load`` alone, which also checks how the values agree (``agreement``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sealdrop.core import naming
from sealdrop.core.delivery import ProofLevel
from sealdrop.core.order import OrderPolicy
from sealdrop.core.readiness import Protocol
from sealdrop.core.submission import LegPlan
from sealdrop.settings import fields as f
from sealdrop.settings.host_keys import HostKey
from sealdrop.settings.secret_refs import SecretRef

MAX_TABLES = 64
_BY_A_MACHINE = [level.value for level in ProofLevel if level is not ProofLevel.BY_HAND]
_DAY_SECONDS = 86_400.0
_MIB = 1024 * 1024
_TIB = _MIB * _MIB


def _machine_proof(level: ProofLevel) -> ProofLevel:
    if level is ProofLevel.BY_HAND:
        raise f.refusal("is not a proof that a transport can give", f"Choose one of: {', '.join(_BY_A_MACHINE)}.")
    return level


class _Table(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, validate_default=False
    )


class Agent(_Table):
    """How the agent works: its rhythm, its pools, its reserve."""

    sweep_seconds: float = Field(
        default=30.0, ge=0.1, le=3600, description="Longest time between two looks at every outbox."
    )
    stop_seconds: float = Field(
        default=25.0,
        ge=1,
        le=600,
        description="How long a clean stop lets work in hand finish; below the unit's TimeoutStopSec.",
    )
    seal_workers: int = Field(
        default=0, ge=0, le=64, description="Files sealed at once; 0 is two for each processor core."
    )
    check_workers: int = Field(
        default=0, ge=0, le=64, description="Files checked at once; 0 is two for each processor core."
    )
    free_space_reserve_bytes: int = Field(
        default=256 * _MIB, ge=_MIB, le=_TIB, description="Free space below which nothing new is claimed."
    )
    stuck_alarm_seconds: float = Field(
        default=900.0, ge=10, le=_DAY_SECONDS, description="A worker without progress for this long is alarmed."
    )


class Control(_Table):
    """Who may speak to the running agent. Root and the agent's own user always may."""

    read_group: f.Group = Field(
        default="", description="Group whose members may ask for the status; empty is nobody else."
    )
    admin_group: f.Group = Field(
        default="", description="Group whose members may also change something; empty is nobody else."
    )


class Outbox(_Table):
    """One folder that a producer fills."""

    kind: f.Name = Field(description="Kind of file dropped here: the name of a [kinds.NAME] table.")
    environment: f.Environment = Field(description="The same environment as the instance's.")
    path: f.FolderPath | None = Field(default=None, description="The folder; <root>/outbox/NAME when not given.")
    results: f.FolderPath | None = Field(
        default=None,
        description="Folder where the producer finds the result of each file; <root>/results/NAME when not given.",
    )
    protocol: Annotated[Protocol, Field(strict=False)] = Field(
        default=Protocol.QUIET, description="How a producer says that a file is complete: rename, marker or quiet."
    )
    quiet_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=_DAY_SECONDS,
        description="How long a file must be unchanged, counted from our own first look.",
    )
    marker_suffix: f.Suffix = Field(default=".done", description="Ending of the marker file beside a complete file.")
    in_progress_suffixes: Annotated[tuple[f.Suffix, ...], Field(strict=False, max_length=16)] = Field(
        default=(".part", ".partial", ".tmp", ".filepart"), description="Endings of files that are still being written."
    )
    accept: Annotated[tuple[f.Glob, ...], Field(strict=False, min_length=1, max_length=16)] = Field(
        default=("*",), description="Patterns of file names that are taken; others are left alone with one alert."
    )
    remote: bool = Field(
        default=False, description="The folder is on another machine (NFS, SMB): no notices, no leases."
    )
    alarm_seconds: float = Field(
        default=3600.0,
        ge=1,
        le=31 * _DAY_SECONDS,
        description="A file that is still not complete after this long is alarmed.",
    )


class Leg(_Table):
    """One delivery that a file owes."""

    name: f.Name = Field(description="Name of the delivery, unique in its kind.")
    route: f.Name = Field(description="The route that carries it: the name of a [routes.NAME] table.")


class Kind(_Table):
    """How files of one kind are checked, sealed, ordered and kept."""

    profile: f.ProfileName = Field(
        description="Its rules: the name of a shipped profile, or a path relative to this configuration file."
    )
    keys: f.Name = Field(description="Its keys: the name of a [keys.NAME] table.")
    route: f.Name | None = Field(
        default=None, description="Its one route; short for one leg that is named like the route."
    )
    legs: Annotated[tuple[Leg, ...], Field(strict=False, min_length=1, max_length=8)] | None = Field(
        default=None, description="The deliveries it owes, when there are several."
    )
    priority: int = Field(default=50, ge=0, le=100, description="Higher goes first when several kinds wait.")
    order: Annotated[OrderPolicy, Field(strict=False)] = Field(
        default=OrderPolicy.CLAIM_ORDER, description="Order among files that share an ordering key (a User ID)."
    )
    max_bytes: int = Field(default=100 * _MIB, ge=1, le=_TIB, description="Largest file taken.")
    max_active_files: int = Field(default=1000, ge=1, le=1_000_000, description="Most files in hand at once.")
    max_active_bytes: int = Field(default=1024 * _MIB, ge=1, le=16 * _TIB, description="Most bytes in hand at once.")
    duplicates: Literal["hold", "file", "send"] = Field(
        default="hold",
        description="Equal bytes again: hold for a person, file under failed/ with a note, or send again.",
    )
    duplicate_window_days: int = Field(
        default=30, ge=1, le=3660, description="How long equal bytes count as a duplicate."
    )
    patience_hours: float = Field(
        default=72.0, gt=0, le=8784, description="How long delivery is tried before it is given up."
    )
    keep: Literal["content", "sealed", "digest"] = Field(
        default="content", description="What stays in sent/ beside the receipt."
    )
    output_name: f.OutputName = Field(
        default=naming.DEFAULT,
        description="Name at the far end, made of {file_name} {stem} {suffix} {kind} and always {id}.",
    )
    own_user_ids: Annotated[tuple[f.UserIds, ...], Field(strict=False, max_length=1000)] = Field(
        default=(), description='User IDs (EUI-64) of this party, or ranges "FIRST..LAST"; empty leaves them unchecked.'
    )

    @property
    def plan(self) -> tuple[LegPlan, ...]:
        """The deliveries owed, however they were written."""
        if self.route is not None:
            return (LegPlan(name=self.route, route=self.route),)
        return tuple(LegPlan(name=leg.name, route=leg.route) for leg in self.legs or ())


class Recipient(_Table):
    """A key that can read what we seal."""

    fingerprint: f.Fingerprint = Field(description="Full fingerprint, 40 or 64 upper-case hexadecimal digits.")
    file: f.AbsolutePath = Field(description="File with the public key.")


class KeySet(_Table):
    """The keys of one purpose: who signs, and who alone can read."""

    environment: f.Environment = Field(description="The same environment as the instance's.")
    signer: f.Fingerprint = Field(description="Full fingerprint of the key that signs.")
    signer_key: SecretRef = Field(description='The secret key: { file = "/…" } or { credential = "name" }.')
    passphrase: SecretRef | None = Field(default=None, description="Its passphrase, when it has one.")
    passphrase_is_random: bool = Field(
        default=False, description="It has 128 bits of chance or more, so it need not be stretched: 40 times faster."
    )
    recipients: Annotated[tuple[Recipient, ...], Field(strict=False, min_length=1, max_length=16)] = Field(
        description="The keys that can read what is sealed; nobody else can."
    )


class Retry(_Table):
    """How the pauses between attempts grow."""

    first_seconds: float = Field(default=10.0, ge=0.1, le=_DAY_SECONDS, description="Pause after the first failure.")
    factor: float = Field(default=2.0, ge=1, le=10, description="Growth from one failure to the next.")
    max_seconds: float = Field(default=1800.0, ge=0.1, le=_DAY_SECONDS, description="No pause is longer.")
    jitter: float = Field(default=0.2, ge=0, le=1, description="Share of a pause that chance may take away.")


class Temporary(_Table):
    """The name under which an upload grows until it is proven."""

    style: Literal["prefix", "suffix", "folder"] = Field(
        default="prefix", description="Text before the name, text after it, or a folder of its own."
    )
    text: f.RemoteFolder = Field(
        default=".", description="The prefix, the suffix, or the folder: absolute or from where the login starts."
    )


class SftpTransport(_Table):
    """Delivery to an SFTP server."""

    type: Literal["sftp"] = Field(description="sftp")
    name: f.Name | None = Field(
        default=None, description="Its name in the ledger; made from the route's when not given."
    )
    host: f.Host = Field(description="Host name or address.")
    port: int = Field(default=22, ge=1, le=65535, description="TCP port.")
    user: f.User = Field(description="Login name.")
    host_keys: Annotated[tuple[HostKey, ...], Field(strict=False, max_length=8)] = Field(
        default=(), description='The server\'s public keys, "type base64"; two while a key is being changed.'
    )
    known_hosts: f.AbsolutePath | None = Field(default=None, description="A file with them instead.")
    private_key: SecretRef | None = Field(default=None, description="The key we log in with.")
    passphrase: SecretRef | None = Field(default=None, description="Its passphrase, when it has one.")
    password: SecretRef | None = Field(
        default=None, description="The password we log in with, where no key is possible."
    )
    folder: f.RemoteFolder = Field(default=".", description="The folder at the far end.")
    temporary: Temporary = Field(default=Temporary(), description="How an unfinished upload is named.")
    connect_seconds: float = Field(default=15.0, ge=0.1, le=600, description="Longest wait for a connection.")
    auth_seconds: float = Field(
        default=30.0, ge=0.1, le=600, description="Longest wait for the key exchange and the login."
    )
    request_seconds: float = Field(
        default=60.0, ge=0.1, le=3600, description="Longest wait for the answer to one request."
    )
    proxy: f.Proxy | None = Field(default=None, description='An HTTP proxy to go through, "http://host:port".')


class DirectoryTransport(_Table):
    """Delivery into a local or mounted folder."""

    type: Literal["directory"] = Field(description="directory")
    name: f.Name | None = Field(
        default=None, description="Its name in the ledger; made from the route's when not given."
    )
    path: f.FolderPath = Field(description="The folder.")


Transport = Annotated[SftpTransport | DirectoryTransport, Field(discriminator="type")]


class Route(_Table):
    """An ordered choice of transports: the first that can be used carries the file."""

    environment: f.Environment = Field(description="The same environment as the instance's.")
    minimum_proof: Annotated[
        ProofLevel,
        Field(strict=False),
        AfterValidator(_machine_proof),
        WithJsonSchema({"enum": _BY_A_MACHINE, "type": "string"}),
    ] = Field(default=ProofLevel.DIGEST, description="The least proof of delivery that is accepted.")
    max_parallel: int = Field(default=16, ge=1, le=128, description="Deliveries under way at once.")
    max_waiting_files: int = Field(
        default=1000, ge=1, le=1_000_000, description="Deferred or held files above which its kinds claim no more."
    )
    attempt_seconds: float = Field(
        default=3600.0, ge=1, le=_DAY_SECONDS, description="Longest time for one attempt, however much it still moves."
    )
    retry: Retry = Field(default=Retry(), description="How the pauses between attempts grow.")
    transports: Annotated[tuple[Transport, ...], Field(strict=False, min_length=1, max_length=8)] = Field(
        description="The ways to deliver, best first."
    )


class Settings(BaseSettings):
    """The configuration of one instance: one SEC Party, one environment."""

    model_config = SettingsConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, case_sensitive=True
    )

    environment: f.Environment = Field(description='"live", or the name of a DCC test environment such as "uit-a".')
    party: f.Text | None = Field(default=None, description="Name of the SEC Party, for reports.")
    root: f.FolderPath = Field(description="The one writable tree, on one mount.")
    runtime: f.RuntimePath = Field(description="A folder in memory for GnuPG homes and the control socket.")
    agent: Agent = Field(default=Agent(), description="How the agent works.")
    control: Control = Field(default=Control(), description="Who may speak to the running agent.")
    outboxes: Mapping[f.Name, Outbox] = Field(
        min_length=1, max_length=MAX_TABLES, description="The folders that producers fill."
    )
    kinds: Mapping[f.Name, Kind] = Field(min_length=1, max_length=MAX_TABLES, description="The kinds of file.")
    keys: Mapping[f.Name, KeySet] = Field(min_length=1, max_length=MAX_TABLES, description="The sets of keys.")
    routes: Mapping[f.Name, Route] = Field(min_length=1, max_length=MAX_TABLES, description="The ways out.")

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source=source)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the hook's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out on purpose
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out on purpose
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - left out on purpose
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Name the one source: the file handed to the constructor, and nothing from the surroundings."""
        source: PydanticBaseSettingsSource = vars(init_settings)["init_kwargs"]["source"]
        return (source,)

    def outbox_path(self, name: str) -> Path:
        """Return the folder of one outbox."""
        return self.outboxes[name].path or self.root / "outbox" / name

    def results_path(self, name: str) -> Path:
        """Return the folder where one outbox's producer finds its results."""
        return self.outboxes[name].results or self.root / "results" / name

    def transports(self, route: str) -> Iterator[tuple[str, SftpTransport | DirectoryTransport]]:
        """Yield the transports of one route with their names, which are unique in the whole configuration."""
        for place, transport in enumerate(self.routes[route].transports):
            yield transport_name(route, place, transport), transport


def transport_name(route: str, place: int, transport: SftpTransport | DirectoryTransport) -> str:
    """Return the name of a route's transport: its own, else the route's, numbered from the second on."""
    return transport.name or (route if place == 0 else f"{route}-{place + 1}")
