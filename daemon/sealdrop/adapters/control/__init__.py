"""The control socket: how the command line speaks to the running agent. No network, no framework, no session.

protocol   what goes over the socket: one request line, one answer line
peers      who asks, as the kernel tells, and what they may
server     ``ControlServer``, in the agent
client     ``ControlClient``, on the command line
"""

from sealdrop.adapters.control.client import ControlClient
from sealdrop.adapters.control.protocol import Request, Verb
from sealdrop.adapters.control.server import ControlServer
from sealdrop.core.errors import NotRunning, Unanswered

__all__ = ["ControlClient", "ControlServer", "NotRunning", "Request", "Unanswered", "Verb"]
