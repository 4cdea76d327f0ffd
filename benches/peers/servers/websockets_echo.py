"""The asyncio server of websockets, on uvloop. It writes each message."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass


async def main():
    compression = "deflate" if "--deflate" in sys.argv else None
    async with serve(echo, "127.0.0.1", 0, compression=compression, backlog=4096) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on ws://127.0.0.1:{port}", flush=True)
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
