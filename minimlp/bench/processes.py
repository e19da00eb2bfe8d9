"""The parent's side: a process for each competitor, asked in turn for one timing each."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from time import sleep

SETTLE = 0.05           # seconds until the last competitor's threads have stopped spinning
STARTS = 60.0           # seconds that importing a library may take
PATIENCE = 180.0        # seconds for an answer, besides what is expected


class Competitor:
    """A worker process (worker.py); started anew when it has died.

    Parameters
    ----------
    kind : {"kernel", "training", "ceiling", "function", "gpu", "step"}
    name : str
    environment : dict, optional
        Variables of its own.
    """

    def __init__(self, kind, name, environment=None):
        self.arguments, self.environment = (kind, name), {**os.environ, **(environment or {})}
        self.process, self.missing = None, None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minimlp.bench.worker", *self.arguments], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment,
            start_new_session=True)
        self.replies, self.ready = queue.SimpleQueue(), False
        self.listener = threading.Thread(target=listen, args=(self.process.stdout, self.replies),
                                         daemon=True)
        self.listener.start()

    def wait_until_ready(self):
        """Why it can't run; None when it can."""
        if not self.ready and self.missing is None:
            reply = self.reply(STARTS)
            self.ready, self.missing = "ready" in reply, reply.get("failure")
        return self.missing

    def ask(self, expected=0.0, **request):
        """Its reply; `{"failure": why}` if it has none."""
        if self.process is None:
            self.start()
        if self.wait_until_ready():
            return {"failure": self.missing}
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass                        # it died; `reply` tells how
        return self.reply(PATIENCE + expected)

    def reply(self, seconds):
        try:
            reply = self.replies.get(timeout=seconds)
        except queue.Empty:
            self.close()
            return {"failure": f"no answer in {seconds:.0f} s"}
        if reply is not None:
            return reply
        code = self.process.wait()
        self.close()
        why = f"signal {-code}, as when memory runs out" if code < 0 else f"status {code}"
        return {"failure": f"the process died ({why})"}

    def close(self):
        """End the process and what it started, whatever they are doing."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (AttributeError, OSError):
            process.kill()
        process.wait()
        self.listener.join()
        try:
            process.stdin.close()
        except OSError:
            pass                        # what it did not read any more


def listen(pipe, replies):
    """A thread of its own, for a pipe can't be read with a time limit everywhere."""
    with pipe:
        for line in pipe:
            replies.put(json.loads(line))
    replies.put(None)


class Field:
    """Competitors by name, that all end with the `with` block.

    Parameters
    ----------
    competitors : mapping of str to (kind, name, environment)
    """

    def __init__(self, competitors):
        self.wanted = competitors

    def __enter__(self):
        self.competitors = {}
        try:
            for name, arguments in self.wanted.items():     # which import side by side
                self.competitors[name] = Competitor(*arguments)
            for competitor in self.competitors.values():
                competitor.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        for competitor in self.competitors.values():
            competitor.close()

    def alternate(self, tasks, rounds, budget, base=None, show=lambda text: None):
        """One first call of each competitor, then rounds of one timing of each.

        Parameters
        ----------
        tasks : dict of str to (dict or str)
            What each competitor is to prepare; a text is why it is left out.
        rounds : int
        budget : float
            Seconds after which a competitor is asked no more, but two rounds at least.
        base : str, optional
            Who is asked as long as anybody is.
        show : function (text)

        Returns
        -------
        dict of str to dict
            "seconds", a list by round (None where there is none), and, where they are known,
            "first", "value_error", "gradient_error" and "failure".
        """
        found = {}
        for name, task in tasks.items():
            show(f"{name}, first call")
            found[name] = {"seconds": [], **(
                {"failure": task} if isinstance(task, str) else
                self.competitors[name].ask(do="prepare", task=task))}
        for k in range(rounds):
            going = [name for name, row in found.items() if "failure" not in row
                     and (k < 2 or sum(filter(None, row["seconds"])) <= budget)]
            for name, row in found.items():
                asked = name in going or (going and name == base and "failure" not in row)
                row["seconds"].append(None)
                if asked:
                    show(f"{name}, round {k + 1} of {rounds}")
                    sleep(SETTLE)
                    reply = self.competitors[name].ask(do="time", expected=row["first"])
                    row["seconds"][-1] = reply.get("seconds")
                    row.update({"failure": reply["failure"]} if "failure" in reply else {})
        return found
