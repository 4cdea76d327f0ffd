"""The checks of run.sh. The argument is the folder with our examples."""
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import signal
import socket
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Opcode

EXAMPLES = Path(sys.argv[1]).resolve()
WS = ["node", Path(__file__).with_name("ws.cjs")]
TIME_LIMIT = 20  # seconds for each check
MATRIX_TIME_LIMIT = 60  # for each check of the matrix, which run at the same time
AT_ONCE = 3

# The default of --max-message-size.
MAX_SIZE = 1 << 20
PIECES = [f"{number} κόσμε " for number in range(500)]
CLOSE_CODES = (1000, 1001, 3000, 4999)
NO_CODE = 1005

# Our side compresses messages of more bytes than this, by default.
THRESHOLD = 64

server_checks = []
client_checks = []
alone = []
matrix = []


def server_check(function):
    server_checks.append(function)


def client_check(function):
    client_checks.append(function)


def check_of(*programs):
    """A check that starts the program itself."""

    def add(function):
        alone.extend((program, function) for program in programs)

    return add


async def main():
    outcomes = []
    for name in ("echo_tokio", "echo_blocking", "epoll_echo", "io_uring_echo"):
        try:
            async with started([EXAMPLES / name, "127.0.0.1:0"]) as url:
                for check in server_checks:
                    outcomes.append(await run(name, check, url))
        except (OSError, TimeoutError, Failure) as error:
            outcomes.append(report(f"{name}: start", error))
    for check in client_checks:
        outcomes.append(await run("client", check))
    for name, check in alone:
        outcomes.append(await run(name, check, name))
    slots = asyncio.Semaphore(AT_ONCE)
    outcomes += await asyncio.gather(*(in_matrix(slots, *entry) for entry in matrix))
    passed = outcomes.count(True)
    failed = outcomes.count(False)
    print(f"{passed} passed, {failed} failed", flush=True)
    return int(failed > 0)


async def run(name, check, *args):
    return await judge(f"{name}: {check.__name__.replace('_', ' ')}", check(*args), TIME_LIMIT)


async def in_matrix(slots, name, check, *args):
    async with slots:
        label = f"{name}: {' '.join([check.__name__.replace('_', ' '), *map(str, args)])}"
        return await judge(label, check(name, *args), MATRIX_TIME_LIMIT)


async def judge(label, check, time_limit):
    try:
        async with asyncio.timeout(time_limit):
            await check
    except TimeoutError:
        return report(label, Failure(f"not done after {time_limit} s"))
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
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, limit=64 << 20, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def started(command, stderr=asyncio.subprocess.DEVNULL):
    """Starts a server, which prints where it listens. Returns its URL."""
    pipes = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.PIPE, "stderr": stderr}
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
    """The server must close with `code`, and then end TCP soon."""
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
        # `websockets` accepts only a pong with the payload of the ping.
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
    for compression in (None, "deflate"):
        for pieces in (b"\xff", b"\xed\xa0\x80", [b"\xce", b"\xba\xe1", b"\xbd"]):
            async with client(url, compression=compression) as ws:
                await ws.send(pieces, text=True)
                await expect_close(ws, 1007)


@server_check
async def too_big_is_1009(url):
    async with client(url, compression=None) as ws:
        # The header of a masked frame is enough.
        ws.transport.write(b"\x82\xff" + (MAX_SIZE + 1).to_bytes(8) + bytes(4))
        await expect_close(ws, 1009)
    for compression in (None, "deflate"):
        async with client(url, compression=compression) as ws:
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
async def handshakes(url):
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
async def windows_that_we_cannot_do(url):
    small, smallest = (offer(server_max_window_bits=bits) for bits in (9, 8))
    for offers, bits in (([smallest], None), ([smallest, small], 9)):
        async with client(url, extensions=offers, compression=None) as ws:
            equal("window", [it.remote_max_window_bits for it in ws.protocol.extensions], [bits] if bits else [])
            await exchange(ws, MIXTURE[:1000])


@server_check
async def fifty_connections(url):
    """Each sends other messages, and half of them use context takeover. They may share compressors."""

    async def one(number):
        extension = Terms(takeover=number % 2 == 0, bits=9 + number % 7, we_ask=False).extension(offer)
        async with client(url, extensions=[extension], compression=None) as ws:
            await exchange(ws, [f"hello from {number}", *MIXTURE[number::50]])

    await asyncio.gather(*map(one, range(50)))


@server_check
async def npm_ws(url):
    async with spawned([*WS, "client", url], stderr=asyncio.subprocess.PIPE) as process:
        _, errors = await process.communicate()
        if process.returncode != 0:
            raise Failure(errors.decode().strip() or f"status {process.returncode}")


# Our servers, with plain sockets as clients


def frame(first_byte, payload):
    """A masked frame. The key is zero, so the payload stays as it is."""
    length = len(payload)
    if length < 126:
        head = bytes([first_byte, 0x80 | length])
    elif length < 1 << 16:
        head = bytes([first_byte, 0xFE]) + length.to_bytes(2)
    else:
        head = bytes([first_byte, 0xFF]) + length.to_bytes(8)
    return head + bytes(4) + payload


def connected(url):
    host, port = url.removeprefix("ws://").split(":")
    peer = socket.create_connection((host, int(port)))
    peer.setblocking(False)
    return peer


async def upgraded(url, headers=""):
    """A connection after the handshake."""
    loop, peer, response = asyncio.get_running_loop(), connected(url), b""
    request = (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
    await loop.sock_sendall(peer, request.encode())
    while not response.endswith(b"\r\n\r\n"):
        response += await loop.sock_recv(peer, 1)
    equal("status", response[:12], b"HTTP/1.1 101")
    return peer


async def read_to_end(peer):
    loop, received = asyncio.get_running_loop(), b""
    while piece := await loop.sock_recv(peer, 4096):
        received += piece
    return received


@check_of("echo_tokio", "epoll_echo")
async def fixed_01_bombs_do_not_delay_others(name):
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = compressor.compress(bytes(63 << 20)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    empty_final_blocks = b"\x03\x00" * 131072
    attack = frame(0x42, bomb) + frame(0x00, empty_final_blocks)
    slowest, echoes = 0, 0

    async def attacker(url):
        for _ in range(10):
            with await upgraded(url, "Sec-WebSocket-Extensions: permessage-deflate\r\n") as peer:
                await asyncio.get_running_loop().sock_sendall(peer, attack)
                equal("close code", int.from_bytes((await read_to_end(peer))[2:4]), 1009)

    async with started([EXAMPLES / name, "--max-message-size", "64M", "127.0.0.1:0"]) as url:
        async with client(url) as ws:
            attackers = asyncio.gather(attacker(url), attacker(url))
            while not attackers.done():
                start = time.monotonic()
                await ws.send("Hello")
                equal("echo", await ws.recv(), "Hello")
                slowest, echoes = max(slowest, time.monotonic() - start), echoes + 1
            await attackers
    print(f"     {name}: the slowest of {echoes} echoes took {slowest * 1000:.1f} ms (should be below 100 ms)")
    equal("the slowest echo took less than 1 s", slowest < 1, True)


@check_of("echo_tokio", "echo_blocking", "epoll_echo", "io_uring_echo")
async def fixed_12_close_frame_arrives_after_an_error(name):
    async with started([EXAMPLES / name, "127.0.0.1:0"]) as url:
        with await upgraded(url) as peer:
            # More input follows the unmasked frame. A server that leaves it unread resets the socket.
            await asyncio.get_running_loop().sock_sendall(peer, b"\x81\x05Hello" + bytes(100_000))
            await asyncio.sleep(0.5)
            received = await read_to_end(peer)
            equal("error of the socket", peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
    equal("header of the Close frame", received[:2], bytes([0x88, len(received) - 2]))
    equal("close code", int.from_bytes(received[2:4]), 1002)


@check_of("echo_tokio", "echo_blocking")
async def fixed_17_health_checks_print_nothing(name):
    pipe_read, pipe_write = os.pipe()
    try:
        async with started([EXAMPLES / name, "127.0.0.1:0"], stderr=pipe_write) as url:
            for _ in range(10):
                connected(url).close()
                with connected(url) as peer:  # it is reset when it is closed
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with connected(url) as peer:  # to see that errors are printed
                peer.send(b"GET / HTTP/1.1\r\n")
            await asyncio.sleep(0.5)
    finally:
        os.close(pipe_write)
    with open(pipe_read) as errors:
        equal("lines", [line.split(":")[0] for line in errors], ["connection"])


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

    equal("output", (await run_client(script, "--max-message-size", "8M", input=None))[1], ["x" * (8 << 20)])


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

    for compression in (None, "deflate"):
        peer, output, _ = await run_client(script, input=None, status=1, compression=compression)
        equal("close code", peer.close_rcvd and peer.close_rcvd.code, 1007)
        equal("output", output, [])


@client_check
async def too_big_is_1009():
    async def script(peer):
        peer.transport.write(b"\x82\x7f" + (MAX_SIZE + 1).to_bytes(8))
        await peer.recv()

    async def bomb(peer):
        with contextlib.suppress(ConnectionClosed):
            await peer.send([bytes(1 << 20)] * (MAX_SIZE >> 20) + [b"!"])
        await peer.recv()

    for script in (script, bomb):
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
async def refused_handshake():
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
async def window_that_we_cannot_do():
    async def script(peer):
        compressed = count_compressed(peer)
        await exchange(peer, MIXTURE[:1000])
        equal("compressed messages of ours", compressed(), 0)

    demand = ServerPerMessageDeflateFactory(client_max_window_bits=8)
    await run_client(script, "--echo", input=None, extensions=[demand], compression=None)


@client_check
async def wrong_usage():
    await client_output("ws://127.0.0.1:1", "--no-such-option", status=2)
    await client_output("ws://127.0.0.1:1", "--window-bits", "16", status=2)
    for size in ("", "M", "-1", "1G", str(1 << 64), f"{1 << 44}M"):
        await client_output("ws://127.0.0.1:1", "--max-message-size", size, status=2)
    await client_output("http://127.0.0.1:1", status=2)


@client_check
async def npm_ws():
    async with started([*WS, "server"]) as url:
        lines = ["Hello", "κόσμε", "x" * 100_000]
        output, _ = await client_output(url, input="\n".join(lines))
        equal("output", output, lines)


# Compression: a mixture of messages, with all parameters, in both roles


class Terms(NamedTuple):
    """The parameters to negotiate, for both directions, and the side that asks for them."""

    takeover: bool
    bits: int
    we_ask: bool

    def __str__(self):
        takeover = "takeover" if self.takeover else "no takeover"
        return f"({takeover}, {self.bits} bits, {'we ask' if self.we_ask else 'the peer asks'})"

    def our_options(self):
        options = ["--window-bits", str(self.bits)] + ["--no-context-takeover"] * (not self.takeover)
        return options if self.we_ask else []

    def extension(self, factory):
        """The same for `websockets`, if the peer asks."""
        names = ("no_context_takeover", not self.takeover), ("max_window_bits", self.bits)
        options = {f"{side}_{name}": value for side in ("server", "client") for name, value in names}
        return factory() if self.we_ask else factory(**options)

    def verify(self, ws):
        names = ("local_no_context_takeover", "remote_no_context_takeover", "local_max_window_bits", "remote_max_window_bits")
        found = [[getattr(extension, name) for name in names] for extension in ws.protocol.extensions]
        equal("agreed on", found, [[not self.takeover] * 2 + [self.bits] * 2])


def offer(**options):
    return ClientPerMessageDeflateFactory(**{"client_max_window_bits": True, **options})


def mixture(count):
    """Messages of all sizes up to 100 KB, most of them small. Some compress well, some do not."""
    rng = random.Random(7692)
    records = [{"id": rng.randrange(10**6), "name": rng.choice(["Ada", "Zoë", "Γιώργος"]), "at": rng.random()} for _ in range(5000)]
    sources = [
        json.dumps(records, ensure_ascii=False),
        json.dumps(records).encode(),
        "all the same κόσμε " * 10_000,
        bytes(range(100)) * 2_000,
        rng.randbytes(200_000),
        "".join(map(chr, rng.choices(range(0x20, 0xD800), k=200_000))),
    ]
    weights = 6, 4, 4, 4, 1, 1
    sizes = (0, 1), (1, 200), (200, 3_000), (3_000, 20_000), (20_000, 100_000)
    messages = []
    for (low, high), source in zip(rng.choices(sizes, (50, 750, 180, 17, 3), k=count), rng.choices(sources, weights, k=count)):
        start = rng.randrange(80_000)
        messages.append(source[start : start + rng.randrange(low, high)])
    return messages


MIXTURE = mixture(10_000)


def lengths(messages):
    return [len(message if isinstance(message, bytes) else message.encode()) for message in messages]


def count_compressed(ws):
    """Returns a function that returns the number of compressed messages received since this call."""
    (extension,) = ws.protocol.extensions
    decode = extension.decode
    compressed = 0

    def counting(frame, **options):
        nonlocal compressed
        compressed += frame.rsv1
        return decode(frame, **options)

    extension.decode = counting
    return lambda: compressed


async def exchange(ws, messages):
    """Sends messages while their echoes come back."""

    async def send():
        for message in messages:
            await ws.send(message)

    sender = asyncio.create_task(send())
    try:
        for number, message in enumerate(messages):
            equal(f"echo {number}", await ws.recv(), message)
        await sender
    finally:
        sender.cancel()


async def exchange_under(terms, ws):
    terms.verify(ws)
    compressed = count_compressed(ws)
    await exchange(ws, MIXTURE)
    equal("compressed echoes", compressed(), sum(length > THRESHOLD for length in lengths(MIXTURE)))


async def mixture_with_websockets(name, terms):
    if name == "client":
        extension = terms.extension(ServerPerMessageDeflateFactory)
        options = {"input": None, "extensions": [extension], "compression": None}

        async def script(peer):
            await exchange_under(terms, peer)

        _, _, errors = await run_client(script, "--echo", "--verbose", *terms.our_options(), **options)
        sent = re.search(r"sent +(\d+) bytes as (\d+)", errors)
        equal("bytes that were compressed", sent and int(sent[1]), sum(length for length in lengths(MIXTURE) if length > THRESHOLD))
        equal("they are fewer", int(sent[2]) < int(sent[1]), True)
    else:
        async with started([EXAMPLES / name, *terms.our_options(), "127.0.0.1:0"]) as url:
            extension = terms.extension(offer)
            async with client(url, extensions=[extension], compression=None, max_queue=None) as ws:
                await exchange_under(terms, ws)


async def mixture_with_npm_ws(name, terms):
    async def outcome(process):
        errors = " ".join((await process.stderr.read()).decode().split())
        if await process.wait() != 0 or errors:
            raise Failure(errors or f"status {process.returncode}")

    pipe = asyncio.subprocess.PIPE
    words = json.dumps(terms._asdict())
    if name == "client":
        async with spawned([*WS, "exchange-server", words], stdout=pipe, stderr=pipe) as process:
            url = (await process.stdout.readline()).decode().strip().removeprefix("listening on ")
            ours = client_output(url, "--echo", *terms.our_options(), input=None)
            # If both fail, the error of the peer tells why.
            for error in await asyncio.gather(outcome(process), ours, return_exceptions=True):
                if isinstance(error, Exception):
                    raise error
    else:
        async with started([EXAMPLES / name, *terms.our_options(), "127.0.0.1:0"]) as url:
            async with spawned([*WS, "exchange-client", words, url], stderr=pipe) as process:
                await outcome(process)


async def without_compression(name):
    """Our --no-deflate."""
    if name == "client":

        async def script(peer):
            equal("offers", peer.request.headers.get("Sec-WebSocket-Extensions"), None)
            await exchange(peer, MIXTURE[:1000])

        await run_client(script, "--echo", "--no-deflate", input=None)
    else:
        async with started([EXAMPLES / name, "--no-deflate", "127.0.0.1:0"]) as url, client(url) as ws:
            equal("agreed on", ws.response.headers.get("Sec-WebSocket-Extensions"), None)
            await exchange(ws, MIXTURE[:1000])


for program in ("echo_tokio", "echo_blocking", "epoll_echo", "io_uring_echo", "client"):
    matrix.append((program, without_compression))
    for terms in itertools.starmap(Terms, itertools.product((True, False), (9, 12, 15), (True, False))):
        # Both servers negotiate in the same way, so only one of them asks, and the other one is asked.
        if program != "client" and terms.we_ask != (program == "echo_blocking"):
            continue
        matrix.append((program, mixture_with_websockets, terms))
        matrix.append((program, mixture_with_npm_ws, terms))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
