package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// instance returns the answer of a request.
func instance(attributes map[string]any) string {
	o := marshal.NewObject(marshal.ClassSoftwareInstance)
	for k, v := range attributes {
		o.State.Set(k, v)
	}
	data, err := marshal.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestRequestThatIsNotReady(t *testing.T) {
	ready := false
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			http.Error(w, "", http.StatusRequestTimeout)
			return
		}
		fmt.Fprint(w, instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P"}))
	}))
	r := Request{SoftwareRelease: "sr", Reference: "ref"}
	p, err := c.OpenOrder().Request(context60(t), r)
	require.Nil(t, p)
	require.ErrorIs(t, err, ErrNotReady)
	require.NotErrorIs(t, err, ErrConnection)
	pending, ok := errors.AsType[*NotReadyError](err)
	require.True(t, ok)
	require.Equal(t, r, pending.Request)
	ready = true
	p, err = c.OpenOrder().Request(context60(t), pending.Request)
	require.NoError(t, err)
	id, err := p.ID()
	require.NoError(t, err)
	require.Equal(t, "P", id)
	require.Equal(t, "C", p.ComputerID())
}

func TestSharedResultStandsForTheShare(t *testing.T) {
	requests := 0
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/requestComputerPartition", r.URL.Path, "the host is never read in place of the share")
		requests++
		connection := map[string]any{}
		if requests > 1 {
			connection["url"] = "http://share/"
		}
		fmt.Fprint(w, instance(map[string]any{
			"slap_computer_id": "C", "slap_computer_partition_id": "P", "slap_software_type": "frontend",
			"slap_software_release_url": "sr", "_connection_dict": connection, "_parameter_dict": map[string]any{"domain": "é"},
			"ip_list": []any{marshal.Tuple{"tap0", "10.0.0.2"}},
		}))
	}))
	p, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "ref", Shared: true, State: StateStopped})
	require.NoError(t, err)
	_, err = p.InstanceGUID()
	require.ErrorIs(t, err, ErrNotReady)
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, StateStopped, state)
	kind, err := p.Type()
	require.NoError(t, err)
	require.Equal(t, "frontend", kind)
	require.Equal(t, []NetworkAddress{{"tap0", "10.0.0.2"}}, p.IPList())
	require.Equal(t, Parameters{"domain": "é"}, p.InstanceParameters())
	_, err = p.ConnectionParameter("url")
	require.ErrorIs(t, err, ErrNotReady)
	require.NoError(t, p.Refresh(context60(t)))
	url, err := p.ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "http://share/", url)
}

func TestConnectionParametersOfAnOldMaster(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, instance(map[string]any{
			"slap_computer_id": "C", "slap_computer_partition_id": "P",
			"connection_xml": `<instance><parameter id="url">U</parameter></instance>`,
		}))
	}))
	p, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "ref"})
	require.NoError(t, err)
	url, err := p.ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "U", url)
	release, err := p.SoftwareRelease()
	require.NoError(t, err)
	require.Equal(t, "sr", release.URI())
}

func TestAnswerWithoutPlace(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, instance(map[string]any{"slap_computer_id": "C"}))
	}))
	_, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "ref"})
	require.ErrorIs(t, err, ErrServer)
	require.ErrorContains(t, err, `the instance "ref" has no computer or no partition`)
}

func TestRequestJournal(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "part0"), 0o755))
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
		WithRequestJournal(root))
	path := filepath.Join(root, "part0", ".slapos-request-transaction-part0")
	content := func() string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	p := c.PartitionReference("C", "part0")
	require.Empty(t, content(), "made empty when the partition becomes known")
	for _, reference := range []string{"one", "two", "one"} {
		_, err := p.Request(context60(t), Request{SoftwareRelease: "sr", Reference: reference})
		require.ErrorIs(t, err, ErrServer)
	}
	require.Equal(t, "one\ntwo\none\n", content())
	c.PartitionReference("C", "part0")
	require.Equal(t, "one\ntwo\none\n", content(), "not overwritten")
	_, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "root"})
	require.ErrorIs(t, err, ErrServer)
	require.Equal(t, "one\ntwo\none\n", content(), "open orders are not noted")

	c.PartitionReference("C", "absent")
	require.NoFileExists(t, filepath.Join(root, "absent"))
}

func TestRequestJournalStaysInItsPartition(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "part0"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "part1")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "file"), filepath.Join(root, "part0", ".slapos-request-transaction-part0")))
	c := client(t, "http://127.0.0.1:1/", WithRequestJournal(root))
	for _, id := range []string{"part0", "part1", "..", "../" + filepath.Base(outside), ".", outside} {
		c.PartitionReference("C", id)
	}
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestRefreshOfAShareRepeatsWhatWasSent, whatever became of the request since.
func TestRefreshOfAShareRepeatsWhatWasSent(t *testing.T) {
	a := newAsked(t, 200, instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P"}))
	r := Request{SoftwareRelease: "sr", Reference: "ref", Shared: true, Parameters: Parameters{"n": 1}, Filter: Parameters{}}
	p, err := a.OpenOrder().Request(context60(t), r)
	require.NoError(t, err)
	r.Parameters["n"], r.Filter["computer_guid"] = 2, "other"
	require.NoError(t, p.Refresh(context60(t)))
	require.Equal(t, a.calls[0], a.calls[1])
}

// TestParametersCalledLikeThoseOfTheMaster are hidden by them, in the answer of a
// request, too.
func TestParametersCalledLikeThoseOfTheMaster(t *testing.T) {
	own := map[string]any{"instance_title": "own", "timestamp": "own", "slap_software_type": "own", "ip_list": "own", "root_instance_title": "own"}
	a := newAsked(t, 200, instance(map[string]any{
		"slap_computer_id": "C", "slap_computer_partition_id": "P", "_parameter_dict": own, "slap_software_type": "db",
		"instance_title": "title", "root_instance_title": nil, "timestamp": 1795562214, "ip_list": []any{marshal.Tuple{"tap0", "10.0.0.2"}},
	}))
	p, err := a.OpenOrder().Request(context60(t), justRequest)
	require.NoError(t, err)
	kind, err := p.Type()
	require.NoError(t, err)
	require.Equal(t, []string{"db", "title", "1795562214"}, []string{kind, p.Title(), p.Timestamp()})
	require.Equal(t, []NetworkAddress{{"tap0", "10.0.0.2"}}, p.IPList())
	require.Equal(t, "own", p.RootTitle(), "the master says nothing of it")
	require.EqualValues(t, own, p.InstanceParameters())
}

// TestRequestAllThatIsGivenUp has the same error for requests that were not made yet.
func TestRequestAllThatIsGivenUp(t *testing.T) {
	a := newAsked(t, 200, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	parts, err := RequestAll(ctx, a.OpenOrder(), []Request{justRequest, justRequest}, 1)
	require.Equal(t, []*ComputerPartition{nil, nil}, parts)
	require.Empty(t, a.calls)
	for _, kind := range []error{ErrConnection, context.Canceled, enough} {
		require.ErrorIs(t, err, kind)
	}
}
