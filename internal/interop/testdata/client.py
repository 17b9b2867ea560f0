"""Uses everything that the client library of the reference offers against a master
and prints what came out: one JSON list of [step, outcome].

Arguments: the URL of the master, whose configured computer is "computer".
"""
import json
import logging
import sys

import slapos.slap
from slapos.util import dumps

logging.disable(logging.CRITICAL)
url = sys.argv[1]
A = "http://release.example/a/software.cfg"
B = "http://release.example/b/software.cfg"
outcomes = []


def simple(value):
    """What is stable in a value, as JSON."""
    if isinstance(value, dict):
        return {str(k): "TIME" if k in ("timestamp", "created_at", "since") else simple(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [simple(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return type(value).__name__


def step(name, call, *args, **kw):
    """Calls and notes what comes out; returns it, or None after an exception."""
    try:
        value = call(*args, **kw)
    except Exception as e:
        outcomes.append([name, {"raised": type(e).__name__}])
        return None
    outcomes.append([name, {"returned": simple(value)}])
    return value


def note(name, value):
    outcomes.append([name, {"returned": simple(value)}])


def computer():
    return slap.registerComputer("computer")


def partition(n):
    return slap.registerComputerPartition("computer", "part%d" % n)


def releases():
    return [(r.getURI(), r.getState(), r.getComputerId()) for r in computer().getSoftwareReleaseList()]


def overview():
    result = []
    for p in computer().getComputerPartitionList():
        entry = [p.getId(), p.getState()]
        try:
            entry.append(p.getSoftwareRelease().getURI())
        except slapos.slap.NotFoundError:
            entry.append("free")
        result.append(entry)
    return result


def about(p):
    """All that a partition tells of itself."""
    def get(call, *args):
        try:
            return simple(call(*args))
        except Exception as e:
            return type(e).__name__
    parameters = get(p.getInstanceParameterDict)
    return {
        "id": get(p.getId), "guid": get(p.getInstanceGuid), "state": get(p.getState), "type": get(p.getType),
        "parameters": parameters, "connection": get(p.getConnectionParameterDict),
        "release": get(lambda: p.getSoftwareRelease().getURI()), "access": get(p.getAccessStatus),
        "missing parameter": get(p.getInstanceParameter, "nothing"),
        "missing connection": get(p.getConnectionParameter, "nothing"),
    }


def timestamp(n):
    return partition(n).getInstanceParameterDict().get("timestamp")


def moves(name, which, call, *args, **kw):
    """Like step, and notes which partitions' timestamps it changes."""
    before = {n: timestamp(n) for n in which}
    result = step(name, call, *args, **kw)
    note(name + ": timestamps moved", [n for n in which if timestamp(n) != before[n]])
    return result


slap = slapos.slap.slap()
slap.initializeConnection(url)

# Before any format.
step("software of the configured computer", releases)
step("partitions of the configured computer", overview)
step("unknown computer", lambda: slap.registerComputer("COMP-X").getComputerPartitionList())
step("unknown partition", lambda: slap.registerComputerPartition("computer", "nowhere").getState())
step("empty partition", slap.registerComputerPartition, "computer", "")

# Format.
configuration = {
    "reference": "computer", "address": "127.0.0.1", "netmask": "255.0.0.0", "partition_list": [
        {"reference": "part%d" % n, "tap": {"name": "tap%d" % n},
         "address_list": [{"addr": "127.0.1.%d" % n, "netmask": "255.0.0.0"}, {"addr": "fd00::%d" % n, "netmask": "ffff::"}]}
        for n in range(6)]}
step("format", computer().updateConfiguration, dumps(configuration))
step("format again", computer().updateConfiguration, dumps(configuration))
step("formatted", overview)
step("free partition", lambda: about(partition(0)))

# Software.
supply = slap.registerSupply()
step("supply a", supply.supply, A, "computer")
step("supply b", supply.supply, B, "computer", "available")
step("supplied", releases)
step("supply a again moves it to the end", supply.supply, A, "computer")
step("supplied again", releases)
step("supply to a strange state", supply.supply, A, "computer", "upside-down")
lonely = slap.registerSoftwareRelease(A)
step("lonely release", lonely.getURI)
step("lonely release's computer", lonely.getComputerId)
step("lonely release's state", lonely.getState)
step("lonely release building", lonely.building)
for release in computer().getSoftwareReleaseList():
    step("building", release.building)
    step("available", release.available)
    step("error of a release", release.error, u"it f\u00e4iled <&>")
step("supply b to be destroyed", supply.supply, B, "computer", "destroyed")
step("supplied to be destroyed", releases)
for release in computer().getSoftwareReleaseList():
    if release.getURI() == B:
        step("destroyed", release.destroyed)
step("after destruction", releases)
step("product", slap.getSoftwareReleaseListFromSoftwareProduct, "nothing")
step("product by url and name", slap.getSoftwareReleaseListFromSoftwareProduct, "nothing", A)

# Instances.
order = slap.registerOpenOrder()
values = {"text": u"gr\u00fc\u00dfe <&> \"'", "number": 7, "yes": True, "none": None, "empty": "", "lines": "a\nb\n", "list": [1, "x"], "a b": "c d"}
root = step("request", order.request, A, "root", partition_parameter_kw=values, software_type="web")
note("requested", about(root))
step("as the node sees it", lambda: about(partition(0)))
step("addresses", lambda: partition(0).getInstanceParameterDict()["ip_list"])
step("title", lambda: partition(0).getInstanceParameterDict()["instance_title"])
step("overview with one", overview)
moves("same request", [0], order.request, A, "root", partition_parameter_kw=values, software_type="web")
moves("other parameters", [0], order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="web")
moves("other type", [0], order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other")
moves("stopped", [0], order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other", state="stopped")
step("seen stopped", lambda: partition(0).getState())
moves("without a state", [0], order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other")
step("still stopped", lambda: partition(0).getState())
step("started", order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other", state="started")
step("on another computer", order.request, A, "elsewhere", filter_kw={"computer_guid": "COMP-X"})
step("parameters that are no dictionary", order.request, A, "bad", partition_parameter_kw="text")

# Connection parameters.
step("publish", partition(0).setConnectionDict, {"url": u"http://[fd00::1]/\u00e9?a=b&c", "n": 3})
step("published", lambda: partition(0).getConnectionParameterDict())

again = step("request reads it", order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other")
step("through the order", lambda: again.getConnectionParameter("url"))
step("not published", lambda: again.getConnectionParameter("nothing"))

# What nodes say.
moves("node: started", [0], lambda: partition(0).started())
moves("node: stopped", [0], lambda: partition(0).stopped())
step("node: error", lambda: partition(0).error(u"tr\u00e4ceback\n <&>"))
step("status", lambda: partition(0).getAccessStatus())
step("certificate", lambda: partition(0).getCertificate())
step("addresses of the tree", lambda: partition(0).getFullHostingIpAddressList())
step("related instances", lambda: partition(0).setComputerPartitionRelatedInstanceList(["x"]))
step("bang of the computer", computer().bang, "help")
step("usage", computer().reportUsage, '<?xml version="1.0"?>\n<journal><transaction type="Sale Packing List"><title>t</title>'
     '<start_date>2026-01-01 00:00:00</start_date><stop_date>2026-01-02 00:00:00</stop_date><reference>r</reference>'
     '<currency></currency><payment_mode></payment_mode><category></category><arrow type="Destination"/>'
     '<movement><resource>service_module/cpu_load_percent</resource><title>t</title><reference>part0</reference>'
     '<quantity>1.0</quantity><price>0.0</price><VAT></VAT><category></category></movement></transaction></journal>')
step("computer's status", lambda: computer().getStatus()["text"])
step("computer's certificate", computer().generateCertificate)
step("computer's revocation", computer().revokeCertificate)
step("request a computer", order.requestComputer, "mine")

# A tree.
child = step("child", lambda: partition(0).request(B, "db", "child", partition_parameter_kw={"who": "child"}))
note("child requested", about(child))
step("child as the node sees it", lambda: about(partition(1)))
grandchild = step("grandchild", lambda: partition(1).request(B, "db", "grandchild", state="started"))
step("overview of the tree", overview)
moves("child publishes", [0, 1, 2], lambda: partition(1).setConnectionDict({"answer": "42"}))
step("parent reads it", lambda: partition(0).request(B, "db", "child", partition_parameter_kw={"who": "child"}).getConnectionParameter("answer"))
order.request(A, "stranger")
moves("bang moves the tree", [0, 1, 2, 3], lambda: partition(1).bang("all"))
step("root stopped", order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other", state="stopped")
step("child follows", lambda: partition(0).request(B, "db", "child", partition_parameter_kw={"who": "child"}, state="started").getState())
step("root started", order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other", state="started")

# Shared instances.
moves("slave", [0], order.request, A, "guest", software_type="other", shared=True, partition_parameter_kw={"domain": "x.example", "n": 5})
step("slave as the node sees it", lambda: partition(0).getInstanceParameterDict()["slave_instance_list"])
moves("same slave", [0], order.request, A, "guest", software_type="other", shared=True, partition_parameter_kw={"domain": "x.example", "n": 5})
moves("changed slave", [0], order.request, A, "guest", software_type="other", shared=True, partition_parameter_kw={"domain": "y.example"})
reference = partition(0).getInstanceParameterDict()["slave_instance_list"][0]["slave_reference"]
note("slave reference", reference)
step("publish for the slave", lambda: partition(0).setConnectionDict({"site": "http://y.example/"}, reference))
guest = order.request(A, "guest", software_type="other", shared=True, partition_parameter_kw={"domain": "y.example"})
step("slave reads it", guest.getConnectionParameterDict)
step("slave's partition", guest.getId)
step("slave by a partition", lambda: partition(1).request(A, "other", "inner", shared=True, partition_parameter_kw={"k": "v"}).getConnectionParameterDict())
step("two slaves", lambda: sorted(s["slave_reference"] for s in partition(0).getInstanceParameterDict()["slave_instance_list"]))
step("slave without a host", order.request, B, "lost", software_type="nothing", shared=True)
moves("slave destroyed", [0], order.request, A, "guest", software_type="other", shared=True, state="destroyed")
step("one slave left", lambda: len(partition(0).getInstanceParameterDict()["slave_instance_list"]))

# Titles, room, the end.
step("rename", lambda: partition(3).rename("renamed"))
step("renamed", lambda: partition(3).getInstanceParameterDict()["instance_title"])
step("fifth", order.request, A, "fifth")
step("sixth", order.request, A, "sixth")
step("no room", order.request, A, "seventh")
moves("destroy the root", [0], order.request, A, "root", partition_parameter_kw={"text": "x"}, software_type="other", state="destroyed")
step("destroyed while children live", lambda: partition(0).destroyed())
step("children are told", overview)
for n in (2, 1, 0, 2, 1, 0):
    step("destroyed %d" % n, lambda: partition(n).destroyed())
step("the tree is gone", overview)
step("free again", lambda: about(partition(0)))
step("destroyed twice", lambda: partition(0).destroyed())

print(json.dumps(outcomes, indent=1, sort_keys=True))
