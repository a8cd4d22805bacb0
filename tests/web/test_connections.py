"""How many connections a visitor has, and how long the head of a request may take."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from mmpyramid.web import connections
from mmpyramid.web.connections import REFUSAL, Connections
from mmpyramid.web.receiving import LingeringClose

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
SECONDS = 0.6


async def answer(scope, receive, send) -> None:
    """Half a second later than a head may take."""
    await asyncio.sleep(SECONDS + 0.5 if scope["path"] == "/slow" else 0)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving(app=answer, **options):
    """A server of an app; gives a function that connects to it."""
    app = Connections(app, **options)
    config = uvicorn.Config(app, http="h11", lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(app.watched(config))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with ExitStack() as opened:
            port = listener.getsockname()[1]
            yield lambda: opened.enter_context(socket.create_connection(("127.0.0.1", port), 5))
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def hurried(monkeypatch):
    """Servers that end a connection without a head soon."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", SECONDS)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(connections, "MOST_EACH", 3)


def answer_on(connection) -> bytes:
    """One whole answer, of a connection that stays open."""
    told = b""
    while not told.endswith(b"ok"):
        piece = connection.recv(4096)
        assert piece, told
        told += piece
    return told


def end_of(connection) -> bytes:
    """What comes until the server ends the connection."""
    told = b""
    try:
        while piece := connection.recv(4096):
            told += piece
    except ConnectionResetError:
        pass
    return told


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["first", "second"])
def test_a_head_that_takes_too_long_ends_the_connection(before):
    with serving() as connect:
        connection = connect()
        if before:
            connection.sendall(before)
            assert answer_on(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(HEAD)
        connection.settimeout(SECONDS / 3)
        assert any(is_ended_after(connection, b"X: y\r\n") for _ in range(100))


def is_ended_after(connection, line: bytes) -> bool:
    """Send a line, and wait a moment for the end; a line gives no time for more of them."""
    try:
        connection.sendall(line)
        assert connection.recv(4096) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.usefixtures("hurried")
def test_a_connection_that_says_nothing_is_ended():
    with serving() as connect:
        assert end_of(connect()) == b""


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_an_answer_may_take_longer_than_a_head():
    with serving() as connect:
        connection = connect()
        requests = HEAD.replace(b"/ ", b"/slow ", 1) + b"\r\n" + HEAD + b"Connection: close\r\n\r\n"
        connection.sendall(requests)
        assert end_of(connection).count(b"HTTP/1.1 200") == 2


def test_one_address_has_a_share_of_the_connections():
    with serving() as connect:
        held = [connect() for _ in range(3)]
        assert end_of(connect()) == REFUSAL
        held[0].sendall(HEAD + b"Connection: close\r\n\r\n")
        assert end_of(held[0]).endswith(b"ok")
        told, deadline = REFUSAL, time.monotonic() + 10
        while told == REFUSAL and time.monotonic() < deadline:  # The server may not know yet.
            last = connect()
            last.sendall(HEAD + b"Connection: close\r\n\r\n")
            told = end_of(last)
        assert told.startswith(b"HTTP/1.1 200")


def test_all_together_have_no_more_than_files_may_be_open(monkeypatch):
    monkeypatch.setattr(connections, "most_connections", lambda: 1)
    with serving(proxies=["127.0.0.1"]) as connect:
        first = connect()
        first.sendall(HEAD + b"\r\n")
        assert answer_on(first).startswith(b"HTTP/1.1 200")
        assert end_of(connect()) == REFUSAL


def test_a_trusted_proxy_connects_for_many():
    with serving(proxies=["127.0.0.1"]) as connect:
        for connection in [connect() for _ in range(10)]:
            connection.sendall(HEAD + b"\r\n")
            assert answer_on(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(("status", "ends"), [(500, True), (200, False)])
def test_the_answer_to_a_fault_tells_that_the_connection_ends(status, ends):
    """Uvicorn closes it, and a request that is sent before the visitor knows would be lost."""

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        if status == 500:
            raise KeyError("a fault")

    with serving(LingeringClose(app, 100)) as connect:
        connection = connect()
        connection.sendall(HEAD + b"\r\n")
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 %d" % status)
        assert (b"connection: close" in head.lower()) == ends


@pytest.mark.parametrize("times", [1, 3])
def test_a_visitor_who_sends_no_more_gets_all_answers(times):
    with serving() as connect:
        connection = connect()
        connection.sendall((HEAD + b"\r\n") * times)
        connection.shutdown(socket.SHUT_WR)
        assert end_of(connection).count(b"HTTP/1.1 200") == times


@pytest.mark.slow
def test_an_answer_to_a_visitor_who_sends_no_more_may_take_a_while(monkeypatch):
    """Longer than that, the visitor is taken for one who is gone."""
    slow = HEAD.replace(b"/ ", b"/slow ", 1) + b"\r\n"
    for seconds, answers in ((SECONDS + 2, 1), (SECONDS, 0)):
        monkeypatch.setattr(connections, "LAST_SECONDS", seconds)
        with serving() as connect:
            connection = connect()
            connection.sendall(slow)
            connection.shutdown(socket.SHUT_WR)
            assert end_of(connection).count(b"HTTP/1.1 200") == answers


async def read_all(scope, receive, send) -> None:
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.request":
        await answer(scope, receive, send)


@pytest.mark.parametrize(("length", "answers"), [(3, 1), (4, 0)])
def test_a_body_that_breaks_off_is_not_waited_for(length, answers):
    with serving(read_all) as connect:
        connection = connect()
        begun = time.monotonic()
        connection.sendall(HEAD.replace(b"GET", b"POST") + b"Content-Length: %d\r\n\r\n" % length)
        connection.sendall(b"abc")
        connection.shutdown(socket.SHUT_WR)
        assert end_of(connection).count(b"HTTP/1.1 200") == answers
        assert time.monotonic() - begun < connections.LAST_SECONDS - 1
