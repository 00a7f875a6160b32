"""Those who are told, for tests: an HTTP server that answers as it is told, and a mail server."""
import http.server
import json
import socketserver
import threading
import time


class Receiver:
    """Keeps what it gets; answers are taken from `answers` (status, headers), and 200 when there is none left; `says` is the
    body, which comes after `wait_seconds`."""

    def __init__(self, port=0):
        outer = self
        self.got, self.answers, self.lock = [], [], threading.Lock()
        self.says, self.wait_seconds = b"word\n", 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                with outer.lock:
                    outer.got.append((self.command, self.path, dict(self.headers), json.loads(body) if body else None))
                    status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                time.sleep(outer.wait_seconds)  # a slow one
                self.send_header("Content-Length", str(len(outer.says)))
                self.end_headers()
                try:
                    self.wfile.write(outer.says)
                except OSError:
                    pass  # it was too much for the other side

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self):
        with self.lock:
            return [body for _, _, _, body in self.got]

    def events(self):
        return [body["plumb"]["event"] for body in self.bodies()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """Says the least that SMTP asks for; no TLS. `refuse`: what it says to every receiver."""

    def __init__(self, refuse=None):
        outer = self
        self.mails = []

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 here")
                mail = {"to": []}
                while line := self.rfile.readline().decode().strip():
                    word = line[:4].upper()
                    if word == "MAIL":
                        mail["from"] = line
                    if word == "RCPT":
                        mail["to"].append(line)
                        if refuse:
                            self.say(refuse)
                            continue
                    if word == "DATA":
                        self.say("354 go on")
                        text = b""
                        while not text.endswith(b"\r\n.\r\n"):
                            text += self.rfile.readline()
                        mail["text"] = text[:-3]
                        outer.mails.append(mail)
                    if word == "QUIT":
                        self.say("221 bye")
                        return
                    self.say("250 yes")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
