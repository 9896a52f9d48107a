"""Take the pictures of the README from the running dashboard: ``python scripts/pictures.py [name …]``."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import gru_viz  # noqa: E402
from benchmarks.browser import chromium, serve, settle  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 900}
MOST_BYTES = 250_000
MOVING_SIZE = {"width": 1200, "height": 860}
MOVING_COLOURS, EXACT_COLOURS, FRAMES, STRIDE, FRAME_MS = 95, 12, 24, 5, 240


def first_visit(page: Page) -> None:
    """Nothing is clicked."""


def messy_csv(page: Page) -> None:
    """A file as a German spreadsheet writes it: semicolons, decimal commas, a comment, gaps, a text column."""
    page.goto(page.url + "?source=File")
    settle(page)
    upload(page, (ROOT / "examples" / "weather_station_german.csv").read_bytes(), "weather_station_german.csv")
    expect(page.locator(".gv-position")).to_contain_text("of 168")
    settle(page)
    page.get_by_text("Note:").click()


def comparison(page: Page) -> None:
    """The same weights under two variants."""
    page.goto(page.url + "?weights=Random&example=Share+prices+of+2018+and+2019&compare=Another+variant")
    settle(page)


def error(page: Page) -> None:
    """A file with nothing below its header, after one that could be read."""
    page.goto(page.url + "?source=File")
    settle(page)
    upload(page, (ROOT / "examples" / "heated_room.csv").read_bytes(), "heated_room.csv")
    expect(page.locator(".gv-position")).to_contain_text("of 288")
    settle(page)
    upload(page, b"time,pressure\n", "pressure.csv")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    settle(page)


def million(page: Page) -> None:
    """A sensor read every second for twelve days, with one reading that is wrong."""
    page.goto(page.url + "?source=File")
    settle(page)
    seconds = np.arange(1_000_000)
    rng = np.random.default_rng(0)
    level = np.sin(seconds / 86_400 * 2 * np.pi) + 0.3 * np.sin(seconds / 40_000) + 0.1 * rng.normal(size=len(seconds))
    level[700_000] = 9.0
    rows = "\n".join(f"{second},{value:.3f}" for second, value in zip(seconds.tolist(), level.tolist(), strict=True))
    upload(page, f"second,level\n{rows}\n".encode(), "tank.csv")
    expect(page.locator(".gv-position")).to_contain_text("of 1,000,000", timeout=60_000)
    settle(page)


def own_model(page: Page) -> None:
    """A network that was trained elsewhere to predict the room's next temperature, on the data it was trained for."""
    page.goto(page.url + "?source=File&own_weights=File")
    settle(page)
    data = (ROOT / "examples" / "heated_room.csv").read_bytes()
    upload(page, data, "heated_room.csv", page.locator("input[type=file]").first)
    expect(page.locator(".gv-position")).to_contain_text("of 288")
    settle(page)
    upload(page, forecaster(data), "forecaster.pt", page.locator("input[type=file]").last)
    expect(page.get_by_text("same in torch")).to_be_visible()
    settle(page)


def forecaster(data: bytes) -> bytes:
    """Train a GRU with a linear head for half a minute at most; its state_dict, as anyone saves it."""
    sequences = gru_viz.read_table(data)
    x = torch.from_numpy(np.array(sequences[0].values))[None]
    target = x[:, 1:, sequences.features.index("room_temperature_C")]
    torch.manual_seed(0)
    network = torch.nn.ModuleDict(
        {"gru": torch.nn.GRU(3, 16, batch_first=True), "next_temperature": torch.nn.Linear(16, 1)}
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(300):
        predicted = network["next_temperature"](network["gru"](x[:, :-1])[0])[..., 0]
        loss = torch.nn.functional.mse_loss(predicted, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()


def training(page: Page) -> None:
    """Three cells remember over a hundred steps, watched to the end."""
    train(page, "Remember over 100 steps")


def gates_learning(page: Page) -> None:
    """The gates of the same lesson, after few updates and many."""
    train(page, "Remember over 10 steps")
    page.locator(".gv-snapshots").scroll_into_view_if_needed()
    page.locator(".gv-snapshots-slider").focus()
    page.locator(".gv-snapshots-slider").evaluate("slider => slider.scrollIntoView({ block: 'start' })")
    page.mouse.wheel(0, -120)


def sweep(page: Page) -> None:
    """Both cells at three sizes and three learning rates."""
    page.goto(page.url.rstrip("/") + "/Sweep")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("body")).to_contain_text("36 of 36 runs done", timeout=300_000)
    expect(page.locator("[data-figure=sweep] .js-plotly-plot")).to_be_visible()


def train(page: Page, lesson: str) -> None:
    """Start a lesson and wait for its end."""
    page.goto(f"{page.url.rstrip('/')}/GRU_against_LSTM?{urlencode({'lesson': lesson})}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".st-key-controls")).to_contain_text("Finished", timeout=300_000)
    expect(page.locator("[data-figure=loss] .js-plotly-plot").last).to_be_visible()
    page.mouse.move(700, 5)


SCENES: tuple[Callable[[Page], None], ...] = (
    first_visit,
    messy_csv,
    comparison,
    error,
    million,
    own_model,
    training,
    gates_learning,
    sweep,
)


def upload(page: Page, data: bytes, name: str, field: Locator | None = None) -> None:
    """Choose a file in the sidebar."""
    (field or page.locator("input[type=file]")).set_input_files({"name": name, "mimeType": "", "buffer": data})


def open_page(browser: Browser, address: str, scheme: str) -> Page:
    """Open the dashboard as someone new to it."""
    page = browser.new_context(viewport=SIZE, color_scheme=scheme).new_page()
    page.goto(address)
    settle(page)
    return page


def save(picture: bytes, target: Path) -> None:
    """Save a picture; with fewer colours only where it would be too large, since they blunt the ends of a scale."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in (None, 256, 128, 64):
        out = io.BytesIO()
        (image.quantize(colours, dither=Image.Dither.NONE) if colours else image).save(out, "PNG", optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    target.write_bytes(out.getvalue())
    print(f"{target.relative_to(ROOT)}  {out.tell():,} bytes, {colours or 'all'} colours")


def take_scenes(browser: Browser, address: str, wanted: list[str]) -> None:
    """Each scene in light and dark."""
    for scene in SCENES:
        if wanted and scene.__name__ not in wanted:
            continue
        for scheme in ("light", "dark"):
            page = open_page(browser, address, scheme)
            scene(page)
            page.wait_for_timeout(800)
            save(page.screenshot(), PICTURES / f"{scene.__name__}_{scheme}.png")
            page.context.close()


def choose_palette(shot: Image.Image) -> np.ndarray:
    """The commonest colours as they are, so that paper stays white and the cursor its red; a median cut of the rest."""
    counted = sorted(shot.getcolors(shot.width * shot.height), reverse=True)
    exact = [colour for _, colour in counted[:EXACT_COLOURS]]
    rest = MOVING_COLOURS - EXACT_COLOURS
    cut = shot.quantize(rest, kmeans=1, dither=Image.Dither.NONE).getpalette()[: 3 * rest]
    return np.concatenate([exact, np.reshape(cut, (-1, 3))]).astype(np.uint8)


def paint(shot: Image.Image, palette: np.ndarray) -> np.ndarray:
    """For each pixel the palette's nearest colour; Pillow's own search is not exact."""
    pixels = np.asarray(shot, np.int64)
    colours, back = np.unique(pixels @ [65536, 256, 1], return_inverse=True)
    parts = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], 1)
    distance = ((parts[:, None] - palette[None].astype(np.int64)) ** 2).sum(2)
    return distance.argmin(1)[back].reshape(pixels.shape[:2])


def take_stepping(browser: Browser, address: str) -> None:
    """The cursor crossing the maps, as a moving picture of which each frame holds only what changed."""
    page = open_page(browser, address, "light")
    page.set_viewport_size(MOVING_SIZE)
    settle(page)
    page.locator(".gv-slider").focus()
    page.keyboard.press("Home")
    left = page.get_by_test_id("stMain").bounding_box()["x"]
    clip = {"x": left + 1, "y": 0, "width": MOVING_SIZE["width"] - left - 1, "height": MOVING_SIZE["height"]}
    shots = []
    for _ in range(FRAMES):
        for _ in range(STRIDE):
            page.keyboard.press("ArrowRight")
        shots.append(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    page.context.close()
    palette = choose_palette(shots[0])
    drawn = [paint(shot, palette) for shot in shots]
    changes = [drawn[0]] + [np.where(a == b, MOVING_COLOURS, b) for a, b in itertools.pairwise(drawn)]
    frames = [Image.fromarray(change.astype(np.uint8), "P") for change in changes]
    for frame in frames:
        frame.putpalette(palette.tobytes())
    target = PICTURES / "stepping.gif"
    frames[0].save(
        target,
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MS,
        loop=0,
        transparency=MOVING_COLOURS,
        disposal=1,
        optimize=False,
    )
    print(f"{target.relative_to(ROOT)}  {target.stat().st_size:,} bytes, {FRAMES} frames")


def main() -> None:
    """Take all pictures, or those named."""
    wanted = sys.argv[1:]
    PICTURES.mkdir(parents=True, exist_ok=True)
    with serve("dashboard.py") as address, chromium() as browser:
        take_scenes(browser, address, wanted)
        if not wanted or "stepping" in wanted:
            take_stepping(browser, address)


if __name__ == "__main__":
    main()
