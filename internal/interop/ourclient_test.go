//go:build linux

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

const (
	releaseA = "http://release.example/a/software.cfg"
	releaseB = "http://release.example/b/software.cfg"
)

// otherwise are the steps at which our client library does on purpose something
// else than the reference's, with the reason; see the deviations of package slap.
var otherwise = map[string]string{
	"format":                            "the body of the answer is not told",
	"format again":                      "the body of the answer is not told",
	"lonely release's computer":         "a release without a computer has an empty one, not NameError",
	"node: error":                       "a failure of a report would be told",
	"error of a release":                "a failure of a report would be told",
	"product by url and name":           "cannot be said in Go",
	"parameters that are no dictionary": "cannot be said in Go",
}

// afterRequest are the steps at which ours knows the software type and the software
// release, and the reference's does not.
var afterRequest = []string{"requested", "child requested"}

// TestOurLibrary uses everything that our client library offers against the masters
// of both releases of the reference, and against ours, and compares what comes out,
// step by step, with what the client library of that release (against our master:
// of the newest) says.
func TestOurLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, test := range []struct {
		name, version string
		master        func(*testing.T) string
	}{
		{"master " + testpeer.Documented, testpeer.Documented, nil},
		{"master " + testpeer.Newest, testpeer.Newest, nil},
		{"our master", testpeer.Newest, func(t *testing.T) string { return proxytest.New(t).URL }},
		{"our master on PostgreSQL", testpeer.Newest, onPostgres},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, test.version)
			start := test.master
			if start == nil {
				start = func(t *testing.T) string { return peer.StartProxy(t, computerID).URL }
			}
			n := newNode(t, sandbox.New(t), theirs{peer}, peer, "")
			theirs := map[string][]any{}
			for _, step := range outcomes(t, n, start(t)) {
				name := step[0].(string)
				theirs[name] = append(theirs[name], step[1])
			}
			compare(t, theirs, ourOutcomes(t, start(t)))
			checkBesides(t, start(t), test.version == testpeer.Documented)
		})
	}
}

// compare compares the outcomes of the steps with those of the same name.
func compare(t *testing.T, theirs, ours map[string][]any) {
	t.Helper()
	require.Greater(t, len(ours), 90)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		require.Contains(t, theirs, name)
		if _, ok := otherwise[name]; ok {
			continue
		}
		if slices.Contains(afterRequest, name) {
			returned := func(all map[string][]any) map[string]any {
				return all[name][0].(map[string]any)["returned"].(map[string]any)
			}
			for _, key := range []string{"type", "release"} {
				if value := returned(theirs)[key]; value == "ResourceNotReady" || value == "NotFoundError" {
					returned(theirs)[key] = returned(ours)[key]
				}
			}
		}
		if diff := cmp.Diff(alike(theirs[name]), alike(ours[name])); diff != "" {
			t.Errorf("%s (-their client +ours):\n%s", name, diff)
		}
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok && otherwise[name] == "" {
			t.Errorf("our client has no step %q", name)
		}
	}
}

// alike drops what two runs or the two libraries tell differently: names of classes
// of errors that mean the same.
func alike(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = alike(item)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = alike(item)
		}
		if raised, ok := v["raised"]; ok {
			switch raised {
			case "HTTPError", "ServerError":
				out["raised"] = "ServerError"
			case "NameError", "AttributeError":
				out["raised"] = "NotFoundError"
			}
		}
		return out
	}
	return v
}

// script performs steps and notes what comes out.
type script struct {
	t     *testing.T
	ctx   context.Context
	c     *slap.Client
	steps map[string][]any
}

func (s *script) note(name string, outcome any) { s.steps[name] = append(s.steps[name], outcome) }

// step calls and notes what comes out.
func (s *script) step(name string, call func() (any, error)) {
	v, err := call()
	if err != nil {
		s.note(name, map[string]any{"raised": className(err)})
		return
	}
	s.note(name, map[string]any{"returned": s.simple(v)})
}

// does is step with a call that returns nothing.
func (s *script) does(name string, call func() error) {
	s.step(name, func() (any, error) { return nil, call() })
}

// className returns what the reference calls an error.
func className(err error) string {
	switch {
	case errors.Is(err, slap.ErrNotFound):
		return "NotFoundError"
	case errors.Is(err, slap.ErrNotReady):
		return "ResourceNotReady"
	case errors.Is(err, slap.ErrServer):
		return "ServerError"
	case errors.Is(err, slap.ErrConnection):
		return "ConnectionError"
	}
	return err.Error()
}

// simple returns what is stable in a value, as JSON.
func (s *script) simple(v any) any {
	data, err := json.Marshal(v)
	require.NoError(s.t, err)
	var out any
	require.NoError(s.t, json.Unmarshal(data, &out))
	return untimed(out)
}

func untimed(v any) any {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			v[i] = untimed(item)
		}
	case map[string]any:
		for key, item := range v {
			v[key] = untimed(item)
			if key == "timestamp" || key == "created_at" || key == "since" {
				v[key] = "TIME"
			}
		}
	}
	return v
}

func (s *script) computer() *slap.Computer { return s.c.Computer(computerID) }

func (s *script) partition(n int) *slap.ComputerPartition {
	p, err := s.c.ComputerPartition(s.ctx, computerID, fmt.Sprintf("part%d", n))
	require.NoError(s.t, err)
	return p
}

// requested is what the reference shows of a request that worked.
func requested(p *slap.ComputerPartition, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return "ComputerPartition", nil
}

func (s *script) releases() (any, error) {
	all, err := s.computer().SoftwareReleases(s.ctx)
	list := []any{}
	for _, r := range all {
		list = append(list, []any{r.URI(), r.State(), r.ComputerID()})
	}
	return list, err
}

func (s *script) overview() (any, error) {
	all, err := s.computer().Partitions(s.ctx)
	list := []any{}
	for _, p := range all {
		id, err := p.ID()
		require.NoError(s.t, err)
		state, err := p.State()
		require.NoError(s.t, err)
		uri := "free"
		if r, err := p.SoftwareRelease(); err == nil {
			uri = r.URI()
		}
		list = append(list, []any{id, state, uri})
	}
	return list, err
}

// about returns all that a partition tells of itself.
func about(p *slap.ComputerPartition) any {
	show := func(v any, err error) any {
		if err != nil {
			return className(err)
		}
		return v
	}
	id, errID := p.ID()
	guid, errGUID := p.InstanceGUID()
	state, errState := p.State()
	kind, errKind := p.Type()
	var uri any
	r, errRelease := p.SoftwareRelease()
	if errRelease == nil {
		uri = r.URI()
	}
	parameter, errParameter := p.InstanceParameter("nothing")
	connection, errConnection := p.ConnectionParameter("nothing")
	var access any
	if status := p.AccessStatus(); status != "" {
		access = status
	}
	return map[string]any{
		"id": show(id, errID), "guid": show(guid, errGUID), "state": show(state, errState), "type": show(kind, errKind),
		"parameters": p.InstanceParameters(), "connection": p.ConnectionParameters(),
		"release": show(uri, errRelease), "access": access,
		"missing parameter": show(parameter, errParameter), "missing connection": show(connection, errConnection),
	}
}

// moves is step, and notes which partitions' timestamps it changes.
func (s *script) moves(name string, which []int, call func() (any, error)) {
	before := map[int]string{}
	for _, n := range which {
		before[n] = s.partition(n).Timestamp()
	}
	s.step(name, call)
	moved := []int{}
	for _, n := range which {
		if s.partition(n).Timestamp() != before[n] {
			moved = append(moved, n)
		}
	}
	s.note(name+": timestamps moved", map[string]any{"returned": s.simple(moved)})
}

// ourOutcomes does in Go what testdata/client.py does, under the same names.
func ourOutcomes(t *testing.T, url string) map[string][]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	c, err := slap.New(url)
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	s := &script{t: t, ctx: ctx, c: c, steps: map[string][]any{}}
	s.format()
	s.software()
	s.instances()
	s.reports()
	s.tree()
	s.shares()
	s.end()
	return s.steps
}

func (s *script) format() {
	s.step("software of the configured computer", s.releases)
	s.step("partitions of the configured computer", s.overview)
	s.step("unknown computer", func() (any, error) { return s.c.Computer("COMP-X").Partitions(s.ctx) })
	s.step("unknown partition", func() (any, error) {
		p, err := s.c.ComputerPartition(s.ctx, computerID, "nowhere")
		if err != nil {
			return nil, err
		}
		return p.State()
	})
	s.step("empty partition", func() (any, error) { return s.c.ComputerPartition(s.ctx, computerID, "") })
	var partitions []any
	for n := range 6 {
		partitions = append(partitions, map[string]any{
			"reference": fmt.Sprintf("part%d", n), "tap": map[string]any{"name": fmt.Sprintf("tap%d", n)},
			"address_list": []any{
				map[string]any{"addr": fmt.Sprintf("127.0.1.%d", n), "netmask": "255.0.0.0"},
				map[string]any{"addr": fmt.Sprintf("fd00::%d", n), "netmask": "ffff::"},
			},
		})
	}
	xml, err := marshal.Marshal(map[string]any{
		"reference": computerID, "address": "127.0.0.1", "netmask": "255.0.0.0", "partition_list": partitions,
	})
	require.NoError(s.t, err)
	for _, name := range []string{"format", "format again"} {
		s.does(name, func() error { return s.computer().UpdateConfiguration(s.ctx, xml) })
	}
	s.step("formatted", s.overview)
	s.step("free partition", func() (any, error) { return about(s.partition(0)), nil })
}

func (s *script) software() {
	supply := func(url string, state slap.State) func() error {
		return func() error { return s.c.Supply().Supply(s.ctx, url, computerID, state) }
	}
	s.does("supply a", supply(releaseA, ""))
	s.does("supply b", supply(releaseB, slap.StateAvailable))
	s.step("supplied", s.releases)
	s.does("supply a again moves it to the end", supply(releaseA, ""))
	s.step("supplied again", s.releases)
	s.does("supply to a strange state", supply(releaseA, "upside-down"))
	lonely := s.c.SoftwareRelease(releaseA)
	s.step("lonely release", func() (any, error) { return lonely.URI(), nil })
	s.step("lonely release's computer", func() (any, error) { return lonely.ComputerID(), nil })
	s.step("lonely release's state", func() (any, error) { return lonely.State(), nil })
	s.does("lonely release building", func() error { return lonely.Building(s.ctx) })
	all, err := s.computer().SoftwareReleases(s.ctx)
	require.NoError(s.t, err)
	for _, r := range all {
		s.does("building", func() error { return r.Building(s.ctx) })
		s.does("available", func() error { return r.Available(s.ctx) })
		s.does("error of a release", func() error { return r.ReportError(s.ctx, "it fäiled <&>") })
	}
	s.does("supply b to be destroyed", supply(releaseB, slap.StateDestroyed))
	s.step("supplied to be destroyed", s.releases)
	all, err = s.computer().SoftwareReleases(s.ctx)
	require.NoError(s.t, err)
	for _, r := range all {
		if r.URI() == releaseB {
			s.does("destroyed", func() error { return r.Destroyed(s.ctx) })
		}
	}
	s.step("after destruction", s.releases)
	s.step("product", func() (any, error) {
		urls, err := s.c.SoftwareReleasesOfProduct(s.ctx, "nothing")
		return append([]string{}, urls...), err
	})
}

// order requests as a person does.
func (s *script) order(r slap.Request) func() (any, error) {
	return func() (any, error) { return requested(s.c.OpenOrder().Request(s.ctx, r)) }
}

// root is the root instance of the tree, with small parameters.
func root(change func(*slap.Request)) slap.Request {
	r := slap.Request{SoftwareRelease: releaseA, Reference: "root", SoftwareType: "other", Parameters: slap.Parameters{"text": "x"}}
	if change != nil {
		change(&r)
	}
	return r
}

func inState(state slap.State) func(*slap.Request) { return func(r *slap.Request) { r.State = state } }

func (s *script) instances() {
	first := slap.Request{
		SoftwareRelease: releaseA, Reference: "root", SoftwareType: "web", Parameters: slap.Parameters{
			"text": "grüße <&> \"'", "number": 7, "yes": true, "none": nil, "empty": "", "lines": "a\nb\n",
			"list": []any{1, "x"}, "a b": "c d",
		},
	}
	instance, err := s.c.OpenOrder().Request(s.ctx, first)
	s.step("request", func() (any, error) { return requested(instance, err) })
	require.NoError(s.t, err)
	s.step("requested", func() (any, error) { return about(instance), nil })
	s.step("as the node sees it", func() (any, error) { return about(s.partition(0)), nil })
	s.step("addresses", func() (any, error) { return s.partition(0).InstanceParameter("ip_list") })
	s.step("title", func() (any, error) { return s.partition(0).Title(), nil })
	s.step("overview with one", s.overview)
	s.moves("same request", []int{0}, s.order(first))
	s.moves("other parameters", []int{0}, s.order(root(func(r *slap.Request) { r.SoftwareType = "web" })))
	s.moves("other type", []int{0}, s.order(root(nil)))
	s.moves("stopped", []int{0}, s.order(root(inState(slap.StateStopped))))
	s.step("seen stopped", func() (any, error) { return s.partition(0).State() })
	s.moves("without a state", []int{0}, s.order(root(nil)))
	s.step("still stopped", func() (any, error) { return s.partition(0).State() })
	s.step("started", s.order(root(inState(slap.StateStarted))))
	s.step("on another computer", s.order(slap.Request{
		SoftwareRelease: releaseA, Reference: "elsewhere", Filter: slap.Parameters{"computer_guid": "COMP-X"},
	}))
	s.does("publish", func() error {
		return s.partition(0).SetConnectionParameters(s.ctx, slap.Parameters{"url": "http://[fd00::1]/é?a=b&c", "n": 3})
	})
	s.step("published", func() (any, error) { return s.partition(0).ConnectionParameters(), nil })
	again, err := s.c.OpenOrder().Request(s.ctx, root(nil))
	s.step("request reads it", func() (any, error) { return requested(again, err) })
	require.NoError(s.t, err)
	s.step("through the order", func() (any, error) { return again.ConnectionParameter("url") })
	s.step("not published", func() (any, error) { return again.ConnectionParameter("nothing") })
}

func (s *script) reports() {
	s.moves("node: started", []int{0}, func() (any, error) { return nil, s.partition(0).Started(s.ctx) })
	s.moves("node: stopped", []int{0}, func() (any, error) { return nil, s.partition(0).Stopped(s.ctx) })
	s.does("node: error", func() error { return s.partition(0).ReportError(s.ctx, "träceback\n <&>") })
	s.step("status", func() (any, error) {
		if status := s.partition(0).AccessStatus(); status != "" {
			return status, nil
		}
		return nil, nil
	})
	s.step("certificate", func() (any, error) {
		c, err := s.partition(0).Certificate(s.ctx)
		return map[string]any{"key": c.Key, "certificate": c.Certificate}, err
	})
	s.step("addresses of the tree", func() (any, error) {
		all, err := s.partition(0).HostingIPAddresses(s.ctx)
		list := []any{}
		for _, a := range all {
			list = append(list, []any{a.Name, a.Address})
		}
		return list, err
	})
	s.does("related instances", func() error { return s.partition(0).SetRelatedInstances(s.ctx, []string{"x"}) })
	s.does("bang of the computer", func() error { return s.computer().Bang(s.ctx, "help") })
	s.does("usage", func() error {
		return s.computer().ReportUsage(s.ctx, []byte(`<?xml version="1.0"?>`+"\n"+
			`<journal><transaction type="Sale Packing List"><title>t</title><start_date>2026-01-01 00:00:00</start_date>`+
			`<stop_date>2026-01-02 00:00:00</stop_date><reference>r</reference><currency></currency><payment_mode></payment_mode>`+
			`<category></category><arrow type="Destination"/><movement><resource>service_module/cpu_load_percent</resource>`+
			`<title>t</title><reference>part0</reference><quantity>1.0</quantity><price>0.0</price><VAT></VAT><category></category>`+
			`</movement></transaction></journal>`))
	})
	s.step("computer's status", func() (any, error) {
		status, err := s.computer().Status(s.ctx)
		return status.Text, err
	})
	s.step("computer's certificate", func() (any, error) { return s.computer().GenerateCertificate(s.ctx) })
	s.does("computer's revocation", func() error { return s.computer().RevokeCertificate(s.ctx) })
	s.step("request a computer", func() (any, error) {
		computer, err := s.c.OpenOrder().RequestComputer(s.ctx, "mine")
		if err != nil {
			return nil, err
		}
		return "Computer", computer.Refresh(s.ctx)
	})
}

// child is what the root instance requests.
func child(state slap.State) slap.Request {
	return slap.Request{
		SoftwareRelease: releaseB, SoftwareType: "db", Reference: "child", State: state, Parameters: slap.Parameters{"who": "child"},
	}
}

func (s *script) tree() {
	found, err := s.partition(0).Request(s.ctx, child(""))
	s.step("child", func() (any, error) { return requested(found, err) })
	require.NoError(s.t, err)
	s.step("child requested", func() (any, error) { return about(found), nil })
	s.step("child as the node sees it", func() (any, error) { return about(s.partition(1)), nil })
	s.step("grandchild", func() (any, error) {
		return requested(s.partition(1).Request(s.ctx, slap.Request{
			SoftwareRelease: releaseB, SoftwareType: "db", Reference: "grandchild", State: slap.StateStarted,
		}))
	})
	s.step("overview of the tree", s.overview)
	s.moves("child publishes", []int{0, 1, 2}, func() (any, error) {
		return nil, s.partition(1).SetConnectionParameters(s.ctx, slap.Parameters{"answer": "42"})
	})
	s.step("parent reads it", func() (any, error) {
		p, err := s.partition(0).Request(s.ctx, child(""))
		if err != nil {
			return nil, err
		}
		return p.ConnectionParameter("answer")
	})
	_, err = s.order(slap.Request{SoftwareRelease: releaseA, Reference: "stranger"})()
	require.NoError(s.t, err)
	s.moves("bang moves the tree", []int{0, 1, 2, 3}, func() (any, error) { return nil, s.partition(1).Bang(s.ctx, "all") })
	s.step("root stopped", s.order(root(inState(slap.StateStopped))))
	s.step("child follows", func() (any, error) {
		p, err := s.partition(0).Request(s.ctx, child(slap.StateStarted))
		if err != nil {
			return nil, err
		}
		return p.State()
	})
	s.step("root started", s.order(root(inState(slap.StateStarted))))
}

func (s *script) shares() {
	guest := func(state slap.State, p slap.Parameters) slap.Request {
		return slap.Request{SoftwareRelease: releaseA, Reference: "guest", SoftwareType: "other", Shared: true, State: state, Parameters: p}
	}
	list := func() []slap.SharedInstance { return s.partition(0).SharedInstances() }
	first := guest("", slap.Parameters{"domain": "x.example", "n": 5})
	s.moves("slave", []int{0}, s.order(first))
	s.step("slave as the node sees it", func() (any, error) { return s.partition(0).InstanceParameter("slave_instance_list") })
	s.moves("same slave", []int{0}, s.order(first))
	second := guest("", slap.Parameters{"domain": "y.example"})
	s.moves("changed slave", []int{0}, s.order(second))
	require.Len(s.t, list(), 1)
	reference := list()[0].Reference
	s.step("slave reference", func() (any, error) { return reference, nil })
	s.does("publish for the slave", func() error {
		return s.partition(0).SetSharedConnectionParameters(s.ctx, reference, slap.Parameters{"site": "http://y.example/"})
	})
	share, err := s.c.OpenOrder().Request(s.ctx, second)
	require.NoError(s.t, err)
	s.step("slave reads it", func() (any, error) { return share.ConnectionParameters(), nil })
	s.step("slave's partition", func() (any, error) { return share.ID() })
	s.step("slave by a partition", func() (any, error) {
		p, err := s.partition(1).Request(s.ctx, slap.Request{
			SoftwareRelease: releaseA, SoftwareType: "other", Reference: "inner", Shared: true, Parameters: slap.Parameters{"k": "v"},
		})
		if err != nil {
			return nil, err
		}
		return p.ConnectionParameters(), nil
	})
	s.step("two slaves", func() (any, error) {
		var references []string
		for _, shared := range list() {
			references = append(references, shared.Reference)
		}
		slices.Sort(references)
		return references, nil
	})
	s.step("slave without a host", s.order(slap.Request{
		SoftwareRelease: releaseB, Reference: "lost", SoftwareType: "nothing", Shared: true,
	}))
	s.moves("slave destroyed", []int{0}, s.order(guest(slap.StateDestroyed, nil)))
	s.step("one slave left", func() (any, error) { return len(list()), nil })
}

func (s *script) end() {
	s.does("rename", func() error { return s.partition(3).Rename(s.ctx, "renamed") })
	s.step("renamed", func() (any, error) { return s.partition(3).Title(), nil })
	s.step("fifth", s.order(slap.Request{SoftwareRelease: releaseA, Reference: "fifth"}))
	s.step("sixth", s.order(slap.Request{SoftwareRelease: releaseA, Reference: "sixth"}))
	s.step("no room", s.order(slap.Request{SoftwareRelease: releaseA, Reference: "seventh"}))
	s.moves("destroy the root", []int{0}, s.order(root(inState(slap.StateDestroyed))))
	s.does("destroyed while children live", func() error { return s.partition(0).Destroyed(s.ctx) })
	s.step("children are told", s.overview)
	for _, n := range []int{2, 1, 0, 2, 1, 0} {
		s.does(fmt.Sprintf("destroyed %d", n), func() error { return s.partition(n).Destroyed(s.ctx) })
	}
	s.step("the tree is gone", s.overview)
	s.step("free again", func() (any, error) { return about(s.partition(0)), nil })
	s.does("destroyed twice", func() error { return s.partition(0).Destroyed(s.ctx) })
}

// checkBesides checks what the script does not use: HATEOAS, whose address a
// stand-alone master does not tell, and what is of our library alone.
func checkBesides(t *testing.T, url string, old bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, where := range []string{"", url + "hateoas", url + "hateoas/"} {
		c, err := slap.New(url, slap.WithHateoasURL(where))
		require.NoError(t, err)
		s := &script{t: t, ctx: ctx, c: c, steps: map[string][]any{}}
		s.format()
		for n, name := range []string{"one", "two é"} {
			_, err = c.OpenOrder().Request(ctx, slap.Request{
				SoftwareRelease: releaseA, Reference: name, SoftwareType: "web", Parameters: slap.Parameters{"n": n},
			})
			require.NoError(t, err)
		}
		orders, err := c.OpenOrders(ctx)
		require.NoError(t, err)
		require.Len(t, orders, 2)
		require.Equal(t, "two é", orders[1].Reference)
		require.Equal(t, releaseA, orders[1].SoftwareRelease)
		information, err := c.OpenOrder().Information(ctx, "two é")
		require.NoError(t, err)
		require.Equal(t, slap.Parameters{"n": "1"}, information.Parameters)
		if !old {
			require.Equal(t, slap.StateStarted, information.State)
			require.Equal(t, "web", information.SoftwareType)
		}
		_, err = s.partition(0).Information(ctx, "none")
		require.ErrorIs(t, err, slap.ErrNotFound)
		computers, err := c.Computers(ctx)
		require.NoError(t, err)
		require.Len(t, computers, 1)
		computer, err := c.Computer(computerID).Information(ctx)
		require.NoError(t, err)
		require.Equal(t, computerID, computer.Title)
		for name, call := range map[string]func() error{
			"token":  func() error { _, err := c.Token(ctx); return err },
			"person": func() error { _, err := c.Me(ctx); return err },
		} {
			require.ErrorIs(t, call(), slap.ErrNotFound, name)
		}
		_, err = c.TreeInstances(ctx, "one")
		require.ErrorIs(t, err, slap.ErrServer)
		_, err = c.SoftwareInstallations(ctx, computerID)
		require.ErrorIs(t, err, slap.ErrServer)
		news, err := c.Computer(computerID).News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#error no data found", news.Text)
		p := s.partition(0)
		require.NoError(t, p.Refresh(ctx))
		_, err = p.Status(ctx)
		require.NoError(t, err)
		c.CloseIdleConnections()
	}
}
