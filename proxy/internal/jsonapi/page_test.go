package jsonapi

import (
	"bytes"
	"flag"
	"html/template"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

var update = flag.Bool("update", false, "write page.html anew")

// TestPage makes page.html from the schema. It is kept as it is served: with a
// template a program would carry a compiler of templates.
func TestPage(t *testing.T) {
	page, err := load(t).render()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("page.html", page, 0o644))
	}
	kept, err := os.ReadFile("page.html")
	require.NoError(t, err)
	require.Equal(t, string(page), string(kept), "go test ./proxy/internal/jsonapi -run TestPage -update")
}

// shownMethod is a method as the page shows it.
type shownMethod struct {
	Name, Title, Description string
	Request, Response        []shownProperty
	Refusals                 []Refusal
}

// shownProperty is a property as the page shows it.
type shownProperty struct {
	Depth                   int
	Name, Type, Description string
	Required                bool
}

// render makes the page.
func (a *API) render() ([]byte, error) {
	page, err := template.ParseFiles("page.html.tmpl")
	if err != nil {
		return nil, err
	}
	content := struct {
		Title, Description string
		Methods            []shownMethod
	}{Title: text(a.document, "title"), Description: text(a.document, "description")}
	for _, name := range a.names {
		m := a.methods[name]
		written := dict(dict(a.document, "methods"), name)
		shown := shownMethod{
			Name: name, Title: text(written, "title"), Description: text(written, "description"),
			Request: m.request.properties(nil, m.request.written, 0), Response: m.response.properties(nil, m.response.written, 0),
		}
		for _, reason := range items(written, "errors") {
			shown.Refusals = append(shown.Refusals, a.refusals[marshal.Str(reason)])
		}
		content.Methods = append(content.Methods, shown)
	}
	var b bytes.Buffer
	err = page.Execute(&b, content)
	return b.Bytes(), err
}

func items(d *marshal.Dict, key string) []any {
	value, _ := d.Get(key)
	if list, ok := value.(*marshal.List); ok {
		return list.Items
	}
	return nil
}

// properties lists the properties of a schema and, below them, those of what
// they hold.
func (c contract) properties(shown []shownProperty, schema *marshal.Dict, depth int) []shownProperty {
	schema = c.resolve(schema)
	required := items(schema, "required")
	for key, value := range dict(schema, "properties").All() {
		property := c.resolve(value.(*marshal.Dict))
		p := shownProperty{Depth: depth, Name: key.(string), Type: typeText(property), Description: text(property, "description")}
		for _, name := range required {
			p.Required = p.Required || name == key
		}
		shown = append(shown, p)
		if inner := c.resolve(dict(property, "items")); text(inner, "type") == "object" {
			shown = c.properties(shown, inner, depth+1)
		}
		shown = c.properties(shown, property, depth+1)
	}
	return shown
}

// typeText tells what values a property takes.
func typeText(schema *marshal.Dict) string {
	if values := items(schema, "enum"); values != nil {
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = marshal.Str(v)
		}
		return strings.Join(words, " | ")
	}
	if value, ok := schema.Get("const"); ok {
		return marshal.Str(value)
	}
	return text(schema, "type")
}
