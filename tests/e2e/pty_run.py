#!/usr/bin/env python3
"""pty_run.py ROWS COLUMNS COMMAND...: runs COMMAND on a new terminal of that size.

Standard input, when it is not empty, is typed into the terminal; `\\xNN` and `\\n` escapes are undone, and `@wait TEXT@`
in it waits until TEXT was printed since the last wait; `@resize ROWS COLUMNS@` changes the terminal's size. Docker's client begins to listen for
changes a moment after it shows output: where another client than ours runs, the signal is sent again until the command ends. What the terminal shows goes to standard output; the exit status is COMMAND's."""
import codecs, fcntl, os, pty, re, select, signal, struct, sys, termios, time

rows, columns, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
typed = os.environ.get("TYPE", "")
parts = [p for p in re.split(r"(@wait [^@]*@|@resize \d+ \d+@)", typed) if p]
ready, started = os.pipe()  # `started` closes when COMMAND is executed: the terminal has its size then
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(command[0], command)
os.close(started)
os.read(ready, 1)
seen, waited, resized, deadline = b"", 0, False, time.monotonic() + 60 * int(os.environ.get("HULL_E2E_SLOW") or 1)
while time.monotonic() < deadline:
    while parts:
        wait = re.fullmatch(r"@wait ([^@]*)@", parts[0])
        if wait and wait[1].encode() not in seen[waited:]:
            break
        resize = re.fullmatch(r"@resize (\d+) (\d+)@", parts[0])
        if wait:
            waited = seen.index(wait[1].encode(), waited) + len(wait[1])
        elif resize:
            resized = True
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", int(resize[1]), int(resize[2]), 0, 0))
        else:
            os.write(master, codecs.escape_decode(parts[0].encode())[0])
        parts.pop(0)
    if not select.select([master], [], [], 0.05)[0]:
        if resized and os.environ.get("HULL_E2E_AGAINST") != "hull":
            os.kill(pid, signal.SIGWINCH)
        continue
    try:
        data = os.read(master, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    os.write(1, data)
else:
    os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
