#!/usr/bin/env python3
"""console_socket.py RUNTIME ROOT ID: creates and starts the container whose bundle is the working folder, with a
console socket, and prints what its terminal, which comes over that socket, shows."""
import array, os, socket, subprocess, sys

runtime, root, name = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind("console")
listener.listen(1)
listener.settimeout(30)
command = [runtime, "--root", root]
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "check": True}
subprocess.run(command + ["create", "--console-socket", "console", name], **quiet)
peer, _ = listener.accept()
_, ancillary, _, _ = peer.recvmsg(100, socket.CMSG_SPACE(4))
master = array.array("i", ancillary[0][2])[0]
subprocess.run(command + ["start", name], **quiet)
text = b""
try:
    while True:
        text += os.read(master, 1000)
except OSError:  # EIO: the last process that had the terminal is gone
    pass
print(text.decode().replace("\r", ""), end="")
