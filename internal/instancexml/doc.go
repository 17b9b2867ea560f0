// Package instancexml reads and writes `<instance>` documents, the text form in
// which a master stores the parameters and connection parameters of an
// instance, and computes the hash by which connection parameters are compared.
package instancexml
