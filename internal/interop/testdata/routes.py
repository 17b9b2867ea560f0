"""Registers a computer whose only partition has a tap with a route, lets an instance
be there, and prints its addresses as JSON; then the titles of the busy partitions that
the node is told after it listed none, and after it listed the partition again.

Arguments: the URL of the master and the reference of the computer.
"""
import json
import sys

import slapos.slap
from slapos.util import dumps

url, reference = sys.argv[1:]
slap = slapos.slap.slap()
slap.initializeConnection(url)
computer = slap.registerComputer(reference)
partition = {
    "reference": "slappart0",
    "tap": {"name": "slaptap0", "ipv4_addr": "10.42.0.7", "ipv4_gateway": "10.42.0.1",
            "ipv4_netmask": "255.255.0.0", "ipv4_network": "10.42.0.0"},
    "address_list": [{"addr": "10.0.0.2", "netmask": "255.255.255.255"}],
}


def told(*partitions):
    """The titles of what the node is told after it listed these partitions."""
    computer.updateConfiguration(dumps({
        "reference": reference, "address": "10.0.0.1", "netmask": "255.0.0.0", "partition_list": list(partitions)}))
    return [p.getInstanceParameterDict()["instance_title"]
            for p in slap.registerComputer(reference).getComputerPartitionList() if p.getState() != "destroyed"]


told(partition)
slap.registerOpenOrder().request("http://release.example/a.cfg", "kept")
parameters = slap.registerComputerPartition(reference, "slappart0").getInstanceParameterDict()
print(json.dumps([parameters["ip_list"], parameters.get("full_ip_list"), told(), told(partition)]))
