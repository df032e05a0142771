"""A headless Chromium that opens a file and says how it looks, over its DevTools protocol. It never leaves this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# After which a browser is called stuck.
_SECONDS = 60
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank",
)  # fmt: skip


@dataclass
class Tab:
    """One page of a browser; `said` is all that came to its console."""

    socket: aiohttp.ClientWebSocketResponse
    said: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)
    _loaded: int = 0

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command, and its answer."""
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._hear()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def _hear(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.socket.receive_json()
        method, facts = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Runtime.consoleAPICalled":
            self.said.append(str(facts["args"]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(facts["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.said.append(facts["entry"]["text"])
        return message

    async def open(self, file: Path, width: int, dark: bool = False, scripts: bool = True) -> None:
        """Shows a file, so many pixels wide."""
        await self.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])
        await self.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        before = self._loaded
        await self.tell("Page.navigate", url=file.as_uri())
        while self._loaded == before:
            await self._hear()

    async def value(self, script: str) -> Any:
        """What an expression of JavaScript is."""
        answer = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def screenshot(self) -> bytes:
        """The page as PNG, of a long one its beginning."""
        width, height = await self.value("[innerWidth, Math.min(document.documentElement.scrollHeight, 2400)]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = await self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(shot["data"])


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """A browser with one tab, gone at the end."""
    assert CHROMIUM is not None
    command = [CHROMIUM, f"--user-data-dir={profile}", *_SWITCHES]
    environment = {**os.environ, "HOME": str(profile)}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(_SECONDS):
            address = await _address(process.stderr)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{address}/json") as answer:
                target = next(each for each in await answer.json() if each["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await tab.tell(f"{domain}.enable")
                yield tab
                await tab.tell("Browser.close")
                async with asyncio.timeout(_SECONDS):
                    await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _address(stream: asyncio.StreamReader) -> str:
    async for line in stream:
        if b"DevTools listening on" in line:
            return line.decode().partition("127.0.0.1:")[2].partition("/")[0]
    raise AssertionError("the browser ended")
