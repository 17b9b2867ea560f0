# A stand-in for the interface that plugins declare.


class IPromise(object):
    @staticmethod
    def implementedBy(cls):
        return getattr(cls, "implements_promise", False)
