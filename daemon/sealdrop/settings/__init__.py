"""Settings: one TOML file in, frozen and checked values out. The only package that reads configuration.

    load(path)            the settings, or every problem at once as ConfigurationError
    warnings(settings)    what is allowed but deserves a second look
    effective(settings)   the values in effect as plain data, for the log; fingerprint(settings) names them
    schema()              the JSON schema, checked in as config/sealdrop.schema.json
    resolve_secret(ref)   the file of a secret; a configuration never holds one
    smallest(facts)       the text of a first configuration

The file is the only source; environment variables have no say. Nothing it refers to is opened here.
"""

from __future__ import annotations

from sealdrop.settings.loading import load
from sealdrop.settings.models import (
    Agent,
    Control,
    DirectoryTransport,
    KeySet,
    Kind,
    Leg,
    Outbox,
    Recipient,
    Retry,
    Route,
    Settings,
    SftpTransport,
    Temporary,
)
from sealdrop.settings.secret_refs import SecretRef, resolve_secret
from sealdrop.settings.template import DirectoryFacts, Facts, SftpFacts, smallest
from sealdrop.settings.views import effective, fingerprint, schema, warnings

__all__ = [
    "Agent",
    "Control",
    "DirectoryFacts",
    "DirectoryTransport",
    "Facts",
    "KeySet",
    "Kind",
    "Leg",
    "Outbox",
    "Recipient",
    "Retry",
    "Route",
    "SecretRef",
    "Settings",
    "SftpFacts",
    "SftpTransport",
    "Temporary",
    "effective",
    "fingerprint",
    "load",
    "resolve_secret",
    "schema",
    "smallest",
    "warnings",
]
