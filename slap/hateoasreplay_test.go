package slap

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/std-uritemplate/std-uritemplate/go/v2"
	"github.com/stretchr/testify/require"
)

// hateoasSteps do in Go what the recorded clients did with the imitation of a
// real master, each with a new client, and check what comes out.
var hateoasSteps = map[string]func(context.Context, *testing.T, *Client){
	"getComputerDict": func(ctx context.Context, t *testing.T, c *Client) {
		all, err := c.Computers(ctx)
		require.NoError(t, err)
		require.Equal(t, []*ComputerInformation{{Reference: "COMP-1", Title: "c1", Fields: Parameters{
			"reference": "COMP-1", "title": "c1", "relative_url": "compute_node_module/1",
		}}}, all)
	},
	"getOpenOrderDict": func(ctx context.Context, t *testing.T, c *Client) {
		all, err := c.OpenOrders(ctx)
		require.NoError(t, err)
		require.Equal(t, []*Instance{{Reference: "myrefe", SoftwareRelease: "http://sr/", Fields: Parameters{
			"title": "myrefe", "url_string": "http://sr/", "relative_url": "instance_tree_module/1",
		}}}, all)
	},
	"getInformation": func(ctx context.Context, t *testing.T, c *Client) {
		i, err := c.OpenOrder().Information(ctx, "myrefe")
		require.NoError(t, err)
		require.Equal(t, Parameters{"_": map[string]any{"a": int64(1)}}, i.Parameters)
		require.Equal(t, Parameters{"k": "v"}, i.ConnectionParameters)
		require.EqualValues(t, "start_requested", i.State)
		require.Equal(t, "http://sr/", i.SoftwareRelease)
		checkDocument(t, i.Fields)
		require.Equal(t, []Status{{Text: "#access", Fields: Parameters{"text": "#access"}}}, i.News())
	},
	"computer.getInformation": func(ctx context.Context, t *testing.T, c *Client) {
		i, err := c.Computer("COMP-1").Information(ctx)
		require.NoError(t, err)
		require.Equal(t, "COMP-1", i.Reference)
		require.Equal(t, "myrefe", i.Title)
		checkDocument(t, i.Fields)
	},
	"token": func(ctx context.Context, t *testing.T, c *Client) {
		token, err := c.Token(ctx)
		require.NoError(t, err)
		require.Equal(t, "1234567-90", token)
	},
	"instanceList": func(ctx context.Context, t *testing.T, c *Client) {
		all, err := c.TreeInstances(ctx, "my tree")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "i", all[0].Reference)
		require.Equal(t, "http://sr/", all[0].SoftwareRelease)
		require.False(t, all[0].Shared)
		require.Empty(t, all[0].Parameters)
		require.Empty(t, all[0].ConnectionParameters)
		require.EqualValues(t, 1, all[0].Fields["uid"])
	},
	"softwareInstallationList": func(ctx context.Context, t *testing.T, c *Client) {
		all, err := c.SoftwareInstallations(ctx, "COMP-1")
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "http://sr/", all[0].SoftwareRelease)
		require.Equal(t, "#access ok", all[0].News.Text)
	},
	"softwareInstallationNews": func(ctx context.Context, t *testing.T, c *Client) {
		news, err := c.SoftwareRelease("http://sr/").OnComputer("COMP-1").News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#access ok", news.Text)
		news, err = c.SoftwareRelease("http://unknown/").OnComputer("COMP-1").News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#error no data found", news.Text)
	},
	"computerNews": func(ctx context.Context, t *testing.T, c *Client) {
		news, err := c.Computer("COMP-1").News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#access", news.Text)
	},
	"partitionNews": func(ctx context.Context, t *testing.T, c *Client) {
		news, err := c.PartitionReference("COMP-1", "slappart0").News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#error", news.Text)
	},
	"partitionNewsUnknown": func(ctx context.Context, t *testing.T, c *Client) {
		news, err := c.PartitionReference("COMP-1", "slappart7").News(ctx)
		require.NoError(t, err)
		require.Equal(t, "#error no data found", news.Text)
	},
	"me": func(ctx context.Context, t *testing.T, c *Client) {
		me, err := c.Me(ctx)
		require.NoError(t, err)
		checkDocument(t, me)
	},
	// The reference asks for the document and then looks for the news in the
	// wrong place.
	"instanceNews": func(ctx context.Context, t *testing.T, c *Client) {
		fields, err := c.traverse(ctx, "news", "a/b")
		require.NoError(t, err)
		require.Equal(t, "#access", (&Instance{Fields: fields}).News()[0].Text)
	},
}

// checkDocument checks that exactly the fields of a form that hold values are
// read, with their types.
func checkDocument(t *testing.T, fields Parameters) {
	t.Helper()
	require.Equal(t, []string{
		"connection_parameter_list", "count", "email", "news", "parent_relative_url", "portal_type", "ratio",
		"reference", "slap_state", "text_content", "title", "url_string",
	}, fields.Keys())
	require.Equal(t, "Instance Tree", fields["portal_type"])
	require.Equal(t, "b/instance_tree_module", fields["parent_relative_url"])
	require.Equal(t, "a@b", fields["email"])
	require.EqualValues(t, 3, fields["count"])
	require.EqualValues(t, 1.5, fields["ratio"])
}

// TestAsksHateoasLikeTheReference compares every request of the recorded clients,
// of both generations, with ours.
func TestAsksHateoasLikeTheReference(t *testing.T) {
	for _, generation := range []string{newGeneration, oldGeneration} {
		steps := map[string][]string{}
		for _, e := range readHateoas(t) {
			if e.server == "client-"+generation {
				steps[e.name] = append(steps[e.name], e.Method+" "+e.Target+" "+e.Asked["Cache-Control"])
			}
		}
		require.Len(t, steps, len(hateoasSteps)+1)
		for name, want := range steps {
			t.Run(generation+"/"+name, func(t *testing.T) {
				if name == "partition.getInformation" {
					t.Skip("the reference fails; see the deviation \"information from a partition\"")
				}
				r := replay(t, "client-"+generation)
				hateoasSteps[name](context60(t), t, client(t, r.url, WithRetry(0)))
				var got []string
				for _, request := range r.raw {
					newer := strings.Contains(request, "Compute%20Node") || strings.Contains(request, "Instance%20Tree")
					if generation == oldGeneration && newer {
						// Asked before the older spelling, and no answer to.
						continue
					}
					got = append(got, request)
				}
				if name == "softwareInstallationNews" {
					require.Equal(t, want[2], got[3], "asked twice")
					got = got[:3]
				}
				require.Equal(t, want, got)
			})
		}
	}
}

// TestReadsEveryHateoasAnswer gives every recorded answer of the stand-alone
// masters to the client.
func TestReadsEveryHateoasAnswer(t *testing.T) {
	for i, e := range readHateoas(t) {
		t.Run(fmt.Sprintf("%03d %s", i, e.Step), func(t *testing.T) {
			c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/end" {
					_, _ = io.WriteString(w, "{}")
					return
				}
				w.Header().Set("Content-Type", e.Answered["Content-Type"])
				if e.Answered["Location"] != "" {
					w.Header().Set("Location", mount+"/end")
				}
				w.WriteHeader(e.Status)
				_, _ = io.WriteString(w, e.Answer)
			}), WithRetry(0))
			method := e.Method
			if method != http.MethodGet {
				method = http.MethodPost
			}
			data, err := c.do(context60(t), method, call{op: "replay", path: "x"})
			switch {
			case e.Status == 404:
				require.ErrorIs(t, err, ErrNotFound)
			case e.Status >= 400:
				requireServerError(t, e.Status, err)
			default:
				require.NoError(t, err)
				if e.Answer != "" && strings.HasPrefix(e.Answered["Content-Type"], "application/json") {
					require.True(t, json.Valid(data))
				}
			}
		})
	}
}

// listing is a master with a number of computers that gives out no more at once
// than it is asked for, nor than most.
func listing(n, most int, template string, asked *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("mode") == "" {
			fmt.Fprintf(w, `{"_links": {"raw_search": {"href": "http://%[1]s%[2]s/hateoas?mode=search%[3]s"}, "traverse": {"href": "http://%[1]s/t"}}}`,
				r.Host, mount, template)
			return
		}
		*asked = append(*asked, r.URL.Query().Get("limit"))
		limit := n
		if text := r.URL.Query().Get("limit"); text != "" {
			fmt.Sscan(text, &limit)
		}
		var rows []string
		for i := range min(n, limit, most) {
			rows = append(rows, fmt.Sprintf(`{"title": "t%d", "reference": "COMP-%06d"}`, i, i))
		}
		fmt.Fprintf(w, `{"_embedded": {"contents": [%s]}}`, strings.Join(rows, ","))
	}
}

func TestListsOfAnyLength(t *testing.T) {
	const all = 1 << 30
	const full, short = "{&query,select_list*,limit*}", "&query={query}"
	for _, test := range []struct {
		name           string
		n, most, found int
		template       string
		asked          []string
	}{
		{"none", 0, all, 0, full, []string{"40", "40"}},
		{"few", 39, all, 39, full, []string{"40"}},
		{"as many as are asked for", 40, all, 40, full, []string{"40", "1000"}},
		{"one more", 41, all, 41, full, []string{"40", "1000"}},
		{"many", 1500, all, 1500, full, []string{"40", "1000", "25000"}},
		{"the master does not know limits", 1500, all, 1500, short, []string{""}},
		{"the master has its own limit", 90, 40, 40, full, []string{"40", "1000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked []string
			c := client(t, serve(t, listing(test.n, test.most, test.template, &asked)), WithHateoasURL("hateoas"))
			computers, err := c.Computers(context60(t))
			require.NoError(t, err)
			require.Len(t, computers, test.found)
			require.Equal(t, test.asked, asked)
			for i, computer := range computers {
				require.Equal(t, fmt.Sprintf("COMP-%06d", i), computer.Reference)
			}
		})
	}
}

// TestLinksToStrangers checks that a root document cannot make the client ask
// another host, or the same one in the clear.
func TestLinksToStrangers(t *testing.T) {
	stranger := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a stranger was asked: %s", r.URL) })
	for _, href := range []string{
		stranger + "/{?query}", strings.Replace(stranger, "http", "https", 1), "//" + strings.TrimPrefix(stranger, "http://"),
		"http://user:password@127.0.0.1:1/", "ftp://127.0.0.1/{query}", "file:///etc/passwd", "http://[::1", "javascript:{query}",
		"http://{query}/", "{", "{?query", "}", "http://127.0.0.1:1/{query:99999999999999999999}",
		strings.Repeat("{query}", 10000) + "://",
	} {
		t.Run(fmt.Sprintf("%.40s", href), func(t *testing.T) {
			c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/hateoas" {
					http.NotFound(w, r)
					return
				}
				root := map[string]any{"_links": map[string]any{
					"raw_search": map[string]any{"href": href}, "traverse": map[string]any{"href": href}, "self": map[string]any{"href": href},
					"me": map[string]any{"href": "urn:jio:get:person_module/1"},
				}}
				require.NoError(t, json.NewEncoder(w).Encode(root))
			}), WithRetry(0), WithHateoasURL("hateoas"))
			ctx := context60(t)
			_, err := c.Computers(ctx)
			require.Error(t, err)
			_, err = c.Me(ctx)
			require.Error(t, err)
			_, err = c.Token(ctx)
			require.Error(t, err)
		})
	}
}

func TestLinksStayAtHome(t *testing.T) {
	c := client(t, "https://user:secret@master.example/slap")
	for _, test := range []struct{ root, href, want string }{
		{"hateoas/", "https://master.example/slap/hateoas/?mode=search", "https://master.example/slap/hateoas/?mode=search"},
		{"hateoas/", "?mode=search", "https://master.example/slap/hateoas/?mode=search"},
		{"hateoas/", "https://user:other@master.example/x", "https://master.example/x"},
		{"hateoas/", "http://master.example/x", "https://master.example/x"},
		{"hateoas/", "http://master.example:8080/x", ""},
		{"hateoas/", "https://master.example:8443/x", ""},
		{"hateoas/", "https://master.example.evil/x", ""},
		{"https://api.example/hateoas", "https://api.example/hateoas?x", "https://api.example/hateoas?x"},
		{"https://api.example/hateoas", "https://master.example/y", "https://master.example/y"},
		{"https://api.example/hateoas", "https://other.example/y", ""},
		{"https://api.example/hateoas", "http://other.example/y", ""},
	} {
		where, err := c.resolve(test.root)
		require.NoError(t, err)
		u, err := c.trusted(&hateoasRoot{where: where}, test.href)
		if test.want == "" {
			require.ErrorContains(t, err, "neither the master nor its HATEOAS interface", test.href)
			continue
		}
		require.NoError(t, err, test.href)
		require.Equal(t, test.want, u.String())
	}
}

// TestUnescapedQuotes checks that what is searched for is written as the
// reference writes it, and that what a strange name finds besides is left out.
func TestUnescapedQuotes(t *testing.T) {
	const name = `x" OR title:="other`
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("mode") {
		case "":
			fmt.Fprintf(w, `{"_links": {"raw_search": {"href": "?mode=search{&query}"}, "traverse": {"href": "?mode=traverse"}}}`)
		case "search":
			require.True(t, strings.HasSuffix(r.URL.Query().Get("query"), `:="`+name+`"`))
			fmt.Fprint(w, `{"_embedded": {"contents": [{"title": "other", "reference": "other", "relative_url": "o"}]}}`)
		default:
			t.Error("the document of another one was read")
		}
	}), WithHateoasURL("hateoas"))
	_, err := c.OpenOrder().Information(context60(t), name)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = c.Computer(name).Information(context60(t))
	require.ErrorIs(t, err, ErrNotFound)
}

// FuzzTemplate expands templates of hostile masters: neither does that fail in a
// bad way, nor does what comes out lead to another host.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"http://master.example/?mode=search{&query,select_list*,limit*,group_by*}", "http://master.example/?q={query}&s={select_list}",
		"{+query}", "{#query:3}", "{query", "{{query}}", "{;x,query*}", "{!query}", "//{query}@evil.example/", "%zz{query}",
	} {
		f.Add(seed)
	}
	c, err := New("http://master.example/")
	require.NoError(f, err)
	where, err := c.resolve("hateoas")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, template string) {
		target, err := stduritemplate.Expand(template, stduritemplate.Substitutions{
			"query": `a:"b c" é`, "select_list": []string{"title", "reference"}, "limit": 40,
		})
		if err != nil {
			return
		}
		if u, err := c.trusted(&hateoasRoot{where: where}, target); err == nil {
			require.True(t, mayKnow(u, where), "%s leads to %s", template, u)
			require.Nil(t, u.User)
		}
	})
}
