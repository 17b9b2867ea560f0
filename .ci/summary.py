"""Reads the output of "go test -json": prints a line a package, what failed and what
was skipped, and fails if a test that compares with the reference was skipped."""
import collections
import json
import sys

output = collections.defaultdict(list)
failed, skipped, passed = [], [], 0
with open(sys.argv[1]) as lines:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")  # of the build, not of a test
            continue
        key = event.get("Package") or event.get("ImportPath", ""), event.get("Test")
        action = event["Action"]
        if action in ("output", "build-output"):
            output[key].append(event["Output"])
            if key[1] is None and event["Output"].startswith(("ok ", "ok\t", "FAIL\t", "?")):
                print(event["Output"], end="", flush=True)
        elif action in ("fail", "build-fail"):
            failed.append(key)
        elif action == "skip" and key[1]:
            skipped.append(key)
        elif action == "pass" and key[1]:
            passed += 1

for key in skipped:
    reason = " ".join(text.strip() for text in output[key] if not text.startswith(("=== ", "---")) and "--- SKIP" not in text)
    print("skipped %s %s: %s" % (key[0], key[1], reason[:300]))
for key in failed:
    print("\n---- failed: %s %s" % (key[0], key[1] or ""))
    print("".join(output[key])[-20000:], end="")

interop = [key for key in skipped if key[0].endswith(("/interop", "/testpeer")) or "SLAPOS_INTEROP" in "".join(output[key])]
for key in interop:
    print("not compared with the reference: %s %s" % key)
print("%d passed, %d failed, %d skipped" % (passed, len([key for key in failed if key[1]]), len(skipped)))
sys.exit(bool(failed or interop))
