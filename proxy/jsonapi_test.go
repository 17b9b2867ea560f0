package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// jsonClient calls the JSON API of a master.
type jsonClient struct {
	*testMaster
}

func newJSONClient(t *testing.T, opts ...Option) jsonClient {
	t.Helper()
	return jsonClient{newMaster(t, opts...)}
}

// object is a JSON object.
type object = map[string]any

// call sends a request; headers are keys and values.
func (c jsonClient) call(method string, body any, headers ...string) (int, object) {
	c.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(c.t, err)
	w := sendJSON(c.server, method, string(text), headers...)
	require.Equal(c.t, "application/json", w.Header().Get("Content-Type"))
	var answer object
	require.NoError(c.t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body)
	return w.Code, answer
}

func sendJSON(s *Server, method, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/slapos."+method, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// ok sends a request that must succeed.
func (c jsonClient) ok(method string, body any, headers ...string) object {
	c.t.Helper()
	status, answer := c.call(method, body, headers...)
	require.Equal(c.t, 200, status, answer)
	return answer
}

// refused sends a request that must be refused.
func (c jsonClient) refused(status int, title, method string, body any, headers ...string) {
	c.t.Helper()
	got, answer := c.call(method, body, headers...)
	require.Equal(c.t, status, got, answer)
	require.Equal(c.t, object{"status": float64(status), "type": http.StatusText(status), "title": title}, answer)
}

// done sends a request that is answered with a title only.
func (c jsonClient) done(title, method string, body any) {
	c.t.Helper()
	require.Equal(c.t, object{"type": "success", "title": title}, c.ok(method, body))
}

// partitionObjectOf describes a partition with two addresses.
func partitionObjectOf(name string, number int) object {
	tap := fmt.Sprint("tap", number)
	return object{"partition_id": name, "ip_list": []object{
		{"ip-address": fmt.Sprint("10.0.0.", number), "netmask": "255.255.255.255", "network-interface": tap},
		{"ip-address": fmt.Sprint("fd00::", number), "netmask": "ffff::", "network-interface": tap, "gateway-ip-address": "fd00::ff", "network-address": "fd00::"},
	}}
}

// describe formats the computer "computer" with partitions slappart0 and on.
func (c jsonClient) describe(n int) {
	c.t.Helper()
	list := []object{}
	for i := range n {
		list = append(list, partitionObjectOf(fmt.Sprint("slappart", i), i))
	}
	c.done("Formatted", "put.v0.compute_node_format", object{"computer_guid": "computer", "compute_partition_list": list})
}

// wanted is a request for an instance.
func wanted(title string, more ...any) object {
	o := object{"title": title, "software_release_uri": "http://sr//", "software_type": "foobar"}
	for i := 0; i < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

// by is the header of a request on behalf of a partition.
func by(partition string) []string {
	return []string{"Authorization", "X-SlapPartition computer_id=computer, computer_partition_id=" + partition}
}

func (c jsonClient) request(o object, headers ...string) object {
	c.t.Helper()
	return c.ok("post.v0.software_instance", o, headers...)
}

func (c jsonClient) instance(guid string) object {
	c.t.Helper()
	return c.ok("get.v0.software_instance", object{"instance_guid": guid})
}

func (c jsonClient) stamp(guid string) float64 {
	c.t.Helper()
	return c.instance(guid)["processing_timestamp"].(float64)
}

func (c jsonClient) list(method string, body object) []any {
	c.t.Helper()
	return c.ok(method, body)["result_list"].([]any)
}

func (c jsonClient) publish(guid string, parameters object) {
	c.t.Helper()
	c.done("Updated", "put.v0.software_instance_connection_parameter", object{"instance_guid": guid, "connection_parameter_dict": parameters})
}

// The items of the reference's own tests, test_slapproxy_json_rpc.py, as web.md
// 11 lists them.
func TestJSONChecklist(t *testing.T) {
	const first, second = "MyFirstInstance______0", "MySecondInstance___MyFirstInstance___0"
	for name, test := range map[string]func(c jsonClient){
		"hateoas_url": func(c jsonClient) {
			require.Equal(t, object{"hateoas_url": "http://localhost/hateoas/"}, c.ok("get.v0.hateoas_url", object{}))
			require.Equal(t, object{"hateoas_url": "https://localhost/hateoas/"}, c.ok("get.v0.hateoas_url", object{}, "X-Forwarded-Proto", "https"))
		},
		"fixed answers": func(c jsonClient) {
			computer := object{"computer_guid": "foo"}
			c.done("Ignored", "remove.v0.compute_node_certificate", computer)
			require.Equal(t, object{"key": "", "certificate": ""}, c.ok("post.v0.compute_node_certificate", computer))
			c.done("Ignored", "post.v0.compute_node_usage", object{"computer_guid": "foo", "tioxml": ""})
			require.Equal(t, object{"text": "Unknown (not implemented)"}, c.ok("get.v0.compute_node_status", computer))
			require.Equal(t, object{"key": "", "certificate": ""}, c.ok("get.v0.software_instance_certificate", object{"instance_guid": "foo"}))
		},
		"software_installation": func(c jsonClient) {
			c.describe(0)
			release := object{"software_release_uri": "https://mysoft", "computer_guid": "computer"}
			c.done("Supplied https://mysoft to be available", "post.v0.software_installation", release)
			list := func() []any {
				return c.list("allDocs.v0.compute_node_software_installation_list", object{"computer_guid": "computer"})
			}
			require.Equal(t, []any{object{"software_release_uri": "https://mysoft", "state": "available"}}, list())
			release["reported_state"] = "available"
			c.done("Ignored", "put.v0.software_installation_reported_state", release)
			release["reported_state"] = "destroyed"
			c.done("Destroyed", "put.v0.software_installation_reported_state", release)
			require.Empty(t, list())
		},
		"post software_instance": func(c jsonClient) {
			c.refused(403, "No free computer partition found for: foo", "post.v0.software_instance", wanted("foo"))
			c.describe(1)
			answer := c.request(wanted("MyFirstInstance", "parameters", object{"bar": "foo"}))
			want := object{
				"title": "MyFirstInstance", "instance_guid": first, "software_release_uri": "http://sr//", "software_type": "foobar",
				"state": "started", "connection_parameters": object{}, "parameters": object{"bar": "foo"}, "shared": false,
				"root_instance_title": "MyFirstInstance", "ip_list": []any{[]any{"tap0", "10.0.0.0"}, []any{"tap0", "fd00::0"}},
				"full_ip_list": []any{}, "sla_parameters": object{}, "computer_guid": "computer", "compute_partition_id": "slappart0",
				"processing_timestamp": float64(start.Unix()), "access_status_message": "",
			}
			require.Equal(t, want, answer)
			require.Len(t, answer, 16)
			c.publish(first, object{"foo": "bar"})
			want["connection_parameters"] = object{"foo": "bar"}
			require.Equal(t, want, c.request(wanted("MyFirstInstance", "parameters", object{"bar": "foo"})))
		},
		"authorization": func(c jsonClient) {
			c.describe(3)
			c.request(wanted("MyFirstInstance"))
			c.refused(400, "No partition matching the authorization header: (foo / bar)", "post.v0.software_instance", wanted("MySecondInstance"),
				"Authorization", "X-SlapPartition computer_id=foo, computer_partition_id=bar")
			answer := c.request(wanted("MySecondInstance"), by("slappart0")...)
			require.Equal(t, second, answer["instance_guid"])
			require.Equal(t, "MyFirstInstance", answer["root_instance_title"])
			require.Equal(t, "slappart1", answer["compute_partition_id"])
			answer = c.request(wanted("MySecondInstance", "shared", true), by("slappart0")...)
			require.Equal(t, "MySecondInstance___MyFirstInstance___1", answer["instance_guid"])
		},
		"shared": func(c jsonClient) {
			c.describe(1)
			c.request(wanted("MyFirstInstance"))
			answer := c.request(wanted("MyShared", "shared", true))
			require.Zero(t, answer["processing_timestamp"])
			require.Equal(t, []any{[]any{"tap0", "10.0.0.0"}, []any{"tap0", "fd00::0"}}, answer["ip_list"])
			c.publish("MyShared______1", object{"foo": "bar"})
			require.Equal(t, object{"foo": "bar"}, c.request(wanted("MyShared", "shared", true))["connection_parameters"])
		},
		"behind a CDN": func(c jsonClient) {
			const target = "https://[::1]:123/my/path?my=query&string=value#myanchor"
			answer := c.request(wanted("CDN", "shared", true, "software_release_uri", apacheFrontend, "software_type", "default", "parameters", object{"url": target}))
			require.Equal(t, target, answer["connection_parameters"].(object)["secure_access"])
			require.Equal(t, "", answer["computer_guid"])
			require.Equal(t, "Fake frontend for "+target, answer["compute_partition_id"])
		},
		"compute_node_instance_list": func(c jsonClient) {
			c.describe(2)
			c.request(wanted("MyFirstInstance"))
			require.Equal(t, []any{object{
				"title": "MyFirstInstance", "instance_guid": first, "state": "started", "compute_partition_id": "slappart0", "software_release_uri": "http://sr//",
			}}, c.list("allDocs.v0.compute_node_instance_list", object{"computer_guid": "computer"}))
		},
		"instance_node_instance_list": func(c jsonClient) {
			const method = "allDocs.v0.instance_node_instance_list"
			c.describe(1)
			c.refused(403, "No software instance "+first+" found.", method, object{"instance_guid": first})
			c.request(wanted("MyFirstInstance"))
			require.Empty(t, c.list(method, object{"instance_guid": first}))
			c.request(wanted("MyShared", "shared", true, "parameters", object{"n": 1}))
			require.Equal(t, []any{object{
				"title": "MyShared", "instance_guid": "MyShared______1", "software_type": "foobar", "state": "started",
				"parameters": object{"n": 1.0}, "compute_partition_id": "slappart0",
			}}, c.list(method, object{"instance_guid": first}))
		},
		"compute_partition": func(c jsonClient) {
			const method = "get.v0.compute_partition"
			place := object{"computer_guid": "computer", "compute_partition_id": "slappart0"}
			c.refused(403, "No instance on partition slappart0 found.", method, place)
			c.describe(1)
			c.refused(403, "No instance on partition slappart0 found.", method, place)
			require.Equal(t, c.request(wanted("MyFirstInstance")), c.ok(method, place))
		},
		"software_instance": func(c jsonClient) {
			c.refused(403, "instance_guid foo not handled.", "get.v0.software_instance", object{"instance_guid": "foo"})
			c.describe(1)
			require.Equal(t, c.request(wanted("MyFirstInstance")), c.instance(first))
			c.request(wanted("MyShared", "shared", true))
			shared := c.instance("MyShared______1")
			require.Equal(t, true, shared["shared"])
			require.Empty(t, shared["ip_list"])
		},
		"format": func(c jsonClient) {
			c.describe(0)
			c.refused(403, "No free computer partition found for: A", "post.v0.software_instance", wanted("A"))
			c.describe(2)
			require.Len(t, c.request(wanted("A"))["ip_list"], 2)
			c.request(wanted("B", "software_release_uri", "http://other"))
			c.request(wanted("ShA", "shared", true))
			c.request(wanted("ShB", "shared", true, "software_release_uri", "http://other"))
			c.done("Formatted", "put.v0.compute_node_format", object{"computer_guid": "computer", "compute_partition_list": []object{
				{"partition_id": "slappart0", "ip_list": []object{{"ip-address": "1.2.3.4", "netmask": "n", "network-interface": "new"}}},
				partitionObjectOf("slappart2", 2),
			}})
			require.Equal(t, []any{[]any{"new", "1.2.3.4"}}, c.instance("A______0")["ip_list"])
			require.Equal(t, "ShA", c.instance("ShA______1")["title"])
			c.refused(403, "No software instance B______0 found.", "get.v0.software_instance", object{"instance_guid": "B______0"})
			c.refused(403, "No shared instance ShB______1 found.", "get.v0.software_instance", object{"instance_guid": "ShB______1"})
			require.Equal(t, "slappart2", c.request(wanted("C"))["compute_partition_id"])
		},
		"bang and reports of states": func(c jsonClient) {
			c.done("Ignored", "put.v0.compute_node_bang", object{"computer_guid": "foo", "message": "m"})
			c.done("Ignored", "put.v0.software_instance_reported_state", object{"instance_guid": "foo", "reported_state": "started"})
			c.done("Ignored", "put.v0.software_instance_reported_state", object{"instance_guid": "foo", "reported_state": "stopped"})
			c.describe(1)
			c.request(wanted("MyFirstInstance"))
			c.done("Destroyed", "put.v0.software_instance_reported_state", object{"instance_guid": first, "reported_state": "destroyed"})
			c.refused(403, "No software instance "+first+" found.", "get.v0.software_instance", object{"instance_guid": first})
		},
		"software_instance_bang": func(c jsonClient) {
			c.describe(2)
			c.request(wanted("MyFirstInstance"))
			c.request(wanted("MySecondInstance"), by("slappart0")...)
			c.request(wanted("MyShared", "shared", true))
			before := c.stamp(first)
			c.wait(5 * time.Second)
			c.done("Bang handled", "put.v0.software_instance_bang", object{"instance_guid": first, "message": "m"})
			require.Greater(t, c.stamp(first), before)
			require.Equal(t, c.stamp(first), c.stamp(second))
			c.refused(403, "NotImplemented", "put.v0.software_instance_bang", object{"instance_guid": "MyShared______1", "message": "m"})
		},
		"software_instance_title": func(c jsonClient) {
			c.describe(2)
			c.request(wanted("MyFirstInstance"))
			c.request(wanted("MySecondInstance"), by("slappart0")...)
			c.request(wanted("MyShared", "shared", true))
			c.done("Renamed", "put.v0.software_instance_title", object{"instance_guid": first, "title": "new"})
			require.Equal(t, "slappart0", c.instance("new______0")["compute_partition_id"])
			c.refused(403, "No software instance "+first+" found.", "get.v0.software_instance", object{"instance_guid": first})
			// Its tree goes with it.
			require.Equal(t, "new", c.instance("MySecondInstance___new___0")["root_instance_title"])
			c.refused(403, "NotImplemented", "put.v0.software_instance_title", object{"instance_guid": "MyShared______1", "title": "new"})
		},
		"connection parameters make the requester processed": func(c jsonClient) {
			c.describe(4)
			c.request(wanted("MyFirstInstance"))
			c.request(wanted("MySecondInstance"), by("slappart0")...)
			c.request(wanted("MyThird"), by("slappart1")...)
			const third, shared = "MyThird___MyFirstInstance___0", "Sh___MyFirstInstance___1"
			grows := func(guid string, publisher string, value string) {
				t.Helper()
				all := []string{first, second, third}
				before := map[string]float64{}
				for _, guid := range all {
					before[guid] = c.stamp(guid)
				}
				c.wait(5 * time.Second)
				c.publish(publisher, object{"v": value})
				for _, other := range all {
					require.Equal(t, other == guid, c.stamp(other) > before[other], "%s publishes: %s", publisher, other)
				}
			}
			grows(first, second, "1")
			grows(second, third, "1")
			grows("", third, "1") // unchanged
			c.request(wanted("Sh", "shared", true, "sla_parameters", object{"instance_guid": "computer-slappart0"}), by("slappart0")...)
			grows(first, shared, "1")
			c.request(wanted("Sh", "shared", true, "sla_parameters", object{"instance_guid": "computer-slappart0"}), by("slappart2")...)
			grows(third, shared, "2")
			// Another requester takes the instance over; there is still one.
			c.request(wanted("MyThird"), by("slappart0")...)
			grows(first, third, "2")
			require.Len(t, c.list("allDocs.v0.compute_node_instance_list", object{"computer_guid": "computer"}), 3)
		},
		"errors are ignored": func(c jsonClient) {
			c.done("Ignored", "put.v0.software_instance_error", object{"instance_guid": "foo", "message": "m"})
			c.done("Ignored", "put.v0.software_installation_error", object{"software_release_uri": "foo", "computer_guid": "bar", "message": "m"})
		},
		"instance_tree": func(c jsonClient) {
			c.refused(403, "No instance tree FOO found.", "get.v0.instance_tree", object{"title": "FOO"})
			c.describe(1)
			c.request(wanted("MyFirstInstance"))
			require.Equal(t, first, c.ok("get.v0.instance_tree", object{"title": "MyFirstInstance"})["instance_guid"])
			require.Equal(t, first, c.ok("get.v0.instance_tree", object{"title": ""})["instance_guid"])
			c.request(wanted("AShared", "shared", true))
			require.Equal(t, "AShared______1", c.ok("get.v0.instance_tree", object{"title": "AShared"})["instance_guid"])
			require.Equal(t, []any{object{"title": "MyFirstInstance"}, object{"title": "AShared"}}, c.list("allDocs.v0.instance_tree_list", object{}))
		},
		"experimental compute_node_list": func(c jsonClient) {
			require.Empty(t, c.list("allDocs.WIP.compute_node_list", object{}))
			c.describe(0)
			require.Equal(t, []any{object{"computer_guid": "computer"}}, c.list("allDocs.WIP.compute_node_list", object{}))
		},
	} {
		t.Run(name, func(t *testing.T) { test(newJSONClient(t)) })
	}
}

// A remote master that is dead is 523, however the request comes to it.
func TestJSONChecklistDeadMaster(t *testing.T) {
	const dead = "http://127.0.0.1:9"
	c := newJSONClient(t, WithMultimaster(OtherMaster{URL: dead, Releases: []string{"http://sr/dead"}, Computer: "far", Partition: "p"}))
	for _, o := range []object{
		wanted("A", "sla_parameters", object{"master_url": dead}),
		wanted("A", "software_release_uri", "http://sr/dead"),
		wanted("A", "software_release_uri", "http://sr/dead", "shared", true),
	} {
		status, answer := c.call("post.v0.software_instance", o)
		require.Equal(t, 523, status)
		require.Equal(t, "Unknown Error", answer["type"])
		require.Contains(t, answer["title"], dead)
	}
}
