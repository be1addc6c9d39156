"""A job in a child of the warm process is what a fresh Python would have made of it."""

import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from processes import PATIENCE_S, wait_for_end

from osteoflow.resources import ROOT
from osteoflow.running.warm import start
from osteoflow.running.warm.ask import BEGIN, DECLINED, ENDED, TAKEN
from osteoflow.running.warm.start import ASK, ONE_THREAD, WARM, WarmProcess, use_warm_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the warm process is Linux' own")

# Longer than anybody waits for its end.
WAITS = f"import time; print('waits', flush=True); time.sleep({10 * PATIENCE_S})"
LIKE_FRESH = {
    "arguments": """
        import os, sys
        print(sys.argv, __name__, __file__, sys.path, os.getcwd(), sys.modules["__main__"].__dict__
              is globals(), __spec__, __package__, __cached__, type(__loader__).__name__, __doc__)
        print(sys.stdout.line_buffering, sys.stdout.encoding, sys.stderr.errors, sys.flags)
        print(sorted(vars(sys.modules["__main__"])))
        print(sorted(n for n in os.environ.items() if n[0] not in ("_", "SHLVL")))
        """,
    "streams": """
        import sys
        print(sys.stdin.read().upper())
        print("to the other stream", file=sys.stderr)
        sys.stdout.write("x" * 5_000_000)
        """,
    "umask and temporary folder": """
        import os, tempfile
        print(oct(os.umask(0)), tempfile.gettempdir())
        """,
    "signals": """
        import signal, threading
        print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)])
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1))
        print(threading.enumerate() == [threading.main_thread()])
        """,
    "descriptors": """
        import subprocess
        subprocess.run(["ls", "/proc/self/fd"], close_fds=False, check=True)
        """,
    "a bug": """
        def divide(a):
            try:
                return a / 0
            except ZeroDivisionError as error:
                raise ValueError("two errors") from error
        divide(1)
        """,
    "a bug in the syntax": "print('not reached')\nif True print(1)",
    "no such module": "import osteoflow.no_such_module",
    "own hook": """
        import sys, traceback
        sys.excepthook = lambda *e: print("hook", *traceback.format_exception(*e))
        raise KeyError("k")
        """,
    "exit with text": "import sys; sys.exit('what went wrong')",
    "exit with a number": "import sys; sys.exit(7)",
    "exit with a large number": "import sys; sys.exit(300)",
    "exit with nothing": "import sys; sys.exit()",
    "exit at once": "import os; print('lost'); os._exit(5)",
    "interrupted": "raise KeyboardInterrupt",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "crashed": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "last words": """
        import atexit, threading, time
        atexit.register(print, "at the end")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        left_open = open("left_open.txt", "w")
        left_open.write("kept")
        print("script")
        """,
    "a child of its own": """
        import subprocess, sys
        print(subprocess.run([sys.executable, "-c", "print(input())"], capture_output=True,
                             input="passed on", text=True, check=True).stdout, flush=True)
        subprocess.run(["sh", "-c", "echo to the same place; exit 3"], check=True)
        """,
    "annotations": """
        from __future__ import annotations
        x: no_such_name = 1
        print(__annotations__)
        """,
    "other letters": "# -*- coding: latin-1 -*-\nprint('\\xe4')",
}


def text_of(script):
    """A script without the indentation that it has here."""
    lines = script.splitlines()
    return "\n".join(line.removeprefix("        ") for line in lines).strip() + "\n"


@pytest.fixture(scope="module")
def warm():
    other = ("PYTEST_CURRENT_TEST", "PYTHONUNBUFFERED")
    environment = {n: v for n, v in os.environ.items() if n not in other}
    found = WarmProcess({**environment, "PYTHONPATH": str(ROOT)})
    yield found
    found.end()


@pytest.fixture
def own(warm):
    """A warm process that a test may end."""
    found = WarmProcess(warm.environment)
    yield found
    found.end()


def command(warm, script):
    return [sys.executable, "-I", "-S", ASK, warm.address(), script]


def ask(warm, script, text, **options):
    """Ask for a job: it, once it has spoken."""
    script.write_text(text)
    job = subprocess.Popen(
        command(warm, script),
        stdout=subprocess.PIPE,
        env=options.pop("env", warm.environment),
        text=True,
        **options,
    )
    return job, job.stdout.readline().strip()


def parent_of(warm, folder, text="", env=None):
    """Whose child a job's process is."""
    script = folder / "whose.py"
    script.write_text(f"{text}\nimport os; print(os.getppid())\n")
    done = subprocess.run(
        command(warm, script),
        env=env or warm.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize("name", LIKE_FRESH)
def test_a_job_says_and_ends_as_a_fresh_python(warm, tmp_path, name):
    assert parent_of(warm, tmp_path) == warm.pid
    script = tmp_path / "tmpabc.script.py"
    text = text_of(LIKE_FRESH[name])
    script.write_text(text, encoding="latin-1" if name == "other letters" else "utf-8")
    found = []
    for begin in ([sys.executable], command(warm, "")[:-1]):
        folder = tmp_path / "study"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        done = subprocess.run(
            [*begin, script],
            cwd=folder,
            env={**warm.environment, "TMPDIR": str(folder)},
            umask=0o027,
            input=b"some text",
            capture_output=True,
            check=False,
        )
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        found.append((done.returncode, done.stdout, done.stderr, files))
    fresh, forked = found
    assert forked == fresh
    if name == "last words":
        assert fresh[1] == b"script\nthread\nat the end\n" and fresh[3] == {
            "left_open.txt": b"kept"
        }


def test_a_relative_path_is_named_as_python_names_it(warm, tmp_path):
    (tmp_path / "script.py").write_text("import sys; print(__file__, sys.argv, sys.path); 1 / 0")
    found = [
        subprocess.run(
            [*begin, "script.py"],
            cwd=tmp_path,
            env=warm.environment,
            capture_output=True,
            check=False,
        )
        for begin in ([sys.executable], command(warm, "")[:-1])
    ]
    assert found[0].stdout and b"ZeroDivisionError" in found[0].stderr
    assert (found[0].stdout, found[0].stderr) == (found[1].stdout, found[1].stderr)


def test_a_closed_stream_and_a_full_disk_end_a_job_as_a_fresh_python(warm, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print('words')")
    codes = []
    for begin in ([sys.executable], command(warm, "")[:-1]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*begin, script],
                stdout=full,
                stderr=subprocess.PIPE,
                env=warm.environment,
                check=False,
            )
        assert b"No space left on device" in done.stderr
        codes.append(done.returncode)
    assert codes == [120, 120]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_cancelled_job_takes_its_child_along(warm, tmp_path, number):
    job, said = ask(warm, tmp_path / "script.py", WAITS)
    assert said == "waits"
    (child,) = psutil.Process(warm.pid).children()
    job.send_signal(number)
    assert job.wait(PATIENCE_S) == -number
    wait_for_end(child)
    assert parent_of(warm, tmp_path) == warm.pid


def test_ctrl_c_reaches_the_script_once(tmp_path):
    """A group of processes, as a terminal has it: who asks, the server, the script."""
    program = tmp_path / "program.py"
    script = tmp_path / "script.py"
    script.write_text(
        "import time\ntry:\n    print('waits', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.3); print('tidied', flush=True); raise\n"
    )
    program.write_text(
        "import os, signal, subprocess, sys\n"
        "from osteoflow.running.warm.start import ASK, WarmProcess\n"
        "warm = WarmProcess(os.environ)\n"
        # Before the job: whatever comes first, this process takes no notice, and a function is no
        # setting that the programs it starts would inherit.
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "command = [sys.executable, '-I', '-S', ASK, warm.address(), sys.argv[1]]\n"
        "job = subprocess.Popen(command, env=warm.environment)\n"
        "print(job.wait(), warm.address() is not None)\n"
    )
    group = subprocess.Popen(
        [sys.executable, program, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert group.stdout.readline() == "waits\n"
    os.killpg(group.pid, signal.SIGINT)
    said, errors = group.communicate(timeout=PATIENCE_S)
    assert said == f"tidied\n{-signal.SIGINT} True\n"
    assert errors.count("KeyboardInterrupt") == 1


def test_without_its_server_a_job_ends_and_others_start_afresh(own, tmp_path):
    job, _ = ask(own, tmp_path / "script.py", WAITS, stderr=subprocess.PIPE)
    server = psutil.Process(own.pid)
    (child,) = server.children()
    address = own.address()
    server.kill()
    assert job.wait(PATIENCE_S) == -signal.SIGKILL
    assert "ended from outside" in job.stderr.read()
    wait_for_end(child)
    (tmp_path / "whose.py").write_text("import os; print(os.getppid())")
    later = [sys.executable, "-I", "-S", ASK, address, tmp_path / "whose.py"]
    done = subprocess.run(later, capture_output=True, text=True, check=True)
    assert int(done.stdout) == os.getpid()
    assert own.address() is None


def test_it_ends_with_its_owner_and_takes_the_jobs_along(own, tmp_path):
    job, _ = ask(own, tmp_path / "script.py", WAITS, stderr=subprocess.PIPE)
    (child,) = psutil.Process(own.pid).children()
    own._process.stdin.close()
    assert own._process.wait(PATIENCE_S) == 0
    wait_for_end(child)
    assert job.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LANG", "PYTHONPATH", "NUMBA_DISABLE_JIT"])
def test_another_environment_gets_a_python_of_its_own(warm, tmp_path, name):
    """What a library reads when it is loaded would not be seen by a child."""
    value = f"{warm.environment.get(name, '')}2"
    env = {**warm.environment, name: value}
    assert parent_of(warm, tmp_path, f"import os; assert os.environ['{name}'] == '{value}'", env)
    assert parent_of(warm, tmp_path, env=env) == os.getpid()
    assert parent_of(warm, tmp_path) == warm.pid


def test_a_job_that_nobody_waits_for_any_more_does_not_begin(warm, tmp_path):
    """Whoever asks waits some seconds, then runs the script himself."""
    script = tmp_path / "script.py"
    script.write_text("from pathlib import Path; Path('made').touch()")
    environment = {os.fsencode(n): os.fsencode(v) for n, v in warm.environment.items()}
    told = (sys.executable, str(script), environment, 0o022, os.getpgrp())
    content = marshal.dumps(told)
    folder = os.open(tmp_path, os.O_RDONLY)
    for patient in (False, True):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect("\0" + warm.address())
            length = len(content).to_bytes(4, sys.byteorder)
            socket.send_fds(connection, [length], [0, 1, 2, folder])
            connection.sendall(content)
            assert connection.recv(1) == TAKEN
            if patient:
                connection.sendall(BEGIN)
                assert connection.recv(5)[:1] == ENDED
        assert parent_of(warm, tmp_path) == warm.pid
        assert (tmp_path / "made").exists() == patient
    os.close(folder)


def test_another_group_of_processes_gets_a_python_of_its_own(warm, tmp_path):
    """Ctrl-C would not reach the child."""
    text = "import os; print(os.getppid())"
    job, parent = ask(warm, tmp_path / "script.py", text, start_new_session=True)
    assert job.wait(PATIENCE_S) == 0
    assert int(parent) == os.getpid()


@pytest.mark.parametrize("edited", ["osteoflow/mri/maps.py", "resources/rods.tsv"])
def test_code_that_was_edited_is_loaded_afresh(warm, tmp_path, monkeypatch, edited):
    clone = tmp_path / "clone"
    for name in ("__init__.py", "resources.py", "running/__init__.py", "lazily.py", "running/warm"):
        copy = clone / "osteoflow" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / "osteoflow" / name
        if source.is_dir():
            # Others may be compiling now: what has no final name yet may be gone when it is copied.
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.pyc.*", "*.tmp.*"))
        else:
            shutil.copy(source, copy)
    file = clone / edited
    for path in (clone / "resources", file.parent):
        path.mkdir(exist_ok=True)
    file.write_text("before\n")
    monkeypatch.setattr(start, "SERVER", clone / "osteoflow/running/warm/server.py")
    found = WarmProcess({**warm.environment, "PYTHONPATH": str(clone)})
    try:
        assert parent_of(found, tmp_path, env=found.environment) == found.pid
        server = psutil.Process(found.pid)
        file.write_text("after, and longer\n")
        assert parent_of(found, tmp_path, env=found.environment) == os.getpid()
        wait_for_end(server)
        assert found.address() is None
    finally:
        found.end()


def told_by_jobs(warm, script, text, times):
    """First lines of the same job, one after the other."""
    found = []
    for _ in range(times):
        job, said = ask(warm, script, text)
        assert job.wait(PATIENCE_S) == 0
        # The server learns when it has told that the job ended.
        time.sleep(0.05)
        found.append(said)
    return found


def test_what_two_jobs_loaded_is_there_for_the_third(own, tmp_path):
    text = "import sys; print('wave' in sys.modules); import wave"
    assert told_by_jobs(own, tmp_path / "script.py", text, 3) == ["False", "False", "True"]


def test_a_failed_job_teaches_nothing(own, tmp_path):
    text = "import wave\nraise SystemExit(1)\n"
    for _ in range(3):
        assert ask(own, tmp_path / "script.py", text)[0].wait(PATIENCE_S) == 1
    text = "import sys; print('wave' in sys.modules)"
    assert told_by_jobs(own, tmp_path / "script.py", text, 1) == ["False"]


def test_compiled_functions_are_there_for_the_third_job(own, tmp_path):
    text = (
        "import numpy as np\n"
        "from osteoflow.radiomics.noise import _uniform\n"
        "before = len(_uniform.signatures)\n"
        "print(before, _uniform(np.uint64(1), np.uint64(2)))\n"
    )
    said = told_by_jobs(own, tmp_path / "script.py", text, 3)
    counts, numbers = zip(*map(str.split, said), strict=True)
    assert counts == ("0", "0", "1")
    assert len(set(numbers)) == 1


def test_garbage_ends_a_connection_and_not_the_server(warm, tmp_path):
    for garbage in (b"", b"\x05\0\0\0hello", b"\xff\xff\xff\x7f"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect("\0" + warm.address())
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) in (b"", DECLINED)
    assert parent_of(warm, tmp_path) == warm.pid


def test_where_no_server_can_start_jobs_start_afresh(warm, monkeypatch):
    def no_more_processes(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    found = WarmProcess(warm.environment)
    monkeypatch.setattr(start.subprocess, "Popen", no_more_processes)
    assert found.address() is None
    assert found.address() is None
    found.end()


def test_a_module_with_threads_ends_the_server_and_no_job(own, tmp_path):
    """A fork would lose the thread, and with it whatever the thread held locked."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "threaded.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    found = WarmProcess({**own.environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"})
    try:
        text = "import os, threaded; print(os.getppid())"
        first = told_by_jobs(found, tmp_path / "script.py", text, 2)
        assert first == [str(found.pid)] * 2
        wait_for_end(psutil.Process(found.pid))
        assert found.address() is None
    finally:
        found.end()


def test_children_draw_different_random_numbers(own, tmp_path):
    text = "import random, numpy as np; print(random.random(), np.random.random())"
    said = told_by_jobs(own, tmp_path / "script.py", text, 5)
    numbers = [number for line in said for number in line.split()]
    assert len(set(numbers)) == 10


def test_only_what_snakemake_runs_with_its_own_python_is_asked_for(monkeypatch):
    from snakemake.script import PythonScript

    before = PythonScript.execute_script
    monkeypatch.setattr(PythonScript, "execute_script", before)
    monkeypatch.delenv(WARM, raising=False)
    use_warm_process()
    assert PythonScript.execute_script is before
    monkeypatch.setenv(WARM, "1")
    use_warm_process()
    assert PythonScript.execute_script is not before
    plain = dict.fromkeys(("conda_env", "container_img", "env_modules", "bench_record"))
    assert start._is_plain(SimpleNamespace(**plain))
    for name in plain:
        assert not start._is_plain(SimpleNamespace(**{**plain, name: "given"}))


def test_an_own_process_has_what_snakemake_sets_for_a_job_of_one_thread():
    """A variable that Snakemake sets besides would let every job start a Python of its own."""
    import inspect

    from snakemake.shell import shell

    source = inspect.getsource(shell.__new__)
    assert {n for n in ONE_THREAD if f'envvars["{n}"] = threads' in source} == set(ONE_THREAD)
    assert source.count("] = threads") == len(ONE_THREAD)
