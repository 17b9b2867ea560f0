package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// fixture returns a file of testdata.
func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(data)
}

func TestComputerIsReadOnceAndRefreshedOnDemand(t *testing.T) {
	var reads atomic.Int32
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		reads.Add(1)
		fmt.Fprint(w, fixture(t, "computer.xml"))
	}))
	ctx := context60(t)
	computer := c.Computer("COMP-7")
	releases, err := computer.SoftwareReleases(ctx)
	require.NoError(t, err)
	partitions, err := computer.Partitions(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, reads.Load())
	require.NoError(t, computer.Refresh(ctx))
	require.EqualValues(t, 2, reads.Load())

	require.Len(t, releases, 2)
	require.Equal(t, "https://example.org/db/software.cfg", releases[0].URI())
	require.Equal(t, "COMP-7", releases[0].ComputerID())
	require.Equal(t, StateAvailable, releases[0].State())
	require.Equal(t, StateDestroyed, releases[1].State())
	require.Len(t, partitions, 2)
	checkAllocated(t, partitions[0])
	checkFree(t, partitions[1])
}

// checkAllocated checks the getters on an instance as a real master describes
// it.
func checkAllocated(t *testing.T, p *ComputerPartition) {
	id, err := p.ID()
	require.NoError(t, err)
	require.Equal(t, "slappart0", id)
	require.Equal(t, "COMP-7", p.ComputerID())
	guid, err := p.InstanceGUID()
	require.NoError(t, err)
	require.Equal(t, "SOFTINST-12", guid)
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, StateStarted, state)
	kind, err := p.Type()
	require.NoError(t, err)
	require.Equal(t, "postgres", kind)
	require.Equal(t, "#access ok", p.AccessStatus())
	require.True(t, p.NeedModification())
	release, err := p.SoftwareRelease()
	require.NoError(t, err)
	require.Equal(t, "https://example.org/db/software.cfg", release.URI())
	require.Equal(t, "1795562214", p.Timestamp(), "a real master writes an integer")
	require.Equal(t, Parameters{"computer_guid": "COMP-7"}, p.Filter())
	require.Equal(t, []NetworkAddress{{"tap0", "10.0.0.2"}, {"tap0", "fd00::2"}}, p.IPList())
	require.Empty(t, cmp.Diff([]SharedInstance{{
		Reference: "SOFTINST-13", Title: "share", SoftwareType: "postgres",
		Parameters: Parameters{"name": "é", "connection-parameter-hash": "ab", "size": int64(3)},
	}}, p.SharedInstances()))

	v, err := p.InstanceParameter("quota")
	require.NoError(t, err)
	require.Equal(t, 1.5, v)
	_, err = p.InstanceParameter("nope")
	require.ErrorIs(t, err, ErrNotFound)
	require.NotErrorIs(t, err, ErrNotReady)
	p.InstanceParameters()["quota"] = "changed"
	v, err = p.InstanceParameter("quota")
	require.NoError(t, err)
	require.Equal(t, 1.5, v, "what a getter returns is a copy")

	url, err := p.ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "postgres://[fd00::2]/", url)
	_, err = p.ConnectionParameter("empty")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, err, ErrNotReady)
	require.Equal(t, Parameters{"url": "postgres://[fd00::2]/", "empty": nil}, p.ConnectionParameters())
}

func checkFree(t *testing.T, p *ComputerPartition) {
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, StateDestroyed, state)
	_, err = p.SoftwareRelease()
	require.ErrorIs(t, err, ErrNotFound)
	_, err = p.Type()
	require.ErrorIs(t, err, ErrNotReady)
	require.Empty(t, p.InstanceParameters())
	require.Empty(t, p.ConnectionParameters())
	require.Empty(t, p.IPList())
	require.Empty(t, p.SharedInstances())
	require.Empty(t, p.Timestamp())
	require.False(t, p.NeedModification())
}

func TestComputerFallsBackToTheOldCall(t *testing.T) {
	var paths []string
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, strings.Trim(r.URL.Path, "/"))
		if r.URL.Path == "/getFullComputerInformation" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `<marshal><object id="i2" module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple>`+
			`<dictionary id="i3"><string>_computer_partition_list</string><list id="i4"/></dictionary></object></marshal>`)
	}))
	partitions, err := c.Computer("c").Partitions(context60(t))
	require.NoError(t, err)
	require.Empty(t, partitions)
	require.Equal(t, []string{"getFullComputerInformation", "getComputerInformation"}, paths)
}

func TestUnknownComputer(t *testing.T) {
	c := client(t, serve(t, http.NotFound))
	computer := c.Computer("c")
	_, err := computer.Partitions(context60(t))
	require.ErrorIs(t, err, ErrNotFound)
	err = c.Supply().Supply(context60(t), "sr", "c", "")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, `computer "c" is not known to the master`)
	_, err = computer.GenerateCertificate(context60(t))
	require.ErrorIs(t, err, ErrCertificate)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestFailedRefreshKeepsWhatWasKnown(t *testing.T) {
	fail := false
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fail:
			http.Error(w, "no", http.StatusInternalServerError)
		case r.URL.Path == "/registerComputerPartition":
			fmt.Fprint(w, fixture(t, "partition.xml"))
		default:
			fmt.Fprint(w, fixture(t, "computer.xml"))
		}
	}))
	ctx := context60(t)
	computer := c.Computer("COMP-7")
	_, err := computer.Partitions(ctx)
	require.NoError(t, err)
	p, err := c.ComputerPartition(ctx, "COMP-7", "slappart0")
	require.NoError(t, err)
	checkAllocated(t, p)
	fail = true
	require.ErrorIs(t, computer.Refresh(ctx), ErrServer)
	require.ErrorIs(t, p.Refresh(ctx), ErrServer)
	partitions, err := computer.Partitions(ctx)
	require.NoError(t, err)
	require.Len(t, partitions, 2)
	checkAllocated(t, p)
	fail = false
	require.NoError(t, p.Refresh(ctx))
	checkAllocated(t, p)
}

func TestStatusAndCertificate(t *testing.T) {
	answers := map[string]string{
		"/getComputerStatus":               `<marshal><dictionary id="i2"><string>user</string><string>COMP-7</string><string>created_at</string><string>Mon, 23 Nov 2026</string><string>text</string><string>#access OK</string><string>no_data</string><int>1</int></dictionary></marshal>`,
		"/getComputerPartitionStatus":      `<marshal><string>Not implemented.</string></marshal>`,
		"/getComputerPartitionCertificate": `<marshal><dictionary id="i2"><string>certificate</string><string>C</string><string>key</string><string>K</string></dictionary></marshal>`,
		"/generateComputerCertificate":     `<marshal><dictionary id="i2"><string>certificate</string><string>C2</string><string>key</string><string>K2</string></dictionary></marshal>`,
		"/getHostingSubscriptionIpList":    `<marshal><list id="i2"><tuple><string>tap0</string><string>fd00::1</string></tuple></list></marshal>`,
		"/revokeComputerCertificate":       ``,
		"/requestComputer":                 `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>COMP-9</string></tuple><dictionary><string>_computer_id</string><string>COMP-9</string></dictionary></object></marshal>`,
	}
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answers[r.URL.Path]) }))
	ctx := context60(t)
	p := c.PartitionReference("COMP-7", "slappart0")
	status, err := c.Computer("COMP-7").Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "#access OK", status.Text)
	require.Equal(t, "COMP-7", status.User)
	require.Equal(t, "Mon, 23 Nov 2026", status.CreatedAt)
	require.EqualValues(t, 1, status.Fields["no_data"])
	status, err = p.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, "Not implemented.", status.Text)
	certificate, err := p.Certificate(ctx)
	require.NoError(t, err)
	require.Equal(t, Certificate{Key: "K", Certificate: "C"}, certificate)
	certificate, err = c.Computer("COMP-7").GenerateCertificate(ctx)
	require.NoError(t, err)
	require.Equal(t, Certificate{Key: "K2", Certificate: "C2"}, certificate)
	require.NoError(t, c.Computer("COMP-7").RevokeCertificate(ctx))
	addresses, err := p.HostingIPAddresses(ctx)
	require.NoError(t, err)
	require.Equal(t, []NetworkAddress{{"tap0", "fd00::1"}}, addresses)
	computer, err := c.OpenOrder().RequestComputer(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, "COMP-9", computer.ID())
	p.SetUsage("usage")
	require.Equal(t, "usage", p.Usage())
}

// TestWaitingForAnotherReading ends with the context of who waits, and what is known
// is told while it is read again.
func TestWaitingForAnotherReading(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		fmt.Fprint(w, emptyComputer)
	}))
	computer := c.Computer("COMP-1")
	done := make(chan error)
	read := func() { done <- computer.Refresh(context60(t)) }
	go read()
	<-entered
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	_, err := computer.Partitions(ctx)
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, enough)
	release <- struct{}{}
	require.NoError(t, <-done)

	go read()
	<-entered
	_, err = computer.SoftwareReleases(context60(t))
	require.NoError(t, err)
	release <- struct{}{}
	require.NoError(t, <-done)
}

// TestListsThatAreNone are no empty lists: a program that compares would remove all
// there is.
func TestListsThatAreNone(t *testing.T) {
	ctx := context60(t)
	for name, text := range map[string]string{
		"no list of partitions":            `<dictionary/>`,
		"null as the list":                 `<dictionary><string>_computer_partition_list</string><none/></dictionary>`,
		"text as the list":                 `<dictionary><string>_computer_partition_list</string><string>x</string></dictionary>`,
		"text as the list of the releases": `<dictionary><string>_computer_partition_list</string><list/><string>_software_release_list</string><string>x</string></dictionary>`,
	} {
		a := newAsked(t, 200, `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple>`+text+`</object></marshal>`)
		_, err := a.Computer("c").Partitions(ctx)
		require.ErrorIs(t, err, ErrServer, name)
		_, err = a.Computer("c").SoftwareReleases(ctx)
		require.ErrorIs(t, err, ErrServer, name)
		_, err = a.Computer("c").Snapshot(ctx)
		require.ErrorIs(t, err, ErrServer, name)
	}
}

// TestObjectsWithoutIdentity are refused: a partition that is read again does not
// lose its identifier, and no release is one without a URL.
func TestObjectsWithoutIdentity(t *testing.T) {
	ctx := context60(t)
	object := func(class, args, state string) string {
		return `<object module="slapos.slap.slap" class="` + class + `"><tuple>` + args + `</tuple><dictionary>` + state + `</dictionary></object>`
	}
	pending := object("ComputerPartition", "<none/><none/><dictionary><string>a</string><none/></dictionary>", "")
	a := newAsked(t, 200, "<marshal>"+pending+"</marshal>")
	p := a.PartitionReference("C", "P")
	require.ErrorIs(t, p.Refresh(ctx), ErrServer)
	id, err := p.ID()
	require.NoError(t, err)
	require.Equal(t, "P", id)

	const lists = "<string>_computer_partition_list</string><list>%s</list><string>_software_release_list</string><list>%s</list>"
	placed := object("ComputerPartition", "<string>C</string><string>P</string>",
		"<string>_software_release_document</string>"+object("SoftwareRelease", "", ""))
	for text, ok := range map[string]bool{
		fmt.Sprintf(lists, placed, ""):                                   true,
		fmt.Sprintf(lists, pending, ""):                                  false,
		fmt.Sprintf(lists, "", object("SoftwareRelease", "<none/>", "")): false,
	} {
		a.text = "<marshal>" + object("Computer", "<string>C</string>", text) + "</marshal>"
		partitions, err := a.Computer("C").Partitions(ctx)
		if !ok {
			require.ErrorIs(t, err, ErrServer)
			continue
		}
		require.NoError(t, err)
		_, err = partitions[0].SoftwareRelease()
		require.ErrorIs(t, err, ErrNotFound)
	}
	a.text = "<marshal>" + object("Computer", "<none/>", "") + "</marshal>"
	_, err = a.OpenOrder().RequestComputer(ctx, "t")
	require.ErrorIs(t, err, ErrServer)
}
