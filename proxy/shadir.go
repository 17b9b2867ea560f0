package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// This file is the part of the network cache that keeps entries: pairs of a text in
// JSON and its signature, in one file for each key.

// entries answers with the entries of a key, getting them from above if there are
// none.
func (c *shacache) entries(w http.ResponseWriter, r *http.Request, key string) error {
	text, err := c.read(key)
	if errors.Is(err, os.ErrNotExist) && c.UpstreamDir != "" {
		if text, err = c.fetchEntries(r.Context(), key); err == nil {
			text, err = c.saveFirst(key, text)
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return notFound("There is no entry for %s", key)
	}
	if err != nil {
		return err
	}
	return writeBody(w, "application/json", text)
}

// read returns the file of a key.
func (c *shacache) read(key string) ([]byte, error) {
	f, info, err := openRegular(filepath.Join(c.Metadata, key))
	if errors.Is(err, errNotRegular) {
		return nil, os.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxDirectory {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", f.Name(), info.Size(), maxDirectory)
	}
	return io.ReadAll(io.LimitReader(f, maxDirectory))
}

// saveFirst writes the entries of a key unless it has got some meanwhile, and
// returns those that it has.
func (c *shacache) saveFirst(key string, text []byte) ([]byte, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if present, err := c.read(key); err == nil {
		return present, nil
	}
	return text, c.save(key, text)
}

func (c *shacache) save(key string, text []byte) error {
	if err := os.MkdirAll(c.Metadata, 0o755); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(c.Metadata, key), text, 0o644)
}

// fetchEntries gets the entries of a key from above.
func (c *shacache) fetchEntries(ctx context.Context, key string) ([]byte, error) {
	response, err := c.upstream(ctx, c.UpstreamDir, key)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(newPatient(response.Body, pieceTimeout), maxDirectory+1))
	var list []json.RawMessage
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err == nil && len(text) > maxDirectory {
		err = errors.New("its answer is too large")
	}
	if err != nil {
		return nil, &Error{Status: http.StatusBadGateway, Message: "Upstream error", Err: err}
	}
	return text, nil
}

// index puts an entry before those that a key has already. The same entry signed
// again replaces the earlier one.
func (c *shacache) index(w http.ResponseWriter, r *http.Request, key string) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return &Error{Status: http.StatusUnsupportedMediaType, Message: "The entry must be sent as application/json"}
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if !json.Valid([]byte(body)) {
		return badRequest("The entry is not JSON")
	}
	var entry []json.RawMessage
	if err := json.Unmarshal([]byte(body), &entry); err != nil || len(entry) != 2 {
		return badRequest("Invalid entry format")
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	var list [][]json.RawMessage
	if text, err := c.read(key); err == nil {
		if err := json.Unmarshal(text, &list); err != nil {
			c.log.Warn("the entries of a key cannot be read and are replaced", "key", key, "error", err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	list = slices.DeleteFunc(list, func(old []json.RawMessage) bool { return len(old) > 0 && sameEntry(old[0], entry[0]) })
	list = append([][]json.RawMessage{entry}, list[:min(len(list), maxEntries-1)]...)
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if len(text) > maxDirectory {
		return tooLarge("The entries of %s would be larger than %d bytes", key, maxDirectory)
	}
	if err := c.save(key, text); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// sameEntry tells whether two entries are the same text: one that was kept may be
// escaped in another way than it came.
func sameEntry(a, b json.RawMessage) bool {
	var textA, textB string
	if json.Unmarshal(a, &textA) == nil && json.Unmarshal(b, &textB) == nil {
		return textA == textB
	}
	return bytes.Equal(a, b)
}

// update removes entries without content, or asks the network cache above for the
// present entries of each key.
func (c *shacache) update(w http.ResponseWriter, r *http.Request) error {
	answer := map[string][]string{"removed": {}, "updated": {}}
	files, err := os.ReadDir(c.Metadata)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, file := range files {
		if !file.Type().IsRegular() || !isKey(file.Name()) {
			continue
		}
		if err := r.Context().Err(); err != nil {
			return err
		}
		what, err := c.refresh(r.Context(), file.Name())
		if err != nil {
			c.log.Warn("the entries of a key stay as they are", "key", file.Name(), "error", err)
		}
		if what != "" {
			answer[what] = append(answer[what], file.Name())
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return writeBody(w, "application/json", text)
}

// refresh brings one key up to date and tells what became of it.
func (c *shacache) refresh(ctx context.Context, key string) (string, error) {
	if c.UpstreamDir == "" {
		c.writing.Lock()
		defer c.writing.Unlock()
		return c.clean(key)
	}
	// Nobody waits for the network cache above.
	text, err := c.fetchEntries(ctx, key)
	c.writing.Lock()
	defer c.writing.Unlock()
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound || err == nil && isEmptyList(text) {
		return "removed", os.Remove(filepath.Join(c.Metadata, key))
	}
	if err != nil {
		return "", err
	}
	return "updated", c.save(key, text)
}

func isEmptyList(text []byte) bool {
	var list []json.RawMessage
	return json.Unmarshal(text, &list) == nil && len(list) == 0
}

// clean drops the entries of a key whose content is not here.
func (c *shacache) clean(key string) (string, error) {
	text, err := c.read(key)
	if err != nil {
		return "", err
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return "", err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || value == nil {
		return "removed", os.Remove(filepath.Join(c.Metadata, key))
	}
	kept := slices.DeleteFunc(slices.Clone(list), func(entry json.RawMessage) bool { return !c.hasContent(entry) })
	switch len(kept) {
	case len(list):
		return "", nil
	case 0:
		return "removed", os.Remove(filepath.Join(c.Metadata, key))
	}
	if text, err = json.Marshal(kept); err != nil {
		return "", err
	}
	return "removed", c.save(key, text)
}

// hasContent tells whether the content of an entry is here.
func (c *shacache) hasContent(entry json.RawMessage) bool {
	var pair []json.RawMessage
	var text string
	var said struct {
		SHA512 string `json:"sha512"`
	}
	if json.Unmarshal(entry, &pair) != nil || len(pair) == 0 || json.Unmarshal(pair[0], &text) != nil ||
		json.Unmarshal([]byte(text), &said) != nil || !isDigest(said.SHA512) {
		return false
	}
	info, err := os.Stat(filepath.Join(c.Content, said.SHA512))
	return err == nil && info.Mode().IsRegular()
}
