"""Measures 50 viewers of live pages while 1,000 events a second come in: `python benchmarks/viewers.py [DATABASE URL]`.

A real `lamin serve` in a process of its own. One process sends START and COMPLETE of runs that read and write files, in
ten batches a second. In another one are the viewers: half of them listen to every change as programs do, and half do
what the script of a page does: they listen, and fetch the page again when they hear of a change. Prints JSON: how long
after its event was sent a change was heard of, and how long after it was told of a change a page was renewed, in
seconds; events that were not stored; and how much of a core the server took. `--single` sends each event by itself, on
20 connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import httpx
from endpoint import backlog, event, served

RATE, BATCHES = 1_000, 10
CONNECTIONS = 20
PAGES = ("/", "/runs", "/runs?level=all&status=running", "/artifacts")
STREAM = "/api/v1/runs/stream"
START_UP = 3.0
_ID = re.compile(rb'"id":"0194e0a0-0000-7000-8000-00(\d{10})".*?"status":"(\w+)"', re.DOTALL)
_CHANGE = re.compile(rb"^id: (\d+)$", re.MULTILINE)
Heard = dict[str, Any]


def main() -> None:
    """Serve, send, and look."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("url", nargs="?")
    words.add_argument("--seconds", type=float, default=20)
    words.add_argument("--viewers", type=int, default=50)
    words.add_argument("--rate", type=int, default=RATE)
    words.add_argument("--single", action="store_true", help="one event a request")
    options = words.parse_args()
    with served(options.url) as (port, process):
        own_end, pipe = multiprocessing.Pipe()
        look = multiprocessing.Process(
            target=viewers, args=(pipe, port, options.viewers, options.seconds)
        )
        look.start()
        own_end.recv()  # all are there
        load, spent = os.getloadavg()[0], process.cpu_times()
        sent, refused, wall = asyncio.run(sending(port, options))
        used = process.cpu_times()
        waiting = backlog(port)
        heard = own_end.recv()
        look.join()
    cpu = (used.user + used.system - spent.user - spent.system) / wall
    print(json.dumps(figures(sent, heard) | {
        "events": options.rate * options.seconds, "events a second": round(options.rate * options.seconds / wall),
        "refused": refused, "waiting at the end": waiting, "server, cores": round(cpu, 2), "load": load,
    }, indent=1))  # fmt: skip


def figures(sent: dict[int, float], heard: Heard) -> dict[str, Any]:
    """The lags of all listeners, and of the one that was worst off."""
    lags = [
        [at - sent[2 * run + (status != "running")] for run, status, at in events]
        for events in heard["changes"]
    ]
    flat = [lag for some in lags for lag in some]
    pages = [lag for some in heard["pages"] for lag in some]
    return {
        "changes heard of by each": [min(map(len, lags)), max(map(len, lags))],
        "lag of a change, median": round(statistics.median(flat), 3),
        "lag of a change, highest": round(max(flat), 3),
        "pages renewed": len(pages),
        "page renewed after being told, median": round(statistics.median(pages), 3),
        "page renewed after being told, highest": round(max(pages), 3),
        "page asked again, every": round(heard["span"] * len(heard["pages"]) / len(pages), 2),
    }


async def sending(port: int, options: argparse.Namespace) -> tuple[dict[int, float], int, float]:
    """The time at which each event was sent, the number not stored, and the duration."""
    sent: dict[int, float] = {}
    refused = 0
    size = 1 if options.single else options.rate // BATCHES
    total = int(options.rate * options.seconds)

    async def post(client: httpx.AsyncClient, first: int) -> None:
        nonlocal refused
        events = [event(0, number) for number in range(first, first + size)]
        sent.update(dict.fromkeys(range(first + 2, first + 2 + size), time.time()))
        path, body = "lineage", events[0]
        if not options.single:
            path, body = "lineage/batch", b"[" + b",".join(events) + b"]"
        answer = await _posted(client, f"http://127.0.0.1:{port}/api/v1/{path}", body)
        failed = 0 if options.single else answer.json()["summary"]["failed"]
        refused += size if answer.status_code not in (200, 201) else failed

    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.TaskGroup() as group:
        begun = time.perf_counter()
        for first in range(0, total, size):
            late = begun + first / options.rate - time.perf_counter()
            if late > 0:
                await asyncio.sleep(late)
            group.create_task(post(client, first))
    return sent, refused, time.perf_counter() - begun


async def _posted(client: httpx.AsyncClient, url: str, body: bytes) -> httpx.Response:
    """The answer; sent again where an idle connection was closed just then, as every client does."""
    try:
        return await client.post(url, content=body)
    except httpx.TransportError:
        return await client.post(url, content=body)


def viewers(pipe: Connection, port: int, number: int, seconds: float) -> None:
    """Be the viewers until changes end."""
    pipe.send(asyncio.run(_looking(pipe, port, number, seconds)))


async def _looking(pipe: Connection, port: int, number: int, seconds: float) -> Heard:
    heard: Heard = {"changes": [], "pages": []}
    limits = httpx.Limits(max_connections=None)
    timeout = httpx.Timeout(60, read=None)
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits) as client:
        tasks = []
        for index in range(number):
            if index % 2:
                page = PAGES[index // 2 % len(PAGES)]
                tasks.append(asyncio.create_task(_page(client, page, _new(heard["pages"]))))
            else:
                tasks.append(asyncio.create_task(_changes(client, _new(heard["changes"]))))
        await asyncio.sleep(START_UP)
        pipe.send("ready")
        await asyncio.sleep(seconds + 5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {**heard, "span": seconds}


def _new(lists: list[Any]) -> list[Any]:
    new: list[Any] = []
    lists.append(new)
    return new


async def _changes(client: httpx.AsyncClient, heard: list[Any]) -> None:
    """Listen to every change."""

    async def note(text: bytes) -> None:
        at = time.time()
        heard.extend((int(run), status.decode(), at) for run, status in _ID.findall(text))

    await _listen(client, STREAM, note)


async def _page(client: httpx.AsyncClient, path: str, heard: list[float]) -> None:
    """Do what the script of a page does: renew it when told so, and not more often than the server can."""
    newest, news = b"", asyncio.Event()

    async def note(text: bytes) -> None:
        nonlocal newest
        newest = _CHANGE.findall(text)[-1]
        news.set()

    async def renew() -> None:
        spent = 0.0
        while True:
            await news.wait()
            since = time.perf_counter()
            await asyncio.sleep(3 * spent)
            news.clear()
            begun = time.perf_counter()
            answer = await client.get(path, headers={"Lamin-Change": newest.decode()})
            answer.raise_for_status()
            spent = time.perf_counter() - begun
            heard.append(time.perf_counter() - since)

    async with asyncio.TaskGroup() as group:
        group.create_task(renew())
        group.create_task(_listen(client, f"{STREAM}?every=1", note))


async def _listen(
    client: httpx.AsyncClient, path: str, note: Callable[[bytes], Awaitable[None]]
) -> None:
    """Hand over whole events, as they come."""
    rest = b""
    async with client.stream("GET", path) as answer:
        async for piece in answer.aiter_bytes():
            whole, _, rest = (rest + piece).rpartition(b"\n\n")
            if b"event: run" in whole:
                await note(whole)


if __name__ == "__main__":
    main()
