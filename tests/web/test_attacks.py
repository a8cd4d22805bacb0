"""What strangers try, against real servers on this machine's loopback.

Linux answers at all of 127.0.0.0/8, so that each test can be a visitor of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

import mmpyramid
from mmpyramid.web import connections, receiving
from mmpyramid.web.route_filter import API, LONGEST_EVENT
from mmpyramid.web.visits import MOST_EACH

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8 at loopback"),
]

JOIN, RUN, UPLOAD = f"{API}/queue/join", f"{API}/run/predict", f"{API}/upload"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
HEAD = '--x\r\nContent-Disposition: form-data; name="{}"; filename="a.mp4"\r\n\r\n'
END = "\r\n--x--\r\n"


def port_of(server) -> int:
    return int(server.url.rpartition(":")[2])


def connect(server, address="127.0.0.1") -> socket.socket:
    """A connection from one of this machine's addresses."""
    source = (address, 0)
    return socket.create_connection(("127.0.0.1", port_of(server)), 20, source_address=source)


def raw(server, request: bytes, address="127.0.0.1") -> bytes:
    """Send bytes as they are, and read to the end."""
    with connect(server, address) as connection:
        answer = b""
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:  # What was not read is lost with the connection.
            pass
        return answer


ADDRESSES = (f"127.0.{high}.{low}" for high in range(1, 255) for low in range(1, 255))


class Visitor(httpx.Client):
    """Somebody at an address of their own, who keeps cookies, and has one page open."""

    def __init__(self, server, address=None, **options) -> None:
        address = address or next(ADDRESSES)
        transport = httpx.HTTPTransport(local_address=address)
        super().__init__(base_url=server.url, transport=transport, timeout=20, **options)
        self.session = address.replace(".", "-")


def file_data(path) -> dict:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def event(client, value, fn_index=0) -> dict:
    """What the page sends when a visitor does something: 0 chooses files, 2 tries the film."""
    files = [value] if isinstance(value, dict) else value
    return {"data": [files, None, None], "fn_index": fn_index, "session_hash": client.session}


def drop(client, path) -> None:
    """Choose an upload, and choose none, which deletes it."""
    for value in (file_data(path), None):
        client.post(RUN, json=event(client, value)).raise_for_status()


def is_well(server) -> bool:
    """Whether somebody else is answered at once, and nothing is left on the disk."""
    begun = time.monotonic()
    with Visitor(server) as other:
        is_answered = other.get("/health").json() == {"status": "ok"}
    return is_answered and time.monotonic() - begun < 5 and server.held() == []


@pytest.fixture
def stranger(server):
    with Visitor(server) as opened:
        yield opened
    assert is_well(server)


class TestNames:
    """DNS rebinding: a name of the attacker that points to this machine."""

    @pytest.mark.parametrize(
        "host",
        [
            *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "*"),
            *("evil@localhost", "localhost@evil", "localhost:x", "local host", "[::1", "10.0.0.1"),
        ],
    )
    def test_other_names_are_misdirected(self, host, stranger, server):
        for address in ("/", "/health", "/api/health", "/docs", "/assets/x.js"):
            assert stranger.get(address, headers={"Host": host}).status_code == 421
        sent = {"headers": {"Host": host, **FORM}, "content": HEAD.format("video")}
        assert stranger.post("/api/parse", **sent).status_code == 421

    def test_own_names_are_answered(self, stranger, server):
        for host in ("localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:1", "localhost."):
            assert stranger.get("/health", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "head", [b"", b"Host: localhost\r\nHost: evil\r\n", b"Host:\r\n", b"Host: a\0b\r\n"]
    )
    def test_a_head_must_have_one_name(self, head, server):
        told = raw(server, b"GET /health HTTP/1.1\r\n" + head + b"Connection: close\r\n\r\n")
        assert told[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 421"}

    def test_what_a_stranger_says_of_a_proxy_is_not_believed(self, stranger):
        forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        page = stranger.get("/", headers={**forged, "X-Forwarded-For": "127.0.0.99"})
        assert page.status_code == 200
        assert "evil.example" not in page.text
        assert "Secure" not in page.headers["set-cookie"]


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]


class TestOtherSites:
    """Pages of others, in the browser of somebody who may come in."""

    @pytest.mark.parametrize("headers", FOREIGN)
    def test_they_change_nothing(self, headers, stranger, server):
        for address in ("/api/parse", UPLOAD, JOIN, RUN):
            assert stranger.post(address, headers=headers).status_code == 403
        for address in (f"{API}/heartbeat/x", f"{API}/queue/data?session_hash=x"):
            assert stranger.get(address, headers=headers).status_code == 403
        assert stranger.put("/api/parse", headers=headers).status_code == 403

    @pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site"])
    def test_two_headers_hide_nothing(self, name, server):
        own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}[name]
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}[name]
        for first, second in ((own, foreign), (foreign, own)):
            told = raw(
                server,
                f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n{name}: {first}\r\n{name}: {second}"
                "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(),
            )
            assert told.startswith(b"HTTP/1.1 400")
            assert b"a header twice" in told

    def test_they_may_link_here_and_no_more(self, stranger):
        link = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        foreign = {"Sec-Fetch-Site": "cross-site"}
        page = stranger.get("/", headers=foreign | link)
        assert page.status_code == 200
        # This browser's cookie was not sent with the link, so none is given before it is.
        assert 'http-equiv="refresh"' in page.text
        assert "set-cookie" not in page.headers
        for dest in ("iframe", "image", "script", "embed"):
            headers = foreign | link | {"Sec-Fetch-Dest": dest}
            assert stranger.get("/", headers=headers).status_code == 403
            assert stranger.get("/api/health", headers=headers).status_code == 403

    def test_own_pages_may(self, stranger, server):
        own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        assert stranger.post("/api/parse", headers=own).status_code == 400

    def test_there_is_no_websocket(self, server):
        for address in (f"{API}/queue/join", "/", "/ws", f"{API}/heartbeat/x"):
            request = (
                f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.example\r\n\r\n"
            )
            assert raw(server, request.encode()).startswith(b"HTTP/1.1 403")


class TestHeaders:
    def test_every_answer_is_guarded(self, stranger, server):
        for address in (
            "/",
            "/docs",
            "/health",
            "/api/health",
            "/nowhere",
            "/theme.css",
            "/visits/x/1/page",
        ):
            headers = stranger.get(address).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "geolocation=()" in headers["permissions-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert "server" not in headers

    def test_pages_run_own_scripts_only(self, stranger):
        for address in ("/", "/docs"):
            policy = stranger.get(address).headers["content-security-policy"]
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            assert rules["default-src"] == "'none'"
            assert "'unsafe-inline'" not in rules["script-src"]
            assert "sha256-" in rules["script-src"]
            assert all(
                ":" not in r or "blob:" in r or "data:" in r for r in rules["connect-src"].split()
            )

    def test_the_cookie_is_for_this_site_and_no_script(self, stranger, server):
        cookie = stranger.get("/").headers["set-cookie"]
        assert cookie.startswith(f"mmpyramid-{port_of(server)}=")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")


SECRETS = ("/tmp", "/proc", "site-packages", "Traceback", "mmpyramid-serve", str(os.getuid()) + ":")


class TestPaths:
    def test_no_answer_names_a_path_of_the_server(self, stranger, server, tmp_path):
        own = {str(server.folder), str(tmp_path.parents[1]), sys.prefix, *mmpyramid.__path__}
        requests = [
            ("GET", "/", {}),
            ("GET", "/docs", {}),
            ("GET", "/openapi.json", {}),
            ("GET", "/api/health", {}),
            ("GET", "/visits/x/1/page", {}),
            ("GET", "/assets/none.js", {}),
            ("GET", "/static/none.js", {}),
            ("GET", "/static-offline-docs/none.js", {}),
            ("GET", f"{API}/file=/etc/passwd", {}),
            ("POST", RUN, {"json": event(stranger, "text")}),
            ("POST", RUN, {"json": event(stranger, None, fn_index=99)}),
            ("POST", RUN, {"json": event(stranger, None, fn_index="x")}),
            ("POST", RUN, {"json": {**event(stranger, None), "data": []}}),
            ("POST", RUN, {"json": {**event(stranger, None, 2), "data": []}}),
            ("POST", JOIN, {"json": event(stranger, {"path": 5})}),
            ("POST", JOIN, {"content": b"{"}),
            ("POST", "/api/parse", {"files": {"video": ("/etc/a.mp4", b"no video")}}),
            ("POST", "/api/parse", {"files": {"video": ("a.mp4", b"")}}),
            ("POST", "/api/parse?model=/etc/passwd", {"files": {"video": ("a.mp4", b"")}}),
            ("POST", UPLOAD, {"files": {"files": ("a.mp4", b"x")}}),
        ]
        for method, address, body in requests:
            answer = stranger.request(method, address, **body)
            told = answer.text + str(answer.headers.raw)
            for secret in own:
                assert secret not in told, (address, secret)
            assert "Traceback" not in told
            if address == UPLOAD:
                (path,) = answer.json()
                assert path.startswith("/received/")
                for value in (file_data(path), None):
                    told = stranger.post(RUN, json=event(stranger, value)).raise_for_status().text
                    assert not [secret for secret in own if secret in told]

    @pytest.mark.parametrize(
        "start", ["/assets/", "/static/", "/static-offline-docs/", "/visits/", f"{API}/file="]
    )
    def test_no_spelling_leads_out_of_a_folder(self, start, server):
        ups = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "%252e%252e%252f", "....//")
        ups += ("..;/", "%c0%ae%c0%ae/", "..%00/", "/")
        targets = [f"{start}{up * 12}etc/passwd" for up in ups]
        targets += [f"{start}/etc/passwd", f"{start}%2fetc%2fpasswd", f"{start}x%00.js"]
        for target in targets:
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            told = raw(server, request.encode())
            assert told.split(b" ", 2)[1] in {b"400", b"403", b"404"}, (target, told[:200])
            assert b"root:" not in told

    def test_other_forms_of_a_target_are_no_way_in(self, server):
        for target in (
            "http://evil.example/api/health",
            "//evil.example/api/health",
            "*",
            "\\",
            "x",
        ):
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert raw(server, request.encode()).split(b" ", 2)[1] in {b"400", b"404"}


class TestFramework:
    def test_the_chain_that_reads_any_file_is_broken(self, stranger, server, tmp_path):
        """A path as a video is copied, a deep link reveals the copy, a download gives it."""
        secret = tmp_path / "secret"
        secret.write_text("what no visitor may read")
        assert stranger.post(JOIN, json=event(stranger, file_data(secret))).status_code == 403
        assert (
            stranger.get(f"{API}/deep_link", params={"session_hash": "session"}).status_code == 404
        )
        assert stranger.get("/config", params={"deep_link": "x"}).status_code == 404
        assert stranger.get(f"{API}/file={secret}").status_code == 404

    def test_a_device_hangs_nothing(self, stranger, server):
        for address in (JOIN, RUN):
            assert (
                stranger.post(address, json=event(stranger, file_data("/dev/zero"))).status_code
                == 403
            )

    def test_nobody_starts_ffmpeg(self, stranger, server):
        before = server.descendants()
        for address in ("process_recording", "component_server", "stream/x", "run/choose"):
            sent = {"files": {"file": ("a.mpd", b"<MPD/>")}}
            assert stranger.post(f"{API}/{address}", **sent).status_code == 404
        assert server.descendants() == before

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"[" * 90_000, 400),
            (b'{"data":' * 10_000, 400),
            (b'{"data": [' + b"[" * 100 + b"]" * 100 + b"]}", 422),
            (b'{"data": ["' + b"x" * LONGEST_EVENT + b'"]}', 413),
            (b'{"data": [' + b"9" * 5000 + b"]}", 400),
            (b'{"data": [null], "session_hash": "' + b"x" * 65 + b'"}', 422),
            (b'{"data": [null], "session_hash": ["x"]}', 422),
            (b'{"data": [null]}', 422),
            (b"\x00" * 1000, 400),
        ],
    )
    def test_an_event_is_small_and_flat(self, body, status, stranger):
        for address in (JOIN, RUN):
            assert stranger.post(address, content=body).status_code == status

    def test_a_session_is_for_the_browser_that_began_it(self, server):
        with Visitor(server) as mine, Visitor(server) as theirs:
            mine.get("/").raise_for_status()
            theirs.get("/").raise_for_status()
            files = {"files": ("mine.mp4", b"private")}
            (path,) = mine.post(UPLOAD, files=files).raise_for_status().json()
            assert mine.post(RUN, json=event(mine, file_data(path))).status_code == 200
            cookie = dict(theirs.cookies)
            forged = {
                name: value[:-1] + ("1" if value.endswith("0") else "0")
                for name, value in mine.cookies.items()
            }
            for cookies in (cookie, forged, {}):
                theirs.cookies = httpx.Cookies(cookies)
                assert theirs.post(RUN, json=event(mine, None)).status_code == 403
                assert theirs.post(JOIN, json=event(mine, None)).status_code == 403
                told = theirs.get(f"{API}/queue/data", params={"session_hash": mine.session})
                assert told.status_code == 403
                assert theirs.get(f"{API}/heartbeat/{mine.session}").status_code == 403
                assert theirs.post(RUN, json=event(theirs, file_data(path))).status_code == 403
                assert theirs.get(f"{API}/file={path}").status_code == 404
            assert mine.get(f"{API}/file={path}").content == b"private"
            assert mine.post(RUN, json=event(mine, None)).status_code == 200
        assert is_well(server)

    @pytest.mark.parametrize("is_chosen", [True, False])
    def test_a_page_that_breaks_off_leaves_nothing(self, is_chosen, server):
        """As its connection tells, without a goodbye."""
        with Visitor(server) as mine:
            mine.get("/").raise_for_status()
            with connect(server) as heartbeat:
                cookie = "; ".join(f"{name}={value}" for name, value in mine.cookies.items())
                heartbeat.sendall(
                    f"GET {API}/heartbeat/{mine.session} HTTP/1.1\r\nHost: localhost\r\n"
                    f"Cookie: {cookie}\r\n\r\n".encode()
                )
                assert heartbeat.recv(12) == b"HTTP/1.1 200"
                (path,) = mine.post(UPLOAD, files={"files": ("a.mp4", b"video")}).json()
                if is_chosen:
                    mine.post(RUN, json=event(mine, file_data(path))).raise_for_status()
                assert server.held()
        deadline = time.monotonic() + 10
        while server.held() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert is_well(server)

    def test_ranges_give_no_more_than_the_file(self, server):
        with Visitor(server) as mine:
            content = bytes(range(256)) * 400
            (path,) = mine.post(UPLOAD, files={"files": ("a.mp4", content)}).json()
            many = ",".join(f"{n}-" for n in range(5000))
            wrong = [
                "5-2",
                "9" * 30 + "-",
                "--1",
                "-",
                "a-b",
                "0-" + "9" * 30,
                "-" + "9" * 30,
                many,
            ]
            wrong += ["0-0," * 500 + "1-1", "", "0-,0-,0-"]
            for ranges in wrong:
                begun = time.monotonic()
                answer = mine.get(f"{API}/file={path}", headers={"Range": f"bytes={ranges}"})
                assert answer.status_code in {200, 206, 400, 416}, ranges
                assert len(answer.content) <= len(content) + 1000, ranges
                assert time.monotonic() - begun < 3
            part = mine.get(f"{API}/file={path}", headers={"Range": "bytes=-5"})
            assert (part.status_code, part.content) == (206, content[-5:])
            drop(mine, path)
        assert is_well(server)


class TestInterface:
    def test_a_playlist_opens_nothing(self, stranger, brief, tmp_path):
        for text in (
            f"#EXTM3U\n#EXTINF:10,\n{brief}\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n",
            f"ffconcat version 1.0\nfile '{brief}'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        ):
            for name in ("a.m3u8", "a.mp4", "a.ffconcat", "a.sdp"):
                begun = time.monotonic()
                answer = stranger.post("/api/parse", files={"video": (name, text.encode())})
                assert answer.status_code == 422, (name, text)
                assert time.monotonic() - begun < 20

    def test_names_steer_no_terminal(self, stranger):
        name = "4pm\u202egpj\u2066.\x1b[31m\x07\x9b.mp4"
        answer = stranger.post("/api/parse", files={"video": (name, b"no video")})
        assert answer.status_code == 422
        assert all(c.isprintable() for c in answer.json()["detail"])

    @pytest.mark.parametrize(
        "query", ["x=1", "threshold=0.5&threshold=0.6", "Threshold=1", "%00=1"]
    )
    def test_parameters_are_known_ones(self, query, stranger):
        files = {"video": ("a.mp4", b"no video")}
        answer = stranger.post(f"/api/parse?{query}", files=files)
        assert answer.status_code == 422
        assert "parameter" in answer.json()["detail"]
        assert stranger.get("/api/health?x=1").status_code == 422

    @pytest.mark.parametrize(("address", "field"), [("/api/parse", "video"), (UPLOAD, "files")])
    def test_a_form_of_many_parts_is_refused(self, address, field, stranger, server):
        part = HEAD.format(field) + "x\r\n"
        assert stranger.post(address, content=part * 10_000 + END, headers=FORM).status_code == 422
        part = f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\nx\r\n'
        assert stranger.post(address, content=part * 10_000 + END, headers=FORM).status_code == 422

    @pytest.mark.parametrize("address", ["/api/parse", UPLOAD])
    def test_an_upload_that_breaks_off_leaves_nothing(self, address, server):
        field = "video" if address == "/api/parse" else "files"
        body = HEAD.format(field).encode() + bytes(500_000)
        with connect(server) as connection:
            connection.sendall(
                f"POST {address} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
                f"Content-Type: {FORM['Content-Type']}\r\n\r\n".encode()
                + body
            )
            deadline = time.monotonic() + 10
            while not server.held() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert server.held()
        while server.held() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert is_well(server)


class TestHttp:
    @pytest.mark.parametrize(
        "request_",
        [
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Content-Length: 6\r\n\r\n",
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
            + b"9" * 400
            + b"\r\n\r\n",
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + b"X: y\r\n" * 20_000
            + b"\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
            b"GET /" + b"y" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
    )
    def test_what_is_no_request_ends_the_connection(self, request_, server):
        told = raw(server, request_)
        assert told == b"" or told.split(b" ", 2)[1] in {b"400", b"421", b"431"}, told[:99]
        assert is_well(server)

    @pytest.mark.parametrize(
        "chunks", [b"-1\r\n", b"zz\r\n", b"5;x=" + b"y" * 100_000, b"f" * 30 + b"\r\n"]
    )
    def test_chunks_that_are_none_are_refused(self, chunks, server):
        head = (
            b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        told = raw(server, head + chunks, "127.0.0.31")
        assert told == b"" or told.startswith((b"HTTP/1.1 4",))
        assert is_well(server)

    def test_requests_in_a_row_are_answered_in_a_row(self, server):
        get = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
        bad = b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        told = raw(server, (get + b"\r\n") * 50 + bad + get + b"Connection: close\r\n\r\n")
        statuses = [part[:3] for part in told.split(b"HTTP/1.1 ")[1:]]
        # A body that was not read is not taken for the next request.
        assert statuses == [b"200"] * 50 + [b"400"]


class TestSlowVisitors:
    def test_four_drips_and_half_heads_starve_nobody(self, server, brief):
        """As long as they last, everybody else is served; then they are cut off."""
        begun = time.monotonic()
        with ExitStack() as opened:
            drips = [opened.enter_context(connect(server, "127.0.0.21")) for _ in range(4)]
            for drip in drips:
                drip.sendall(
                    b"POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1500000\r\n"
                    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
                    + HEAD.format("video").encode()
                )
            halves = [opened.enter_context(connect(server, "127.0.0.22")) for _ in range(60)]
            for half in halves:
                half.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            with Visitor(server, "127.0.0.23") as other:
                with brief.open("rb") as file:
                    assert other.post("/api/parse", files={"video": file}).status_code == 200
                while time.monotonic() - begun < connections.HEAD_SECONDS:
                    for connection in (*drips, *halves):
                        with suppress(OSError):  # It was cut off already.
                            connection.sendall(b"x")
                    assert other.get("/health").status_code == 200
                    time.sleep(1)
            for half in halves:
                half.settimeout(5)
                with suppress(ConnectionError):
                    assert half.recv(10) == b""
            for drip in drips:
                drip.settimeout(10)
                assert drip.recv(12) == b"HTTP/1.1 408"
        assert time.monotonic() - begun < receiving.GRACE_SECONDS + 20
        assert is_well(server)

    def test_connections_of_one_address_are_bounded(self, server):
        with ExitStack() as opened:
            held = [
                opened.enter_context(connect(server, "127.0.0.24"))
                for _ in range(connections.MOST_EACH + 20)
            ]
            for connection in held[-20:]:
                assert connection.recv(12) == b"HTTP/1.1 503"
            assert is_well(server)

    def test_streams_that_stay_open_are_bounded(self, server):
        with ExitStack() as opened:
            mine = opened.enter_context(Visitor(server, "127.0.0.25"))
            statuses = []
            for number in range(MOST_EACH + 5):
                stream = mine.stream("GET", f"{API}/heartbeat/stay-{number}")
                statuses.append(opened.enter_context(stream).status_code)
            assert statuses == [200] * MOST_EACH + [429] * 5
            assert is_well(server)


@pytest.fixture(scope="module")
def public(serve, checkpoint):
    """A server that other machines could reach, behind a proxy at a path."""
    words = ("--models", str(checkpoint), "--host", "0.0.0.0", "--root-path", "/sub")
    words += ("--allowed-host", "demo.example", "--log-level", "info", "--max-megabytes", "2")
    words += ("--max-total-megabytes", "15", "--min-free-megabytes", "1")
    with serve(*words) as started:
        yield started


class TestPublic:
    @pytest.fixture
    def base(self, public):
        return public.url.replace("0.0.0.0", "127.0.0.1")

    @pytest.fixture
    def guest(self, public, base):
        with httpx.Client(base_url=base, timeout=20) as opened:
            yield opened

    def test_a_token_is_made_up_and_asked_for(self, public, guest):
        assert len(public.token) >= 32
        wrong = [{}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {public.token}"}]
        wrong += [
            {"Authorization": f"Bearer {public.token}x"},
            {"Cookie": f"mmpyramid={public.token}"},
        ]
        wrong += [{"Cookie": f"mmpyramid-{port_of(public)}=x.{'0' * 64}"}]
        for headers in wrong:
            for address in (
                "/",
                "/docs",
                "/openapi.json",
                "/api/health",
                "/assets/x.js",
                "/visits/x/1/page",
            ):
                answer = guest.get(address, headers=headers)
                assert answer.status_code == 401, address
                assert answer.headers["www-authenticate"] == "Bearer"
                assert public.token not in answer.text
            for address in ("/api/parse", UPLOAD, JOIN, RUN):
                assert guest.post(address, headers=headers).status_code == 401
        assert guest.get("/?token=wrong").status_code == 401
        assert guest.get(f"/api/health?token={public.token}").status_code == 401
        assert guest.get("/health").json() == {"status": "ok"}

    def test_programs_send_the_token(self, public, guest):
        headers = {"Authorization": f"Bearer {public.token}"}
        assert guest.get("/api/health", headers=headers).json()["models"] == ["model"]
        assert guest.post("/api/parse", headers=headers).status_code == 400

    def test_browsers_keep_a_cookie_that_is_not_the_token(self, public, guest):
        entry = guest.get(f"/?token={public.token}")
        assert (entry.status_code, entry.headers["location"]) == (303, "/sub/")
        cookie = entry.headers["set-cookie"]
        assert public.token not in cookie
        assert cookie.endswith("; Path=/sub; HttpOnly; SameSite=Strict")
        assert guest.get("/sub/api/health").status_code == 200
        page = guest.get("/sub/").raise_for_status()
        assert f'"root":"{guest.base_url}/sub"'.replace("//sub", "/sub") in page.text
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert guest.post("/sub/api/parse", headers=foreign).status_code == 403

    def test_a_cookie_of_another_server_is_worth_nothing(self, public, base, server):
        with Visitor(server) as elsewhere:
            (value,) = elsewhere.get("/").cookies.values()
        cookies = {f"mmpyramid-{port_of(public)}": value}
        assert httpx.get(f"{base}/sub/api/health", cookies=cookies).status_code == 401

    def test_names_that_were_allowed_are_answered(self, public, guest):
        for host, status in (("demo.example", 200), ("demo.example:8", 200), ("evil.example", 421)):
            assert guest.get("/health", headers={"Host": host}).status_code == status
        headers = {"Authorization": f"Bearer {public.token}", "Origin": "https://demo.example"}
        assert guest.post("/api/parse", headers=headers).status_code == 400

    def test_the_description_works_below_a_path(self, public, guest):
        headers = {"Authorization": f"Bearer {public.token}"}
        for prefix in ("", "/sub"):
            page = guest.get(f"{prefix}/docs", headers=headers).raise_for_status().text
            assert "'/sub/openapi.json'" in page
            assert '"/sub/static-offline-docs/swagger-ui-bundle.js"' in page
            for address in (
                "/openapi.json",
                "/static-offline-docs/swagger-ui-bundle.js",
                "/theme.css",
            ):
                guest.get(prefix + address, headers=headers).raise_for_status()

    def test_one_visitor_has_a_share_of_the_disk(self, public):
        """And all together no more than there is; what is refused costs nothing."""
        headers = {"Authorization": f"Bearer {public.token}"}
        files = {"files": ("a.mp4", bytes(900_000))}
        statuses = {}
        for address in ("127.0.0.41", "127.0.0.42"):
            with Visitor(public, address, headers=headers) as each:
                sent = [each.post(UPLOAD, files=files).status_code for _ in range(12)]
            statuses[address] = sent
        assert statuses["127.0.0.41"] == [200] * 10 + [429] * 2
        assert statuses["127.0.0.42"] == [200] * 6 + [507] * 6
        assert len(public.held()) == 16

    def test_the_log_tells_nothing_that_opens_a_door(self, public, guest):
        guest.get(f"/?token={public.token}")
        guest.get("/sub/visits/secret-visit/1/page?x=1")
        guest.get("/a%0a%1b[31mb")
        lines = [json.loads(line) for line in public.log.splitlines() if line.startswith("{")]
        assert {"time", "client", "method", "path", "status", "ms"} == set(lines[-1])
        assert [line["path"] for line in lines[-3:]] == [
            *("/sub/", "/sub/visits/*/1/page", "/sub/a\n\x1b[31mb")
        ]
        assert [line["status"] for line in lines[-3:]] == [303, 404, 401]
        assert public.token not in public.log
        assert "secret-visit" not in public.log
        assert "\x1b" not in public.log
        assert "lets everybody who knows the token" in public.log

    def test_a_server_that_is_killed_leaves_nothing_for_long(self, public):
        """Its processes end by themselves; the next server deletes what it left on the disk."""
        descendants = public.descendants()
        assert descendants
        public.stop(signal.SIGKILL)
        _, alive = psutil.wait_procs(descendants, timeout=10)
        assert alive == []
        (left,) = public.folder.glob("mmpyramid-serve-*")
        begin_and_end(public.folder)
        assert not left.exists()
        assert [path.name for path in public.folder.iterdir()] == ["log"]


def begin_and_end(folder) -> None:
    """What a server does first and last, with the same folder for temporary files."""
    code = "from mmpyramid.web.uploads import *\nwith working_folder(): pass"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)}, check=True
    )


def test_a_living_server_keeps_its_folder(server):
    (folder,) = server.folder.glob("mmpyramid-serve-*")
    begin_and_end(server.folder)
    assert folder.exists()
    assert is_well(server)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--token", "short"), "--token of 16 or more"),
        (("--token", "x" * 20, "--no-auth"), "either --token or --no-auth"),
        (("--token", "env:NOWHERE"), "environment variable NOWHERE"),
        (("--allowed-host", "a b/c"), "--allowed-host to be a name"),
        (("--trusted-proxy", "proxy"), "--trusted-proxy to be an address"),
        (("--root-path", "sub"), "--root-path to be a path"),
        (("--max-each", "0"), "--max-each above 0"),
    ],
)
def test_wrong_options_are_told_in_one_paragraph(words, told, capsys):
    from mmpyramid.cli.main import main

    assert main(["serve", "--port", "0", *words]) == 2
    error = capsys.readouterr().err
    assert told in " ".join(error.split())
    assert "Traceback" not in error
