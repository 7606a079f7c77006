"""A headless Chromium, driven over its debugging protocol."""

from __future__ import annotations

import asyncio
import shutil
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

STEPS = 600
STEP_SECONDS = 0.1


def chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab: what it asked for, what it complained of, and a way to run a script in it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._connection:
            message = orjson.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            elif message["method"] == "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(orjson.dumps({"id": number, "method": method, "params": parameters}).decode())
        message = await asyncio.wait_for(answer, 60)
        assert "error" not in message, message
        return message["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression as soon as it is truthy."""
        for _ in range(STEPS):
            if value := await self.run(script):
                return value
            await asyncio.sleep(STEP_SECONDS)
        raise AssertionError(f"never true: {script}\n{await self.run('document.body.innerText')}\n{self.complaints}")

    async def screenshot(self) -> bytes:
        """What the page looks like, as PNG."""
        result = await self.call("Page.captureScreenshot", format="png")
        return b64decode(result["data"])

    async def close(self) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading


@asynccontextmanager
async def browser_page(binary: str, folder: Path) -> AsyncIterator[Page]:
    """A tab of a fresh browser whose profile lies in `folder`; the browser ends with the test."""
    process = await asyncio.create_subprocess_exec(
        *(binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
        *("--window-size=1360,860", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port, path = await _debugging_address(folder)
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as browser:
            target = await _first_page(browser)
        async with connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None, proxy=None) as connection:
            page = Page(connection)
            try:
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await page.call(f"{domain}.enable")
                yield page
            finally:
                await page.close()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _debugging_address(folder: Path) -> tuple[str, str]:
    told = folder / "DevToolsActivePort"
    for _ in range(STEPS):
        if told.exists() and len(lines := told.read_text().split()) == 2:
            return lines[0], lines[1]
        await asyncio.sleep(STEP_SECONDS)
    raise AssertionError("the browser did not start")


async def _first_page(browser: ClientConnection) -> str:
    for _ in range(STEPS):
        await browser.send('{"id":1,"method":"Target.getTargets"}')
        targets = orjson.loads(await browser.recv())["result"]["targetInfos"]
        pages = [each["targetId"] for each in targets if each["type"] == "page"]
        if pages:
            return str(pages[0])
        await asyncio.sleep(STEP_SECONDS)
    raise AssertionError("the browser opened no page")
