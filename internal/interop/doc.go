// Package interop holds the tests in which whole programs of this project and of
// the Python reference work together: every mix of client, node and master through
// the life of a service, releases built by the real buildout with real recipes, the
// network cache under the real client, and
// either supervisor under either command.
//
// It has no code of its own. The reference comes from internal/testpeer, whose
// documentation tells how SLAPOS_INTEROP skips or requires these tests.
package interop
