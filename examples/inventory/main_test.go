package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

const software = "https://example.org/web/software.cfg"

func inventory(t *testing.T, args ...string) (code int, out, problems string) {
	var o, p strings.Builder
	code = run(t.Context(), args, "", &o, &p)
	return code, o.String(), p.String()
}

// master has two nodes, and an instance on the first.
func master(t *testing.T) (*proxytest.Master, *slap.ComputerPartition) {
	m := proxytest.New(t, proxy.WithComputerID("node1"))
	m.Format(t, "node1", 2)
	m.Format(t, "node2", 1)
	m.Supply(t, "node1", software)
	part, err := m.Client.OpenOrder().Request(t.Context(), slap.Request{SoftwareRelease: software, Reference: "site"})
	require.NoError(t, err)
	require.NoError(t, m.Node("node1", func(*slap.ComputerPartition, *slap.SharedInstance) slap.Parameters {
		return slap.Parameters{"url": "https://me:s3cret@[fd00::1]/", "admin-password": "s3cret", "ip": "fd00::1", "name": "x y"}
	}).Pass(t.Context()))
	return m, part
}

func TestTable(t *testing.T) {
	m, part := master(t)
	code, out, problems := inventory(t, "-master", m.URL)
	require.Equal(t, allIsWell, code)
	require.Empty(t, problems)
	want := `
COMPUTER  WHAT        TITLE                                 WANTED     STATUS                                                                PUBLISHED
node1     release     https://example.org/web/software.cfg  available  #access software release https://example.org/web/software.cfg available
node1     slappart0   site                                  started    #access Instance correctly started                                    admin-password="***" ip="fd00::1" name="x y" url="https://[fd00::1]/ ***"
node1     slappart1                                         free
node2     slappart0                                         free
`
	require.Empty(t, cmp.Diff(lines(want), lines(out)))
	require.NotContains(t, out, "s3cret")

	require.NoError(t, part.ReportError(t.Context(), "it does not work"))
	code, out, _ = inventory(t, "-master", m.URL, "node1")
	require.Equal(t, somethingIsInError, code)
	require.Contains(t, out, "#error")
	require.NotContains(t, out, "node2")
}

// lines returns the words of a text, line by line.
func lines(text string) (all [][]string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		all = append(all, strings.Fields(line))
	}
	return all
}

func TestJSON(t *testing.T) {
	m, _ := master(t)
	code, out, problems := inventory(t, "-master", m.URL, "-json", "node1", "nobody")
	require.Equal(t, notAllIsKnown, code)
	require.Contains(t, problems, "nobody")
	var found []computer
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.Len(t, found, 2)
	require.NotEmpty(t, found[1].Problem)
	require.Empty(t, cmp.Diff(computer{
		Computer: "node1",
		Releases: []release{{software, slap.StateAvailable, "#access software release " + software + " available"}},
		Partitions: []partition{
			{
				Partition: "slappart0", Title: "site", Type: "default", Release: software, Wanted: slap.StateStarted,
				Status: "#access Instance correctly started",
				Published: map[string]string{
					"admin-password": hidden, "ip": "fd00::1", "name": "x y", "url": "https://[fd00::1]/ " + hidden,
				},
			},
			{Partition: "slappart1", Free: true},
		},
	}, found[0]))
}

func TestSecretsAreHidden(t *testing.T) {
	for _, test := range [][3]string{
		{"url", "http://[fd00::1]:80/x", "http://[fd00::1]:80/x"},
		{"url", "postgres://u:p@host/db?sslmode=off", "postgres://host/db " + hidden},
		{"url", "https://host/?token=1", "https://host/ " + hidden},
		{"url", "u:p@host", hidden}, {"url", "x://u:p@host/%zz", hidden},
		{"ip", "10.0.0.1", "10.0.0.1"}, {"address", "10.0.0.1:80", "10.0.0.1:80"}, {"ip", "fd00::1", "fd00::1"},
		{"monitor-Password", "x", hidden}, {"PrivateKey", "x", hidden}, {"_", `{"a": 1}`, hidden},
	} {
		require.Equal(t, test[2], public(test[0], test[1]), test)
	}
}

func TestHowItEnds(t *testing.T) {
	code, _, problems := inventory(t, "-nonsense")
	require.Equal(t, wrongCommandLine, code)
	require.NotEmpty(t, problems)
	code, _, problems = inventory(t, "-master", "ftp://x")
	require.Equal(t, wrongCommandLine, code)
	require.NotEmpty(t, problems)
	code, _, problems = inventory(t, "-master", "http://127.0.0.1:1")
	require.Equal(t, notAllIsKnown, code)
	require.Contains(t, problems, "could not connect")
}

// Masters that keep no status say so in several ways.
func TestStatusThatIsNotKept(t *testing.T) {
	for _, test := range []struct {
		status slap.Status
		err    error
		want   string
	}{
		{slap.Status{Text: "#access fine"}, nil, "#access fine"},
		{slap.Status{Text: "#error no data found for node1"}, nil, "unknown"},
		{slap.Status{Text: "Not implemented."}, nil, "unknown"},
		{slap.Status{}, slap.ErrNotFound, "unknown"},
	} {
		text, err := statusText(test.status, test.err)
		require.NoError(t, err)
		require.Equal(t, test.want, text)
	}
	_, err := statusText(slap.Status{}, slap.ErrServer)
	require.ErrorIs(t, err, slap.ErrServer)
}
