package supervise

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reader converts the options of one section. The first error is kept and ends up in err.
type reader struct {
	section *section
	names   map[string]string
	err     error
}

func (r *reader) fail(key string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w in section '%s' (file: '%s')", key, err, r.section.name, r.section.file)
	}
}

// string returns the expanded value, or fallback as it is.
func (r *reader) string(key, fallback string) string {
	raw, ok := r.section.options[key]
	if !ok {
		return fallback
	}
	raw = strings.ReplaceAll(raw, "%(here)s", strings.ReplaceAll(r.section.here, "%", "%%"))
	value, err := expand(raw, r.names, r.section.name+"."+key)
	if err != nil {
		r.fail(key, err)
	}
	return value
}

func (r *reader) path(key, fallback string) string { return strings.TrimSpace(r.string(key, fallback)) }

func (r *reader) int(key string, fallback int) int {
	if _, ok := r.section.options[key]; !ok {
		return fallback
	}
	n, err := strconv.Atoi(strings.TrimSpace(r.string(key, "")))
	if err != nil {
		r.fail(key, err)
	}
	return n
}

func (r *reader) octal(key string, fallback int) int {
	if _, ok := r.section.options[key]; !ok {
		return fallback
	}
	text := strings.TrimPrefix(strings.TrimSpace(r.string(key, "")), "0o")
	n, err := strconv.ParseUint(text, 8, 12)
	if err != nil {
		r.fail(key, err)
	}
	return int(n) //nolint:gosec // 12 bits
}

func (r *reader) bool(key string, fallback bool) bool {
	if _, ok := r.section.options[key]; !ok {
		return fallback
	}
	value := r.string(key, "")
	b, ok := parseBool(value)
	if !ok {
		r.fail(key, fmt.Errorf("not a valid boolean value: %q", value))
	}
	return b
}

func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "1":
		return true, true
	case "no", "false", "off", "0":
		return false, true
	}
	return false, false
}

func (r *reader) restart(key string) restart {
	value := r.string(key, string(restartUnexpected))
	if strings.EqualFold(value, string(restartUnexpected)) {
		return restartUnexpected
	}
	always, ok := parseBool(value)
	switch {
	case !ok:
		r.fail(key, fmt.Errorf("invalid value %q", value))
	case always:
		return restartAlways
	}
	return restartNever
}

// bytes reads a size with an optional suffix KB, MB or GB.
func (r *reader) bytes(key string, fallback int64) int64 {
	if _, ok := r.section.options[key]; !ok {
		return fallback
	}
	text := strings.ToLower(strings.TrimSpace(r.string(key, "")))
	shift := 0
	for suffix, n := range map[string]int{"kb": 10, "mb": 20, "gb": 30} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			text, shift = number, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		r.fail(key, fmt.Errorf("not a size: %q", text))
		return 0
	}
	return n << shift
}

func (r *reader) list(key string) []string {
	text := r.string(key, "")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func (r *reader) exitCodes(key string) []int {
	if _, ok := r.section.options[key]; !ok {
		return []int{0}
	}
	var codes []int
	for _, item := range r.list(key) {
		code, err := strconv.Atoi(item)
		if err != nil || code < 0 || code > 255 {
			r.fail(key, fmt.Errorf("not a valid exit code: %q", item))
		}
		codes = append(codes, code)
	}
	return codes
}

func (r *reader) pairs(key string) map[string]string {
	pairs, err := parsePairs(r.string(key, ""))
	if err != nil {
		r.fail(key, err)
	}
	return pairs
}

// name checks the name of a process or group: it must not disturb namespecs
// (group:process), URLs and the header lines of events.
func (r *reader) name(what, name string) string {
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsAny(name, " :/\n") {
		r.fail(what+" name", fmt.Errorf("invalid name %q", name))
	}
	return name
}

func (r *reader) signal(key string) syscall.Signal {
	value := r.string(key, "TERM")
	sig, err := parseSignal(value)
	if err != nil {
		r.fail(key, err)
	}
	return sig
}

// parseSignal accepts a number, or a name with or without SIG, in any case.
func parseSignal(value string) (syscall.Signal, error) {
	text := strings.ToUpper(strings.TrimSpace(value))
	if n, err := strconv.Atoi(text); err == nil {
		if n > 0 && unix.SignalName(syscall.Signal(n)) != "" {
			return syscall.Signal(n), nil
		}
		return 0, fmt.Errorf("value %q is not a valid signal number", value)
	}
	if !strings.HasPrefix(text, "SIG") {
		text = "SIG" + text
	}
	if sig := unix.SignalNum(text); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("value %q is not a valid signal name", value)
}

// user reads the options user and group. Compat: supervisord does not know
// group and takes the primary group of the user; slapgrid writes the group that
// owns the partition.
func (r *reader) user() *userConfig {
	if _, ok := r.section.options["user"]; !ok {
		return nil
	}
	account, err := lookupUser(strings.TrimSpace(r.string("user", "")))
	if err != nil {
		r.fail("user", err)
		return nil
	}
	u, err := newUser(account)
	if err != nil {
		r.fail("user", err)
		return nil
	}
	if _, ok := r.section.options["group"]; ok {
		if u.GID, err = lookupGroup(strings.TrimSpace(r.string("group", ""))); err != nil {
			r.fail("group", err)
		}
	}
	return u
}

func newUser(account *user.User) (*userConfig, error) {
	uid, errUID := strconv.Atoi(account.Uid)
	gid, errGID := strconv.Atoi(account.Gid)
	ids, err := account.GroupIds()
	if err := errors.Join(errUID, errGID, err); err != nil {
		return nil, fmt.Errorf("user %s: %w", account.Username, err)
	}
	u := &userConfig{UID: uid, GID: gid}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("user %s: group %q", account.Username, id)
		}
		u.Groups = append(u.Groups, n)
	}
	slices.Sort(u.Groups)
	return u, nil
}

func lookupUser(name string) (*user.User, error) {
	if _, err := strconv.Atoi(name); err == nil {
		account, err := user.LookupId(name)
		if err != nil {
			return nil, fmt.Errorf("invalid user id %s: %w", name, err)
		}
		return account, nil
	}
	account, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("invalid user name %s: %w", name, err)
	}
	return account, nil
}

func lookupGroup(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("invalid group name %s: %w", name, err)
	}
	return strconv.Atoi(group.Gid)
}

// owner reads user or user:group; absent parts are -1.
func (r *reader) owner(key string) [2]int {
	owner := [2]int{-1, -1}
	value := r.path(key, "")
	if value == "" {
		return owner
	}
	name, group, hasGroup := strings.Cut(value, ":")
	account, err := lookupUser(name)
	if err == nil {
		owner[0], err = strconv.Atoi(account.Uid)
	}
	if err == nil && hasGroup {
		owner[1], err = lookupGroup(group)
	}
	if err != nil {
		r.fail(key, err)
	}
	return owner
}
