"""Drawn aerial photos of right whales: callosities alone distinguish a whale, all else belongs to the photo.

Lengths on and around the whale are in head lengths (blowhead to bonnet tip); a place on it is (u, v): u = 0 at the
blowhead and 1 at the bonnet tip, v to the whale's right. Colours are RGB in 0..1. `photograph` is the way in.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter
from scipy import fft, interpolate

from whale_jax.data.sea import sea, smoothstep

MARGIN = 0.04  # how much larger the scene is than a photo of it: the shots of a burst frame it differently
FOAM, SKIN, CALLOSITY = np.float32([(0.94, 0.97, 0.98), (0.19, 0.165, 0.165), (0.87, 0.81, 0.70)])
# The whale from above, flukes to bonnet: u, half its width, height of its ridge over the water.
OUTLINE = np.array([
    (-5.15, 0.00, -0.45), (-5.1, 0.70, -0.45), (-4.7, 0.38, -0.42), (-4.4, 0.10, -0.36), (-4.0, 0.13, -0.27),
    (-3.2, 0.31, -0.08), (-2.4, 0.50, 0.13), (-1.6, 0.60, 0.25), (-0.9, 0.57, 0.21), (-0.3, 0.44, 0.12),
    (0.0, 0.38, 0.14), (0.3, 0.36, 0.15), (0.6, 0.31, 0.14), (0.9, 0.22, 0.11), (1.03, 0.12, 0.07), (1.08, 0.0, 0.03),
]).T  # fmt: skip
SPINE = np.linspace(OUTLINE[0, 0], OUTLINE[0, -1], 600)
WIDTH, RIDGE = interpolate.PchipInterpolator(OUTLINE[0], OUTLINE[1:], axis=1)(SPINE)


class Shot(NamedTuple):
    """One photo to take: its file name, its whale's index and the first photo of the same encounter."""

    name: str
    whale: int
    moment: str


def generator(*words) -> np.random.Generator:
    """Randomness that depends on `words` alone."""
    return np.random.default_rng([*"/".join(map(str, words)).encode()])


def callosities(rng) -> np.ndarray:
    """(n, 5) ellipses (u, v, half length, half width, angle): the pattern of one individual."""
    draw, chance = rng.uniform, rng.random
    size = draw(0.08, 0.14)
    rows = [(1.02 - size, rng.normal(0, 0.01), size, draw(0.055, 0.11), rng.normal(0, 0.2))]  # the bonnet
    if chance() < 0.45:  # continuous: a band from the bonnet back
        along = np.arange(0.9 - size, rng.choice([0.10, 0.30, 0.45]), -0.07)
        widths = np.clip(draw(0.025, 0.07) * np.exp(np.cumsum(rng.normal(0, 0.22, len(along)))), 0.02, 0.085)
        drift = np.cumsum(rng.normal(0, 0.008, len(along)))
        rows += [(u, v, 0.07, w, 0) for u, v, w in zip(along, drift, widths, strict=True)]
    else:  # broken: islands
        for u in draw(0.2, 0.76, rng.integers(2, 6)):
            rows.append((u, rng.normal(0, 0.045), draw(0.025, 0.085), draw(0.022, 0.05), rng.normal(0, 0.3)))
    if chance() < 0.8:  # the coaming, before the blowholes
        rows.append((draw(0.09, 0.15), rng.normal(0, 0.015), draw(0.03, 0.08), draw(0.04, 0.09), 0))
    for side in (-1, 1):
        if chance() < 0.7:  # behind the blowholes
            at = draw(-0.26, -0.12), side * draw(0.04, 0.12)
            rows.append((*at, draw(0.025, 0.06), draw(0.02, 0.04), side * draw(-0.8, 0.2)))
        if chance() < 0.75:  # eyebrow
            rows.append((draw(-0.08, 0.14), side * draw(0.28, 0.33), draw(0.05, 0.13), draw(0.018, 0.036), 0))
        for u in draw(0.32, 0.85, rng.integers(0, 4)):  # lip
            v = np.interp(u, SPINE, WIDTH) - 0.055
            rows.append((u, side * v, draw(0.03, 0.12), draw(0.014, 0.032), -0.25 * side))
        if chance() < 0.5:  # chin
            rows.append((draw(0.9, 1.0), side * draw(0.17, 0.22), 0.05, draw(0.03, 0.05), 0))
    return np.array(rows)


def coverage(rng, u: np.ndarray, *, v: np.ndarray, soft: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """How much of each place (u, v) of the individual `rng` is callosity, 0..1, and its roughness, of s.d. 1."""
    patches = callosities(rng)
    pitch = np.geomspace(12, 90, 16)  # radians per head length; the finer, the weaker
    bumps = [*(pitch[:, None] * rng.normal(0, 1, (16, 2))).T, rng.uniform(0, 2 * np.pi, 16), 10 / pitch]
    rough = sum(w * np.sin(a * u + b * v + p) for a, b, p, w in np.transpose(bumps).tolist())
    near = 0
    for pu, pv, length, width, angle in patches.tolist():
        cos, sin = math.cos(angle), math.sin(angle)
        du, dv = (u - pu) * cos + (v - pv) * sin, (v - pv) * cos - (u - pu) * sin
        distance = (np.hypot(du / length, dv / width) - 1) * min(length, width)
        near += np.exp(np.clip(-distance / 0.012, -30, 30))  # a soft minimum lets neighbours grow together
    return smoothstep((soft, -soft), 0.010 * rough - 0.012 * np.log(near + 1e-9)), rough


def body(rng, u, *, v, whale, water, swell, relief, soft) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The whale at places (u, v), its lower parts seen through water.

    Args:
        rng: decides how the whale lies and is lit.
        u: (n,) along the whale, in head lengths.
        v: (n,) across it.
        whale: generator of the individual.
        water: (n, 3) colour of the sea there.
        swell: (n,) height of the sea there, s.d. 1.
        relief: (n,) fine texture, s.d. 1.
        soft: size of a pixel in head lengths.

    Returns:
        Colour (n, 3), opacity (n,), and height over the water (n,) in head lengths.
    """
    width = np.maximum(np.interp(u, SPINE, WIDTH), 1e-3).astype(np.float32)
    across = np.clip(v / width, -1, 1)
    ridge = np.interp(u, SPINE, RIDGE).astype(np.float32) + rng.uniform(-0.07, 0.05) + rng.normal(0, 0.03) * u
    height = ridge - rng.uniform(0.7, 1.1) * width * (1 - np.sqrt(1 - across**2)) - rng.uniform(0.01, 0.04) * swell
    rostrum = np.exp(-((v / (0.11 + 0.05 * (1 - u))) ** 4)) * smoothstep((-0.3, 0.1), u)
    groove = np.exp(-(((np.abs(v) - 0.18 + 0.06 * u) / 0.025) ** 2))
    groove = groove * smoothstep((0.1, 0.3), u) * smoothstep((1.0, 0.8), u)
    lit = across * rng.uniform(-1, 1)
    light = 0.9 + 0.4 * lit + 0.12 * relief + 0.2 * rostrum - 0.5 * groove
    skin = SKIN * rng.uniform(0.7, 1.4) * light[:, None]
    skin += (rng.uniform(0, 0.25) * smoothstep((0.0, 1.2), lit + 0.35 * relief))[:, None]  # wet skin mirrors the sky
    holes = np.hypot((u - 0.02 + 0.6 * (np.abs(v) - 0.05)) / 0.045, (np.abs(v) - 0.045) / 0.016)
    skin *= 1 - 0.8 * smoothstep((1.4, 0.6), holes)[:, None]
    head = (u > -0.5) & (u < 1.2)
    cover, rough = coverage(whale, u[head], v=v[head], soft=soft)
    warm = np.array((1, 0.5, 0)) * rng.normal(0, 0.06) + rng.uniform(0.85, 1.1)
    tone = CALLOSITY * warm.astype(np.float32) * (1 + 0.10 * rough + 0.10 * relief[head])[:, None]
    skin[head] += (tone - skin[head]) * (cover * rng.uniform(0.75, 1.0))[:, None]
    clear = np.exp(-np.maximum(-height, 0) * rng.uniform(3, 8))[:, None]  # deep parts fade into the water, red first
    colour = water + (skin * clear ** np.float32((1.2, 0.6, 0.5)) - water) * clear
    inside = smoothstep((1.0, 0.9 - soft), np.abs(v) / width) * (u > SPINE[0]) * (u < SPINE[-1])
    return colour, inside, height


def pose(rng, size, *, head: float, time: float, heading: complex) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Puts a whale into a scene: u and v of each pixel, (height, width), and points (2, 2), bonnet and blowhead.

    Its back bends; an oblique view shortens and shears its side and brings one flank nearer: the points stay.
    """
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    middle = np.array([size[1], size[0]]) * rng.uniform(0.2, 0.8, 2)
    ahead = head * np.array([heading.real, heading.imag])
    side = np.array([-ahead[1], ahead[0]]) * rng.uniform(0.8, 1.1) + ahead * rng.normal(0, 0.08)
    blowhead = middle - ahead / 2 + ahead * 0.5 * time
    (ux, uy), (vx, vy) = np.linalg.inv(np.stack([ahead, side], 1)).tolist()
    x, y = x - np.float32(blowhead[0]), y - np.float32(blowhead[1])
    u, v = ux * x + uy * y, vx * x + vy * y
    nearer = 1 + rng.normal(0, 0.08) * np.clip(v, -2, 2)
    u, v = u / nearer, v / nearer - rng.normal(0, 0.035) * np.minimum(u, 0) ** 2
    return u, v, np.stack([blowhead + ahead, blowhead])


def scene(rng, size, *, head: float, time: float, whale) -> tuple[np.ndarray, np.ndarray]:
    """One moment at sea from the air: colours (height, width, 3) and points (2, 2), bonnet and blowhead as (x, y).

    Args:
        rng: decides all but the whale's own pattern.
        size: (height, width) in pixels.
        head: pixels from blowhead to bonnet tip.
        time: seconds since the moment's first photo.
        whale: generator of the individual.
    """
    sun, heading = (complex(z) for z in np.exp(1j * rng.uniform(-np.pi, np.pi, 2)))
    colour, sky, height, slope, glint, lace, wash = sea(rng, size, head=head, time=time, sun=sun)
    u, v, points = pose(rng, size, head=head, time=time, heading=heading)
    near = (u > SPINE[0]) & (u < SPINE[-1]) & (np.abs(v) < 1)
    around = {"water": colour[near], "swell": height[near], "relief": slope[near]}
    skin, inside, over = body(rng, u[near], v=v[near], whale=whale, soft=1 / head, **around)
    colour[near] += (skin - colour[near]) * inside[:, None]

    def splash(at, along, wide):
        return np.exp(-(((u - at[0]) / along) ** 2) - ((v - at[1]) / wide) ** 2)

    # Foam along the waterline, in the wake, and at times over the head.
    wash[near] += rng.uniform(0.1, 0.7) * np.exp(-((over / 0.05) ** 2)) * inside
    wake = rng.uniform(0.6, 1.8)
    wash += rng.uniform(0, 1.0) * splash((rng.uniform(-4.0, -1.0), rng.normal(0, 0.4)), wake, 0.6 * wake)
    if rng.random() < 0.4:
        wash += rng.uniform(0.4, 0.9) * splash((rng.uniform(-0.3, 1.2), rng.uniform(-0.5, 0.5)), 0.35, 0.22)
    foam = smoothstep((0.9, 1.5), lace + wash + 0.06 * slope)
    colour += (sky - colour) * (0.3 * np.minimum(wash, 1))[..., None]  # water full of bubbles
    colour += (FOAM - colour) * np.maximum(foam, glint * rng.uniform(0.6, 1))[..., None]
    if rng.random() < 0.2:  # the blow, drifting
        mist = splash((rng.uniform(-0.4, 0.0), rng.normal(0, 0.2)), rng.uniform(0.2, 0.5), rng.uniform(0.2, 0.5))
        mist = np.clip(mist * (0.7 + 0.5 * lace) * rng.uniform(0.3, 0.9), 0, 1)
        colour += (0.82 - colour) * mist[..., None]
    colour += (sky - colour) * rng.beta(1, 8)  # haze
    return colour, points


def photograph(seed: int, shot: Shot, *, width: int) -> tuple[Image.Image, np.ndarray]:
    """The photo of one shot, `width` x 2/3 `width` pixels.

    Returns:
        The photo, and points (2, 2): bonnet tip and blowhead in it as (x, y), in pixels.
    """
    moment, camera = generator(seed, "moment", shot.moment), generator(seed, "camera", shot.name)
    height = round(width * 2 / 3)
    size = tuple(fft.next_fast_len(round(side * (1 + MARGIN)), real=True) for side in (height, width))
    head, later = moment.uniform(0.07, 0.11) * width, camera.uniform(0.05, 0.25)
    time = 0.0 if shot.name == shot.moment else later
    pixels, points = scene(moment, size, head=head, time=time, whale=generator(seed, "whale", shot.whale))
    top, left = (int(camera.integers(0, whole - part + 1)) for whole, part in zip(size, (height, width), strict=True))
    pixels = pixels[top : top + height, left : left + width]
    exposure = (camera.normal(1, 0.02, 3) * 2 ** camera.uniform(-0.5, 0.4)).astype(np.float32)
    pixels = 255 * np.clip(pixels * exposure, 0, 1) ** camera.uniform(0.8, 1.2)
    blur = ImageFilter.GaussianBlur(1.4 * camera.beta(1, 2) * width / 768)
    pixels = np.asarray(Image.fromarray(pixels.astype(np.uint8)).filter(blur))
    grain = camera.standard_normal((height, width, 1), np.float32) * camera.uniform(1, 5)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)), points - (left, top)
