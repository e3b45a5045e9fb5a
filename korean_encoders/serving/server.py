"""The socket and the server around the application; it answers all before it ends."""

import asyncio
import contextlib
import errno
import logging as standard_logging
import os
import signal
import socket
from typing import Any, List, Optional, Sequence

import uvicorn
from absl import logging

from data.io.errors import InputError
from korean_encoders.serving.guard import LOOPBACK, Guard

# How long a connection without a request stays open once the server is to end: for
# a request that is under way when it does.
_GRACE_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75
_LINES_AT_MOST = standard_logging.WARNING


def bind(host: str, port: int) -> socket.socket:
    """A socket of this address, on which nobody is answered yet.

    Args:
      port: 0 takes a free one.

    Raises:
      InputError: it cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except socket.gaierror:
        raise InputError(
            f"--host={host} is no address of this computer: leave it out for "
            "127.0.0.1, or pass 0.0.0.0 to be reached from others."
        ) from None
    except OSError as error:
        raise InputError(_refusal(host, port, error)) from None
    return bound


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program: stop that, or pass "
            "another --port (0 takes a free one)."
        )
    if error.errno == errno.EACCES:
        return f"--port={port} may not be used by you: pass one from 1024 on."
    return (
        f"--host={host} cannot be used ({os.strerror(error.errno or 0)}): pass an "
        "address of this computer."
    )


def is_local(host: str) -> bool:
    """Whether an address is reached from this computer alone."""
    return host in LOOPBACK or host.startswith("127.")


def url_of(bound: socket.socket) -> str:
    """ "http://127.0.0.1:8000"."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class DrainingServer(uvicorn.Server):
    """Ends by SIGTERM or Ctrl-C, after it has answered every request that reached it.

    It stops listening, and connections are closed after the request that is under way
    (`Connection: close` tells the client). One that has none stays open for a moment,
    so that a request that crosses the signal is answered, too. A second Ctrl-C ends at
    once.
    """

    def __init__(self, guard: Guard):
        self._guard = guard
        super().__init__(
            uvicorn.Config(
                guard,
                access_log=False,
                log_level=_LINES_AT_MOST,
                log_config=None,
                server_header=False,
                lifespan="off",
                loop="asyncio",  # of which `shutdown` knows how it listens
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )

    async def shutdown(self, sockets: Optional[List[socket.socket]] = None) -> None:
        """Stops listening, then closes each connection once it is idle."""
        self._guard.is_stopping = True
        loop: Any = asyncio.get_running_loop()
        for connection in await self._stop_listening(sockets or []):
            await loop.connect_accepted_socket(self._protocol, connection)
        deadline = loop.time() + _GRACE_SECONDS
        while self.server_state.connections and loop.time() < deadline:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _stop_listening(
        self, sockets: Sequence[socket.socket]
    ) -> List[socket.socket]:
        """Connections that nobody had taken on yet; to close a socket ends those."""
        loop = asyncio.get_running_loop()
        for listening in sockets:
            loop.remove_reader(listening)
        for _ in range(3):  # for those that the loop has taken on, to be ours
            await asyncio.sleep(0)
        waiting = []
        for listening in sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _ = listening.accept()
                    connection.setblocking(False)
                    waiting.append(connection)
        for asyncio_server in self.servers:
            asyncio_server.close()
        return waiting

    def _protocol(self) -> asyncio.Protocol:
        protocol: Any = self.config.http_protocol_class
        return protocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Notes the signal; it is not raised again afterwards, as uvicorn would."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def serve(guard: Guard, bound: socket.socket) -> None:
    """Answers requests on a socket of `bind` until it is told to end."""
    server = DrainingServer(guard)
    bound.listen()
    logging.info("Serving on %s (Ctrl-C ends it)", url_of(bound))
    server.run(sockets=[bound])
    logging.info("Stopped after %d requests; all are answered.", guard.num_requests)
