"""What the page sends: small objects in JSON, each field of which is checked before anything is done with it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from whale_jax.runtime.errors import InputError

BYTES, CHARACTERS = 16384, 500  # of a body, and of a name in it, at most


async def read(request: Request) -> dict[str, Any]:
    """The object that a request carries. Raises HTTPException where it is none, or too large."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > BYTES:
            raise HTTPException(413, f"the body has more than {BYTES} bytes")
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON") from error
    if not isinstance(fields, dict):
        raise HTTPException(400, "the body is not an object")
    return fields


def origin(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Who decides, and on which event of the photo it is based. Errors as in `integer` and `text`."""
    return {"reviewer": text(fields, "reviewer").strip(), "based_on": integer(fields, "based_on")}


def integer(fields: Mapping[str, Any], name: str) -> int:
    """A field that is a whole number, from 0. Raises InputError."""
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise InputError(f"{name} must be a whole number")
    return value


def text(fields: Mapping[str, Any], name: str) -> str:
    """A field that is text of at most CHARACTERS, "" where it is missing. Raises InputError."""
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > CHARACTERS:
        raise InputError(f"{name} must be text of at most {CHARACTERS} characters")
    if any(0xD800 <= ord(character) < 0xE000 or ord(character) < 32 for character in value):
        raise InputError(f"{name} has a character that cannot be written to a table, such as a line break")
    return value


def points(fields: Mapping[str, Any]) -> list[list[float]]:
    """Bonnet and blowhead, two pairs of numbers in pixels. Raises InputError."""
    value = fields.get("points")
    pairs = value if isinstance(value, list) else []
    numbers = [number for pair in pairs if isinstance(pair, list) and len(pair) == 2 for number in pair]
    finite = all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
    if len(pairs) != 2 or len(numbers) != 4 or not finite:
        raise InputError("points must be two pairs of numbers: x and y of the bonnet, x and y of the blowhead")
    return [[float(x), float(y)] for x, y in pairs]
