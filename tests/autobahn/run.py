#!/usr/bin/env python3
"""Runs the Autobahn|Testsuite against a WebSocket server or client.

  tests/autobahn/run.sh                       build our examples and test all of them, as CI does
  tests/autobahn/run.sh --all                 the same with all cases of the groups 12 and 13
  tests/autobahn/run.sh server COMMAND...     test a server; {port} in the command is replaced
  tests/autobahn/run.sh client COMMAND...     test a client; {url} and {agent} are replaced

For example `run.sh --cases '3.*' server target/release/echo_tokio 127.0.0.1:{port}`.

A case passes if the suite calls its behavior and its close OK or INFORMATIONAL and did not have to
fail the connection itself. NON-STRICT, UNIMPLEMENTED and a case without a result fail. Failed cases
are run once again, because some of them allow only half a second; those that pass then are listed.
Exit status: 0 all passed, 1 something failed, 2 the suite or the command is missing.
"""
import argparse
import ast
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
WSTEST = os.environ.get("WSTEST", "wstest")
REPORTS = Path(os.environ.get("AUTOBAHN_REPORTS") or TARGET / "autobahn" / "reports")

# The first numbers of the cases that share one process of the suite, and its time limit in seconds.
# The suite writes its results only at the end, so a process that hangs loses all of its cases.
GROUPS = [({1, 2, 3, 4, 5, 6, 7, 10}, 300), ({9}, 300), ({12}, 1800), ({13}, 1800)]
CASES = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*"
# Groups 12 and 13 are about permessage-deflate: 18 sizes of messages for each kind of content, and
# for each offer. All of them take long, so CI leaves out the large ones: it has sizes 1 to 6, the
# first with fragments (11) and, with a window of 9 bits, 64 KiB with and without context takeover.
# To the suite patterns are regular expressions without an end, but "." is a dot, and "*" is ".*".
PART = CASES + ",12.*.[1-6]$,12.*.11$,13.*.[1-6]$,13.*.11$,13.3.9,13.5.9"
ALL = CASES + ",12.*,13.*"
# What our examples need for group 9, which has messages of 16 MiB.
LIMIT = ["--max-message-size", "16M"]
GOOD = {"OK", "INFORMATIONAL"}
MISSING = "no result"
RETRY_AT_MOST = 30
AT_ONCE = 2  # processes of the suite

processes = []
cancelled = threading.Event()


def main():
    parser = argparse.ArgumentParser(
        prog="run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=PART, help="patterns of the suite with commas (default: %(default)s)")
    parser.add_argument("--all", dest="cases", action="store_const", const=ALL, help="runs all cases")
    parser.add_argument("--exclude", default="", help="the same, to leave out")
    parser.add_argument("role", nargs="?", choices=["server", "client"])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.role and not options.command:
        parser.error("a command is needed")
    # The suite reads a pattern without "*" as the number of a case.
    if not all(re.match(r"([1-79]|1[023])\.([\d.]+$|.*\*)", pattern) for pattern in options.cases.split(",")):
        parser.error("a pattern of --cases begins with its group, and has a * or names one case, as in 9.* or 12.1.3")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))

    if options.role:
        runs = [(Path(options.command[0]).name, options.role, options.command)]
    else:
        subprocess.run(["cargo", "build", "--release", "-p", "examples"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
        examples = TARGET / "release"
        runs = [
            ("echo_tokio", "server", [examples / "echo_tokio", *LIMIT, "127.0.0.1:{port}"]),
            ("echo_blocking", "server", [examples / "echo_blocking", *LIMIT, "127.0.0.1:{port}"]),
            ("epoll_echo", "server", [examples / "epoll_echo", *LIMIT, "127.0.0.1:{port}"]),
            ("autobahn_client", "client", [examples / "autobahn_client", *LIMIT, "{url}", "{agent}"]),
        ]
    passed = failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for outcome in [
                pool.submit(run_group, agent, role, command, cases, options.exclude, limit)
                for cases, limit in groups(options.cases)
                for agent, role, command in runs
            ]:
                results = outcome.result()
                bad = sum(fault(result) is not None for result in results.values())
                passed += len(results) - bad
                failed += bad
        except FileNotFoundError as error:
            print(f"run.sh: {error}")
            return 2
        finally:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(processes):
                stop(process)
    print(f"{passed} passed, {failed} failed", flush=True)
    return int(failed > 0)


def groups(cases):
    """Splits patterns such as '9.*,12.1.3' by the process that shall run them."""
    for numbers, limit in GROUPS:
        chosen = [pattern for pattern in cases.split(",") if int(pattern.split(".")[0]) in numbers]
        if chosen:
            yield chosen, limit


def run_group(agent, role, command, cases, exclude, limit):
    """Runs a group and its failed cases once again, and prints what is wrong. Returns {case: result}."""
    start, lines = time.monotonic(), []
    results, trouble = run_suite(agent, role, command, cases, exclude, limit)
    if cancelled.is_set():
        return {}
    failed = [case for case, result in results.items() if fault(result)]
    if failed and not trouble and len(failed) <= RETRY_AT_MOST:
        again, trouble = run_suite(agent, role, command, failed, "", limit)
        for case, result in again.items():
            if not fault(result):
                lines.append(f"{agent} {case}: passed when run again; at first {fault(results[case])}")
                results[case] = result
    if trouble:
        results["run"] = {"behavior": trouble}
    missing = [case for case, result in results.items() if result["behavior"] == MISSING]
    if missing:
        lines.append(f"FAIL {agent}: no result for {len(missing)} cases: {' '.join(missing)}")
    for case, result in results.items():
        if fault(result) and case not in missing:
            lines.append(f"FAIL {agent} {case}: {fault(result)}")
    name = ",".join(sorted({case.split(".")[0] for case in cases}, key=int))
    seconds = time.monotonic() - start
    lines.append(f"{agent}, {role} role, group {name}: {len(results)} cases in {seconds:.0f} s\n")
    print("\n".join(lines), end="", flush=True)
    return results


def fault(result):
    """What is wrong with a result, or None."""
    faults = []
    if result["behavior"] not in GOOD:
        faults.append(result["behavior"])
    if result.get("behaviorClose", "OK") not in GOOD:
        faults.append("close " + result["behaviorClose"])
    # Often the only sign of a peer that continues after the suite has closed.
    if result.get("failedByMe") and result["behavior"] != "INFORMATIONAL":
        faults.append("the suite had to fail the connection")
    return " and ".join(faults) + (f": {result['why']}" if result.get("why") else "") if faults else None


def run_suite(agent, role, command, cases, exclude, limit):
    """One process of the suite. Returns {case: result} and what went wrong as a whole, if anything."""
    folder = REPORTS / agent / "-".join([role, cases[0].split(".")[0]])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    spec = {
        "outdir": str(folder / "reports"),
        "cases": cases,
        "exclude-cases": [pattern for pattern in exclude.split(",") if pattern],
        "exclude-agent-cases": {},
        # Of the handshakes; the default of 1 s is too short for a busy machine.
        "options": {"openHandshakeTimeout": 10, "closeHandshakeTimeout": 2},
    }
    command = [str(word).replace("{port}", str(port)).replace("{url}", url).replace("{agent}", agent) for word in command]
    log = folder / "wstest.log"
    end = time.monotonic() + limit
    trouble = None
    if role == "server":
        server = spawn(command, folder / "server.log")
        if not wait_for_port(port, server):
            stop(server)
            return {}, f"the server did not start: {tail(folder / 'server.log')}"
        spec["servers"] = [{"agent": agent, "url": url}]
        spec["options"]["serverConnectionDropTimeout"] = 2
        suite = spawn_suite("fuzzingclient", spec, folder)
        # If there is no case to run, the suite waits for ever.
        while suite.poll() is None and time.monotonic() < end and announced(log) != []:
            time.sleep(0.05)
        if server.poll() is not None:
            trouble = f"the server ended with status {server.returncode}: {tail(folder / 'server.log')}"
        stop(suite)
        stop(server)
    else:
        spec["url"] = url
        suite = spawn_suite("fuzzingserver", spec, folder)
        if not wait_for_port(port, suite):
            stop(suite)
            return {}, f"the suite did not start: {tail(log)}"
        if announced(log):
            client = spawn(command, folder / "client.log")
            while client.poll() is None and time.monotonic() < end and suite.poll() is None:
                time.sleep(0.05)
            if client.poll() is None:
                trouble = "the client did not come to an end"
            elif client.returncode != 0:
                trouble = f"the client ended with status {client.returncode}: {tail(folder / 'client.log')}"
            stop(client)
            time.sleep(1)  # the suite has to see its last connection end
            ask_for_reports(port, agent)
        stop(suite)
    if time.monotonic() >= end:
        trouble = trouble or f"the suite did not come to an end within {limit} s"
    cases = announced(log)
    if not cases:
        nothing = f"the suite did not run: {tail(log)}" if cases is None else "no case matches"
        return {}, trouble or nothing
    found = read_reports(folder / "reports", agent)
    return {case: found.get(case, {"behavior": MISSING}) for case in cases}, trouble


def spawn_suite(mode, spec, folder):
    (folder / "spec.json").write_text(json.dumps(spec, indent=1))
    # -u 0: no web page on another port.
    return spawn([WSTEST, "-m", mode, "-u", "0", "-s", str(folder / "spec.json")], folder / "wstest.log", folder)


def spawn(command, log, folder=None):
    if cancelled.is_set():
        raise InterruptedError
    with open(log, "w") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be ended with it
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    processes.append(process)
    return process


def stop(process):
    for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
    process.wait(1)
    if process in processes:
        processes.remove(process)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port, process):
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def announced(log):
    """The cases that the suite said it will run; None if it said nothing."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("Cases = [") and line.endswith("]"):
            return ast.literal_eval(line.removeprefix("Cases = "))
    return None


def read_reports(folder, agent):
    try:
        index = json.loads((folder / "index.json").read_text())[agent]
        details = {case: json.loads((folder / entry["reportfile"]).read_text()) for case, entry in index.items()}
    except (OSError, ValueError, KeyError):
        return {}
    return {
        case: {
            "behavior": entry["behavior"],
            "behaviorClose": entry["behaviorClose"],
            "failedByMe": details[case].get("failedByMe"),
            "why": details[case].get("wasNotCleanReason") or details[case].get("result"),
        }
        for case, entry in index.items()
    }


def ask_for_reports(port, agent):
    """The fuzzing server writes its reports when a client opens this path; then it closes."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET /updateReports?agent={quote(agent)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.settimeout(60)
            connection.sendall(request.encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
                if b"\x88" in answer.partition(b"\r\n\r\n")[2]:  # its Close frame; ours is empty
                    connection.sendall(b"\x88\x80\0\0\0\0")
                    return
    except OSError as error:
        print(f"no reports for {agent}: {error}")


def tail(log):
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])[-400:] or "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
