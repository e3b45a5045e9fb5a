"""What every request passes first: whose it is, and how large it may be."""

from typing import Any, Callable, Dict
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DISCARDED = 4  # times the limit is read of a body that is too large


class Guard:
    """ASGI middleware around an application.

    A page of another site that is open in the same browser can send requests to this
    computer. It is refused, by the name that it calls the server (which a name server
    of its own may have given to 127.0.0.1) and by its origin.

    Attributes:
      is_stopping: whether connections are closed after their present request.
      num_requests: so far.

    Args:
      app: the application.
      local_only: whether the server is called by names of this computer alone.
      max_bytes: of a request's body.
    """

    def __init__(self, app: Callable, local_only: bool, max_bytes: int):
        self.is_stopping = False
        self.num_requests = 0
        self._app = app
        self._local_only = local_only
        self._max_bytes = max_bytes

    async def __call__(self, scope: Dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.num_requests += 1
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        problem = self._problem(headers.get(b"host", ""), headers.get(b"origin"))
        app = JSONResponse({"error": problem}, 403) if problem else self._app

        async def answer(message):
            if message["type"] == "http.response.start":
                more = [(b"x-content-type-options", b"nosniff")]
                if self.is_stopping:
                    more.append((b"connection", b"close"))
                message = dict(message, headers=[*message["headers"], *more])
            await send(message)

        await app(scope, self._limited(receive), answer)

    def _problem(self, host: str, origin: Any) -> str:
        name = urlsplit(f"//{host}").hostname
        if self._local_only and name not in LOOPBACK:
            return (
                f"The server answers to 127.0.0.1 and localhost, not to {host!r}. "
                "Start it with --host to be reached by other names."
            )
        if origin is not None and urlsplit(origin).netloc != host:
            return f"Requests of pages from elsewhere ({origin}) are not answered."
        return ""

    def _limited(self, receive: Any) -> Any:
        """Stops a body that is too large, which is read on so that the answer is."""
        size = 0

        async def limited():
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size <= self._max_bytes:
                return message
            while message.get("more_body") and size < _DISCARDED * self._max_bytes:
                message = await receive()
                size += len(message.get("body", b""))
            raise HTTPException(
                413,
                f"The request is larger than {self._max_bytes:,} bytes: send less at a "
                "time, or start the server with a larger --max_megabytes.",
            )

        return limited
