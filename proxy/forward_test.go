package proxy

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// refused requires an error with a status.
func refused(t *testing.T, status int, err error) {
	t.Helper()
	require.Error(t, err)
	got, message := statusOf(err)
	require.Equal(t, status, got, message)
}

// records are the requests that a master notes as served by others.
func (m *testMaster) records() (all []string) {
	m.t.Helper()
	require.NoError(m.t, m.store.View(m.t.Context(), func(r store.Reader) error {
		forwarded, err := r.Forwarded()
		for _, f := range forwarded {
			all = append(all, f.Reference+" "+f.Master)
		}
		return err
	}))
	return all
}

// serveMaster serves a handler on a loopback port until the test ends.
func serveMaster(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// newOther is a master that can be forwarded to, with a computer of 6 partitions.
func newOther(t *testing.T) (*testMaster, string) {
	t.Helper()
	m := newMaster(t, WithComputerID("external"))
	m.layout("external", 6)
	return m, serveMaster(t, m.server)
}

const releaseElsewhere = "http://sr.example/elsewhere.cfg"

func TestForwarding(t *testing.T) {
	other, url := newOther(t)
	require.Equal(t, "external/p0", other.place(asking{title: "host"}))
	// The same master under another name, where requests are those of a partition.
	alias := strings.TrimSuffix(url, "/")
	m := newMaster(t, WithMultimaster(
		OtherMaster{URL: url, Releases: []string{releaseElsewhere}},
		OtherMaster{URL: alias, Releases: []string{releaseElsewhere, releaseB}, Computer: "external", Partition: "p0"},
	))
	m.layout("computer", 4)
	require.Equal(t, "computer/p0", m.place(asking{title: "parent"}))
	require.Equal(t, "computer/p1", m.place(asking{title: "other parent"}))
	byFilter := map[string]any{"master_url": url}

	// By filter, by the first list that has the release, and as a partition.
	require.Equal(t, "external/p1", m.place(asking{title: "x", filter: byFilter}))
	require.Equal(t, "external/p2", m.place(asking{title: "y", release: releaseElsewhere}))
	require.Equal(t, "external/p3", m.place(asking{title: "z", release: releaseB}))
	require.Equal(t, "", other.at("external/p1").Instance.Tree)
	require.Equal(t, "host", other.at("external/p3").Instance.Tree, "asked by the partition p0")

	// The same title from several requesters is several instances there.
	require.Equal(t, "external/p4", m.place(asking{by: "computer/p0", title: "x", filter: byFilter}))
	require.Equal(t, "external/p5", m.place(asking{by: "computer/p1", title: "x", filter: byFilter}))
	require.Equal(t, "external/p1", m.place(asking{title: "x", filter: byFilter}), "again, the same")
	require.Equal(t, []string{
		"user_x " + url, "user_y " + url, "user_z " + alias, "p0_x " + url, "p1_x " + url,
	}, m.records(), "no duplicates")
	for place, title := range map[string]string{"p1": "user_x", "p2": "user_y", "p3": "user_z", "p4": "p0_x", "p5": "p1_x"} {
		require.Equal(t, title, other.at("external/"+place).Instance.Title)
	}
	require.Contains(t, other.at("external/p1").Instance.Filter, "source_instance_id")
	require.NotContains(t, other.at("external/p3").Instance.Filter, "source_instance_id")

	// Without the filter the title is free here, and the record stays.
	require.Equal(t, "computer/p2", m.place(asking{title: "x"}))
	require.Len(t, m.records(), 5)
	// What is here stays here, whatever the filter names.
	require.Equal(t, "computer/p2", m.place(asking{title: "x", filter: byFilter}))
	require.Equal(t, "computer/p2", m.place(asking{title: "x", filter: map[string]any{"master_url": "http://unlisted.example/"}}))

	// Destroying removes the record.
	require.Equal(t, "external/p2", m.place(asking{title: "y", release: releaseElsewhere, state: stateDestroyed}))
	require.NotContains(t, m.records(), "user_y "+url)
	require.Equal(t, stateDestroyed, other.at("external/p2").Instance.State)

	// What the other master answers, this one passes on.
	o, err := m.ask(asking{title: "z", release: releaseB, parameters: map[string]any{"n": int64(5)}})
	require.NoError(t, err)
	require.Equal(t, "ComputerPartition", o.Class)
	require.Equal(t, alias, attribute(o, "_master_url"))
	require.Equal(t, "external-p3", attribute(o, "_instance_guid"))
	require.Equal(t, releaseB, attribute(o, "_software_release_document"))
	_, err = m.ask(asking{title: "full", filter: byFilter})
	refused(t, http.StatusNotFound, err)
	require.ErrorContains(t, err, "No free partition")
	require.NotContains(t, m.records(), "user_full "+url, "no record of what the other master refuses")
}

func TestForwardingOfShared(t *testing.T) {
	other, url := newOther(t)
	require.Equal(t, "external/p0", other.place(asking{title: "host", release: releaseElsewhere}))
	m := newMaster(t, WithMultimaster(OtherMaster{URL: url, Releases: []string{releaseElsewhere, apacheFrontend}}))
	m.layout("computer", 1)
	require.Equal(t, "external/p0", m.place(asking{title: "s", release: releaseElsewhere, shared: true}))
	hosted := other.at("external/p0").Shared
	require.Len(t, hosted, 1)
	require.Equal(t, "_user_s", hosted[0].Key)
	// A front end that another master serves is none of ours.
	o, err := m.ask(asking{title: "f", release: apacheFrontend, shared: true, parameters: map[string]any{"url": "http://a.example/"}})
	require.NoError(t, err)
	require.Equal(t, url, attribute(o, "_master_url"))
	require.Contains(t, attribute(o, "_partition_id"), "Fake frontend")
}

func TestForwardingToOneself(t *testing.T) {
	var m *testMaster
	url := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.server.ServeHTTP(w, r) }))
	m = newMaster(t, WithMultimaster(OtherMaster{URL: url}))
	m.layout("computer", 1)
	require.Equal(t, "computer/p0", m.place(asking{title: "x", filter: map[string]any{"master_url": url}}), "a listed master that is this one")
	require.Empty(t, m.records())
}

func TestForwardingRefusals(t *testing.T) {
	asked := 0
	status := http.StatusRequestTimeout
	fake := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked++
		}
		http.Error(w, "no", status)
	}))
	dead := "http://127.0.0.1:9"
	m := newMaster(t, WithMultimaster(
		OtherMaster{URL: fake, Releases: []string{"http://sr/fake"}},
		OtherMaster{URL: dead, Releases: []string{"http://sr/dead"}},
		OtherMaster{URL: dead + "/", Releases: []string{"http://sr/deadp"}, Computer: "c", Partition: "p"},
		OtherMaster{URL: "https://127.0.0.1:9", Releases: []string{"http://sr/nocert"}},
	))
	m.layout("computer", 1)
	for _, test := range []struct {
		release, master string
		others, status  int
	}{
		{release: "http://sr/fake", others: 408, status: 408},
		{release: "http://sr/fake", others: 404, status: 404},
		{release: "http://sr/fake", others: 401, status: 502},
		{release: "http://sr/fake", others: 500, status: 502},
		{release: "http://sr/fake", others: 523, status: 502},
		{release: "http://sr/dead", status: 523},
		{release: "http://sr/deadp", status: 523},
		{master: dead, status: 523},
		{release: "http://sr/nocert", status: 404},
		{master: "http://127.0.0.1:9//", status: 404}, // compared as text
	} {
		status = test.others
		filter := map[string]any{}
		if test.master != "" {
			filter["master_url"] = test.master
		}
		_, err := m.ask(asking{title: "x", release: test.release, filter: filter})
		refused(t, test.status, err)
		require.True(t, isAbout(err, anotherMaster), err)
	}
	require.Equal(t, 5, asked, "nothing is repeated")
	require.Equal(t, []string{"user_x " + fake}, m.records(), "only what is not ready yet is noted")
	require.Equal(t, "computer/p0", m.place(asking{title: "x"}), "nothing was allocated")
}

// A filter cannot make this master open connections: only listed masters are
// asked anything.
func TestForwardingAsksListedMastersOnly(t *testing.T) {
	asked := false
	unlisted := serveMaster(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	redirecting := serveMaster(t, http.RedirectHandler(unlisted, http.StatusTemporaryRedirect))
	m := newMaster(t, WithMultimaster(OtherMaster{URL: redirecting}))
	_, err := m.ask(asking{title: "x", filter: map[string]any{"master_url": unlisted}})
	refused(t, http.StatusNotFound, err)
	_, err = m.ask(asking{title: "x", filter: map[string]any{"master_url": redirecting}})
	refused(t, statusUnreachable, err)
	require.False(t, asked)
}

// The password of another master is sent to it, and told to nobody.
func TestForwardingWithPassword(t *testing.T) {
	other, _ := newOther(t)
	authorized := 0
	fronted := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user == "me" && password == "secret" {
			authorized++
			other.server.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	named := func(url string) string { return strings.Replace(url, "http://", "http://me:secret@", 1) }
	var written bytes.Buffer
	m := newMaster(t, WithLogger(slog.New(slog.NewTextHandler(&written, nil))), WithMultimaster(
		OtherMaster{URL: named(fronted), Releases: []string{releaseElsewhere}, Computer: "only one of both"},
		OtherMaster{URL: named("http://127.0.0.1:9/"), Releases: []string{releaseB}},
	))
	form := map[string]string{"software_release": releaseElsewhere, "software_type": "", "partition_reference": "x", "state": ""}
	granted := m.call("/requestComputerPartition", form)
	require.Equal(t, 200, granted.Code, granted.Body)
	require.Equal(t, 1, authorized)
	require.Contains(t, granted.Body.String(), "http://me:xxxxx@")
	form["software_release"] = releaseB
	failed := m.call("/requestComputerPartition", form)
	require.Equal(t, 523, failed.Code)
	require.NotContains(t, granted.Body.String()+failed.Body.String()+written.String(), "secret")
	_, err := Open(t.Context(), "", WithMultimaster(OtherMaster{URL: "htps://me:secret@host"}))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	_, err = Open(t.Context(), "", WithShacache(Shacache{UpstreamDir: "htps://me:secret@host"}))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

// What is sent to a master by https goes nowhere by http, whatever it redirects to.
func TestForwardingStaysWithTheScheme(t *testing.T) {
	o, err := newOtherMaster(OtherMaster{URL: "https://127.0.0.1:9/"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:9/", nil)
	require.NoError(t, err)
	_, err = o.transport.RoundTrip(r) //nolint:bodyclose // there is no answer
	require.ErrorContains(t, err, "redirected to another host, http://127.0.0.1:9")
}

func TestForwardingInARing(t *testing.T) {
	var one, two *testMaster
	atOne := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { one.server.ServeHTTP(w, r) }))
	atTwo := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		two.server.ServeHTTP(w, r)
	}))
	one = newMaster(t, WithMultimaster(OtherMaster{URL: atTwo, Releases: []string{releaseElsewhere}}))
	two = newMaster(t, WithMultimaster(OtherMaster{URL: atOne, Releases: []string{releaseElsewhere}}))
	_, err := one.ask(asking{title: "x", release: releaseElsewhere})
	refused(t, http.StatusLoopDetected, err)
	require.Empty(t, append(one.records(), two.records()...))
}

// Masters of the reference do not tell that they forward.
func TestForwardingInARingOfStrangers(t *testing.T) {
	var m *testMaster
	var mu sync.Mutex
	passes := 0
	stranger := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		passes++
		mu.Unlock()
		r.Header.Del(pathHeader)
		m.server.ServeHTTP(w, r)
	}))
	m = newMaster(t, WithMultimaster(OtherMaster{URL: stranger, Releases: []string{releaseElsewhere}}))
	_, err := m.ask(asking{title: "x", release: releaseElsewhere})
	refused(t, http.StatusLoopDetected, err)
	require.Equal(t, maxHops, passes)
}

// While another master takes its time, this one serves others.
func TestForwardingHoldsNothing(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		w.WriteHeader(http.StatusNotFound)
	}))
	m := newMaster(t, WithMultimaster(OtherMaster{URL: slow, Releases: []string{releaseElsewhere}}))
	m.layout("computer", 1)
	done := make(chan error, 1)
	go func() {
		_, err := m.ask(asking{title: "x", release: releaseElsewhere})
		done <- err
	}()
	<-arrived
	require.Equal(t, "computer/p0", m.place(asking{title: "y"}))
	close(release)
	refused(t, http.StatusNotFound, <-done)
}

func TestForwardingOverTLS(t *testing.T) {
	other := newMaster(t, WithComputerID("external"))
	other.layout("external", 1)
	var presented []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.TLS.PeerCertificates {
			presented = append(presented, c.Subject.CommonName)
		}
		other.server.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a master that does not trust it ends the handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	cert, key, ca := clientPair(t, server)

	verified := OtherMaster{URL: server.URL, KeyFile: key, CertFile: cert, CAFile: ca, Releases: []string{releaseElsewhere}}
	m := newMaster(t, WithMultimaster(verified))
	require.Equal(t, "external/p0", m.place(asking{title: "x", release: releaseElsewhere}))
	require.Equal(t, []string{"the forwarding master"}, presented)

	strange := verified
	strange.CAFile = ""
	_, err := newMaster(t, WithMultimaster(strange)).ask(asking{title: "x", release: releaseElsewhere})
	refused(t, statusUnreachable, err)
	strange.Unverified = true
	require.Equal(t, "external/p0", newMaster(t, WithMultimaster(strange)).place(asking{title: "x", release: releaseElsewhere}))
}

// clientPair writes a client certificate, its key, and the server's certificate.
func clientPair(t *testing.T, server *httptest.Server) (cert, key, ca string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the forwarding master"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret),
		write("ca.pem", "CERTIFICATE", server.Certificate().Raw)
}

func TestOtherMastersAreChecked(t *testing.T) {
	for _, o := range []OtherMaster{
		{},
		{URL: "localhost:5000"},
		{URL: "ftp://localhost/"},
		{URL: "http://"},
		{URL: "https://localhost/", CAFile: "/nonexistent"},
		{URL: "https://localhost/", CAFile: "forward_test.go"},
	} {
		_, err := Open(t.Context(), "", WithMultimaster(o))
		require.ErrorContains(t, err, "[multimaster/"+o.URL+"]")
	}
}

// TestForwardingTranscript replays what the proxy 1.26.1 did between its client and
// another proxy: it forwards the same requests and answers the same.
func TestForwardingTranscript(t *testing.T) {
	type step struct {
		exchange
		Forwarded bool
	}
	f, err := os.Open("testdata/transcript-forward-1.26.1.jsonl")
	require.NoError(t, err)
	defer f.Close()
	var expected []step // what the other master is going to be asked
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	here := "http://" + listener.Addr().String()
	const there = "http://127.0.0.1:18602"
	other := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/getRunId" { // the reference asks twice
			_, _ = io.WriteString(w, "another")
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || len(expected) == 0 {
			w.WriteHeader(http.StatusRequestTimeout) // the steps "not ready"
			return
		}
		x := expected[0]
		expected = expected[1:]
		want, err := parseFields(x.Body)
		if err != nil {
			t.Error(err)
		}
		got, err := parseFields(strings.ReplaceAll(string(body), strings.ReplaceAll(here[7:], ":", "%3A"), strings.ReplaceAll(there[7:], ":", "%3A")))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: forwarded (-reference +ours):\n%s", x.Step, diff)
		}
		if diff := cmp.Diff(x.Headers["authorization"], r.Header.Get("Authorization")); diff != "" {
			t.Errorf("%s: authorization (-reference +ours):\n%s", x.Step, diff)
		}
		_, _ = io.WriteString(w, x.Answer)
	})}}
	other.Start()
	defer other.Close()
	m := newMaster(t, WithMultimaster(
		OtherMaster{URL: here + "/", Releases: []string{"http://sr.example/forwarded/software.cfg", "http://sr.example/notready/software.cfg"}},
		OtherMaster{
			URL: here, Releases: []string{"http://sr.example/forwarded-from-partition/software.cfg"},
			Computer: "external_computer", Partition: "slappart0",
		},
		OtherMaster{URL: "http://127.0.0.1:9", Releases: []string{"http://sr.example/dead/software.cfg"}},
		OtherMaster{URL: "https://127.0.0.1:9", Releases: []string{"http://sr.example/nocert/software.cfg"}},
	))
	require.NoError(t, m.format(t.Context(), Principal{}, computerConfiguration{
		reference: "computer", partitions: []partitionConfiguration{{reference: "slappart0"}},
	}))
	m.place(asking{title: "asker"})
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var x step
		require.NoError(t, json.Unmarshal(lines.Bytes(), &x))
		if x.Forwarded {
			if x.Method == http.MethodPost {
				expected = append(expected, x)
			}
			continue
		}
		x.Body = strings.ReplaceAll(x.Body, strings.ReplaceAll(there[7:], ":", "%3A"), strings.ReplaceAll(here[7:], ":", "%3A"))
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, x.request(t))
		require.Equal(t, x.Status, w.Code, "%s: %s", x.Step, w.Body)
		require.Empty(t, expected, "%s: nothing was forwarded", x.Step)
		if x.Status == http.StatusOK {
			require.Equal(t, strings.TrimSpace(x.Answer), strings.ReplaceAll(strings.TrimSpace(w.Body.String()), here, there), x.Step)
		}
	}
	require.NoError(t, lines.Err())
}
