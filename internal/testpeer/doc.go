// Package testpeer runs the Python reference implementation (slapos.core) in
// tests, so that compatibility with it is measured instead of assumed.
//
// [Get] gives a [Peer]: a virtual environment holding one pinned release of the
// reference together with supervisor, zc.buildout and the recipes that the tests
// use. An environment is built once per machine and recipe, under a
// world-readable cache directory, and shared by every test package.
//
// The environment variable SLAPOS_INTEROP decides what happens where the
// environment cannot be had: unset, the test is skipped with the reason;
// "required", it fails; "off", it is skipped without trying. SLAPOS_PEER_CACHE
// names another cache directory.
package testpeer
