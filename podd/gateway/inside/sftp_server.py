"""An SFTP server (version 3) for images that have Python and no sftp-server.

The gateway hands this text to the Python in the container, of whatever version 3; podd never imports it. Who
comes in has a shell there anyhow, so nothing is kept from them but what the kernel keeps.
"""

import errno
import os
import stat
import struct
import sys
import time

(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR, REMOVE, MKDIR,
 RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK) = range(1, 21)  # fmt: skip
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED = 101, 102, 103, 104, 105, 200
OK, EOF, NO_FILE, DENIED, FAILURE, BAD_MESSAGE, _, _, UNSUPPORTED = range(9)
SIZE, OWNER, MODE, TIMES, MORE = 1, 2, 4, 8, 0x80000000
READING, WRITING, APPENDING, CREATING, TRUNCATING, NEW_ONLY = 1, 2, 4, 8, 16, 32

EXTENSIONS = ((b"posix-rename@openssh.com", b"1"), (b"hardlink@openssh.com", b"1"),
              (b"fsync@openssh.com", b"1"))  # fmt: skip
LONGEST_PACKET = 1024 * 1024
LONGEST_READ = 256 * 1024
AT_ONCE = 100


class Failed(Exception):
    def __init__(self, status, message=""):
        super().__init__(message)
        self.status = status


class Packet:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise Failed(BAD_MESSAGE, "the packet is too short")
        self.at += size
        return part

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def text(self):
        return self.take(self.u32())

    def attributes(self):
        flags, found = self.u32(), {}
        if flags & SIZE:
            found["size"] = self.u64()
        if flags & OWNER:
            found["owner"] = self.u32(), self.u32()
        if flags & MODE:
            found["mode"] = stat.S_IMODE(self.u32())
        if flags & TIMES:
            found["times"] = self.u32(), self.u32()
        return found


def text(value):
    return struct.pack(">I", len(value)) + value


def attributes(found):
    return struct.pack(
        ">IQIIIII",
        SIZE | OWNER | MODE | TIMES,
        found.st_size,
        found.st_uid & 0xFFFFFFFF,
        found.st_gid & 0xFFFFFFFF,
        found.st_mode,
        int(found.st_atime) & 0xFFFFFFFF,
        int(found.st_mtime) & 0xFFFFFFFF,
    )


def listed(name, found):
    """As `ls -l` writes it: clients show this."""
    when = time.strftime("%b %e %H:%M" if time.time() - found.st_mtime < 15e6 else "%b %e  %Y",
                         time.localtime(found.st_mtime))  # fmt: skip
    line = "%s %4d %-8d %-8d %8d %s " % (
        stat.filemode(found.st_mode), found.st_nlink, found.st_uid, found.st_gid, found.st_size, when
    )  # fmt: skip
    return line.encode() + name


class Server:
    def __init__(self, receive, send):
        self.receive = receive
        self.send = send
        self.handles = {}
        self.last = 0

    def serve(self):
        while True:
            head = self.receive(4)
            if len(head) < 4:
                return
            (length,) = struct.unpack(">I", head)
            if not 1 <= length <= LONGEST_PACKET:
                return
            data = self.receive(length)
            if len(data) < length:
                return
            self.answer(data[0], Packet(data[1:]))

    def answer(self, kind, packet):
        if kind == INIT:
            self.reply(VERSION, struct.pack(">I", 3) + b"".join(text(n) + text(v) for n, v in EXTENSIONS))
            return
        number = packet.take(4)
        try:
            act = self.ACTS.get(kind)
            if act is None:
                raise Failed(UNSUPPORTED, "not supported")
            answer = act(self, packet)
        except Failed as failed:
            answer = self.status(failed.status, str(failed))
        except OSError as error:
            codes = {errno.ENOENT: NO_FILE, errno.ENOTDIR: NO_FILE, errno.EACCES: DENIED, errno.EPERM: DENIED}
            answer = self.status(codes.get(error.errno, FAILURE), error.strerror or str(error))
        except ValueError as error:
            answer = self.status(FAILURE, str(error))
        answered, body = answer or self.status(OK, "")
        self.reply(answered, number + body)

    def reply(self, kind, body):
        self.send(struct.pack(">IB", len(body) + 1, kind) + body)

    def status(self, code, message):
        return STATUS, struct.pack(">I", code) + text(message.encode()) + text(b"en")

    # Files

    def open(self, packet):
        path, wish, wanted = packet.text(), packet.u32(), packet.attributes()
        flags = {READING: os.O_RDONLY, WRITING: os.O_WRONLY, READING | WRITING: os.O_RDWR}.get(wish & 3, 0)
        flags |= os.O_APPEND if wish & APPENDING else 0
        flags |= os.O_CREAT if wish & CREATING else 0
        flags |= os.O_TRUNC if wish & TRUNCATING else 0
        flags |= os.O_EXCL if wish & NEW_ONLY else 0
        return self.handle(os.open(path, flags, wanted.get("mode", 0o666)))

    def close(self, packet):
        opened = self.handles.pop(packet.text(), None)
        if opened is None:
            raise Failed(FAILURE, "no such handle")
        if isinstance(opened, int):
            os.close(opened)

    def read(self, packet):
        fd, at, length = self.file(packet), packet.u64(), packet.u32()
        data = os.pread(fd, min(length, LONGEST_READ), at)
        if not data and length:
            raise Failed(EOF, "end of file")
        return DATA, text(data)

    def write(self, packet):
        fd, at, data = self.file(packet), packet.u64(), packet.text()
        while data:
            done = os.pwrite(fd, data, at)
            data, at = data[done:], at + done

    def fstat(self, packet):
        return ATTRS, attributes(os.fstat(self.file(packet)))

    def fsetstat(self, packet):
        self.change(self.file(packet), packet.attributes())

    # Names

    def lstat(self, packet):
        return ATTRS, attributes(os.lstat(packet.text()))

    def stat(self, packet):
        return ATTRS, attributes(os.stat(packet.text()))

    def setstat(self, packet):
        self.change(packet.text(), packet.attributes())

    def change(self, what, wanted):
        if "size" in wanted:
            os.truncate(what, wanted["size"])
        if "owner" in wanted:
            os.chown(what, *wanted["owner"])
        if "mode" in wanted:
            os.chmod(what, wanted["mode"])
        if "times" in wanted:
            os.utime(what, wanted["times"])

    def opendir(self, packet):
        path = packet.text()
        return self.handle((path, iter([b".", b"..", *os.listdir(path)])))

    def readdir(self, packet):
        opened = self.handles.get(packet.text())
        if not isinstance(opened, tuple):
            raise Failed(FAILURE, "no such directory handle")
        path, names = opened
        found = []
        for name in names:
            try:
                found.append((name, os.lstat(os.path.join(path, name))))
            except OSError:
                continue
            if len(found) == AT_ONCE:
                break
        if not found:
            raise Failed(EOF, "end of directory")
        return self.names([(name, listed(name, there), attributes(there)) for name, there in found])

    def remove(self, packet):
        os.unlink(packet.text())

    def mkdir(self, packet):
        path, wanted = packet.text(), packet.attributes()
        os.mkdir(path, wanted.get("mode", 0o777))

    def rmdir(self, packet):
        os.rmdir(packet.text())

    def realpath(self, packet):
        path = os.path.realpath(packet.text() or b".")
        return self.names([(path, path, struct.pack(">I", 0))])

    def readlink(self, packet):
        there = os.readlink(packet.text())
        return self.names([(there, there, struct.pack(">I", 0))])

    def symlink(self, packet):
        target, at = packet.text(), packet.text()  # in this order, as everybody does since OpenSSH did
        os.symlink(target, at)

    def rename(self, packet):
        old, new = packet.text(), packet.text()
        if os.path.lexists(new):
            raise Failed(FAILURE, "there is such a file already")
        os.rename(old, new)

    def extended(self, packet):
        name = packet.text()
        if name == b"posix-rename@openssh.com":
            os.replace(packet.text(), packet.text())
        elif name == b"hardlink@openssh.com":
            os.link(packet.text(), packet.text(), follow_symlinks=False)
        elif name == b"fsync@openssh.com":
            os.fsync(self.file(packet))
        else:
            raise Failed(UNSUPPORTED, "not supported")

    # Small things

    def handle(self, opened):
        self.last += 1
        name = b"%d" % self.last
        self.handles[name] = opened
        return HANDLE, text(name)

    def file(self, packet):
        opened = self.handles.get(packet.text())
        if not isinstance(opened, int):
            raise Failed(FAILURE, "no such file handle")
        return opened

    def names(self, found):
        parts = [text(name) + text(line) + attrs for name, line, attrs in found]
        return NAME, struct.pack(">I", len(found)) + b"".join(parts)

    ACTS = {OPEN: open, CLOSE: close, READ: read, WRITE: write, LSTAT: lstat, FSTAT: fstat, SETSTAT: setstat,
            FSETSTAT: fsetstat, OPENDIR: opendir, READDIR: readdir, REMOVE: remove, MKDIR: mkdir,
            RMDIR: rmdir, REALPATH: realpath, STAT: stat, RENAME: rename, READLINK: readlink,
            SYMLINK: symlink,
            EXTENDED: extended}  # fmt: skip


def main():
    out = sys.stdout.buffer

    def send(data):
        out.write(data)
        out.flush()

    Server(sys.stdin.buffer.read, send).serve()


if __name__ == "__main__":
    main()
