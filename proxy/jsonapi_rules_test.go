package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// What nodes report by this API is kept as what they report to the slap tool.
func TestJSONReportsAreKept(t *testing.T) {
	c := newJSONClient(t)
	c.describe(1)
	c.request(wanted("A"))
	c.ok("put.v0.software_instance_error", object{"instance_guid": "A______0", "message": "it\x1bbroke"})
	i := c.at("computer/slappart0").Instance
	require.Equal(t, "#error while instanciating: it\uFFFDbroke", i.Status.Text)
	require.Equal(t, "it\uFFFDbroke", i.Error.Text)
	c.ok("put.v0.software_instance_reported_state", object{"instance_guid": "A______0", "reported_state": "stopped"})
	require.Equal(t, "#access Instance correctly stopped", c.at("computer/slappart0").Instance.Status.Text)
	c.ok("put.v0.software_instance_bang", object{"instance_guid": "A______0", "message": "again"})
	require.Equal(t, "again", c.at("computer/slappart0").Instance.Bang.Text)

	release := object{"software_release_uri": "http://sr//", "computer_guid": "computer"}
	c.ok("post.v0.software_installation", release)
	release["reported_state"] = "building"
	c.ok("put.v0.software_installation_reported_state", release)
	status, err := c.releaseStatus(t.Context(), Principal{}, "http://sr//", "computer")
	require.NoError(t, err)
	require.Contains(t, marshal.Repr(status), "#building software release http://sr//")

	c.ok("put.v0.compute_node_bang", object{"computer_guid": "computer", "message": "help"})
	require.Equal(t, "#error bang: help", c.ok("get.v0.compute_node_status", object{"computer_guid": "computer"})["text"])

	status400, answer := c.call("post.v0.compute_node_usage", object{"computer_guid": "computer", "tioxml": "<journal"})
	require.Equal(t, 400, status400)
	require.Contains(t, answer["title"], "TioFormat")
	usage, err := os.ReadFile("testdata/usage.xml")
	require.NoError(t, err)
	c.done("Usage reported", "post.v0.compute_node_usage", object{"computer_guid": "computer", "tioxml": string(usage)})
	c.refused(403, "nowhere is not registered.", "post.v0.compute_node_usage", object{"computer_guid": "nowhere", "tioxml": string(usage)})
}

// Every instance is found by the guid that the master gave it, whatever its
// title and that of its root are.
func TestJSONGUIDs(t *testing.T) {
	c := newJSONClient(t)
	titles := []string{"a", "a___b", "a_", "_", "___", "______0", "a___b___1", "é___", "x y", `"'`, "0"}
	c.describe(2 * len(titles))
	for i, title := range titles {
		guid := c.request(wanted(title))["instance_guid"].(string)
		require.Equal(t, title, c.instance(guid)["title"], guid)
		child := c.request(wanted("child_of_"), by(fmt.Sprint("slappart", 2*i))...)
		require.Equal(t, title, child["root_instance_title"])
		require.Equal(t, child, c.instance(child["instance_guid"].(string)))
		shared := c.request(wanted("s___h", "shared", true), by(fmt.Sprint("slappart", 2*i))...)
		require.Equal(t, shared["instance_guid"], c.instance(shared["instance_guid"].(string))["instance_guid"])
	}
	c.ok("put.v0.software_instance_title", object{"instance_guid": "a___b______0", "title": "renamed"})
	c.instance("renamed______0")
	for _, guid := range []string{"", "_", "___", "a___0", "a______", "a______0x", "a______1_0", "a______ 0", "0", strings.Repeat("_", 1<<16) + "0"} {
		c.refused(403, "instance_guid "+excerpt("instance_guid " + guid)[len("instance_guid "):]+notHandledEnd(guid), "get.v0.software_instance", object{"instance_guid": guid})
	}
}

// notHandledEnd is the end of the message about a guid, unless it is cut.
func notHandledEnd(guid string) string {
	if len(guid) > maxMessage {
		return ""
	}
	return " not handled."
}

// A guid that stands for two instances is refused rather than guessed.
func TestJSONAmbiguousGUID(t *testing.T) {
	c := newJSONClient(t)
	c.describe(3)
	c.request(wanted("x_")) // x_ ___ ___ 0
	c.request(wanted("_"))  // a root, for the next
	require.Equal(t, "slappart1", c.instance("_______0")["compute_partition_id"])
	c.request(wanted("x"), by("slappart1")...) // x ___ _ ___ 0
	c.refused(403, "instance_guid x_______0 stands for several instances: rename one of them.", "put.v0.software_instance_reported_state",
		object{"instance_guid": "x_______0", "reported_state": "destroyed"})
	require.NotNil(t, c.at("computer/slappart0").Instance)
	require.NotNil(t, c.at("computer/slappart2").Instance)
}

// The states of shared instances are those that they have.
func TestJSONSharedStates(t *testing.T) {
	c := newJSONClient(t)
	c.describe(1)
	c.request(wanted("Host"))
	const guid = "S______1"
	for _, state := range []string{"started", "stopped", "started"} {
		require.Equal(t, state, c.request(wanted("S", "shared", true, "state", state))["state"])
		require.Equal(t, state, c.instance(guid)["state"])
	}
	c.request(wanted("S", "shared", true, "state", "destroyed"))
	c.refused(403, "No shared instance "+guid+" found.", "get.v0.software_instance", object{"instance_guid": guid})
	require.Len(t, c.list("allDocs.v0.instance_tree_list", object{}), 1)
}

// Parameters that came by the slap tool and fit no JSON are shown as text.
func TestJSONShowsWhatTheSlapToolKept(t *testing.T) {
	c := newJSONClient(t)
	c.layout("computer", 1)
	c.place(asking{title: "H"})
	inside := marshal.NewList()
	inside.Items = append(inside.Items, inside)
	c.place(asking{title: "S", shared: true, parameters: object{"inside": inside, "c": complex(1, 2), "t": marshal.Tuple{"a"}}})
	require.Equal(t, object{"inside": "...", "c": "(1+2j)", "t": []any{"a"}}, c.instance("S______1")["parameters"])
}

// With an Accept header that excludes JSON nothing is done.
func TestJSONAccept(t *testing.T) {
	c := newJSONClient(t)
	c.describe(1)
	for accept, want := range map[string]bool{
		"": true, "*/*": true, "application/*": true, "application/json": true, "text/html, */*;q=0.1": true, "application/json ;Q=1": true,
		"text/html": false, "application/json;q=0, */*": false, "*/*;q=0": false, "application/json;q=x": false, "text/*": false,
	} {
		status, _ := c.call("post.v0.software_installation", object{"software_release_uri": "u" + accept, "computer_guid": "computer"}, "Accept", accept)
		require.Equal(t, want, status == 200, accept)
		require.True(t, want || status == 406, accept)
	}
	require.Len(t, c.list("allDocs.v0.compute_node_software_installation_list", object{"computer_guid": "computer"}), 6)
}

// A database that fails is told in the words of the API, and so is an answer
// that does not fit the schema, after which nothing is changed.
func TestJSONFailures(t *testing.T) {
	c := newJSONClient(t)
	c.layout("computer", 2)
	const method = "post.v0.software_installation"
	supply := c.server.json[method]
	c.server.json[method] = func(m *master, ctx context.Context, call *jsonCall) (*marshal.Dict, error) {
		return nil, m.store.Update(ctx, func(tx store.Tx) error {
			if _, err := tx.EnsureComputer("lost"); err != nil {
				return err
			}
			return call.check(marshal.NewDict().Set("type", "weird").Set("title", ""))
		})
	}
	before := c.readable("before")
	c.refused(500, "'weird' does not fit const", method, object{"software_release_uri": "u", "computer_guid": "lost"})
	require.Equal(t, before, c.readable("after a refused answer"))
	c.server.json[method] = supply

	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	w := sendJSON(s, "post.v0.software_installation", `{"software_release_uri": "u", "computer_guid": "c"}`)
	require.Equal(t, 503, w.Code)
	require.JSONEq(t, `{"status": 503, "type": "Service Unavailable", "title": "The master is shutting down, nothing was changed."}`, w.Body.String())

	w = httptest.NewRecorder()
	refuseJSON(w, errors.New("a secret"))
	require.JSONEq(t, `{"status": 500, "type": "Internal Server Error", "title": "Internal server error"}`, w.Body.String())
}

// States that cannot be asked for here, but by the slap tool and in imported
// databases, are told, and keep nobody from seeing and changing the rest.
func TestJSONOddStates(t *testing.T) {
	c := newJSONClient(t)
	c.describe(3)
	c.place(asking{title: "Odd", state: "weird"})
	c.place(asking{title: "Even"})
	require.NoError(t, c.store.Update(t.Context(), func(tx store.Tx) error {
		computer, err := tx.Computer("computer")
		require.NoError(t, err)
		return tx.InsertSoftware(&store.Software{ComputerID: computer.ID, Computer: "computer", URL: "u", State: "odd"})
	}))
	states := func(method, name string) (all []any) {
		for _, item := range c.list(method, object{"computer_guid": "computer"}) {
			row := item.(object)
			all = append(all, row[name], row["state"])
		}
		return all
	}
	require.Equal(t, []any{"Odd", "weird", "Even", "started"}, states("allDocs.v0.compute_node_instance_list", "title"))
	require.Equal(t, []any{"u", "odd"}, states("allDocs.v0.compute_node_software_installation_list", "software_release_uri"))
	require.Equal(t, "weird", c.ok("get.v0.software_instance", object{"instance_guid": "Odd______0"})["state"])
	require.Equal(t, "weird", c.ok("get.v0.instance_tree", object{"title": "Odd"})["state"])
	// A child that is there gets the state of its root, which can be made usual.
	require.Equal(t, "started", c.request(wanted("child"), by("slappart0")...)["state"])
	require.Equal(t, "weird", c.request(wanted("child"), by("slappart0")...)["state"])
	require.Equal(t, "stopped", c.request(wanted("Odd", "state", "stopped"))["state"])
	c.refused(400, "'weird' is not one of ['started', 'stopped', 'destroyed']", "post.v0.software_instance", wanted("Odd", "state", "weird"))
}

func TestJSONDocumentation(t *testing.T) {
	s := newMaster(t).server
	w := get(s, "/slapos.json")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/schema+json", w.Header().Get("Content-Type"))
	require.True(t, json.Valid(w.Body.Bytes()))
	w = get(s, "/jsonapi/")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	for name := range s.json {
		require.Contains(t, w.Body.String(), name)
	}
	require.Len(t, s.json, 25)
	w = get(s, "/jsonapi", "X-Forwarded-Prefix", "/p")
	require.Equal(t, 308, w.Code)
	require.Equal(t, "/p/jsonapi/", w.Header().Get("Location"))
	require.Equal(t, 405, sendJSON(s, "json", "{}").Code)
}

// Every call asks the authorizer, and what it refuses is refused in JSON.
func TestJSONAuthorization(t *testing.T) {
	c := newJSONClient(t, WithAuthorizer(refusing{}))
	require.NoError(t, c.store.Update(t.Context(), func(t store.Tx) error {
		row, err := t.EnsureComputer("computer")
		if err == nil {
			err = t.FormatComputer(row)
		}
		return err
	}))
	bodies := jsonBodies()
	for method := range c.server.json {
		switch method {
		case "get.v0.hateoas_url", "post.v0.compute_node_certificate", "remove.v0.compute_node_certificate", "get.v0.software_instance_certificate":
			continue // they tell nothing
		}
		w := sendJSON(c.server, method, bodies[method])
		require.Equal(t, 403, w.Code, "%s: %s", method, w.Body)
		require.Contains(t, w.Body.String(), "anonymous may not", method)
	}
}
