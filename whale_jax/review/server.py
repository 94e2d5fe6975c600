"""The server of the page on which a person decides who is on new photos. It answers on this machine alone.

What is decided, and all pictures, come from a session; what its values hold is said in `Session`.
"""

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from whale_jax.data import decisions
from whale_jax.report import html
from whale_jax.review import bodies
from whale_jax.review.guard import HEADERS, Guard
from whale_jax.runtime.errors import InputError
from whale_jax.runtime.threads import Pool

HOST = "127.0.0.1"
FOLDER = Path(__file__).parent
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
KINDS = tuple(filter(None, decisions.WORDS))
DIGITS = 9  # of the number of a photo or an event, at most
AGE = "private, max-age=86400"  # of a picture: its address changes with what it shows


class Conflict(Exception):
    """Another window has decided since on the photo that a window decides on.

    Attributes:
        photo: what the session says of the photo now, as in `Session.state`.
    """

    def __init__(self, photo: Mapping[str, Any]):
        super().__init__(f"{photo['name']} was changed in another window in the meantime")
        self.photo = photo


class Session(Protocol):
    """Photos to decide on. Threads may call all methods at once; values are plain JSON, except for pictures.

    A Photo is {"row": int, "name": str, "encounter": str, "note": why there is no answer, "head": whether it has a
    picture, "version": int of that picture, "size": [height, width], "points": [[x, y], [x, y]] of bonnet and blowhead
    in pixels of the photo or None, "source": "table", "predicted", "moved" or "", "called_new": bool, "p_none": float
    or None, "words": how far answers as sure can be trusted, "candidates": [{"whale", "probability", "reference":
    number of the run's most similar photo of it or None}], the likeliest first, "encounter_candidates": [{"whale",
    "probability"}], "pending": whether it is being matched again, "decision": None or {"kind": one of KINDS, "whale",
    "reviewer", "time", "number"}, "number": int of its last event}.

    Attributes:
        key: identifies the review, also when it is opened again; whatever a window sends has it.
    """

    key: str

    def state(self) -> dict[str, Any]:
        """All that the page shows.

        Returns:
            {"review": the key, "run": str, "summary": what the run knows, "reviewer": str, "error": float, "number":
            int of the last event, "whales": names, those of the run first, "curve": a cmc.Curve by its fields, or None,
            "ready_crops": whether photos have no points to move, "photos": Photos in the order of review}
        """

    def changes(self, since: int) -> dict[str, Any]:
        """{"number", "whales", "photos"} as in `state`, of the photos that have changed since an event."""

    def decide(self, row: int, *, kind: str, whale: str, reviewer: str, based_on: int) -> dict[str, Any]:
        """Keeps a decision and returns `changes`. Raises Conflict unless the photo's last event is `based_on`."""

    def undo(self, row: int, *, event: int, reviewer: str, based_on: int) -> dict[str, Any]:
        """Takes back an event of a photo, its last decision or the last move of its points, as `decide`."""

    def move(self, row: int, *, points: Sequence[Sequence[float]], reviewer: str, based_on: int) -> dict[str, Any]:
        """Moves bonnet and blowhead to `points`, in pixels of the photo, as `decide`; the photo is pending then."""

    def suggest(self) -> str:
        """A name for a new individual that is free."""

    def whale_photos(self, whale: str) -> list[dict[str, Any]]:
        """All photos of a whale: {"reference", "name"} of those of the run, {"row", "name"} of those decided here."""

    def head(self, row: int) -> bytes:
        """JPEG of the aligned head on a photo. Raises IndexError or KeyError where there is none."""

    def photo(self, row: int) -> bytes:
        """JPEG of the whole photo, as `head`, in the orientation of its points."""

    def reference(self, row: int) -> bytes:
        """JPEG of the head on a photo of the run, as `head`."""


def serve(session: Session, *, port: int, opened: Callable[[str], None]) -> None:
    """Serves the page until the main thread is interrupted, by Ctrl-C or a request to end, which it raises.

    Args:
        session: the photos.
        port: to listen on; 0 takes a free one. A busy port raises InputError.
        opened: called with the page's address when it answers.
    """
    with running(session, port=port) as (url, ended):
        opened(url)
        while not ended.done():
            wait([ended], 0.5)  # on Windows a thread that waits without an end is deaf to Ctrl-C
    raise RuntimeError("the server of the page has ended by itself") from ended.exception()


@contextlib.contextmanager
def running(session: Session, *, port: int) -> Iterator[tuple[str, Future]]:
    """Within the block, the page is served by a thread: yields its address, and the end of the server.

    The block ends when the last answer is given, or after a minute. Errors as in `serve`.
    """
    with listener(port) as connection, Pool(1, "review") as pool:
        number = connection.getsockname()[1]
        config = uvicorn.Config(
            app(session, port=number),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=60,  # then threads that still cut pictures are left alone
        )
        server = uvicorn.Server(config)
        ended = pool.submit(server.run, [connection])
        try:
            while not (server.started or ended.done()):
                wait([ended], 0.01)
            yield f"http://{HOST}:{number}/", ended
        finally:
            server.should_exit = True


def listener(port: int) -> socket.socket:
    """A socket that listens on this machine alone. Raises InputError where the port cannot be had."""
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot serve the page on port {port}: {reason}. Choose another by --config.port=..., or let "
            "--config.port=0 take a free one; is the page open already, from an earlier start?"
        ) from error


def app(session: Session, *, port: int) -> Starlette:
    """The application, for a server on `port`: the page, its files, what it asks for and what it sends."""
    token = secrets.token_hex(4)  # within addresses of pictures: a browser shows none that it got from another session
    files = {path.name: path for path in (FOLDER / "static").iterdir() if path.suffix in TYPES}
    files["look.css"] = html.FOLDER / "look.css"
    contents = {name: (path.read_bytes(), TYPES[path.suffix]) for name, path in files.items()}
    page = html.environment(FOLDER / "templates").get_template("review.html").render()

    def static(request: Request) -> Response:
        if (name := request.path_params["name"]) not in contents:
            raise HTTPException(404, "no such file")
        content, kind = contents[name]
        return Response(content, media_type=kind)

    def changes(request: Request) -> Response:
        _expect(session, request.query_params.get("review", ""))
        return JSONResponse(session.changes(_number(request.query_params.get("since", ""))))

    def whale(request: Request) -> Response:
        return JSONResponse(session.whale_photos(request.query_params.get("name", "")))

    def decide(row: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        kind, name = bodies.text(fields, "kind"), bodies.text(fields, "whale")
        if kind not in KINDS or bool(name.strip()) != (kind in decisions.NAMING):
            raise InputError(f"a decision is one of {', '.join(KINDS)}; the first two have the name of a whale")
        return session.decide(row, kind=kind, whale=name, **bodies.origin(fields))

    def undo(row: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        return session.undo(row, event=bodies.integer(fields, "event"), **bodies.origin(fields))

    def move(row: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        return session.move(row, points=bodies.points(fields), **bodies.origin(fields))

    routes = [
        Route("/", lambda request: HTMLResponse(page)),
        Route("/static/{name}", static),
        Route("/api/state", lambda request: JSONResponse({**session.state(), "token": token})),
        Route("/api/changes", changes),
        Route("/api/suggest", lambda request: JSONResponse({"name": session.suggest()})),
        Route("/api/whale", whale),
        Route("/head/{row}.jpg", _picture(session.head)),
        Route("/photo/{row}.jpg", _picture(session.photo)),
        Route("/reference/{row}.jpg", _picture(session.reference)),
        Route("/api/decide", _action(session, decide), methods=["POST"]),
        Route("/api/undo", _action(session, undo), methods=["POST"]),
        Route("/api/points", _action(session, move), methods=["POST"]),
    ]
    handlers = {HTTPException: _refuse, InputError: _refuse, Conflict: _refuse, Exception: _refuse}
    return Starlette(routes=routes, middleware=[Middleware(Guard, port=port)], exception_handlers=handlers)


def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, Conflict):
        return JSONResponse({"error": str(error), "photo": error.photo}, 409)
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    if isinstance(error, InputError):
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"error": f"the program made a mistake: {type(error).__name__}: {error}"}, 500, HEADERS)


def _picture(source: Callable[[int], bytes]) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        try:
            content = source(_number(request.path_params["row"]))
        except (IndexError, KeyError) as error:
            raise HTTPException(404, "no such picture") from error
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": AGE})

    return respond


def _expect(session: Session, review: str) -> None:
    """Refuses a window that was left open from another review: its photos have the numbers of others here."""
    if review != session.key:
        raise HTTPException(410, "this window is of another review: load the page again")


def _action(session: Session, action: Callable[[int, Mapping[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        fields = await bodies.read(request)
        _expect(session, bodies.text(fields, "review"))
        try:
            return JSONResponse(await run_in_threadpool(action, bodies.integer(fields, "row"), fields))
        except (IndexError, KeyError) as error:
            raise HTTPException(404, "no such photo") from error

    return respond


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS):
        raise HTTPException(404, "no such number")
    return int(digits)
