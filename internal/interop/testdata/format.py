"""Registers a computer: arguments are the master's URL, the computer's reference
and a file with the marshalled computer."""
import sys

import slapos.slap

url, reference, path = sys.argv[1:]
slap = slapos.slap.slap()
slap.initializeConnection(url)
with open(path) as f:
    slap.registerComputer(reference).updateConfiguration(f.read())
