// Package softwareschema reads what software releases declare about their
// parameters: which software types there are, how their parameters are
// serialised, and the JSON schemas of what may be requested and of what is
// published.
//
// A release at https://example.org/web/software.cfg declares this in the file
// software.cfg.json beside it; one that is a directory of programs in
// software/schema.json inside it:
//
//	{
//	  "name": "Web", "description": "A web server", "serialisation": "json-in-xml",
//	  "software-type": {
//	    "default": {"title": "Server", "index": 0,
//	                "request": "instance-input-schema.json", "response": "instance-output-schema.json"},
//	    "site": {"title": "Site", "index": 1, "shared": true, "software-type": "default",
//	             "request": "site-input-schema.json", "response": "site-output-schema.json"}
//	  }
//	}
//
// A program that requests an instance reads the declaration, chooses the type,
// and lets it encode the parameters:
//
//	loader := softwareschema.Loader{}
//	schema, err := loader.Load(ctx, release)
//	if err != nil { ... }
//	kind, err := schema.Type("default", false)
//	if err != nil { ... }
//	findings, err := kind.ValidateRequest(ctx, settings)
//	if err != nil || len(findings) > 0 { ... }
//	parameters, err := kind.Encode(settings)
//
// Declarations and schemas come from elsewhere. They are read from the origin of
// the software release only, and from where it redirects to, over HTTP or from files
// as the [Loader] allows, and bounded in size and number. Neither errors nor findings
// hold the values of parameters. What is not bounded is the time that a schema written
// with evil intent can make a validation take; who requests a software release trusts
// it with more than that.
//
// The package is apart from package slap because validation needs more modules
// than a client of the protocol should.
package softwareschema
