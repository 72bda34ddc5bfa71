"""Copies between its own streams and a port of the container's loopback, given as the first argument.

Handed as text to the Python in the container, of whatever version 3; podd never imports it. It says `+` once
it is connected.
"""

import os
import socket
import sys
import threading


def write(data):
    while data:
        data = data[os.write(1, data) :]


def main():
    connection = socket.create_connection(("localhost", int(sys.argv[1])), 10)
    connection.settimeout(None)
    write(b"+")

    def send():
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    while True:
        data = connection.recv(65536)
        if not data:
            break
        write(data)


if __name__ == "__main__":
    main()
