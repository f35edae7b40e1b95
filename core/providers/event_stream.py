"""The events of a server's stream as JSON values, for where the SDK's own reader takes a gateway's comments for data.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable

_FIELDS = ("event", "id", "retry")


async def values(chunks: AsyncIterable[bytes]) -> AsyncGenerator[object, None]:
    """Yield what each event says; last, what stands outside of events: an error, sent as a body of its own.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    data: list[str] = []
    bare: list[str] = []
    async for line in _lines(chunks):
        name, _, value = line.partition(":")
        if not line and data:
            yield json.loads("\n".join(data))
            data.clear()
        elif name == "data":
            data.append(value.removeprefix(" "))
        elif name and name not in _FIELDS:
            bare.append(line)
    for rest in (data, bare):
        if rest:
            yield json.loads("\n".join(rest))


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    buffer = bytearray()
    async for chunk in chunks:
        searched = len(buffer)
        buffer += chunk
        start = 0
        while (end := buffer.find(b"\n", searched)) >= 0:
            yield bytes(buffer[start:end]).decode().rstrip("\r")
            start = searched = end + 1
        del buffer[:start]
    if buffer:
        yield bytes(buffer).decode().rstrip("\r")
