"""
The echo server of "Zero-downtime restarts via interprocess descriptor transfer" (Ori
Livneh, 2016), on port 9999.
"""

from twisted.application.strports import service
from twisted.internet.protocol import Factory, Protocol


class Echo(Protocol):
    """
    Says what it hears.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        See L{twisted.internet.protocol.Protocol}.
        """
        self.transport.write(data)


def makeService():
    """
    @return: the server.
    """
    return service("tcp:9999:interface=127.0.0.1", Factory.forProtocol(Echo))
