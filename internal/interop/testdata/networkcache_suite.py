"""Runs the tests that slapos.libnetworkcache has of itself against a network cache,
whose URLs it takes from the environment as those tests do, and prints their outcomes
as JSON.

Argument: the directory in which "shadir" is that of the cache's entries: some tests
write there what a server should not hold.
"""
import json
import logging
import sys
import unittest

from slapos import libnetworkcachetests as suite

logging.disable(logging.NOTSET)
suite.OnlineMixin.tree = sys.argv[1]
outcomes = {}


class Result(unittest.TestResult):
    def addSuccess(self, test):
        outcomes[test.id().split(".")[-1]] = "ok"

    def addSkip(self, test, reason):
        outcomes[test.id().split(".")[-1]] = "skipped: " + reason

    def addError(self, test, err):
        outcomes[test.id().split(".")[-1]] = self._exc_info_to_string(err, test)

    addFailure = addError


unittest.defaultTestLoader.loadTestsFromTestCase(suite.OnlineTest).run(Result())
print(json.dumps(outcomes))
