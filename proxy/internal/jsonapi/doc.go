// Package jsonapi is the JSON API of the stand-alone master as far as it is about
// JSON: what its methods take and answer, and the words of its refusals. All of
// it is told by one file, schema.json, which is a JSON Schema (2020-12) document
// and is served as documentation too. The package knows nothing of the master.
//
// Values are those of package marshal: nil, bool, int64, *big.Int, float64,
// string, *marshal.List and *marshal.Dict, so that the order of keys is kept.
package jsonapi
