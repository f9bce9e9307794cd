"""A page of one's own: pictures in, a policy of its own, another host for a part of it, and what is said when that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from py_edge.bundle.collect import Bundle
from py_edge.testing import Fault, Origin
from py_edge.testing.plugin import Tattler

pytestmark = pytest.mark.browser
Serve = Callable[..., Origin]

NOISE = """
const { fromPixels } = await import('./pixels.js');
const canvas = document.createElement('canvas');
const pen = canvas.getContext('2d');
const paint = (width, height, rgba) => {
  [canvas.width, canvas.height] = [width, height];
  pen.putImageData(new ImageData(new Uint8ClampedArray(rgba), width), 0, 0);
};
"""
READY = "async ([tag, attributes]) => {" + """
  const edge = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) edge.setAttribute(name, value);
  document.body.append(edge);
  return edge.ready.then(() => edge.predict(new Float32Array(64))).then(() => null, (error) => error.problem);
}"""  # fmt: skip


@pytest.fixture
def noise() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture 12 high and 20 wide, opaque."""
    rgba = np.random.default_rng(0).integers(0, 256, (12, 20, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    return rgba


def test_pixels_are_what_the_canvas_holds(
    page: Page, origin: Origin, noise: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    """Uncut they are the picture's own numbers in the range asked for; cut, they are its middle; grey is BT.601's luma."""
    page.goto(f"{origin.url}test-bare.html")
    whole, middle, grey = page.evaluate(
        "async (rgba) => {" + NOISE + """
          paint(20, 12, rgba);
          const read = async (shape, options) => [...await fromPixels(canvas, shape, options)];
          return [await read([1, 12, 20, 3], { range: [-1, 1] }), await read([12, 12, 3], { range: [0, 255] }), await read([1, 12, 20, 1])];
        }""",
        noise.ravel().tolist(),
    )  # fmt: skip

    luma = noise[..., :3] @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(whole, (noise[..., :3] / 127.5 - 1).ravel(), atol=1e-6)
    np.testing.assert_allclose(middle, noise[:, 4:16, :3].ravel(), atol=1e-4)
    np.testing.assert_allclose(grey, luma.ravel(), atol=1e-6)


def test_an_image_a_frame_and_a_file_give_the_same_picture(page: Page, origin: Origin) -> None:
    """<img>, a video's frame, a Blob and a bitmap of one green canvas are green at the model's size."""
    page.goto(f"{origin.url}test-bare.html")
    greens = page.evaluate(
        "async () => {" + NOISE + """
          [canvas.width, canvas.height] = [64, 48];
          pen.fillStyle = 'rgb(0, 255, 0)';
          pen.fillRect(0, 0, 64, 48);
          const blob = await new Promise((done) => canvas.toBlob(done));
          const img = new Image();
          img.src = canvas.toDataURL();
          await img.decode();
          const video = document.createElement('video');
          video.muted = true;
          const shown = new Promise((done) => video.requestVideoFrameCallback(done));
          const paints = setInterval(() => pen.fillRect(0, 0, 64, 48), 20);
          video.srcObject = canvas.captureStream();
          await video.play();
          await shown;
          clearInterval(paints);
          const kinds = [img, video, blob, await createImageBitmap(canvas), canvas];
          return Promise.all(kinds.map(async (kind) => [...await fromPixels(kind, [1, 8, 8, 3])]));
        }"""
    )  # fmt: skip

    assert len(greens) == 5
    for green in greens:
        red, full, blue = np.reshape(green, (64, 3)).T
        assert max(red.max(), blue.max()) < 0.1 < 0.9 < full.min()


def test_what_is_no_picture_is_said(page: Page, origin: Origin, serve: Serve, bundle: Bundle) -> None:
    """A shape without pixels, an image that never came, a picture of another host, and an element in place of numbers."""
    other = serve(bundle.folder)
    page.goto(f"{origin.url}test-predict.html")
    page.route(f"{other.url}*.svg", lambda route: route.fulfill(content_type="image/svg+xml", body=SQUARE))
    told = page.evaluate(
        "async (url) => {" + NOISE + """
          const foreign = new Image();
          foreign.src = url;
          await foreign.decode();
          const said = (error) => error.problem;
          const edge = document.getElementById('edge');
          await edge.ready;
          return [
            await fromPixels(canvas, [1, 64]).catch(said), await fromPixels(new Image(), [8, 8, 3]).catch(said),
            await fromPixels(foreign, [8, 8, 3]).catch(said), await edge.predict(foreign).catch(said),
          ];
        }""",
        f"{other.url}square.svg",
    )  # fmt: skip

    assert [problem["code"] for problem in told] == ["E_SHAPE", "E_FORMAT", "E_POLICY", "E_VALUE"]
    assert "crossorigin" in told[2]["remedy"]
    assert "fromPixels" in told[3]["remedy"]


SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'


@pytest.mark.parametrize(
    ("policy", "code", "word"),
    [
        ("default-src 'self'; script-src 'self' 'wasm-unsafe-eval'", None, ""),
        ("default-src 'self'", "E_ENVIRONMENT", "'wasm-unsafe-eval'"),
        ("default-src 'self' 'wasm-unsafe-eval'; worker-src 'none'", "E_WORKER", "loaded"),
    ],
)
def test_a_policy_of_ones_own_suffices_or_is_named(
    page: Page, serve: Serve, bundle: Bundle, tattler: Tattler, policy: str, code: str | None, word: str
) -> None:
    """Under a sub-path, with `wasm-unsafe-eval`, it answers; without it, or without workers, `ready` fails and says why."""
    tattler.expected += ["violates the following Content Security Policy", "data:,"]
    served = serve(bundle.folder, under="/my/app", headers={"content-security-policy": policy})
    page.goto(f"{served.url}test-bare.html")

    told = page.evaluate(READY, ["py-edge", {"src": "models/device/", "learn": "off"}])

    assert (told and told["code"]) == code
    assert word in str(told)


def test_a_worker_that_does_not_come_fails_ready_at_once(
    page: Page, origin: Origin, tattler: Tattler
) -> None:
    """Its script missing, `ready` is rejected when that is known, not when a call has waited its time out."""
    tattler.expected.append("Failed to load resource")
    origin.faults.active.append(Fault("refuse", r"/worker\.js$", 404))
    page.goto(f"{origin.url}test-bare.html")
    page.set_default_timeout(20_000)

    assert page.evaluate(READY, ["py-edge", {"src": "models/device/", "learn": "off"}])["code"] == "E_WORKER"


def test_another_host_for_script_or_model(
    page: Page, origin: Origin, serve: Serve, bundle: Bundle, tattler: Tattler
) -> None:
    """A model may lie on a host that allows it (CORS), else that word is said; the script must be of the page's own host."""
    tattler.expected += ["CORS policy", "net::ERR_FAILED"]
    open_, closed = serve(bundle.folder, headers={"access-control-allow-origin": "*"}), serve(bundle.folder)
    page.goto(f"{origin.url}test-bare.html")
    asked = [{"src": f"{host.url}models/device/", "learn": "off"} for host in (open_, closed)]

    assert page.evaluate(READY, ["py-edge", asked[0]]) is None
    assert "CORS" in page.evaluate(READY, ["py-edge", asked[1]])["remedy"]
    foreign = page.evaluate(
        "async (url) => { const { PyEdge } = await import(`${url}py-edge.js`);"
        " return PyEdge.load('models/device/', { learn: 'off' }).then(() => null, (error) => error.problem); }",
        open_.url,
    )
    assert (foreign["code"], "own origin" in foreign["message"]) == ("E_POLICY", True)


def test_a_folder_names_its_model(page: Page, origin: Origin) -> None:
    """`load` of predict.js takes models/device/ for its model.json, as the element's src does."""
    page.goto(f"{origin.url}test-bare.html")
    shapes = page.evaluate(
        "async () => { const { load } = await import('./predict.js');"
        " return Promise.all(['models/device/', 'models/device/model.json'].map(async (url) => (await load(url)).inputs[0].shape)); }"
    )
    assert shapes == [[1, 64], [1, 64]]
