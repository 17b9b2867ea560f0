"""Makes an instance: a service, a promise, and what it publishes.

The parameter "message" is published as "echo", for the instance and for each of
its slaves. "explode" makes the recipe fail, "fail" the promise, and "wait" makes
the recipe wait for the file "go". Each run adds a line to the file "runs".
"""
import os
import time

import slapos.slap


class Recipe(object):

    def __init__(self, buildout, name, options):
        self.root = buildout["buildout"]["directory"]
        slap = slapos.slap.slap()
        slap.initializeConnection(options["server-url"])
        self.partition = slap.registerComputerPartition(options["computer-id"], options["partition-id"])
        self.parameters = self.partition.getInstanceParameterDict()

    def install(self):
        message = self.parameters.get("message", "none")
        with open(os.path.join(self.root, "runs"), "a") as f:
            f.write(message + "\n")
        if message == "explode":
            raise ValueError("the recipe was told to explode")
        deadline = time.time() + 120
        while message == "wait" and not os.path.exists(os.path.join(self.root, "go")) and time.time() < deadline:
            time.sleep(0.1)
        self.script("etc/service/sleeper", """
            echo sleeper is up
            echo "$$" > sleeper.pid
            exec sleep 3600
        """)
        self.script("etc/promise/alive", """
            for attempt in 1 2 3 4 5 6 7 8 9 10; do
              if read pid < sleeper.pid && kill -0 "$pid"; then echo alive; exit 0; fi
              sleep 0.3
            done
            echo the sleeper is dead
            exit 1
        """)
        self.script("etc/promise/told", """
            case %s in fail) echo told to fail; exit 1;; esac
            echo fine
        """ % message)
        self.partition.setConnectionDict({"echo": message, "partition": self.partition.getId()})
        for slave in self.parameters.get("slave_instance_list", []):
            self.partition.setConnectionDict(
                {"slave-echo": slave.get("message", "none")}, slave["slave_reference"])
        return []

    update = install

    def script(self, path, text):
        path = os.path.join(self.root, path)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path), 0o750)
        lines = ["#!/bin/sh"] + [line.strip() for line in text.strip().splitlines()]
        temporary = os.path.join(self.root, ".writing")
        with open(temporary, "w") as f:
            f.write("\n".join(lines) + "\n")
        os.chmod(temporary, 0o750)
        os.rename(temporary, path)
