package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
)

func TestPretty(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   map[string]any
		want string
	}{
		{name: "nil", want: "{}"},
		{name: "sorted on one line", in: map[string]any{"b": "2", "a": "it's"}, want: `{'a': "it's", 'b': '2'}`},
		{name: "other values", in: map[string]any{"n": nil, "t": true, "i": int64(3)}, want: "{'i': 3, 'n': None, 't': True}"},
		{
			name: "one key a line",
			in:   map[string]any{"one": strings.Repeat("x", 40), "two": strings.Repeat("y", 40)},
			want: "{'one': '" + strings.Repeat("x", 40) + "',\n 'two': '" + strings.Repeat("y", 40) + "'}",
		},
		{
			name: "long texts are split behind blanks",
			in:   map[string]any{"k": strings.Repeat("word ", 20) + "end"},
			want: "{'k': '" + strings.Repeat("word ", 14) + "'\n      '" + strings.Repeat("word ", 6) + "end'}",
		},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, pretty(tc.in)) })
	}
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, map[string]string{"b": "<é>&", "a": "😀"}))
	require.Equal(t, "{\n  \"a\": \"\\ud83d\\ude00\",\n  \"b\": \"<\\u00e9>&\"\n}\n", b.String())
}

func TestKeyValues(t *testing.T) {
	got, err := keyValues([]string{"a=a=b", "empty=", "text=two\nlines"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(slap.Parameters{"a": "a=b", "empty": "", "text": "two\nlines"}, got))
	_, err = keyValues([]string{"a"})
	require.ErrorContains(t, err, "not enough values to unpack (expected 2, got 1)")
	_, err = keyValues([]string{"a=1", "a=2"})
	require.EqualError(t, err, "Multiple values provided for the same key 'a'")
}

func TestAliases(t *testing.T) {
	require.Equal(t, map[string]string{"kvm": "https://x/kvm.cfg", "w": "u"},
		aliases("\nkvm https://x/kvm.cfg\n  w \t u\n\nbroken\n"))
}

func TestParametersFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, tc := range []struct {
		name, file, text, serialisation string
		want                            slap.Parameters
	}{
		{
			name: "JSON as JSON keeps order and numbers", file: "a.json", text: `{"b":1.50,"a":[true]}`,
			serialisation: "json-in-xml", want: slap.Parameters{"_": "{\n  \"b\": 1.50,\n  \"a\": [\n    true\n  ]\n}"},
		},
		{
			name: "JSON as XML", file: "a.json", text: `{"n":12,"f":1.5,"big":123456789012345678901234567890,"s":"x","l":[1]}`,
			serialisation: "xml",
			want:          slap.Parameters{"n": int64(12), "f": 1.5, "s": "x", "l": []any{int64(1)}},
		},
		{
			name: "wrapped already", file: "a.json", text: `{"_":"{\"a\": 1}"}`,
			serialisation: "json-in-xml", want: slap.Parameters{"_": `{"a": 1}`},
		},
		{
			name: "YAML as JSON", file: "a.yaml", text: "a: 1\nb: [x, y]\n",
			serialisation: "json-in-xml", want: slap.Parameters{"_": "{\n  \"a\": 1,\n  \"b\": [\n    \"x\",\n    \"y\"\n  ]\n}"},
		},
		{
			name: "XML is taken as it is", file: "a.xml", text: `<instance><parameter id="k">v</parameter></instance>`,
			serialisation: "json-in-xml", want: slap.Parameters{"k": "v"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := readParametersFile(write(tc.file, tc.text))
			require.NoError(t, err)
			got, err := f.serialise(tc.serialisation)
			require.NoError(t, err)
			delete(got, "big")
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
	for _, bad := range []string{"[1]", "{", "{} {}", "null"} {
		_, err := readParametersFile(write("bad.json", bad))
		require.ErrorContains(t, err, "bad.json", bad)
	}
}

// release is a software release with a schema, as files by path.
var release = map[string]string{
	"/sr/software.cfg.json": `{"serialisation": "json-in-xml", "software-type": {
		"default": {"request": "schema/in.json"},
		"xml": {"request": "schema/in.json", "serialisation": "xml"},
		"broken": {"request": "schema/nosuch.json"}, "none": {}}}`,
	"/sr/schema/in.json": `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
		"properties": {"foo": {}, "a": {"const": "bar"}, "b": {"$ref": "common.json#/definitions/b"}},
		"required": ["foo"], "additionalProperties": false}`,
	"/sr/schema/common.json": `{"definitions": {"b": {"type": "string"}}}`,
}

func TestSchema(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := release[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	dir := t.TempDir()
	for path, text := range release {
		path = filepath.Join(dir, filepath.FromSlash(path))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for _, base := range []string{server.URL, dir, "file://" + dir} {
		url := base + "/sr/software.cfg"
		for _, tc := range []struct {
			softwareType, serialisation string
		}{{"", "json-in-xml"}, {"RootSoftwareInstance", "json-in-xml"}, {"xml", "xml"}} {
			s, err := readSoftwareSchema(context.Background(), url, tc.softwareType, false)
			require.NoError(t, err)
			require.Equal(t, tc.serialisation, s.serialisation())
			found, err := s.validate(context.Background(), map[string]any{"foo": 1, "a": "bar", "$schema": "x"})
			require.NoError(t, err)
			require.Empty(t, found)
			found, err = s.validate(context.Background(), map[string]any{"a": "x", "c": 1})
			require.NoError(t, err)
			require.ElementsMatch(t, []string{
				"$: 'foo' is a required property",
				"$: Additional properties are not allowed ('c' was unexpected)",
				"$.a: 'bar' was expected",
			}, found)
			found, err = s.validate(context.Background(), map[string]any{"foo": 1, "b": 2})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.True(t, strings.HasPrefix(found[0], "$.b: "), found[0])
		}
	}
	s, err := readSoftwareSchema(context.Background(), server.URL+"/sr/software.cfg", "nosuch", false)
	require.NoError(t, err)
	_, err = s.validate(context.Background(), nil)
	require.ErrorIs(t, err, errNoSchema)
	for _, broken := range []string{"broken", "none"} {
		s, err := readSoftwareSchema(context.Background(), server.URL+"/sr/software.cfg", broken, false)
		require.NoError(t, err)
		_, err = s.validate(context.Background(), map[string]any{})
		require.Error(t, err)
		require.False(t, errors.Is(err, errNoSchema))
	}
	_, err = readSoftwareSchema(context.Background(), server.URL+"/other.cfg", "", false)
	require.ErrorContains(t, err, "Unable to load JSON "+server.URL+"/other.cfg.json")
}

func TestSchemaOfDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "software"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "software", "schema.json"),
		[]byte(`{"serialisation": "xml", "software-type": {"default": {"request": "in.json"}}}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "software", "in.json"), []byte(`{"required": ["a"]}`), 0o600))
	s, err := readSoftwareSchema(context.Background(), dir, "", false)
	require.NoError(t, err)
	found, err := s.validate(context.Background(), map[string]any{})
	require.NoError(t, err)
	require.Equal(t, []string{"$: 'a' is a required property"}, found)
}

func TestMessage(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{
			&slap.Error{Op: "supply", URL: "http://m/x", Status: 404, Kinds: []error{slap.ErrNotFound}},
			"http://m/x\nsupply http://m/x",
		},
		{
			&slap.Error{Op: "supply", URL: "http://m/x", Status: 500, Kinds: []error{slap.ErrServer}},
			"500 Server Error: Internal Server Error for url: http://m/x\nsupply http://m/x",
		},
		{
			&slap.Error{Op: "supply", URL: "http://m/x", Status: 403, Kinds: []error{slap.ErrAuthentication}},
			"403 Client Error: Forbidden for url: http://m/x\nsupply http://m/x",
		},
	} {
		require.Equal(t, tc.want, message(tc.err))
	}
}

func TestNewsStatus(t *testing.T) {
	for want, texts := range map[string][]string{
		"none": {"#building"}, "green": {"#access ok"}, "red": {"#error bad"}, "orange": {"#error bad", "#access ok"},
	} {
		var news []slap.Status
		for _, text := range texts {
			news = append(news, slap.Status{Text: text})
		}
		require.Equal(t, want, newsStatus(news))
	}
	require.Equal(t, "unsupported", newsStatus(nil))
	require.Equal(t, "none", newsStatus([]slap.Status{}))
}

// TestOptionsHaveHelp checks that every option of every command is described and
// that no two options of a command share a spelling.
func TestOptionsHaveHelp(t *testing.T) {
	a := &app{}
	root := newRoot(a)
	for _, command := range grammarOf(root).Commands {
		seen := map[string]bool{}
		for _, option := range append(grammarOf(root).Global, command.Options...) {
			for _, spelling := range option.Spellings {
				require.False(t, seen[spelling], "%s: %s", command.Name, spelling)
				seen[spelling] = true
			}
		}
	}
	for _, cmd := range leaves(root) {
		require.NotEmpty(t, cmd.Short, commandName(cmd))
		require.NotEmpty(t, cmd.Long, commandName(cmd))
	}
}

func TestPager(t *testing.T) {
	for _, tc := range []struct{ command, want string }{
		{"tr a-z A-Z", "TEXT\n"},
		{"nosuchpager --option", "text\n"},
		{"head -c 2; exit 3", "te"},
	} {
		var out, errs bytes.Buffer
		a := &app{env: os.Environ(), stdout: &out, stderr: &errs}
		require.NoError(t, a.pageThrough(context.Background(), tc.command, []byte("text\n")))
		require.Equal(t, tc.want, out.String(), tc.command)
	}
}

// TestInterruptedPager: an interrupt does not kill the pager, which has set the
// terminal to its liking.
func TestInterruptedPager(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out bytes.Buffer
	a := &app{env: os.Environ(), stdout: &out, stderr: &out}
	require.NoError(t, a.pageThrough(ctx, "cat; echo terminal restored", []byte("text\n")))
	require.Equal(t, "text\nterminal restored\n", out.String())
}

// TestUnreadMessages: a master whose messages are read no longer serves on.
func TestUnreadMessages(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "slapos.cfg")
	require.NoError(t, os.WriteFile(config, []byte("[slapos]\ncomputer_id = c\n[slapproxy]\n"+
		"host = unix:"+dir+"/s\ndatabase_uri = "+dir+"/proxy.db\n"), 0o600))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "slapos", "proxy", "start", "--cfg", config)
	cmd.Stdout, cmd.Stderr = write, write
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	master := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", dir+"/s")
	}}}
	require.Eventually(t, func() bool {
		answer, err := master.Get("http://localhost/readyz")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestWithoutPassword(t *testing.T) {
	for address, want := range map[string]string{
		"http://user:secret@master/": "http://user:xxxxx@master/",
		"https://master:8080/a?b":    "https://master:8080/a?b",
		"no URL: %":                  "no URL: %",
	} {
		require.Equal(t, want, withoutPassword(address))
	}
}

// runMain runs a command line in this process and returns its status and what it
// printed.
func runMain(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(ctx, args, []string{"HOME=/nonexistent"}, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "slapos.cfg")
	require.NoError(t, os.WriteFile(config, []byte("[slapos]\nroot_check = false\ncomputer_id = c\n"+
		"master_url = http://127.0.0.1:1/\nsoftware_root = "+dir+"\ninstance_root = "+dir+"\nmaximal_delay = 1000\n"), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, stdout, stderr := runMain(ctx, "node", "software", "--cfg", config)
	require.Equal(t, exitFailure, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "INFO Sleeping for ")
	require.Contains(t, stderr, "ERROR Interrupted.")
}

func TestProxyBeyondLoopback(t *testing.T) {
	for host, warns := range map[string]bool{
		"": false, "127.0.0.1": false, "::1": false, "[::1]": false, "localhost": false, "127.8.0.1": false,
		"0.0.0.0": true, "::": true, "192.0.2.1": true, "master.example": true,
	} {
		var log bytes.Buffer
		a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
		s := proxySettings{host: host, computerID: "c"}
		_, err := s.options(a)
		require.NoError(t, err)
		require.Equal(t, warns, strings.Contains(log.String(), "trusts every caller"), host)
	}
}

func TestVerboseAndColour(t *testing.T) {
	code, _, stderr := runMain(context.Background(), "-vv", "supply", "a", "b", "--log-time=false", "--log-color=false")
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "DEBUG initialize_app")
	require.Contains(t, stderr, "Configuration file does not exist: /nonexistent/.slapos/slapos-client.cfg")
	require.NotContains(t, stderr, "\x1b")
}

// TestLocalAccounts chooses who software and partitions belong to.
func TestLocalAccounts(t *testing.T) {
	accounts := func(names ...string) func(string) (*user.User, error) {
		return func(name string) (*user.User, error) {
			if i := slices.Index(names, name); i >= 0 {
				return &user.User{Username: name, Uid: strconv.Itoa(100 + i), Gid: "200"}, nil
			}
			return nil, user.UnknownUserError(name)
		}
	}
	s := localSetup{Root: true}
	require.NoError(t, s.chooseOwners(accounts("nobody", "slapsoft")))
	require.Equal(t, localSetup{Root: true, PartitionUser: "slapsoft", ownerUID: 101, ownerGID: 200}, s)
	s = localSetup{Root: true}
	require.NoError(t, s.chooseOwners(accounts("nobody")))
	require.Equal(t, "nobody", s.PartitionUser)
	require.ErrorContains(t, s.chooseOwners(accounts()), "make one (useradd --system slapsoft)")
	s = localSetup{}
	require.NoError(t, s.chooseOwners(accounts("nobody")))
	require.Empty(t, s.PartitionUser, "an ordinary user owns everything")
}
