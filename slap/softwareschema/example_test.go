package softwareschema_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/slapos/slapos-go/slap/softwareschema"
)

// A program that requests an instance encodes and checks the parameters as the
// software release declares.
func Example() {
	// Here the release is in memory; a program that reads the files of the
	// machine has os.DirFS("/"), and one that reads HTTP only has nothing.
	loader := softwareschema.Loader{Files: fstest.MapFS{
		"web/software.cfg.json": {Data: []byte(`{"name": "Web", "serialisation": "json-in-xml", "software-type": {
			"default": {"title": "Server", "request": "input.json", "response": "output.json", "index": 0}}}`)},
		"web/input.json": {Data: []byte(`{"$schema": "http://json-schema.org/draft-07/schema#",
			"properties": {"port": {"type": "integer", "maximum": 65535}}, "required": ["title"]}`)},
	}}
	ctx := context.Background()
	schema, err := loader.Load(ctx, "/web/software.cfg")
	if err != nil {
		log.Fatal(err)
	}
	kind, err := schema.Type("default", false)
	if err != nil {
		log.Fatal(err)
	}
	settings := struct {
		Port int `json:"port"`
	}{70000}
	findings, err := kind.ValidateRequest(ctx, settings)
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	parameters, err := kind.Encode(settings)
	fmt.Println(parameters, err)
	// Output:
	// $: 'title' is a required property
	// $.port: greater than the maximum of 65535
	// map[_:{"port": 70000}] <nil>
}
