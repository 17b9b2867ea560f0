// Package versus measures this project beside the Python reference, as whole
// processes over sockets on one machine:
//
//	SLAPOS_INTEROP=required go test ./internal/versus -run '^$' -bench . -benchtime 3x
//
// It has no code of its own. The reference comes from internal/testpeer, whose
// documentation tells how SLAPOS_INTEROP skips or requires it.
package versus
