# Evaluates one promise plugin for the node agent.
#
# Input: one JSON object on standard input, the configuration of the promise
# plus "check-anomaly" and "can-bang".
# Output: on standard output a line with the schedule of the promise as soon as
# it is made, then a line with its result. Records of its logger go to standard
# error. A plugin that cannot be used ends this with a traceback and status 1.
import json, logging, os, sys

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.stdout = sys.stderr
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")

config = json.load(sys.stdin)
check_anomaly = config.pop("check-anomaly")
can_bang = config.pop("can-bang")


def emit(value):
    out.write(json.dumps(value) + "\n")
    out.flush()


class Results(object):
    # What the promise puts its result into.
    def put_nowait(self, result):
        emit(result.serialize())


folder, name = os.path.split(config["path"])
title = os.path.splitext(name)[0]
sys.path.insert(0, folder)
module = __import__(title)

if not hasattr(module, "RunPromise"):
    raise AttributeError("Class RunPromise not found in promise%s" % config["name"])
promise_class = module.RunPromise

from slapos.grid.promise import interface
from slapos.grid.promise.generic import GenericPromise

if not interface.IPromise.implementedBy(promise_class):
    raise RuntimeError(
        "RunPromise class in %s must implement 'IPromise' interface. "
        "@implementer(interface.IPromise) is missing ?" % config["name"])
if not issubclass(promise_class, GenericPromise):
    raise RuntimeError("RunPromise class is not a subclass of GenericPromise class.")

extra = getattr(module, "extra_config_dict", None)
if extra is not None:
    if not isinstance(extra, dict):
        raise ValueError("Extra parameter is not a dict")
    for key in extra:
        if key in config or key == "queue":
            raise ValueError("Extra parameter name '%s' cannot be used.\n%s" % (key, extra))
    config.update(extra)
config["queue"] = Results()

promise = promise_class(config)

source = sys.modules[promise_class.__module__].__file__
if source.endswith((".pyc", ".pyo")):
    source = source[:-1]
emit({
    "is_tested": bool(promise.isTested()),
    "is_anomaly_detected": bool(promise.isAnomalyDetected()),
    "periodicity": float(promise.getPeriodicity()),
    "module_file": source,
    "module_file_mtime": os.stat(source).st_mtime,
})

# The plugin's own slapos.core may be too old to know whether it can bang.
if promise_class.run.__code__.co_argcount > 2:
    promise.run(check_anomaly, can_bang)
else:
    promise.run(check_anomaly)
