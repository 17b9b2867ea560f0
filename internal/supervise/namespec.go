package supervise

import "strings"

// makeNamespec returns group:name, or just the name when both are equal.
func makeNamespec(group, name string) string {
	if group == name {
		return name
	}
	return group + ":" + name
}

// splitNamespec is the opposite; the name is empty when all of the group is
// meant (group: or group:*).
func splitNamespec(spec string) (group, name string) {
	group, name, ok := strings.Cut(spec, ":")
	if !ok {
		return spec, spec
	}
	if name == "*" {
		name = ""
	}
	return group, name
}
