"""Run a script in a child of the warm process, or else become the Python that runs it.

Usage: python -I -S ask.py ADDRESS SCRIPT

This is the process that Snakemake knows as the job: it ends when the script ends and as it ended,
with the same exit code or by the same signal. It starts once for each job and imports next to
nothing for that reason; ``_socket`` is ``socket`` without its enumerations, which take longer than
all the rest.
"""

import _socket
import marshal
import os
import signal
import sys

SECONDS_TO_ANSWER = 10.0
# Answers of the server: it would take the job; it does not; the job ended, and how.
TAKEN, DECLINED, ENDED = b"t", b"d", b"e"
# Only now the job begins: who waited too long has begun it himself.
BEGIN = b"b"


def main():
    """Ask; returns where the job was not taken."""
    address, script = sys.argv[1:3]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    connection = request(address, script)
    if connection is not None:
        before = signal.getsignal(signal.SIGINT)
        # Ctrl-C reaches the child as well, which says where it was; this process waits for it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end = answer(connection)
        if end is not None:
            end_as(end)
        signal.signal(signal.SIGINT, before)
    os.execv(sys.executable, [sys.executable, script])


def request(address, script):
    """Connection to a server that took the job, or None: then nothing of it has begun."""
    umask = os.umask(0o077)
    os.umask(umask)
    told = (sys.executable, script, dict(os.environb), umask, os.getpgrp())
    try:
        content = marshal.dumps(told)
        folder = os.open(".", os.O_RDONLY)
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.settimeout(SECONDS_TO_ANSWER)
        connection.connect(b"\0" + os.fsencode(address))
        # Process, user and group of who listens, as three C integers.
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        if int.from_bytes(peer[4:8], sys.byteorder) != os.getuid():
            return None
        descriptors = b"".join(n.to_bytes(4, sys.byteorder) for n in (0, 1, 2, folder))
        length = len(content).to_bytes(4, sys.byteorder)
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)
        connection.sendmsg([length], [rights])
        connection.sendall(content)
        if connection.recv(1) == TAKEN:
            connection.send(BEGIN)
            connection.settimeout(None)
            return connection
    except OSError:
        pass
    return None


def answer(connection):
    """How the job ended, as ``os.wait`` tells it; None where it could not begin after all."""
    found = b""
    while len(found) < 5:
        try:
            part = connection.recv(5 - len(found))
        except OSError:
            part = b""
        if found + part == DECLINED:
            return None
        if not part:
            # Without the server its children die, as a job does when memory runs out.
            print("The process that ran this job was ended from outside.", file=sys.stderr)
            return signal.SIGKILL
        found += part
    return int.from_bytes(found[1:], sys.byteorder)


def end_as(status):
    """End this process as the job ended."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        # The job has left its memory on the disk, if any; this process has nothing to add.
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
