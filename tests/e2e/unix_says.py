"""Says TEXT to the first who connects to the unix socket PATH, and ends; waits a minute at most."""
import socket, sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
listener.settimeout(60)
peer = listener.accept()[0]
peer.sendall(sys.argv[2].encode() + b"\n")
peer.close()
