# A stand-in for the base class of plugins: just enough to be evaluated.
import datetime


class Result(object):
    def __init__(self, promise, failed, kind):
        self.promise, self.failed, self.kind = promise, failed, kind

    def serialize(self):
        config = self.promise.config
        return {
            "title": config["name"].split(".")[0], "name": config["name"], "path": config["path"],
            "result": {
                "type": self.kind, "failed": self.failed, "message": self.promise.message,
                "date": datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%S+0000"),
            },
        }


class GenericPromise(object):
    implements_promise = True

    def __init__(self, config):
        self.config, self.message, self.tested, self.anomalous = config, "", True, True

    def isTested(self):
        return self.tested

    def isAnomalyDetected(self):
        return self.anomalous

    def getPeriodicity(self):
        return self.config.get("periodicity", 2)

    def run(self, check_anomaly=False, can_bang=True):
        self.message = "bang %s" % can_bang
        failed = not self.sense()
        kind = "Anomaly Result" if check_anomaly else "Test Result"
        self.config["queue"].put_nowait(Result(self, failed, kind))
