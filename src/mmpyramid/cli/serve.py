"""`mmpyramid serve`: the web app and its HTTP interface."""

from __future__ import annotations

import logging
import socket
import sys
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import console
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import num_cores
from mmpyramid.web.limits import Limits
from mmpyramid.web.policy import Admission, is_loopback
from mmpyramid.web.uploads import working_folder


def serve(  # noqa: PLR0913 - one for each flag
    *,
    models: tuple[str, ...] = ("teachers", "teachers-ave"),
    vocabulary: Annotated[str, tyro.conf.arg(metavar="NAME|FILE")] = "everyday",
    host: str = "127.0.0.1",
    port: int = 7860,
    device: str = "auto",
    workers: int = 1,
    log_level: Literal["warning", "info"] = "warning",
    admission: Annotated[
        Admission, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff
    ] = Admission(),  # noqa: B008 - frozen
    limits: Annotated[Limits, tyro.conf.arg(name="")] = Limits(),  # noqa: B008 - frozen
) -> int:
    """Serve the web app: upload or record a video, look at its timeline, download it.

    Programs post a video to /api/parse on the same port, and get the timeline as JSON; /docs has
    the details. Stop it with Ctrl-C.

    Example: mmpyramid serve --models teachers runs/mine/model --max-minutes 30

    Args:
        models: What visitors can choose from: `teachers`, which need no training, `teachers-llp`
            and `teachers-ave` with the labels of those benchmarks, checkpoint folders, hub ids; the
            first is the default.
        vocabulary: What `teachers` look and listen for: `everyday`, `llp`, `ave`, or a TOML file.
        host: The address to listen on; 0.0.0.0 means all addresses of this machine, so that other
            machines can connect.
        port: The port; 0 takes any free one.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
        workers: How many videos are parsed at once, each in a process of its own.
        log_level: `info` writes a line of JSON for each request to the standard error.
        admission: Whom to let in.
        limits: Bounds on what visitors may ask for.
    """
    from mmpyramid.web.pool import Pool, Setup

    if not models:
        raise UserError("expected --models to name at least one model, got none; try teachers")
    if vocabulary != "everyday" and "teachers" not in models:
        raise UserError(
            f"--vocabulary is that of `teachers`, got {vocabulary} with --models "
            f"{' '.join(models)}; leave it out, or add teachers to --models"
        )
    if workers < 1:
        raise UserError(f"expected --workers to be at least 1, got {workers}")
    setup = Setup(
        models=models,
        vocabulary=vocabulary,
        device=resolve_device(device),
        num_threads=max(1, num_cores() // workers),
        max_seconds=60 * limits.max_minutes,
    )
    with listen(host, port) as listener, working_folder() as folder:
        from mmpyramid.web.server import run_server

        port = listener.getsockname()[1]
        policy = admission.policy(host, port)
        if log_level == "info":
            start_log()
        sys.stderr.write(warning(host, has_token=policy.token is not None))
        with console().status("loading the models"):
            pool = Pool(setup, limits, workers)
        address = f"http://{url_host(host)}:{port}"
        run_server(pool, folder, listener, policy, lambda: _print_addresses(address, policy.token))
    return 0


def start_log() -> None:
    """Write the lines of the access log to the standard error."""
    log = logging.getLogger("mmpyramid.web.access")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)
    log.propagate = False


def listen(host: str, port: int) -> socket.socket:
    """Bind an address before anything slow is done.

    Raises:
        UserError: if it cannot be bound.
    """
    try:
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=kind)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen at --host {host} --port {port}: {error}; give another, or --port 0 for "
            "any that is free"
        ) from error


def url_host(host: str) -> str:
    """A host as addresses have it.

    Example:
        >>> url_host("::1"), url_host("0.0.0.0")
        ('[::1]', '0.0.0.0')
    """
    return f"[{host}]" if ":" in host else host


def warning(host: str, *, has_token: bool) -> str:
    """The warning for addresses that other machines reach; empty for this machine alone.

    Example:
        >>> warning("127.0.0.1", has_token=False)
        ''
    """
    if is_loopback(host):
        return ""
    who = "who knows the token" if has_token else "(--no-auth)"
    return (
        f"mmpyramid serve: warning: --host {host} lets everybody {who} upload videos to this "
        "machine. There is no encryption here, so that who can listen on the network reads videos "
        "and token; put a proxy with TLS in front of it where the network is not yours alone\n"
    )


def _print_addresses(address: str, token: str | None) -> None:
    entry = address if token is None else f"{address}/?token={token}"
    console().print(f"app   {entry}\nAPI   {address}/docs\nstop  Ctrl-C")
    sys.stdout.flush()
