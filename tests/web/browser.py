"""Headless Chromium over its debugging pipe: no driver, no library, nothing fetched.

    with Browser() as browser:
        page = browser.page(width=390, height=844, dark=True)
        page.go("http://127.0.0.1:8080/#/")
        page.wait("document.querySelector('h1')")
        page.evaluate("document.title"); page.problems
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
ANSWER_SECONDS_MAX = 60
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"]


class Browser:
    def __init__(self):
        self.number, self.pages = 0, {}
        self.profile = tempfile.mkdtemp(prefix="plumb-web-")
        from_us, self.write_fd = os.pipe()
        self.read_fd, from_it = os.pipe()
        for fd in (from_us, from_it):
            os.set_inheritable(fd, True)

        def as_three_and_four():  # where the pipe is looked for
            low, high = os.dup(from_us), os.dup(from_it)
            os.dup2(low, 3)
            os.dup2(high, 4)

        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn # it is closed by close()
        self.process = subprocess.Popen([CHROMIUM, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"], close_fds=False,
                                        preexec_fn=as_three_and_four, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(from_it)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        for fd in (self.write_fd, self.read_fd):
            os.close(fd)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, seconds):
        """The next message, or None when none came in time."""
        until = time.monotonic() + seconds
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read_fd], [], [], max(0, until - time.monotonic()))
            if not ready:
                return None
            more = os.read(self.read_fd, 1 << 16)
            assert more, "the browser ended"
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + ANSWER_SECONDS_MAX
        while time.monotonic() < until:
            answer = self.receive(until - time.monotonic())
            if answer and answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if answer:
                self.note(answer)
        raise AssertionError(f"{method}: no answer")

    def note(self, event):
        page = self.pages.get(event.get("sessionId"))
        if page:
            page.note(event["method"], event["params"])

    def page(self, width=1400, height=900, dark=False):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.problems, self.requested = [], []

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.problems.append(parameters["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(str([argument.get("value") for argument in parameters["args"]]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(f'{parameters["entry"]["text"]} {parameters["entry"].get("url", "")}')
        elif method == "Page.javascriptDialogOpening":
            self.problems.append("a dialog: " + parameters["message"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])

    def go(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.evaluate(f"Boolean({expression})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never came true: {expression}\n{self.text()[:2000]}\n{self.problems}")

    def text(self):
        return self.evaluate("document.body.innerText")

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]))
