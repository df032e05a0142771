"""An nginx of its own for a measurement: a folder on one or many loopback addresses, and a log of what was asked."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NO_NGINX = "no nginx on this machine: `apt-get install nginx-light`, or give the --url of a server for the folder"

_CONFIGURATION = """
{user}worker_processes 1; worker_rlimit_nofile 16384; daemon off; pid {home}/pid; error_log {home}/error.log warn;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  types {{ text/html html; text/plain txt; }} charset utf-8;
  client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
  log_format whole '$status "$request_method http://$server_addr:$server_port$request_uri"';
  access_log {home}/access.log whole;
  sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000; keepalive_timeout 60s;
  open_file_cache max=200000 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors on;
  server {{ {listen} server_name _; root "{root}"; index index.html; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Where a folder is served: the root URL on each address, and the log, whose lines name whole URLs."""

    urls: tuple[str, ...]
    log: Path


@contextmanager
def nginx(root: Path, addresses: int = 1, keep_off: int | None = None) -> Iterator[Served]:
    """Serves `root` on 127.0.0.1 and so many minus one addresses after it, by one worker that keeps off the core `keep_off` where
    there is another. Raises RuntimeError when there is no nginx or it does not start."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise RuntimeError(NO_NGINX)
    with tempfile.TemporaryDirectory(prefix="nginx-") as home:
        hosts = [f"127.0.0.{1 + number}" for number in range(addresses)]
        port = _free_port()
        listen = " ".join(f"listen {host}:{port} backlog=4096;" for host in hosts)
        user = "user root; " if os.geteuid() == 0 else ""
        Path(home, "nginx.conf").write_text(_CONFIGURATION.format(user=user, home=home, listen=listen, root=root.resolve()))
        command = [program, "-p", home, "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"]
        others = set(range(os.cpu_count() or 1)) - {keep_off}
        if keep_off is not None and others and shutil.which("taskset"):
            command = ["taskset", "-c", ",".join(map(str, sorted(others))), *command]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _await(process, port, Path(home, "error.log"))
            yield Served(tuple(f"http://{host}:{port}/" for host in hosts), Path(home, "access.log"))
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int, errors: Path) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"nginx did not start: {errors.read_text() if errors.exists() else ''}") from None
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start in ten seconds")
