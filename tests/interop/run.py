"""The checks of run.sh. The argument is the folder with our examples."""
import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

EXAMPLES = Path(sys.argv[1]).resolve()
WS = ["node", Path(__file__).with_name("ws.cjs")]
TIME_LIMIT = 20  # seconds for each check

# What the examples take at most, in one message.
MAX_SIZE = 64 << 20
PIECES = [f"{number} κόσμε " for number in range(500)]
CLOSE_CODES = (1000, 1001, 3000, 4999)
NO_CODE = 1005

server_checks = []
client_checks = []


def server_check(function):
    server_checks.append(function)


def client_check(function):
    client_checks.append(function)


async def main():
    outcomes = []
    for name in ("echo_tokio", "echo_blocking"):
        try:
            async with started([EXAMPLES / name, "127.0.0.1:0"]) as url:
                for check in server_checks:
                    outcomes.append(await run(name, check, url))
        except (OSError, TimeoutError, Failure) as error:
            outcomes.append(report(f"{name}: start", error))
    for check in client_checks:
        outcomes.append(await run("client", check))
    passed = outcomes.count(True)
    failed = outcomes.count(False)
    print(f"{passed} passed, {failed} failed", flush=True)
    return int(failed > 0)


async def run(name, check, *args):
    label = f"{name}: {check.__name__.replace('_', ' ')}"
    try:
        async with asyncio.timeout(TIME_LIMIT):
            await check(*args)
    except TimeoutError:
        return report(label, Failure(f"not done after {TIME_LIMIT} s"))
    except Exception as error:
        return report(label, error)
    return report(label)


def report(label, error=None):
    if error is None:
        print(f"ok   {label}", flush=True)
    else:
        what = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        print(f"FAIL {label}: {what}", flush=True)
    return error is None


class Failure(Exception):
    pass


def equal(what, found, expected):
    if found != expected:
        raise Failure(f"{what}: {shorten(found)} instead of {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 100 else text[:100] + f"… ({len(text)} characters)"


# Processes


@contextlib.asynccontextmanager
async def spawned(command, **options):
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, limit=MAX_SIZE, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def started(command):
    """A server that says where it listens; its URL."""
    pipes = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL}
    async with spawned(command, **pipes) as process:
        line = (await asyncio.wait_for(process.stdout.readline(), TIME_LIMIT)).decode().strip()
        if not line.startswith("listening on ws://"):
            raise Failure(f"it printed {line!r} instead of where it listens")
        yield line.removeprefix("listening on ")
        if process.returncode is not None:
            raise Failure(f"the server ended with status {process.returncode}")


# Our servers, with `websockets` and `ws` as clients


def client(url, **options):
    return connect(url, **{"proxy": None, "max_size": None, "ping_interval": None, **options})


async def expect_close(ws, code):
    """The peer must close with `code`, and then end TCP soon: the one who closes waits for that."""
    start = time.monotonic()
    try:
        while True:
            await ws.recv()
    except ConnectionClosed as closed:
        equal("close code", closed.rcvd and closed.rcvd.code, code)
    equal("TCP ended within 5 s", time.monotonic() - start < 5, True)


@server_check
async def text_and_binary(url):
    async with client(url) as ws:
        for length in (0, 1, 125, 126, 127, 65535, 65536, 1 << 20):
            for message in ("é" * (length // 2) + "e" * (length % 2), bytes(length)):
                await ws.send(message)
                equal(f"{length} bytes", await ws.recv(), message)


@server_check
async def many_messages_at_once(url):
    async with client(url, max_queue=None) as ws:
        messages = [f"message {number}" for number in range(5000)]
        for message in messages:
            await ws.send(message)
        equal("echoes", [await ws.recv() for _ in messages], messages)


@server_check
async def message_in_500_fragments(url):
    async with client(url) as ws:
        await ws.send(PIECES)
        equal("text", await ws.recv(), "".join(PIECES))
        await ws.send([piece.encode() for piece in PIECES])
        equal("binary", await ws.recv(), "".join(PIECES).encode())


@server_check
async def ping_and_pong(url):
    async with client(url) as ws:
        # The answer must carry the same payload for these to be done.
        for payload in (b"", b"are you there?", bytes(125)):
            await (await ws.ping(payload))

        async def pieces():
            yield "be"
            await (await ws.ping(b"within a message"))
            yield "tween"

        await ws.send(pieces())
        equal("message", await ws.recv(), "between")
        await ws.pong(b"nobody asked")
        await ws.send("still here")
        equal("message", await ws.recv(), "still here")


@server_check
async def invalid_utf8_is_1007(url):
    for pieces in (b"\xff", b"\xed\xa0\x80", [b"\xce", b"\xba\xe1", b"\xbd"]):
        async with client(url, compression=None) as ws:
            await ws.send(pieces, text=True)
            await expect_close(ws, 1007)


@server_check
async def too_big_is_1009(url):
    async with client(url, compression=None) as ws:
        # The head of a masked frame says it all.
        ws.transport.write(b"\x82\xff" + (MAX_SIZE + 1).to_bytes(8) + bytes(4))
        await expect_close(ws, 1009)
    async with client(url, compression=None) as ws:
        with contextlib.suppress(ConnectionClosed):
            await ws.send([bytes(1 << 20)] * (MAX_SIZE >> 20) + [b"!"])
        await expect_close(ws, 1009)


@server_check
async def close_codes_are_echoed(url):
    for code in (*CLOSE_CODES, None):
        async with client(url) as ws:
            start = time.monotonic()
            await ws.close(code, "bye" if code else "")
            equal("close code", ws.protocol.close_rcvd and ws.protocol.close_rcvd.code, code or NO_CODE)
            equal("TCP ended within 5 s", time.monotonic() - start < 5, True)


@server_check
async def close_codes_of_nobody_are_1002(url):
    for code in (0, 999, 1004, 1005, 1006, 1015, 2000, 5000):
        async with client(url) as ws:
            ws.transport.write(b"\x88\x82" + bytes(4) + code.to_bytes(2))
            await expect_close(ws, 1002)


@server_check
async def openings(url):
    async with client(url, subprotocols=["chat"], additional_headers={"X-Test": "1"}) as ws:
        equal("subprotocol", ws.subprotocol, None)
    host, port = url.removeprefix("ws://").split(":")
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for head, statuses in (
        ("GET / HTTP/1.1\r\n", ("400", "426")),
        ("GET / HTTP/1.1\r\n" + upgrade + "Sec-WebSocket-Version: 8\r\n", ("426",)),
        ("POST / HTTP/1.1\r\n" + upgrade + "Sec-WebSocket-Version: 13\r\n", ("400", "405")),
    ):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"{head}Host: {host}:{port}\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        if answer.split(" ")[1:2] == [] or answer.split(" ")[1] not in statuses:
            raise Failure(f"the answer to {head!r} was {answer!r}")


@server_check
async def fifty_connections(url):
    async def one(number):
        async with client(url) as ws:
            for message in (f"hello from {number}", bytes([number]) * 10_000):
                await ws.send(message)
                equal("echo", await ws.recv(), message)

    await asyncio.gather(*map(one, range(50)))


@server_check
async def npm_ws(url):
    async with spawned([*WS, "client", url], stderr=asyncio.subprocess.PIPE) as process:
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise Failure(errors.decode().strip() or f"status {process.returncode}")


# Our client, with `websockets` and `ws` as servers


class Peer(ServerConnection):
    """A connection that counts the pings it gets."""

    pings = 0

    def process_event(self, event):
        self.pings += getattr(event, "opcode", None) is Opcode.PING
        super().process_event(event)


async def run_client(script, *args, input="", status=0, **options):
    """Runs our client against a server that plays `script`. Returns its connection and our output.

    Without an `input` (None), it stays open until the client ends.
    """
    peers = asyncio.Queue()

    async def handler(peer):
        try:
            await peers.put((peer, await script(peer)))
        except ConnectionClosed:
            await peers.put((peer, None))
        except Exception as error:
            await peers.put((peer, error))

    options = {"create_connection": Peer, "ping_interval": None, "max_size": None, **options}
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        lines, errors = await client_output(f"ws://127.0.0.1:{port}/path?query", *args, input=input, status=status)
        if options.get("process_request"):
            return None, lines, errors
        peer, error = await peers.get()
        if error is not None:
            raise error
        await peer.wait_closed()
        return peer.protocol, lines, errors


async def client_output(url, *args, input="", status=0):
    pipe = asyncio.subprocess.PIPE
    async with spawned([EXAMPLES / "client", *args, url], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        if input is None:
            output, errors = await asyncio.gather(process.stdout.read(), process.stderr.read())
            await process.wait()
        else:
            output, errors = await process.communicate(input.encode())
        errors = errors.decode()
        if process.returncode != status:
            raise Failure(f"status {process.returncode} instead of {status}, and it said {shorten(errors)}")
        return output.decode().splitlines(), errors


async def echo(peer):
    async for message in peer:
        await peer.send(message)


@client_check
async def lines_are_echoed():
    lines = ["Hello", "", "κόσμε", "x" * 100_000]
    peer, output, _ = await run_client(echo, input="\n".join(lines) + "\n")
    equal("output", output, lines)
    equal("close code", peer.close_rcvd and peer.close_rcvd.code, 1000)


@client_check
async def many_lines_are_echoed():
    lines = [f"line {number}" for number in range(20_000)]
    _, output, _ = await run_client(echo, input="\n".join(lines))
    equal("output", output, lines)


@client_check
async def binary_is_printed_in_hex():
    async def script(peer):
        await peer.send(b"\x00\xff")

    equal("output", (await run_client(script, input=None))[1], ["binary: 00ff"])


@client_check
async def message_in_500_fragments():
    async def script(peer):
        await peer.send(PIECES)

    equal("output", (await run_client(script, input=None))[1], ["".join(PIECES)])


@client_check
async def large_message():
    async def script(peer):
        await peer.send("x" * (8 << 20))

    equal("output", (await run_client(script, input=None))[1], ["x" * (8 << 20)])


@client_check
async def ping_and_pong():
    async def script(peer):
        for payload in (b"", b"are you there?", bytes(125)):
            await (await peer.ping(payload))

        async def pieces():
            yield "be"
            await (await peer.ping(b"within a message"))
            yield "tween"

        await peer.send(pieces())
        await peer.pong(b"nobody asked")

    equal("output", (await run_client(script, input=None))[1], ["between"])


@client_check
async def pings_on_its_own():
    async def script(peer):
        while peer.pings < 3:
            await asyncio.sleep(0.01)

    await run_client(script, "--ping", "0.1", input=None)


@client_check
async def invalid_utf8_is_1007():
    async def script(peer):
        await peer.send([b"fine", b"\xff"], text=True)
        await peer.recv()

    peer, output, _ = await run_client(script, input=None, status=1, compression=None)
    equal("close code", peer.close_rcvd and peer.close_rcvd.code, 1007)
    equal("output", output, [])


@client_check
async def too_big_is_1009():
    async def script(peer):
        peer.transport.write(b"\x82\x7f" + (MAX_SIZE + 1).to_bytes(8))
        await peer.recv()

    peer, _, _ = await run_client(script, input=None, status=1)
    equal("close code", peer.close_rcvd and peer.close_rcvd.code, 1009)


@client_check
async def masked_frame_is_1002():
    async def script(peer):
        peer.transport.write(b"\x81\x81\0\0\0\0x")
        await peer.recv()

    peer, _, _ = await run_client(script, input=None, status=1)
    equal("close code", peer.close_rcvd and peer.close_rcvd.code, 1002)


@client_check
async def close_codes_are_echoed():
    for code in (*CLOSE_CODES, None):

        async def script(peer):
            await peer.close(code, "bye" if code else "")

        status = 0 if code in (1000, 1001, None) else 1
        peer, _, errors = await run_client(script, "--verbose", input=None, status=status)
        equal("close code", peer.close_rcvd and peer.close_rcvd.code, code or NO_CODE)
        equal(f"{code} is printed with --verbose", str(code or "close") in errors, True)


@client_check
async def server_that_vanishes():
    async def script(peer):
        peer.transport.abort()

    await run_client(script, input=None, status=1)


@client_check
async def subprotocol_and_headers():
    async def script(peer):
        equal("subprotocol", peer.subprotocol, "second")
        equal("path", peer.request.path, "/path?query")
        equal("header", peer.request.headers["X-Test"], "1")
        equal("origin", peer.request.headers["Origin"], "http://example.com")

    args = ["--subprotocol", "first", "--subprotocol", "second", "--header", "X-Test: 1", "--origin", "http://example.com"]
    await run_client(script, *args, subprotocols=["second", "third"])


@client_check
async def refused_opening():
    async def refuse(connection, _request):
        return connection.respond(403, "not you")

    _, _, errors = await run_client(echo, status=1, process_request=refuse)
    equal("the status is printed", "403" in errors, True)


@client_check
async def server_that_is_not_there():
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    await client_output(f"ws://127.0.0.1:{port}", status=1)


@client_check
async def wrong_usage():
    await client_output("ws://127.0.0.1:1", "--no-such-option", status=2)
    await client_output("http://127.0.0.1:1", status=2)


@client_check
async def npm_ws():
    async with started([*WS, "server"]) as url:
        lines = ["Hello", "κόσμε", "x" * 100_000]
        output, _ = await client_output(url, input="\n".join(lines))
        equal("output", output, lines)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
