"""The warm process: takes jobs, forks a child for each, tells how it ended.

Usage: python server.py LISTENING_DESCRIPTOR; it ends when its standard input is closed.

It has one thread and runs no job's code itself.
"""

from __future__ import annotations

import gc
import marshal
import os
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from osteoflow.running.warm import ask, job
from osteoflow.running.warm.learned import LARGEST_REPORT, Learned, Loaded, send
from osteoflow.running.warm.unchanged import files_now

SECONDS_TO_TELL = 5.0
LIFELINE = 0
# Process, user and group of the other end of a socket.
PEER = struct.Struct("3i")
TASKS = Path("/proc/self/task")
# A shell sets the first ones, a script's temporary folder is looked up when it is used.
OWN_OF_A_JOB = {b"_", b"SHLVL", b"PWD", b"OLDPWD", b"TMPDIR", b"TMP", b"TEMP", b"TEMPDIR"}
# Arrow's allocator starts a thread of its own, which a fork would lose.
NO_ARROW_THREAD = ("JE_ARROW_MALLOC_CONF", "background_thread:false")


@dataclass
class Child:
    """A job that runs: who asked for it, and where its report will be found."""

    connection: socket.socket
    report: int


class Server:
    """Takes jobs at a listening socket until its owner ends."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.environment = _comparable(dict(os.environb))
        self.group = os.getpgrp()
        self.files = files_now()
        self.learned = Learned()
        self.loaded = Loaded()
        self.children: dict[int, Child] = {}
        self.at_interrupt = signal.getsignal(signal.SIGINT)
        self.woken, waker = socket.socketpair()
        self.waker = waker
        for end in (self.woken, waker):
            end.setblocking(False)
        self.selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Serve until the owner's end of the standard input is closed."""
        # Ctrl-C is the jobs' business; this process ends with Snakemake.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        os.environ.setdefault(*NO_ARROW_THREAD)
        self.selector.register(LIFELINE, selectors.EVENT_READ, None)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.woken, selectors.EVENT_READ, self._reap)
        while self.listener is not None or self.children:
            for key, _ in self.selector.select():
                if key.data is None:
                    return
                key.data()

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.settimeout(SECONDS_TO_TELL)
        try:
            asked = self._read(connection)
            if asked is not None:
                self._begin(connection, asked)
        except (OSError, ValueError, EOFError, TypeError):
            connection.close()

    def _read(self, connection: socket.socket) -> job.Job | None:
        """The job that is asked for; None where it has been declined."""
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        _, user, _ = PEER.unpack(found)
        head, descriptors, _, _ = socket.recv_fds(connection, 4, 4)
        try:
            length = int.from_bytes(head, sys.byteorder)
            content = b""
            while len(content) < length and (part := connection.recv(length - len(content))):
                content += part
            if user == os.getuid() and len(descriptors) == 4 and len(content) == length:
                asked = job.Job(*marshal.loads(content), tuple(descriptors))
                if self._fits(asked):
                    return asked
            connection.sendall(ask.DECLINED)
        except BaseException:
            _close(descriptors)
            raise
        _close(descriptors)
        connection.close()
        return None

    def _fits(self, asked: job.Job) -> bool:
        """Whether a fresh Python would load the very things that are loaded here."""
        if files_now() != self.files:
            self._retire()
            return False
        return (
            asked.executable == sys.executable
            and asked.group == self.group
            and _comparable(asked.environment) == self.environment
        )

    def _begin(self, connection: socket.socket, asked: job.Job) -> None:
        report, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        me = os.getpid()
        try:
            # What is not written yet would be written by the child as well.
            sys.stdout.flush()
            sys.stderr.flush()
            connection.sendall(ask.TAKEN)
            if connection.recv(1) != ask.BEGIN:
                raise ConnectionAbortedError
            pid = os.fork()
            if pid == 0:
                self._become(asked, connection, me, report, told)
        except OSError:
            os.close(report)
            connection.sendall(ask.DECLINED)
            raise
        finally:
            os.close(told)
            _close(asked.descriptors)
        self.children[pid] = Child(connection, report)
        # It never speaks again: what can be read is the end of the process that asked.
        self.selector.register(connection, selectors.EVENT_READ, lambda: self._cancel(pid))

    def _become(
        self, asked: job.Job, connection: socket.socket, me: int, report: int, told: int
    ) -> NoReturn:
        """In the child: let go of all that is the server's, and run the job."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            job.die_with(me)
            self.selector.close()
            for own in (self.listener, self.woken, self.waker, connection):
                if own is not None:
                    own.close()
            for child in self.children.values():
                child.connection.close()
                os.close(child.report)
            os.close(report)
            job.take_place(asked)
            signal.signal(signal.SIGINT, self.at_interrupt)
            job.run(asked.script, lambda: send(self.loaded.report(), told))
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            # Whatever happens, a child never goes on as a server.
            os._exit(1)

    def _cancel(self, pid: int) -> None:
        """Whoever asked for a job is gone: the job ends as he did."""
        if pid in self.children:
            self.selector.unregister(self.children[pid].connection)
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Tell how children ended, then learn from them."""
        with suppress(BlockingIOError):
            while self.woken.recv(4096):
                pass
        reports = []
        for pid in list(self.children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                child = self.children.pop(pid)
                with suppress(KeyError):
                    self.selector.unregister(child.connection)
                with suppress(OSError):
                    child.connection.sendall(ask.ENDED + status.to_bytes(4, sys.byteorder))
                child.connection.close()
                with suppress(BlockingIOError):  # a process that the job left holds the pipe
                    reports.append(os.read(child.report, LARGEST_REPORT))
                os.close(child.report)
        if sum([self.learned.learn(report) for report in reports]):
            self._settle()

    def _settle(self) -> None:
        """Spare children the garbage collection of what was loaded; end where that made threads."""
        self.loaded = Loaded()
        gc.collect()
        gc.freeze()
        if len(list(TASKS.iterdir())) > 1:
            self._retire()

    def _retire(self) -> None:
        """Take no more jobs: who asks finds nobody and starts a Python of its own."""
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None


def _comparable(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {name: value for name, value in environment.items() if name not in OWN_OF_A_JOB}


def _close(descriptors: list[int] | tuple[int, ...]) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def main() -> None:
    """Serve at the descriptor that was handed over."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Received descriptors would take the numbers of closed ones.
        return
    # The folder of this file; a job has its script's.
    del sys.path[0]
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.settimeout(SECONDS_TO_TELL)
    Server(listener).serve()
    # Its children end with it. There is nothing to clear away.
    os._exit(0)


if __name__ == "__main__":
    main()
