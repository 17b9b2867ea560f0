package slap

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cacheEntry is an answer in the cache, with what RFC 9111 needs to know.
type cacheEntry struct {
	// Key is where it is stored, so that a value cannot be taken for another.
	Key string
	// Asked is when the request was made, and Age how old the answer was then.
	Asked time.Time
	Age   time.Duration
	// Lifetime is the age up to which it is fresh, and Stale how long after
	// that it may stand in for a failure.
	Lifetime, Stale time.Duration
	// Etag and Modified are what a condition is made of.
	Etag, Modified string `json:",omitempty"`
	// Vary names the headers of the request that the answer depends on;
	// VaryDigest is made of their values.
	Vary       []string `json:",omitempty"`
	VaryDigest string   `json:",omitempty"`

	body []byte
}

// longest bounds the times that a master gives, so that sums do not overflow.
const longest = 10 * 365 * 24 * time.Hour

// newEntry makes an entry of an answer; nil if it must not be stored or would
// be of no use.
func newEntry(key string, a *answer, headers http.Header) *cacheEntry {
	if a.status != http.StatusOK || !a.direct {
		return nil
	}
	e := &cacheEntry{Key: key, body: a.body}
	if !e.update(a, headers) {
		return nil
	}
	if e.Lifetime == 0 && e.Stale == 0 && e.Etag == "" && e.Modified == "" {
		return nil
	}
	return e
}

// update takes what the headers of an answer say. It reports whether the answer
// may be stored.
func (e *cacheEntry) update(a *answer, headers http.Header) bool {
	control := parseCacheControl(a.header.Values("Cache-Control"))
	if _, forbidden := control["no-store"]; forbidden {
		return false
	}
	if !e.vary(a, headers) {
		return false
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	dated := err == nil
	if !dated {
		date = a.asked
	}
	e.Asked = a.asked.Round(0)
	e.Age = min(longest, max(seconds(a.header.Get("Age")), a.asked.Sub(date), 0))
	e.Lifetime, e.Stale = lifetime(control, a.header, date), seconds(control["stale-if-error"])
	if _, ask := control["no-cache"]; ask {
		e.Lifetime, e.Stale = 0, 0
	}
	if _, ask := control["must-revalidate"]; ask {
		e.Stale = 0
	}
	if etag := a.header.Get("Etag"); etag != "" {
		e.Etag = etag
	}
	if text := a.header.Get("Last-Modified"); text != "" {
		e.Modified = ""
		// A change in the same second would not be noticed.
		if modified, err := http.ParseTime(text); err == nil && dated && date.Sub(modified) >= time.Second {
			e.Modified = text
		}
	}
	return true
}

// lifetime returns the age up to which an answer is fresh. What cannot be
// understood means never.
func lifetime(control map[string]string, h http.Header, date time.Time) time.Duration {
	if text, given := control["max-age"]; given {
		return seconds(text)
	}
	if expires, err := http.ParseTime(h.Get("Expires")); err == nil {
		return min(longest, max(0, expires.Sub(date)))
	}
	return 0
}

// vary notes what an answer depends on. It reports false if a request that gets
// the same answer cannot be recognised.
func (e *cacheEntry) vary(a *answer, headers http.Header) bool {
	var names []string
	for _, value := range a.header.Values("Vary") {
		for name := range strings.SplitSeq(value, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names {
		// An observer may have added a header that is not known beforehand.
		if name == "*" || !slices.Equal(a.sent.Values(name), headers.Values(name)) {
			return false
		}
	}
	e.Vary, e.VaryDigest = names, varyDigest(names, headers)
	return true
}

// varyDigest is the digest of the values of headers.
func varyDigest(names []string, headers http.Header) string {
	if len(names) == 0 {
		return ""
	}
	digest := sha256.New()
	for _, name := range names {
		for _, value := range headers.Values(name) {
			sum := sha256.Sum256([]byte(name + ":" + value))
			digest.Write(sum[:])
		}
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// confirmed takes the headers of an answer 304. It reports whether that is about
// this entry and it may still be stored.
func (e *cacheEntry) confirmed(a *answer, headers http.Header) bool {
	if !a.direct || e.Etag == "" && e.Modified == "" {
		return false
	}
	if etag := a.header.Get("Etag"); etag != "" && strings.TrimPrefix(etag, "W/") != strings.TrimPrefix(e.Etag, "W/") {
		return false
	}
	// What the answer does not repeat stays as it was.
	header := a.header.Clone()
	if header.Get("Last-Modified") == "" && e.Modified != "" {
		header.Set("Last-Modified", e.Modified)
	}
	if len(header.Values("Vary")) == 0 && len(e.Vary) > 0 {
		header.Set("Vary", strings.Join(e.Vary, ", "))
	}
	lifetime, stale := e.Lifetime, e.Stale
	b := *a
	b.header = header
	if !e.update(&b, headers) {
		return false
	}
	if len(header.Values("Cache-Control")) == 0 && header.Get("Expires") == "" {
		e.Lifetime, e.Stale = lifetime, stale
	}
	return true
}

// conditions returns the headers that ask whether an entry is still valid.
func (e *cacheEntry) conditions() http.Header {
	h := http.Header{}
	switch {
	case e == nil:
	case e.Etag != "":
		h.Set("If-None-Match", e.Etag)
	case e.Modified != "":
		h.Set("If-Modified-Since", e.Modified)
	}
	return h
}

// age returns how old an entry is.
func (e *cacheEntry) age(now time.Time) time.Duration { return e.Age + now.Sub(e.Asked) }

// fresh tells whether an entry may be used without asking.
func (e *cacheEntry) fresh(now time.Time) bool { return e.age(now) < e.Lifetime }

// helps tells whether an entry may be used in place of a failure.
func (e *cacheEntry) helps(now time.Time) bool {
	return e.Stale > 0 && e.age(now) < e.Lifetime+e.Stale
}

// seconds reads a number of seconds; what is none is 0.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(n, uint64(longest/time.Second))) * time.Second
}

// parseCacheControl returns the directives of a Cache-Control header. Of those
// that occur twice the smaller number counts.
func parseCacheControl(values []string) map[string]string {
	all := map[string]string{}
	rest := strings.Join(values, ",")
	for rest != "" {
		var item string
		item, rest = cutDirective(rest)
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if name == "" {
			continue
		}
		if before, again := all[name]; again && seconds(before) <= seconds(value) {
			continue
		}
		all[name] = value
	}
	return all
}

// cutDirective splits a list at the first comma that is not in quotes.
func cutDirective(list string) (first, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// An entry is stored as a line that names the format, checksum and length of
// what follows, and length of the JSON object in it, in binary; the object; and
// the body.
const (
	entryMagic  = "slap cache 1\n"
	entryHeader = len(entryMagic) + 4 + 8 + 4
)

var checksums = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("the entry of the cache is damaged")

// encode returns an entry as a value of the cache.
func (e *cacheEntry) encode() ([]byte, error) {
	object, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return seal(object, e.body), nil
}

// seal puts the two parts of an entry together, with what tells whether they are
// whole.
func seal(object, body []byte) []byte {
	value := make([]byte, entryHeader, entryHeader+len(object)+len(body))
	copy(value, entryMagic)
	binary.BigEndian.PutUint64(value[entryHeader-12:], uint64(len(object)+len(body)))
	binary.BigEndian.PutUint32(value[entryHeader-4:], uint32(len(object)))
	value = append(append(value, object...), body...)
	binary.BigEndian.PutUint32(value[len(entryMagic):], crc32.Checksum(value[len(entryMagic)+4:], checksums))
	return value
}

// decodeEntry reads a value of the cache.
func decodeEntry(value []byte) (*cacheEntry, error) {
	if len(value) < entryHeader || !bytes.HasPrefix(value, []byte(entryMagic)) {
		return nil, errDamaged
	}
	rest := value[entryHeader:]
	object := binary.BigEndian.Uint32(value[entryHeader-4:])
	switch {
	case binary.BigEndian.Uint64(value[entryHeader-12:]) != uint64(len(rest)),
		uint64(object) > uint64(len(rest)),
		binary.BigEndian.Uint32(value[len(entryMagic):]) != crc32.Checksum(value[len(entryMagic)+4:], checksums):
		return nil, errDamaged
	}
	var e cacheEntry
	if err := json.Unmarshal(rest[:object], &e); err != nil {
		return nil, errors.Join(errDamaged, err)
	}
	for _, d := range []time.Duration{e.Age, e.Lifetime, e.Stale} {
		if d < 0 || d > longest {
			return nil, errDamaged
		}
	}
	e.body = rest[object:len(rest):len(rest)]
	return &e, nil
}
