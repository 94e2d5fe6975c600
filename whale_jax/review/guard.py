"""What a server on this machine refuses: any other web page may send it requests from the same browser."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    ["default-src 'none'"]
    + [f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")]
    + ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # no other page shows the pictures
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Lets requests through to an application that come from its page alone, and sets HEADERS on all answers."""

    def __init__(self, application: ASGIApp, *, port: int):
        self.application = application
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        status, text = self.refusal(scope["method"], Headers(scope=scope))
        application = JSONResponse({"error": text}, status) if text else self.application
        await application(scope, receive, answer)

    def refusal(self, method: str, headers: Headers) -> tuple[int, str]:
        """The status and the reason with which a request is refused; the reason is "" where it is not."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if host.lower() not in self.hosts:  # a name of somebody else's, which leads to this machine: DNS rebinding
            return 403, "this server answers to its address on this machine alone"
        if method in ("GET", "HEAD"):
            return 200, ""
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return 403, "this request comes from another page"
        # Without asking first, a browser sends no JSON to a site that is not the page's.
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "the body must be application/json"
        return 200, ""
